/*
 * Sinks. Bytes are a task's: not looked at, not changed.
 */
#include "client/sink.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"

/* pipe(7): a pipe that polls as writable takes PIPE_BUF bytes at once. */
#define PIECE PIPE_BUF

static bool
is_null(const struct stat *st)
{
	struct stat null;

	return S_ISCHR(st->st_mode) && stat("/dev/null", &null) == 0 &&
	    S_ISCHR(null.st_mode) && st->st_rdev == null.st_rdev;
}

void
sink_init(struct sink *sink, int fd)
{
	struct stat st;

	*sink = (struct sink){
	    .fd = fd,
	    .at_once =
		fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || is_null(&st)),
	    .waiting = BUFFER_INIT(SIZE_MAX),
	};
}

void
sink_init_memory(struct sink *sink, size_t max)
{
	*sink = (struct sink){
	    .fd = -1,
	    .kept = BUFFER_INIT(max),
	};
}

void
sink_done(struct sink *sink)
{
	buffer_done(&sink->waiting);
	buffer_done(&sink->kept);
}

static bool
has_room(const struct sink *sink)
{
	struct pollfd poll_fd = {sink->fd, POLLOUT, 0};

	return sink->at_once || poll(&poll_fd, 1, 0) == 1;
}

/* Returns how many bytes went out. */
static size_t
write_some(struct sink *sink, const char *data, size_t len)
{
	size_t done = 0;

	while (done < len && sink->errnum == 0 && has_room(sink)) {
		size_t piece = len - done;
		ssize_t n;

		if (!sink->at_once && piece > PIECE)
			piece = PIECE;
		n = write(sink->fd, data + done, piece);
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (n < 0 && errno != EINTR)
			sink->errnum = errno;
		if (n > 0)
			done += (size_t)n;
	}
	return done;
}

static bool
keep(struct sink *sink, const char *data, size_t len)
{
	size_t room = sink->kept.max - sink->kept.len;

	buffer_append(&sink->kept, data, len < room ? len : room);
	if (len > room)
		sink->kept.full = true;
	return true;
}

bool
sink_write(struct sink *sink, const char *data, size_t len)
{
	size_t done;

	if (sink->fd < 0)
		return keep(sink, data, len);
	if (sink->errnum != 0)
		return true;
	if (sink->waiting.len > 0)
		return false;
	done = write_some(sink, data, len);
	/* libcurl gives no more than 16 KiB at a time. */
	if (done < len && sink->errnum == 0)
		buffer_append(&sink->waiting, data + done, len - done);
	return true;
}

void
sink_flush(struct sink *sink)
{
	if (sink->waiting.len == 0)
		return;
	buffer_consume(&sink->waiting,
	    write_some(sink, sink->waiting.data, sink->waiting.len));
	if (sink->errnum != 0)
		buffer_consume(&sink->waiting, sink->waiting.len);
}

bool
sink_is_waiting(const struct sink *sink)
{
	return sink->waiting.len > 0;
}

bool
sink_is_closed(const struct sink *sink)
{
	return sink->errnum != 0 || sink->kept.full;
}
