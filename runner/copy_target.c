#include "runner/copy_target.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
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

static int
open_target(struct copy_target *target, struct err *err)
{
	if (target->path == NULL) {
		target->fd = STDOUT_FILENO;
		return 0;
	}
	if (target->fd >= 0 && was_replaced(target))
		copy_target_close(target);
	if (target->fd >= 0)
		return 0;
	target->fd = open(target->path,
	    choose_access(target->path) | O_APPEND | O_CREAT | O_NONBLOCK |
		O_NOFOLLOW | O_CLOEXEC,
	    0640);
	return target->fd >= 0 ? 0 : fail(target, err);
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

/* A line that a crash cut off gets its end, and is followed by the whole. */
static int
mend(struct copy_target *target, const struct stat *st, struct err *err)
{
	char last = '\n';

	if (!target->mended && target->path != NULL && S_ISREG(st->st_mode) &&
	    st->st_size > 0 &&
	    (pread(target->fd, &last, 1, st->st_size - 1) != 1 ||
		(last != '\n' && write(target->fd, "\n", 1) != 1)))
		return fail(target, err);
	target->mended = true;
	return 0;
}

int
copy_target_write(struct copy_target *target, const char *data, size_t len,
    size_t *ret_written, struct err *err)
{
	struct stat st;

	*ret_written = 0;
	if (open_target(target, err) != 0)
		return -1;
	if (fstat(target->fd, &st) != 0)
		return fail(target, err);
	if (mend(target, &st, err) != 0)
		return -1;
	while (*ret_written < len) {
		size_t most = bound(target, st.st_mode, len - *ret_written);
		ssize_t n = -1;

		errno = EAGAIN;
		if (most > 0)
			n = write_some(
			    target->fd, st.st_mode, data + *ret_written, most);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(target, err);
		*ret_written += (size_t)n;
	}
	return 0;
}

int
copy_target_sync(struct copy_target *target, struct err *err)
{
	if (target->path == NULL || target->fd < 0 ||
	    fdatasync(target->fd) == 0 || errno == EINVAL || errno == EROFS)
		return 0;
	return fail(target, err);
}
