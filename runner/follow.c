/*
 * From file to pipe, as fast as the reader reads. A reader that has gone is
 * seen by the kernel and dropped.
 */
#include "runner/follow.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"

/* A reader that keeps up does not keep the loop from its other work. */
#define TURN_BYTES (1024 * 1024)
#define CHUNK_BYTES 65536

struct follower {
	struct follower *next; /* of the same output */
	struct follower *newer, *older; /* of all */
	struct output *output;
	enum stream stream;
	int64_t offset;
	int fd; /* the pipe's writing end */
	uv_poll_t poll;
	bool closing;
};

static void on_writable(uv_poll_t *poll, int status, int events);

static void
free_timer(uv_handle_t *handle)
{
	free(handle);
}

static void
leave_store(struct follower *follower)
{
	struct output_store *store = follower->output->store;

	if (follower->newer != NULL)
		follower->newer->older = follower->older;
	else
		store->first = follower->older;
	if (follower->older != NULL)
		follower->older->newer = follower->newer;
	store->followers--;
	if (store->first == NULL && store->ending != NULL)
		uv_close((uv_handle_t *)take(store->ending), free_timer);
}

static void
on_closed(uv_handle_t *handle)
{
	struct follower *follower = handle->data;
	struct output *output = follower->output;
	struct follower **at = &output->followers;

	while (*at != follower)
		at = &(*at)->next;
	*at = follower->next;
	leave_store(follower);
	free(follower);
	output_free_if_unused(output);
}

static void
drop(struct follower *follower)
{
	follower->closing = true;
	uv_poll_stop(&follower->poll);
	/* The reader hears of the end at once. */
	close(follower->fd);
	uv_close((uv_handle_t *)&follower->poll, on_closed);
}

/* Without UV_WRITABLE the kernel still tells that the reader has gone. */
static void
watch(struct follower *follower, bool is_full)
{
	int events = is_full ? UV_WRITABLE : UV_DISCONNECT;

	if (uv_poll_start(&follower->poll, events, on_writable) != 0)
		die("uv_poll_start");
}

/* 0: nothing more for now; 1: the pipe is full or the turn is over; -1: it
 * cannot go on. */
static int
copy_some(struct follower *follower)
{
	struct output *output = follower->output;
	char chunk[CHUNK_BYTES];
	int64_t left = TURN_BYTES;

	while (left > 0 && follower->offset < output->kept[follower->stream]) {
		ssize_t n = pread(output->fds[follower->stream], chunk,
		    sizeof(chunk), (off_t)follower->offset);
		ssize_t m = n > 0 ? write(follower->fd, chunk, (size_t)n) : -1;

		if (n > 0 && m < 0 && (errno == EAGAIN || errno == EINTR))
			return 1;
		if (n <= 0 || m < 0)
			return -1;
		follower->offset += m;
		left -= m;
	}
	return follower->offset < output->kept[follower->stream] ? 1 : 0;
}

static void
pump(struct follower *follower)
{
	int result = copy_some(follower);

	if (result < 0 || (result == 0 && follower->output->ended))
		drop(follower);
	else
		watch(follower, result == 1);
}

static void
on_writable(uv_poll_t *poll, int status, int events)
{
	struct follower *follower = poll->data;

	/* libuv reports POLLERR, a pipe without a reader, as a bad status. */
	if (status < 0 || (events & UV_DISCONNECT) != 0)
		drop(follower);
	else
		pump(follower);
}

void
follow_pump(struct output *output, enum stream stream)
{
	for (struct follower *f = output->followers; f != NULL; f = f->next) {
		if (f->stream == stream && !f->closing)
			pump(f);
	}
}

static struct follower *
add_follower(struct output *output, enum stream stream, int64_t offset, int fd)
{
	struct follower *follower = alloc_zero(1, sizeof(*follower));

	follower->output = output;
	follower->stream = stream;
	follower->offset = offset;
	follower->fd = fd;
	if (uv_poll_init(output->store->loop, &follower->poll, fd) != 0)
		die("uv_poll_init");
	follower->poll.data = follower;
	follower->next = output->followers;
	output->followers = follower;
	follower->older = output->store->first;
	if (follower->older != NULL)
		follower->older->newer = follower;
	output->store->first = follower;
	output->store->followers++;
	return follower;
}

int
output_follow(struct output *output, enum stream stream, int64_t offset,
    int *ret_fd, struct err *err)
{
	int fds[2];

	if (output->store->followers >= output->store->followers_max)
		return err_set(err, ERR_BUSY, "too many follow output already");
	if (pipe2(fds, O_CLOEXEC) != 0)
		return errno == EMFILE || errno == ENFILE
		    ? err_set(err, ERR_UNAVAILABLE, "too much is under way")
		    : err_errno(err, "pipe");
	/* The writing end alone: the reader chooses for itself. */
	if (fcntl(fds[1], F_SETFL, O_NONBLOCK) != 0)
		die("a pipe that cannot be made not to block");
	*ret_fd = fds[0];
	pump(add_follower(output, stream, offset, fds[1]));
	return 0;
}

static void
on_ending(uv_timer_t *timer)
{
	const struct output_store *store = timer->data;

	for (struct follower *f = store->first; f != NULL; f = f->older) {
		if (!f->closing)
			drop(f);
	}
}

void
output_store_end(struct output_store *store, uint64_t within_ms)
{
	if (store->first == NULL || store->ending != NULL)
		return;
	store->ending = alloc_zero(1, sizeof(*store->ending));
	if (uv_timer_init(store->loop, store->ending) != 0 ||
	    uv_timer_start(store->ending, on_ending, within_ms, 0) != 0)
		die("output: libuv gives no timer");
	store->ending->data = store;
}
