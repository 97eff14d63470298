#include "runner/mount_source.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"

#define TO_LOOK (O_PATH | O_NOFOLLOW | O_CLOEXEC)
#define OF_OTHERS (S_IWGRP | S_IWOTH)

/* Not in <linux/magic.h>. */
#define MQUEUE_MAGIC 0x19800202
#define FUSECTL_MAGIC 0x65735543
#define CONFIGFS_MAGIC 0x62656570

void
mount_guard_init(struct mount_guard *guard)
{
	static const char *const machine[] = {"/proc", "/sys", "/dev",
	    "/run/docker.sock", "/run/docker", "/run/containerd",
	    "/var/lib/docker", "/var/lib/containerd"};

	guard->count = 0;
	for (size_t i = 0; i < COUNT(machine); i++)
		mount_guard_add(guard, machine[i]);
}

void
mount_guard_add(struct mount_guard *guard, const char *place)
{
	if (place == NULL)
		return;
	if (guard->count == MOUNT_GUARD_MAX)
		die("more than %d places that no mount shows", MOUNT_GUARD_MAX);
	guard->places[guard->count++] = place;
}

static bool
is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* -- the way there */

/* A folder on the way: whoever can write in it can put something else there;
 * a sticky bit keeps what stands, but not the name when that is gone. */
static int
check_folder(const struct stat *st, const char *path, struct err *err)
{
	if (S_ISLNK(st->st_mode))
		return err_set(
		    err, ERR_UNPROCESSABLE, "%s: a symbolic link", path);
	if (!S_ISDIR(st->st_mode))
		return err_set(
		    err, ERR_UNPROCESSABLE, "%s: not a folder", path);
	if (st->st_uid != 0)
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: belongs to uid %u, and what is in it can be another "
		    "thing at any time",
		    path, (unsigned)st->st_uid);
	if ((st->st_mode & OF_OTHERS) != 0)
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: mode %04o lets others change what is in it", path,
		    (unsigned)st->st_mode & 07777);
	return 0;
}

/* It may belong to whom it likes: a task's user, who is to write to it. */
static int
check_end(const struct stat *st, const char *path, struct err *err)
{
	if (S_ISLNK(st->st_mode))
		return err_set(
		    err, ERR_UNPROCESSABLE, "%s: a symbolic link", path);
	if (!S_ISDIR(st->st_mode) && !S_ISREG(st->st_mode))
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: neither a folder nor a regular file", path);
	if ((st->st_mode & OF_OTHERS) != 0)
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: mode %04o lets others write to it", path,
		    (unsigned)st->st_mode & 07777);
	return 0;
}

static int
open_next(int folder, const char *name, const char *path, int *ret,
    struct stat *ret_stat, struct err *err)
{
	auto_fd int fd = openat(folder, name, TO_LOOK);

	if (fd < 0 && errno == ENOENT)
		return err_set(err, ERR_NOT_FOUND, "%s: is not there", path);
	if (fd < 0)
		return err_errno(err, "%s", path);
	if (fstat(fd, ret_stat) != 0)
		return err_errno(err, "stat %s", path);
	*ret = take_fd(fd);
	return 0;
}

/* Each step from a folder that is open and was found good: nobody but root
 * can make the next one another. */
static int
walk(const char *source, int *ret, struct stat *ret_stat, struct err *err)
{
	auto_free char *path = alloc_string(source);
	auto_fd int at = -1;
	struct stat st;
	char *name = path + 1;

	if (open_next(AT_FDCWD, "/", "/", &at, &st, err) != 0)
		return -1;
	while (*name != '\0') {
		char *end = strchrnul(name, '/');
		bool is_last = *end == '\0';
		int next = -1;

		/* The path so far, for the message. */
		*end = '\0';
		name[-1] = '\0';
		if (check_folder(&st, *path != '\0' ? path : "/", err) != 0)
			return -1;
		name[-1] = '/';
		if (open_next(at, name, path, &next, &st, err) != 0)
			return -1;
		close(at);
		at = next;
		if (is_last)
			break;
		*end = '/';
		name = end + 1;
	}
	if (check_end(&st, source, err) != 0)
		return -1;
	*ret = take_fd(at);
	*ret_stat = st;
	return 0;
}

/* -- what is guarded */

/* The folder that holds what is open: of a file, by its path. */
static int
open_above(int fd, const struct stat *st, const char *path)
{
	auto_free char *above = NULL;
	const char *slash;

	if (S_ISDIR(st->st_mode))
		return openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	slash = strrchr(path, '/');
	above = slash == NULL || slash == path
	    ? alloc_string("/")
	    : alloc_bytes(path, (size_t)(slash - path));
	return open(above, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Whether one of those that hold `path`, or it itself, is `wanted`. Goes up by
 * what each folder says lies above it: no name can lead astray. */
static bool
lies_in(int fd_take, const char *path, const struct stat *wanted)
{
	auto_fd int fd = fd_take;
	struct stat st, above;

	if (fd < 0 || fstat(fd, &st) != 0)
		return false;
	for (;;) {
		int next;

		if (is_same(&st, wanted))
			return true;
		next = open_above(fd, &st, path);
		if (next < 0)
			return false;
		close(fd);
		fd = next;
		if (fstat(fd, &above) != 0 || is_same(&st, &above))
			return false;
		st = above;
	}
}

static int
check_place(const char *source, int fd, const struct stat *st,
    const char *place, struct err *err)
{
	auto_fd int at = open(place, O_PATH | O_CLOEXEC);
	struct stat guarded;

	if (at < 0 || fstat(at, &guarded) != 0)
		return 0;
	if (lies_in(fcntl(fd, F_DUPFD_CLOEXEC, 3), source, &guarded))
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: is %s or lies in it, which no task may have", source,
		    place);
	if (lies_in(take_fd(at), place, st))
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: holds %s, which no task may have", source, place);
	return 0;
}

/* What the kernel makes up, under whatever name it is mounted. */
static int
check_kind(int fd, const char *source, struct err *err)
{
	static const unsigned long kernel[] = {PROC_SUPER_MAGIC, SYSFS_MAGIC,
	    CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, DEBUGFS_MAGIC,
	    TRACEFS_MAGIC, SECURITYFS_MAGIC, DEVPTS_SUPER_MAGIC, NSFS_MAGIC,
	    BPF_FS_MAGIC, BINFMTFS_MAGIC, EFIVARFS_MAGIC, PSTOREFS_MAGIC,
	    MQUEUE_MAGIC, FUSECTL_MAGIC, CONFIGFS_MAGIC};
	struct statfs fs;

	if (fstatfs(fd, &fs) != 0)
		return err_errno(err, "statfs %s", source);
	for (size_t i = 0; i < COUNT(kernel); i++) {
		if ((unsigned long)fs.f_type == kernel[i])
			return err_set(err, ERR_UNPROCESSABLE,
			    "%s: is of a file system of the kernel's own",
			    source);
	}
	return 0;
}

int
mount_source_find(const char *source, const struct mount_guard *guard,
    struct control_inode *ret, struct err *err)
{
	auto_fd int fd = -1;
	struct stat st;

	if (source[0] != '/' || source[1] == '\0')
		return err_set(err, ERR_UNPROCESSABLE,
		    "\"%s\": not the path of a folder or file", source);
	if (walk(source, &fd, &st, err) != 0 ||
	    check_kind(fd, source, err) != 0)
		return -1;
	for (size_t i = 0; i < guard->count; i++) {
		if (check_place(source, fd, &st, guard->places[i], err) != 0)
			return -1;
	}
	*ret = (struct control_inode){st.st_dev, st.st_ino};
	return 0;
}
