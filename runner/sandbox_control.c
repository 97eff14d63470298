/* One listening socket, then one connection in its place. */
#include "runner/sandbox_control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/packet.h"

/* Frames of ours that wait for room: an order, signals, done. More than this
 * means that task-init does not read. */
#define OUTBOX_MAX 32
#define SMALL_FRAME 24
/* Packets taken, or strangers turned away, in one go before others have their
 * turn. */
#define BATCH 16

struct outgoing {
	struct outgoing *next;
	uint8_t bytes[SMALL_FRAME];
	size_t len;
	size_t nfds;
	int fds[];
};

struct sandbox_control {
	uv_poll_t *poll; /* of fd; NULL: none */
	uv_loop_t *loop;
	int fd; /* the listener, then the connection */
	int watched; /* for UV_READABLE, UV_WRITABLE */
	bool connected;
	bool closed; /* nothing is reported any more */
	bool wants_room;
	bool reset; /* ECONNRESET was told */
	struct sandbox_control_peer expected;
	pid_t peer;
	struct sandbox_control_events events;
	void *arg;
	struct outgoing *outbox;
	size_t noutbox;
	uint64_t wanted[CONTROL_STREAMS], acknowledged[CONTROL_STREAMS];
	uint8_t *packet; /* the owner's, for all */
};

static void on_event(uv_poll_t *poll, int status, int events);

struct watched {
	uv_poll_t poll;
	int fd;
	struct sandbox_control *owner; /* freed with it, where set */
};

static void
free_watched(uv_handle_t *handle)
{
	struct watched *watched = (struct watched *)handle;

	/* Closed after libuv has let go of it. */
	close(watched->fd);
	free(watched->owner);
	free(watched);
}

static void
watch_for(struct sandbox_control *control, int events)
{
	if (control->watched == events)
		return;
	control->watched = events;
	uv_poll_start(control->poll, events, on_event);
}

static void
watch(struct sandbox_control *control, int fd)
{
	struct watched *watched = alloc_zero(1, sizeof(*watched));

	if (uv_poll_init(control->loop, &watched->poll, fd) != 0)
		die("uv_poll_init");
	watched->fd = fd;
	watched->poll.data = control;
	control->poll = &watched->poll;
	control->fd = fd;
	control->watched = 0;
	watch_for(control, UV_READABLE);
}

static void
unwatch(struct sandbox_control *control, bool last)
{
	struct watched *watched = (struct watched *)control->poll;

	if (last)
		watched->owner = control;
	uv_close((uv_handle_t *)&watched->poll, free_watched);
	control->poll = NULL;
	control->fd = -1;
}

static void
drop(struct sandbox_control *control, const struct err *err)
{
	if (control->closed)
		return;
	control->closed = true;
	/* The other side is to see the end now, not when we are freed. */
	shutdown(control->fd, SHUT_RDWR);
	uv_poll_stop(control->poll);
	control->events.closed(control->arg, err);
}

/* -- to task-init */

static struct outgoing *
make_outgoing(const struct control_frame *frame, const int *fds, size_t nfds)
{
	uint8_t bytes[CONTROL_HEAD_MAX];
	struct outgoing *outgoing =
	    alloc_zero(1, sizeof(*outgoing) + nfds * sizeof(*fds));

	outgoing->len = control_encode(frame, bytes);
	memcpy(outgoing->bytes, bytes, outgoing->len);
	outgoing->nfds = nfds;
	for (size_t i = 0; i < nfds; i++)
		outgoing->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
	return outgoing;
}

static void
free_outgoing(struct outgoing *outgoing)
{
	for (size_t i = 0; i < outgoing->nfds; i++)
		cleanup_fd(&outgoing->fds[i]);
	free(outgoing);
}

static void
free_outbox(struct sandbox_control *control)
{
	while (control->outbox != NULL) {
		struct outgoing *first = control->outbox;

		control->outbox = first->next;
		free_outgoing(first);
	}
	control->noutbox = 0;
}

