/* The ring between the task's pipe and the control socket. */
#include "runner/init/stream.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

void
stream_open_take(struct stream *stream, int pipe)
{
	stream->pipe = pipe;
}

bool
stream_has_room(const struct stream *stream)
{
	return stream->end - stream->start < STREAM_RING;
}

static void
close_pipe(struct stream *stream)
{
	close(stream->pipe);
	stream->pipe = -1;
}

void
stream_read(struct stream *stream)
{
	size_t at = (size_t)(stream->end % STREAM_RING);
	size_t room = STREAM_RING - (size_t)(stream->end - stream->start);
	ssize_t n;

	if (stream->pipe < 0 || room == 0)
		return;
	if (room > STREAM_RING - at)
		room = STREAM_RING - at;
	if (stream->draining && room > stream->rest)
		room = stream->rest;
	n = read(stream->pipe, stream->ring + at, room);
	if (n < 0 && (errno == EINTR || (errno == EAGAIN && !stream->draining)))
		return;
	if (n <= 0) {
		close_pipe(stream);
		return;
	}
	stream->end += (uint64_t)n;
	if (!stream->draining)
		return;
	stream->rest -= (size_t)n;
	if (stream->rest == 0)
		close_pipe(stream);
}

void
stream_drain(struct stream *stream)
{
	int there = 0;

	if (stream->pipe < 0)
		return;
	stream->draining = true;
	if (ioctl(stream->pipe, FIONREAD, &there) != 0 || there <= 0) {
		close_pipe(stream);
		return;
	}
	stream->rest = (size_t)there;
}

int
stream_peek(
    struct stream *stream, size_t max, struct iovec ret[2], size_t *ret_len)
{
	size_t len = (size_t)(stream->end - stream->sent);
	size_t at = (size_t)(stream->sent % STREAM_RING);
	size_t first;

	if (len > max)
		len = max;
	*ret_len = len;
	if (len == 0)
		return 0;
	first = len < STREAM_RING - at ? len : STREAM_RING - at;
	ret[0] = (struct iovec){stream->ring + at, first};
	if (first == len)
		return 1;
	ret[1] = (struct iovec){stream->ring, len - first};
	return 2;
}

bool
stream_acknowledge(struct stream *stream, uint64_t offset)
{
	if (offset < stream->start || offset > stream->sent)
		return false;
	stream->start = offset;
	return true;
}

bool
stream_holds(const struct stream *stream, uint64_t offset)
{
	return offset >= stream->start && offset <= stream->end;
}

void
stream_resume(struct stream *stream, uint64_t offset)
{
	stream->start = stream->sent = offset;
}

bool
stream_is_finished(const struct stream *stream)
{
	return stream->pipe < 0 && stream->sent == stream->end;
}
