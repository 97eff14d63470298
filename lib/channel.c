/*
 * Packets on an event loop. The peer is not trusted: its packets are bounded
 * by lib/packet.h, what waits for it is bounded here, and one that is too
 * busy does not starve the loop's other work.
 */
#include "lib/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"

/* Packets read before other work of the loop gets its turn. */
#define TURN_MAX 32

struct waiting {
	struct waiting *next;
	char *data;
	size_t len;
	int fds[PACKET_FDS_MAX]; /* owned */
	size_t nfds;
	size_t bodies; /* bytes of the memfds among them */
};

struct channel {
	uv_poll_t poll;
	uv_timer_t later; /* tells the owner of the end outside of its calls */
	int handles; /* that libuv has not closed yet */
	int fd;
	uid_t peer_uid;
	const struct channel_events *events;
	void *arg;
	struct waiting *first, **last;
	size_t nwaiting, waiting_bytes, waiting_bodies;
	struct err end; /* valid once dropped */
	bool mute; /* the peer no longer listens */
	bool dropped;
	bool closed;
};

static void
waiting_free(struct waiting *waiting)
{
	for (size_t i = 0; i < waiting->nfds; i++)
		close(waiting->fds[i]);
	free(waiting->data);
	free(waiting);
}

static void
clear_queue(struct channel *channel)
{
	while (channel->first != NULL) {
		struct waiting *waiting = channel->first;

		channel->first = waiting->next;
		waiting_free(waiting);
	}
	channel->last = &channel->first;
	channel->nwaiting = 0;
	channel->waiting_bytes = 0;
	channel->waiting_bodies = 0;
}

static void
tell_end(uv_timer_t *timer)
{
	struct channel *channel = timer->data;

	channel->events->closed(channel->arg, &channel->end);
}