/* False: no room now, or the connection has ended. */
static bool
send_now(struct sandbox_control *control, struct iovec *parts, size_t nparts,
    const int *fds, size_t nfds)
{
	union {
		char bytes[CMSG_SPACE(CONTROL_DESCRIPTORS_MAX * sizeof(int))];
		struct cmsghdr align;
	} room = {{0}};
	struct msghdr header = {.msg_iov = parts, .msg_iovlen = nparts};
	ssize_t n;

	if (nfds > 0) {
		struct cmsghdr *cmsg;

		header.msg_control = room.bytes;
		header.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&header);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, nfds * sizeof(int));
	}
	do
		n = sendmsg(control->fd, &header, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return true;
	/* What it sent before its end is still to be read. Anything else is
	 * found as the end of the connection in the next turn: the owner is
	 * never called from within its own call. */
	if (errno != EAGAIN && errno != EPIPE && errno != ECONNRESET)
		shutdown(control->fd, SHUT_RDWR);
	return false;
}

static bool
send_frame(struct sandbox_control *control, const struct control_frame *frame,
    const int *fds, size_t nfds)
{
	uint8_t bytes[CONTROL_HEAD_MAX];
	struct iovec part = {bytes, control_encode(frame, bytes)};

	return send_now(control, &part, 1, fds, nfds);
}

static bool
send_outbox(struct sandbox_control *control)
{
	while (control->outbox != NULL) {
		struct outgoing *first = control->outbox;
		struct iovec part = {first->bytes, first->len};

		if (!send_now(control, &part, 1, first->fds, first->nfds))
			return false;
		control->outbox = first->next;
		control->noutbox--;
		free_outgoing(first);
	}
	return true;
}

static bool
send_acknowledgements(struct sandbox_control *control)
{
	for (uint32_t i = 0; i < CONTROL_STREAMS; i++) {
		struct control_frame frame = {.type = CONTROL_ACK};

		if (control->wanted[i] - control->acknowledged[i] <
		    CONTROL_ACK_EACH)
			continue;
		frame.ack.stream = i;
		frame.ack.offset = control->wanted[i];
		if (!send_frame(control, &frame, NULL, 0))
			return false;
		control->acknowledged[i] = control->wanted[i];
	}
	return true;
}

static void
flush(struct sandbox_control *control)
{
	bool all = send_outbox(control) && send_acknowledgements(control) &&
	    !control->wants_room;

	if (!control->closed)
		watch_for(
		    control, all ? UV_READABLE : UV_READABLE | UV_WRITABLE);
}

void
sandbox_control_send(struct sandbox_control *control,
    const struct control_frame *frame, const int *fds, size_t nfds)
{
	struct outgoing **at = &control->outbox;

	if (control->closed || !control->connected)
		return;
	if (control->outbox == NULL && send_frame(control, frame, fds, nfds))
		return;
	/* A task that is signalled without end while task-init does not read:
	 * the newest is dropped, as the kernel drops a signal that is pending
	 * already. */
	if (control->noutbox == OUTBOX_MAX)
		return;
	while (*at != NULL)
		at = &(*at)->next;
	*at = make_outgoing(frame, fds, nfds);
	control->noutbox++;
	flush(control);
}

bool
sandbox_control_send_data(struct sandbox_control *control,
    const struct control_frame *frame, const void *data, size_t len)
{
	uint8_t bytes[CONTROL_HEAD_MAX];
	struct iovec parts[] = {{bytes, control_encode(frame, bytes)},
	    {(void *)(uintptr_t)data, len}};

	if (control->closed || !control->connected)
		return false;
	if (control->outbox == NULL &&
	    send_now(control, parts, COUNT(parts), NULL, 0))
		return true;
	control->wants_room = true;
	flush(control);
	return false;
}

void
sandbox_control_acknowledge(
    struct sandbox_control *control, uint32_t stream, uint64_t offset)
{
	control->wanted[stream] = offset;
}

/* -- from task-init */

static bool
is_expected(const struct sandbox_control *control, uid_t uid, pid_t pid)
{
	return uid == control->expected.uid && pid > 0 &&
	    (control->expected.pid == 0 || pid == control->expected.pid);
}

