/*
 * The reading end of a pipe on the loop. Must never read what there is no room
 * for, and never block: the pipe is ours, so that nobody else can change how
 * it is read.
 */
#include "runner/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"

/* A writer that keeps up does not keep the loop from its other work. */
#define TURN_BYTES ((size_t)512 * 1024)
#define CHUNK_BYTES ((size_t)65536)

struct upload {
	const struct upload_events *events;
	void *arg;
	int fd;
	uv_poll_t poll;
	uv_idle_t later; /* says the end, on a turn of its own */
	unsigned handles; /* not closed yet */
	uint64_t taken;
	uint64_t length; /* of the whole, once it is finished */
	bool finished;
	bool at_end; /* the pipe has no writer any more */
	bool over; /* the end is being said, or was */
	bool closing;
};

static void
on_closed(uv_handle_t *handle)
{
	struct upload *upload = handle->data;

	if (--upload->handles == 0)
		free(upload);
}

void
upload_close(struct upload *upload)
{
	if (upload->closing)
		return;
	upload->closing = true;
	uv_poll_stop(&upload->poll);
	close(upload->fd);
	uv_close((uv_handle_t *)&upload->poll, on_closed);
	uv_close((uv_handle_t *)&upload->later, on_closed);
}

static void
on_later(uv_idle_t *idle)
{
	struct upload *upload = idle->data;

	uv_idle_stop(idle);
	upload->events->ended(upload->arg, upload->taken == upload->length);
}

/* 0: it may go on; -1: it has ended. */
static int
judge_end(struct upload *upload)
{
	if (!upload->finished ||
	    (upload->taken < upload->length && !upload->at_end))
		return 0;
	upload->over = true;
	uv_poll_stop(&upload->poll);
	uv_idle_start(&upload->later, on_later);
	return -1;
}

static void on_readable(uv_poll_t *poll, int status, int events);

static void
watch(struct upload *upload)
{
	if (uv_poll_start(&upload->poll, UV_READABLE, on_readable) != 0)
		die("uv_poll_start");
}

/* How much came; 0: nothing now. */
static size_t
read_once(struct upload *upload, size_t room)
{
	char chunk[CHUNK_BYTES];
	ssize_t n = read(
	    upload->fd, chunk, room < sizeof(chunk) ? room : sizeof(chunk));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		upload->at_end = true;
		return 0;
	}
	upload->taken += (uint64_t)n;
	upload->events->data(upload->arg, chunk, (size_t)n);
	return (size_t)n;
}

static void
pump(struct upload *upload)
{
	size_t turn = 0;
	size_t room, len;

	do {
		room = upload->events->room(upload->arg);
		if (upload->closing)
			return;
		if (room == 0) {
			uv_poll_stop(&upload->poll);
			return;
		}
		len = read_once(upload, room);
		if (upload->closing || judge_end(upload) < 0)
			return;
		turn += len;
	} while (len > 0 && turn < TURN_BYTES);
	/* Whoever wrote says yet whether that was all, or is gone. */
	if (upload->at_end)
		uv_poll_stop(&upload->poll);
	else
		watch(upload);
}

static void
on_readable(uv_poll_t *poll, int status, int events)
{
	struct upload *upload = poll->data;

	(void)events;
	if (status < 0)
		uv_poll_stop(poll);
	pump(upload);
}

int
upload_open(uv_loop_t *loop, const struct upload_events *events, void *arg,
    struct upload **ret, int *ret_fd, struct err *err)
{
	struct upload *upload;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) != 0)
		return errno == EMFILE || errno == ENFILE
		    ? err_set(err, ERR_UNAVAILABLE, "too much is under way")
		    : err_errno(err, "pipe");
	/* The reading end alone: the writer chooses for itself. */
	if (fcntl(fds[0], F_SETFL, O_NONBLOCK) != 0)
		die("a pipe that cannot be made not to block");
	upload = alloc_zero(1, sizeof(*upload));
	upload->events = events;
	upload->arg = arg;
	upload->fd = fds[0];
	if (uv_poll_init(loop, &upload->poll, upload->fd) != 0 ||
	    uv_idle_init(loop, &upload->later) != 0)
		die("a pipe cannot be watched");
	upload->poll.data = upload;
	upload->later.data = upload;
	upload->handles = 2;
	watch(upload);
	*ret = upload;
	*ret_fd = fds[1];
	return 0;
}

void
upload_finish(struct upload *upload, uint64_t length)
{
	if (upload->closing || upload->over)
		return;
	upload->finished = true;
	upload->length = length;
	(void)judge_end(upload);
}

bool
upload_is_finished(const struct upload *upload)
{
	return upload->finished;
}

void
upload_resume(struct upload *upload)
{
	if (!upload->closing && !upload->over && !upload->at_end)
		watch(upload);
}
