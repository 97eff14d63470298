/*
 * Whole files, carefully. What a file is gets looked at on the open
 * descriptor, never on its name.
 */
#include "lib/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"

static char *
read_all(int fd, const char *path, size_t max, size_t *ret_len, struct err *err)
{
	auto_free char *data = NULL;
	struct stat st;
	size_t len = 0;

	if (fstat(fd, &st) != 0) {
		err_errno(err, "stat %s", path);
		return NULL;
	}
	if (st.st_size < 0 || (uintmax_t)st.st_size > max) {
		err_set(
		    err, ERR_TOO_LARGE, "%s: larger than %zu bytes", path, max);
		return NULL;
	}
	/* One byte more than the size shows whether it has grown. */
	data = alloc_zero((size_t)st.st_size + 2, 1);
	for (;;) {
		ssize_t n = read(fd, data + len, (size_t)st.st_size + 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			err_errno(err, "read %s", path);
			return NULL;
		}
		len += (size_t)n;
		if (n == 0 || len > (size_t)st.st_size)
			break;
	}
	if (len > (size_t)st.st_size) {
		err_set(
		    err, ERR_CONFLICT, "%s: changed while it was read", path);
		return NULL;
	}
	data[len] = '\0';
	if (ret_len != NULL)
		*ret_len = len;
	return take(data);
}

/* O_NONBLOCK: a FIFO in the file's place must not hold us up. */
static int
open_regular(const char *path, struct stat *ret, struct err *err)
{
	auto_fd int fd =
	    open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0) {
		err_errno(err, "open %s", path);
		if (err->errnum == ENOENT)
			err->code = ERR_NOT_FOUND;
		return -1;
	}
	if (fstat(fd, ret) != 0)
		return err_errno(err, "stat %s", path);
	if (!S_ISREG(ret->st_mode))
		return err_set(
		    err, ERR_UNPROCESSABLE, "%s: not a regular file", path);
	return take_fd(fd);
}

char *
file_read(const char *path, size_t max, size_t *ret_len, struct err *err)
{
	struct stat st;
	auto_fd int fd = open_regular(path, &st, err);

	return fd < 0 ? NULL : read_all(fd, path, max, ret_len, err);
}

char *
file_read_secret(const char *path, size_t max, size_t *ret_len, struct err *err)
{
	struct stat st;
	auto_fd int fd = open_regular(path, &st, err);

	if (fd < 0)
		return NULL;
	if (st.st_uid != geteuid() && st.st_uid != 0) {
		err_set(err, ERR_UNPROCESSABLE,
		    "%s: belongs to uid %u, not to uid %u, which reads it",
		    path, (unsigned)st.st_uid, (unsigned)geteuid());
		return NULL;
	}
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
		err_set(err, ERR_UNPROCESSABLE,
		    "%s: mode %04o lets others in; chmod 600 %s", path,
		    (unsigned)st.st_mode & 07777, path);
		return NULL;
	}
	return read_all(fd, path, max, ret_len, err);
}