static void
refuse(struct sandbox_control *control, uid_t uid, pid_t pid)
{
	struct err err = {0};

	err_set(&err, ERR_CONFLICT,
	    "task-init connected as uid %u, process %d, and not as uid %u: "
	    "does the engine map users?",
	    (unsigned)uid, (int)pid, (unsigned)control->expected.uid);
	drop(control, &err);
}

/* False: nobody more to let in or to turn away now. */
static bool
accept_one(struct sandbox_control *control)
{
	struct err err = {0};
	uid_t uid;
	pid_t pid;
	auto_fd int fd =
	    accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0 &&
	    (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR))
		return false;
	if (fd < 0) {
		err_errno(&err, "accept on the control socket");
		drop(control, &err);
		return false;
	}
	if (packet_peer(fd, &uid, &pid, &err) != 0) {
		drop(control, &err);
		return false;
	}
	if (is_expected(control, uid, pid)) {
		unwatch(control, false);
		watch(control, take_fd(fd));
		control->peer = pid;
		control->connected = true;
		return false;
	}
	/* A process of the task runs already and may connect as well. */
	if (control->expected.pid != 0)
		return true;
	refuse(control, uid, pid);
	return false;
}

/* False: nothing more to read now. */
static bool
receive_one(struct sandbox_control *control)
{
	struct iovec iov = {control->packet, CONTROL_PACKET_MAX};
	/* No room for descriptors: the kernel closes them and says so. */
	struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n = recvmsg(control->fd, &header, 0);
	struct control_frame frame;
	struct err err = {0};

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	/* It stands in front of what task-init said before it went, and is
	 * told once. */
	if (n < 0 && errno == ECONNRESET && !control->reset) {
		control->reset = true;
		return true;
	}
	if (n <= 0) {
		if (n < 0 && errno != ECONNRESET)
			err_errno(&err, "read the control socket");
		drop(control, &err);
		return false;
	}
	if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 ||
	    !control_decode(control->packet, (size_t)n, &frame) ||
	    !control_is_to_runner(frame.type)) {
		err_set(&err, ERR_MALFORMED,
		    "task-init sent a frame that is none of its own");
		drop(control, &err);
		return false;
	}
	if (control->events.frame(control->arg, &frame, &err) != 0) {
		if (err.code == ERR_MALFORMED)
			err_prefix(&err, "task-init broke the protocol");
		drop(control, &err);
		return false;
	}
	return !control->closed;
}

static void
offer_room(struct sandbox_control *control)
{
	if (!control->wants_room || control->outbox != NULL)
		return;
	control->wants_room = false;
	control->events.room(control->arg);
	if (!control->closed)
		flush(control);
}

static void
on_event(uv_poll_t *poll, int status, int events)
{
	struct sandbox_control *control = poll->data;

	(void)status;
	if (!control->connected) {
		for (int i = 0;
		     i < BATCH && !control->closed && accept_one(control); i++)
			continue;
		return;
	}
	for (int i = 0; i < BATCH && !control->closed && receive_one(control);
	     i++)
		continue;
	if (!control->closed)
		flush(control);
	if (!control->closed && (events & UV_WRITABLE) != 0)
		offer_room(control);
}

struct sandbox_control *
sandbox_control_open_take(uv_loop_t *loop, int listener,
    const struct sandbox_control_peer *peer, uint8_t *packet,
    const struct sandbox_control_events *events, void *arg)
{
	struct sandbox_control *control = alloc_zero(1, sizeof(*control));

	control->loop = loop;
	control->expected = *peer;
	control->packet = packet;
	control->events = *events;
	control->arg = arg;
	watch(control, listener);
	return control;
}

pid_t
sandbox_control_peer(const struct sandbox_control *control)
{
	return control->peer;
}

void
sandbox_control_close(struct sandbox_control *control)
{
	if (control == NULL)
		return;
	control->closed = true;
	free_outbox(control);
	unwatch(control, true);
}
