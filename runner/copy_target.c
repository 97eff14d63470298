#include "runner/copy_target.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"

void
copy_target_close(struct copy_target *target)
{
	if (target->path != NULL && target->fd >= 0)
		close(target->fd);
	target->fd = -1;
}

static int
fail(const struct copy_target *target, struct err *err)
{
	bool busy = errno == EAGAIN || errno == ENXIO || errno == EPIPE;

	err_errno(
	    err, "%s", target->path != NULL ? target->path : "standard output");
	err->code = busy ? ERR_BUSY : ERR_UNAVAILABLE;
	return -1;
}

/* Somebody may have put another in its place. */
static bool
was_replaced(const struct copy_target *target)
{
	struct stat here, there;

	return fstat(target->fd, &here) != 0 ||
	    stat(target->path, &there) != 0 || here.st_ino != there.st_ino ||
	    here.st_dev != there.st_dev;
}

/* A FIFO is not read from: it would be its own reader. */
static int
choose_access(const char *path)
{
	struct stat st;

	return stat(path, &st) != 0 || S_ISREG(st.st_mode) ? O_RDWR : O_WRONLY;
}

/* A line that a crash cut off is no line's beginning. */
static int
look_at_end(int fd, bool *ret_cut)
{
	struct stat st;
	char last = '\n';

	if (fstat(fd, &st) != 0)
		return -1;
	if (S_ISREG(st.st_mode) && st.st_size > 0 &&
	    pread(fd, &last, 1, st.st_size - 1) != 1)
		return -1;
	*ret_cut = last != '\n';
	return 0;
}

static int
open_target(struct copy_target *target, struct err *err)
{
	auto_fd int fd = -1;

	if (target->path == NULL)
		target->fd = STDOUT_FILENO;
	if (target->fd >= 0)
		return 0;
	fd = open(target->path,
	    choose_access(target->path) | O_APPEND | O_CREAT | O_NONBLOCK |
		O_NOFOLLOW | O_CLOEXEC,
	    0640);
	if (fd < 0 || look_at_end(fd, &target->cut) != 0)
		return fail(target, err);
	target->fd = take_fd(fd);
	return 0;
}

/* How much of `len` may be written at once without waiting: a pipe that has
 * room has it for so much. 0: nothing now. */
static size_t
bound(const struct copy_target *target, mode_t mode, size_t len)
{
	struct pollfd ready = {.fd = target->fd, .events = POLLOUT};

	if (S_ISREG(mode))
		return len;
	if (poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0)
		return 0;
	return len < PIPE_BUF ? len : PIPE_BUF;
}

static ssize_t
write_some(int fd, mode_t mode, const char *data, size_t len)
{
	struct iovec part = {(void *)(uintptr_t)data, len};
	const struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	return S_ISSOCK(mode)
	    ? sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL)
	    : write(fd, data, len);
}

/* From data[*at] on; *at goes with it, also on failure. */
static int
put(struct copy_target *target, const char *data, size_t len, size_t *at,
    struct err *err)
{
	struct stat st;

	if (fstat(target->fd, &st) != 0)
		return fail(target, err);
	while (*at < len) {
		size_t most = bound(target, st.st_mode, len - *at);
		ssize_t n = -1;

		errno = EAGAIN;
		if (most > 0)
			n = write_some(
			    target->fd, st.st_mode, data + *at, most);
		if (n < 0 && errno == EINTR)
			continue;
		/* Who reads it next has not read the beginning. */
		if (n < 0 && errno == EPIPE && *at > 0 && data[*at - 1] != '\n')
			target->cut = true;
		if (n < 0)
			return fail(target, err);
		*at += (size_t)n;
	}
	return 0;
}

/* What was begun there gets its rest, if it can; else it is begun anew in the
 * one that is there now. */
static void
leave(struct copy_target *target, const char *lines, size_t *at)
{
	struct err ignored;

	if (*at > 0 && !target->cut) {
		const char *end = strchr(lines + *at, '\n');

		if (put(target, lines, (size_t)(end - lines) + 1, at,
			&ignored) != 0)
			*at = 0;
	}
	copy_target_sync(target, &ignored);
	copy_target_close(target);
}

static int
put_end(struct copy_target *target, struct err *err)
{
	size_t at = 0;

	if (target->cut && put(target, "\n", 1, &at, err) != 0)
		return -1;
	target->cut = false;
	return 0;
}

int
copy_target_write(struct copy_target *target, const char *lines, size_t len,
    size_t *ret_written, struct err *err)
{
	size_t at = target->begun, whole;
	int result;

	if (target->path != NULL && target->fd >= 0 && was_replaced(target))
		leave(target, lines, &at);
	result = open_target(target, err);
	if (result == 0)
		result = put_end(target, err);
	if (result == 0)
		result = put(target, lines, len, &at, err);
	for (whole = at; whole > 0 && lines[whole - 1] != '\n';)
		whole--;
	target->begun = target->cut ? 0 : at - whole;
	*ret_written = whole;
	return result;
}

int
copy_target_sync(struct copy_target *target, struct err *err)
{
	if (target->path == NULL || target->fd < 0 ||
	    fdatasync(target->fd) == 0 || errno == EINVAL || errno == EROFS)
		return 0;
	return fail(target, err);
}
