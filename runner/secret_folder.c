#include "runner/secret_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/packet.h"

/* Its names are nobody else's business; its owner's group may hold the runner,
 * which need not own it. */
#define FOLDER_CLOSED (S_IWGRP | S_IRWXO)
#define FILE_CLOSED (S_IRWXG | S_IRWXO)

static int
check_owner(
    const struct stat *st, mode_t closed, const char *name, struct err *err)
{
	if (st->st_uid != geteuid() && st->st_uid != 0)
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: belongs to uid %u, and neither to root nor to uid %u, "
		    "which reads it",
		    name, (unsigned)st->st_uid, (unsigned)geteuid());
	if ((st->st_mode & closed) != 0)
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: mode %04o lets others in; chmod go= it", name,
		    (unsigned)st->st_mode & 07777);
	return 0;
}

static int
open_folder(const char *folder, int *ret, struct err *err)
{
	struct stat st;
	auto_fd int fd = -1;

	if (file_check_path_is_safe(folder, geteuid(), err) != 0)
		return -1;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, "open %s", folder);
	if (fstat(fd, &st) != 0)
		return err_errno(err, "stat %s", folder);
	if (check_owner(&st, FOLDER_CLOSED, folder, err) != 0)
		return -1;
	*ret = take_fd(fd);
	return 0;
}

int
secret_folder_check(const char *folder, struct err *err)
{
	auto_fd int fd = -1;

	return open_folder(folder, &fd, err);
}

/* O_NONBLOCK: a FIFO in its place must not hold us up. */
static int
open_file(int folder, const char *file, int *ret, struct stat *ret_stat,
    struct err *err)
{
	auto_fd int fd = openat(folder, file,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return err_set(err, ERR_NOT_FOUND, "%s: is not there", file);
	if (fd < 0 && errno == ELOOP)
		return err_set(
		    err, ERR_UNPROCESSABLE, "%s: a symbolic link", file);
	if (fd < 0)
		return err_errno(err, "open %s", file);
	if (fstat(fd, ret_stat) != 0)
		return err_errno(err, "stat %s", file);
	if (!S_ISREG(ret_stat->st_mode))
		return err_set(
		    err, ERR_UNPROCESSABLE, "%s: not a regular file", file);
	if (check_owner(ret_stat, FILE_CLOSED, file, err) != 0)
		return -1;
	/* Empty: most likely in the middle of being written. */
	if (ret_stat->st_size < 1 ||
	    (size_t)ret_stat->st_size > SECRET_BYTES_MAX)
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: has %lld bytes, and a secret 1 to %zu", file,
		    (long long)ret_stat->st_size, SECRET_BYTES_MAX);
	*ret = take_fd(fd);
	return 0;
}

static int
copy_sealed(int from, size_t size, const char *file, int *ret, struct err *err)
{
	auto_fd int fd =
	    memfd_create("secret", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t len = 0;

	if (fd < 0)
		return err_errno(err, "memfd_create");
	/* One byte more than the size shows whether it has grown. */
	while (len <= size) {
		ssize_t n = sendfile(fd, from, NULL, size + 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, "read %s", file);
		if (n == 0)
			break;
		len += (size_t)n;
	}
	if (len != size)
		return err_set(
		    err, ERR_CONFLICT, "%s: changed while it was read", file);
	if (packet_seal_file(fd, err) != 0)
		return -1;
	*ret = take_fd(fd);
	return 0;
}

int
secret_folder_open(
    const char *folder, const char *file, int *ret_fd, struct err *err)
{
	auto_fd int at = -1, fd = -1;
	struct stat st;

	if (open_folder(folder, &at, err) != 0)
		return -1;
	if (open_file(at, file, &fd, &st, err) != 0 ||
	    copy_sealed(fd, (size_t)st.st_size, file, ret_fd, err) != 0)
		return err_prefix(err, "%s", folder);
	return 0;
}
