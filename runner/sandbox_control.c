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
/* Packets taken in one go before others have their turn. */
#define BATCH 16

struct outgoing {
	uint8_t bytes[SMALL_FRAME];
	size_t len;
	int fd;
};

struct sandbox_control {
	uv_poll_t *poll; /* of fd; NULL: none */
	uv_loop_t *loop;
	int fd; /* the listener, then the connection */
	bool connected;
	bool closed; /* nothing is reported any more */
	uid_t uid;
	pid_t peer;
	struct sandbox_control_events events;
	void *arg;
	struct outgoing outbox[OUTBOX_MAX];
	size_t noutbox;
	uint64_t wanted[CONTROL_STREAMS], acknowledged[CONTROL_STREAMS];
	uint8_t packet[CONTROL_PACKET_MAX];
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
watch(struct sandbox_control *control, int fd)
{
	struct watched *watched = alloc_zero(1, sizeof(*watched));

	if (uv_poll_init(control->loop, &watched->poll, fd) != 0)
		die("uv_poll_init");
	watched->fd = fd;
	watched->poll.data = control;
	control->poll = &watched->poll;
	control->fd = fd;
	uv_poll_start(control->poll, UV_READABLE, on_event);
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

static void
free_outbox(struct sandbox_control *control)
{
	for (size_t i = 0; i < control->noutbox; i++)
		cleanup_fd(&control->outbox[i].fd);
	control->noutbox = 0;
}

/* False: no room now, or the connection has ended. */
static bool
send_now(struct sandbox_control *control, const struct outgoing *outgoing)
{
	struct err err = {0};

	switch (packet_send(control->fd, outgoing->bytes, outgoing->len,
	    &outgoing->fd, outgoing->fd >= 0 ? 1 : 0, &err)) {
	case PACKET_OK:
		return true;
	case PACKET_AGAIN:
		return false;
	case PACKET_END:
		/* What it sent before is still to be read. */
		return false;
	case PACKET_FAILED:
		/* Found as the end of the connection in the next turn: the
		 * owner is never called from within its own call. */
		shutdown(control->fd, SHUT_RDWR);
		break;
	}
	return false;
}

static bool
send_acknowledgements(struct sandbox_control *control)
{
	for (uint32_t i = 0; i < CONTROL_STREAMS; i++) {
		struct control_frame frame = {.type = CONTROL_ACK};
		struct outgoing outgoing = {.fd = -1};
		uint8_t bytes[CONTROL_HEAD_MAX];

		if (control->wanted[i] == control->acknowledged[i])
			continue;
		frame.ack.stream = i;
		frame.ack.offset = control->wanted[i];
		outgoing.len = control_encode(&frame, bytes);
		memcpy(outgoing.bytes, bytes, outgoing.len);
		if (!send_now(control, &outgoing))
			return false;
		control->acknowledged[i] = control->wanted[i];
	}
	return true;
}

static void
flush(struct sandbox_control *control)
{
	size_t sent = 0;
	bool all;

	while (sent < control->noutbox &&
	    send_now(control, &control->outbox[sent])) {
		cleanup_fd(&control->outbox[sent].fd);
		control->outbox[sent].fd = -1;
		sent++;
	}
	control->noutbox -= sent;
	memmove(control->outbox, control->outbox + sent,
	    control->noutbox * sizeof(*control->outbox));
	all = control->noutbox == 0 && send_acknowledgements(control);
	if (!control->closed)
		uv_poll_start(control->poll,
		    all ? UV_READABLE : UV_READABLE | UV_WRITABLE, on_event);
}

static void
accept_first(struct sandbox_control *control)
{
	struct err err = {0};
	uid_t uid;
	int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0 &&
	    (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR))
		return;
	if (fd < 0) {
		err_errno(&err, "accept on the control socket");
		drop(control, &err);
		return;
	}
	unwatch(control, false);
	watch(control, fd);
	control->connected = true;
	if (packet_peer(fd, &uid, &control->peer, &err) != 0) {
		drop(control, &err);
		return;
	}
	if (uid == control->uid && control->peer > 0)
		return;
	err_set(&err, ERR_CONFLICT,
	    "task-init connected as uid %u, process %d, and not as uid %u: "
	    "does the engine map users?",
	    (unsigned)uid, (int)control->peer, (unsigned)control->uid);
	drop(control, &err);
}

/* False: nothing more to read now. */
static bool
receive_one(struct sandbox_control *control)
{
	struct iovec iov = {control->packet, sizeof(control->packet)};
	/* No room for descriptors: the kernel closes them and says so. */
	struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n = recvmsg(control->fd, &header, 0);
	struct control_frame frame;
	struct err err = {0};

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
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
on_event(uv_poll_t *poll, int status, int events)
{
	struct sandbox_control *control = poll->data;

	(void)status;
	(void)events;
	if (control->closed)
		return;
	if (!control->connected) {
		accept_first(control);
		return;
	}
	for (int i = 0; i < BATCH && receive_one(control); i++)
		continue;
	if (!control->closed)
		flush(control);
}

struct sandbox_control *
sandbox_control_open_take(uv_loop_t *loop, int listener, uid_t uid,
    const struct sandbox_control_events *events, void *arg)
{
	struct sandbox_control *control = alloc_zero(1, sizeof(*control));

	control->loop = loop;
	control->uid = uid;
	control->events = *events;
	control->arg = arg;
	watch(control, listener);
	return control;
}

void
sandbox_control_send(
    struct sandbox_control *control, const struct control_frame *frame, int fd)
{
	struct outgoing *outgoing;
	uint8_t bytes[CONTROL_HEAD_MAX];

	if (control->closed || !control->connected)
		return;
	/* A task that is signalled without end while task-init does not read:
	 * the newest is dropped, as the kernel drops a signal that is pending
	 * already. */
	if (control->noutbox == OUTBOX_MAX)
		return;
	outgoing = &control->outbox[control->noutbox++];
	outgoing->len = control_encode(frame, bytes);
	memcpy(outgoing->bytes, bytes, outgoing->len);
	outgoing->fd = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -1;
	flush(control);
}

void
sandbox_control_acknowledge(
    struct sandbox_control *control, uint32_t stream, uint64_t offset)
{
	control->wanted[stream] = offset;
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