static int
write_all(int fd, const void *data, size_t len)
{
	const char *from = data;

	while (len > 0) {
		ssize_t n = write(fd, from, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		from += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The directory of a path, and its last component (borrowed from path). */
static char *
split(const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');

	*ret_name = slash != NULL ? slash + 1 : path;
	if (slash == NULL)
		return alloc_string(".");
	return slash == path ? alloc_string("/")
			     : alloc_bytes(path, (size_t)(slash - path));
}

static int
fill_and_rename(int directory, int fd, const char *temporary, const char *name,
    const void *data, size_t len)
{
	if (write_all(fd, data, len) != 0 || fsync(fd) != 0)
		return -1;
	if (renameat(directory, temporary, directory, name) != 0)
		return -1;
	return fsync(directory);
}

struct look {
	mode_t mode;
	uid_t uid; /* -1: whoever writes, and its group */
	gid_t gid;
};

static int
write_beside(const char *path, const void *data, size_t len,
    const struct look *look, struct err *err)
{
	const char *name = NULL;
	auto_free char *parent = split(path, &name);
	auto_free char *temporary =
	    alloc_printf(".%s.%ld", name, (long)getpid());
	auto_fd int directory =
	    open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_fd int fd = -1;
	int errnum;

	if (directory < 0)
		return err_errno(err, "open %s", parent);
	/* One that an earlier crash left behind. */
	if (unlinkat(directory, temporary, 0) != 0 && errno != ENOENT)
		return err_errno(err, "unlink %s/%s", parent, temporary);
	/* Born closed, opened to its mode whatever the umask says. */
	fd = openat(directory, temporary,
	    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_errno(err, "create %s/%s", parent, temporary);
	/* Who gives a file to nobody else need not be allowed to. */
	if ((look->uid == (uid_t)-1 || fchown(fd, look->uid, look->gid) == 0) &&
	    fchmod(fd, look->mode) == 0 &&
	    fill_and_rename(directory, fd, temporary, name, data, len) == 0)
		return 0;
	errnum = errno;
	unlinkat(directory, temporary, 0);
	errno = errnum;
	return err_errno(err, "write %s", path);
}

int
file_write(const char *path, const void *data, size_t len, mode_t mode,
    struct err *err)
{
	const struct look look = {mode, (uid_t)-1, (gid_t)-1};

	return write_beside(path, data, len, &look, err);
}

int
file_replace(const char *path, const void *data, size_t len, struct err *err)
{
	struct stat st;

	if (lstat(path, &st) != 0) {
		err_errno(err, "stat %s", path);
		if (err->errnum == ENOENT)
			err->code = ERR_NOT_FOUND;
		return -1;
	}
	if (!S_ISREG(st.st_mode))
		return err_set(
		    err, ERR_CONFLICT, "%s: not a regular file", path);
	const struct look look = {st.st_mode & 07777, st.st_uid, st.st_gid};
	return write_beside(path, data, len, &look, err);
}

static int
make_one(const char *path, mode_t mode, struct err *err)
{
	struct stat st;

	if (mkdir(path, 0700) == 0)
		return chmod(path, mode) == 0
		    ? 0
		    : err_errno(err, "chmod %s", path);
	if (errno != EEXIST)
		return err_errno(err, "mkdir %s", path);
	if (stat(path, &st) != 0)
		return err_errno(err, "stat %s", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ERR_CONFLICT, "%s: not a directory", path);
	return 0;
}

int
file_make_directory(const char *path, mode_t mode, struct err *err)
{
	auto_free char *copy = alloc_string(path);

	if (*path == '\0')
		return err_set(
		    err, ERR_UNPROCESSABLE, "a directory without a name");
	for (char *slash = strchr(copy + 1, '/'); slash != NULL;
	     slash = strchr(slash + 1, '/')) {
		if (slash[1] == '\0')
			break;
		*slash = '\0';
		if (make_one(copy, 0755, err) != 0)
			return -1;
		*slash = '/';
	}
	return make_one(path, mode, err);
}

static int
check_component(
    int parent, const char *name, const char *path, uid_t also, struct err *err)
{
	struct stat st;

	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return err_errno(err, "stat %s", path);
	if (S_ISLNK(st.st_mode))
		return err_set(
		    err, ERR_UNPROCESSABLE, "%s: a symbolic link", path);
	if (st.st_uid != 0 && st.st_uid != also)
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: belongs to uid %u, who can change it", path,
		    (unsigned)st.st_uid);
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0 &&
	    !(S_ISDIR(st.st_mode) && (st.st_mode & S_ISVTX) != 0))
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: mode %04o lets others change it", path,
		    (unsigned)st.st_mode & 07777);
	return 0;
}

int
file_check_path_is_safe(const char *path, uid_t also, struct err *err)
{
	auto_free char *copy = alloc_string(path);
	char *at = copy;

	if (*path != '/')
		return err_set(
		    err, ERR_UNPROCESSABLE, "%s: not an absolute path", path);
	if (check_component(AT_FDCWD, "/", "/", also, err) != 0)
		return -1;
	while (*at != '\0') {
		char *end = strchrnul(at + 1, '/');
		char kept = *end;
		size_t len = (size_t)(end - at) - 1;

		*end = '\0';
		/* ".." would lead elsewhere than the names looked at. */
		if (strcmp(at + 1, "..") == 0)
			return err_set(err, ERR_UNPROCESSABLE,
			    "%s: \"..\" in the path", path);
		if (len > 0 &&
		    check_component(AT_FDCWD, copy, copy, also, err) != 0)
			return -1;
		*end = kept;
		at = end;
	}
	return 0;
}