/* The owner hears of it from the loop, never from within its own call. */
static void
drop(struct channel *channel, const struct err *why)
{
	if (channel->dropped || channel->closed)
		return;
	channel->dropped = true;
	channel->end = *why;
	uv_poll_stop(&channel->poll);
	clear_queue(channel);
	if (uv_timer_start(&channel->later, tell_end, 0, 0) != 0)
		die("uv_timer_start");
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void
watch(struct channel *channel)
{
	int events =
	    UV_READABLE | (channel->first != NULL ? (int)UV_WRITABLE : 0);

	if (uv_poll_start(&channel->poll, events, on_poll) != 0)
		die("uv_poll_start");
}

static void
remove_first(struct channel *channel)
{
	struct waiting *waiting = channel->first;

	channel->first = waiting->next;
	if (channel->first == NULL)
		channel->last = &channel->first;
	channel->nwaiting--;
	channel->waiting_bytes -= waiting->len;
	channel->waiting_bodies -= waiting->bodies;
	waiting_free(waiting);
}

/* A peer that no longer listens may have said something before it went: the
 * reading side finds that, and then the end. */
static void
stop_sending(struct channel *channel)
{
	channel->mute = true;
	clear_queue(channel);
	watch(channel);
}

static void
flush(struct channel *channel)
{
	while (channel->first != NULL) {
		const struct waiting *waiting = channel->first;
		struct err err = {0};
		enum packet_result result =
		    packet_send(channel->fd, waiting->data, waiting->len,
			waiting->fds, waiting->nfds, &err);

		if (result == PACKET_AGAIN)
			return;
		if (result == PACKET_END) {
			stop_sending(channel);
			return;
		}
		if (result == PACKET_FAILED) {
			drop(channel, &err);
			return;
		}
		remove_first(channel);
	}
	watch(channel);
}

/* False when there is nothing more to read for now. */
static bool
receive_one(struct channel *channel)
{
	static const struct err in_order = {.code = ERR_NONE};
	AUTO(packet_done) struct packet packet = {0};
	AUTO(message_done) struct message message = {0};
	struct err err = {0};
	enum packet_result result = packet_receive(channel->fd, &packet, &err);

	if (result == PACKET_AGAIN)
		return false;
	if (result == PACKET_END) {
		drop(channel, &in_order);
		return false;
	}
	if (result == PACKET_FAILED ||
	    message_decode(&packet, &message, &err) != 0 ||
	    channel->events->message(channel->arg, &message, &err) != 0) {
		drop(channel, &err);
		return false;
	}
	return true;
}

static bool
is_live(const struct channel *channel)
{
	return !channel->dropped && !channel->closed;
}

/* libuv reports EPOLLERR as a failure of its own and stops: the peer went
 * with messages of ours unread (ECONNRESET). What it said itself is still
 * there, and no more can come. */
static void
read_to_the_end(struct channel *channel)
{
	static const struct err in_order = {.code = ERR_NONE};

	while (is_live(channel) && receive_one(channel))
		continue;
	drop(channel, &in_order);
}

static void
on_poll(uv_poll_t *poll, int status, int events)
{
	struct channel *channel = poll->data;

	if (status < 0) {
		read_to_the_end(channel);
		return;
	}
	for (int i = 0; (events & UV_READABLE) != 0 && i < TURN_MAX; i++) {
		if (!is_live(channel) || !receive_one(channel))
			break;
	}
	if ((events & UV_WRITABLE) != 0 && is_live(channel))
		flush(channel);
}

struct channel *
channel_open_take(
    uv_loop_t *loop, int fd, const struct channel_events *events, void *arg)
{
	struct channel *channel = alloc_zero(1, sizeof(*channel));
	int flags = fcntl(fd, F_GETFL);
	struct err err;
	pid_t pid;

	channel->fd = fd;
	channel->events = events;
	channel->arg = arg;
	channel->last = &channel->first;
	channel->peer_uid = (uid_t)-1;
	(void)packet_peer(fd, &channel->peer_uid, &pid, &err);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
		die("channel_open_take: descriptor %d: %s", fd,
		    strerror(errno));
	if (uv_poll_init(loop, &channel->poll, fd) != 0 ||
	    uv_timer_init(loop, &channel->later) != 0)
		die("channel_open_take: libuv refuses descriptor %d", fd);
	channel->handles = 2;
	channel->poll.data = channel;
	channel->later.data = channel;
	watch(channel);
	return channel;
}

/* Memory that perhaps nobody but the queue holds on to any more: what is sealed
 * is a memfd. */
static size_t
measure_bodies(const int *fds, size_t nfds)
{
	size_t bytes = 0;
	struct stat st;

	for (size_t i = 0; i < nfds; i++) {
		int seals = fcntl(fds[i], F_GET_SEALS);

		if (seals >= 0 && (seals & F_SEAL_WRITE) != 0 &&
		    fstat(fds[i], &st) == 0)
			bytes += (size_t)st.st_size;
	}
	return bytes;
}

static int
enqueue(struct channel *channel, struct waiting *waiting, const int *fds,
    size_t nfds, struct err *err)
{
	if (channel->nwaiting == CHANNEL_QUEUE_MAX ||
	    waiting->len > CHANNEL_QUEUE_BYTES_MAX - channel->waiting_bytes)
		return err_set(err, ERR_UNAVAILABLE,
		    "the peer does not read: %zu messages wait for it",
		    channel->nwaiting);
	for (; waiting->nfds < nfds; waiting->nfds++) {
		int copy = fcntl(fds[waiting->nfds], F_DUPFD_CLOEXEC, 3);

		if (copy < 0)
			return err_errno(err, "duplicate a descriptor");
		waiting->fds[waiting->nfds] = copy;
	}
	*channel->last = waiting;
	channel->last = &waiting->next;
	channel->nwaiting++;
	channel->waiting_bytes += waiting->len;
	waiting->bodies = measure_bodies(fds, nfds);
	channel->waiting_bodies += waiting->bodies;
	return 0;
}

/* Takes the text over. */
static int
send_or_queue(struct channel *channel, char *text, size_t len, const int *fds,
    size_t nfds, struct err *err)
{
	struct waiting *waiting = alloc_zero(1, sizeof(*waiting));
	enum packet_result result = PACKET_AGAIN;

	waiting->data = text;
	waiting->len = len;
	if (channel->first == NULL)
		result = packet_send(channel->fd, text, len, fds, nfds, err);
	if (result == PACKET_AGAIN &&
	    enqueue(channel, waiting, fds, nfds, err) == 0) {
		if (channel->nwaiting == 1)
			watch(channel);
		return 0;
	}
	waiting_free(waiting);
	if (result == PACKET_OK)
		return 0;
	if (result == PACKET_END)
		stop_sending(channel);
	else
		drop(channel, err);
	return -1;
}

int
channel_send(struct channel *channel, enum message_type type, json_t *members,
    const int *fds, size_t nfds, struct err *err)
{
	auto_free char *text = NULL;
	size_t len = 0;

	if (!is_live(channel) || channel->mute)
		return err_set(err, ERR_UNAVAILABLE, "the channel is closed");
	if (nfds > PACKET_FDS_MAX)
		return err_set(err, ERR_TOO_LARGE,
		    "%zu descriptors do not fit into a packet", nfds);
	/* Messages without a body still get through, so this is no reason to
	 * give the peer up. */
	if (channel->waiting_bodies > 0 &&
	    channel->waiting_bodies + measure_bodies(fds, nfds) >
		CHANNEL_QUEUE_BYTES_MAX)
		return err_set(err, ERR_UNAVAILABLE,
		    "the peer does not read: %zu bytes of bodies wait for it",
		    channel->waiting_bodies);
	if (message_encode(type, members, &text, &len, err) != 0)
		return -1;
	return send_or_queue(channel, take(text), len, fds, nfds, err);
}

uid_t
channel_peer_uid(const struct channel *channel)
{
	return channel->peer_uid;
}

static void
on_close(uv_handle_t *handle)
{
	struct channel *channel = handle->data;

	if (--channel->handles > 0)
		return;
	free(channel);
}

void
channel_close(struct channel *channel)
{
	if (channel->closed)
		return;
	channel->closed = true;
	uv_poll_stop(&channel->poll);
	clear_queue(channel);
	uv_close((uv_handle_t *)&channel->poll, on_close);
	uv_close((uv_handle_t *)&channel->later, on_close);
	/* libuv forbids closing a polled descriptor only before uv_poll_stop;
	 * the peer hears of the end at once. */
	close(channel->fd);
}
