#include "runner/mount_source.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdlib.h>
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

/* From the root on; with its end open. */
struct way {
	struct control_inode *list;
	size_t count;
	int fd;
};

static void
way_done(struct way *way)
{
	free(way->list);
	if (way->fd >= 0)
		close(way->fd);
}

static void
come_to(struct way *way, int fd_take, const struct stat *st)
{
	if (way->fd >= 0)
		close(way->fd);
	way->fd = fd_take;
	way->list = alloc_resize(way->list, way->count + 1, sizeof(*way->list));
	way->list[way->count++] =
	    (struct control_inode){st->st_dev, st->st_ino};
}

/* Each step from a folder that is open and was found good: nobody but root
 * can make the next one another. */
static int
walk(const char *source, struct way *way, struct err *err)
{
	auto_free char *path = alloc_string(source);
	struct stat st;
	char *name = path + 1;
	int fd = -1;

	if (open_next(AT_FDCWD, "/", "/", &fd, &st, err) != 0)
		return -1;
	come_to(way, fd, &st);
	while (*name != '\0') {
		char *end = strchrnul(name, '/');
		bool is_last = *end == '\0';

		/* The path so far, for the message. */
		*end = '\0';
		name[-1] = '\0';
		if (check_folder(&st, *path != '\0' ? path : "/", err) != 0)
			return -1;
		name[-1] = '/';
		if (open_next(way->fd, name, path, &fd, &st, err) != 0)
			return -1;
		come_to(way, fd, &st);
		if (is_last)
			break;
		*end = '/';
		name = end + 1;
	}
	return check_end(&st, source, err);
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
	AUTO(way_done) struct way way = {.fd = -1};

	if (source[0] != '/' || source[1] == '\0')
		return err_set(err, ERR_UNPROCESSABLE,
		    "\"%s\": not the path of a folder or file", source);
	if (walk(source, &way, err) != 0 ||
	    check_kind(way.fd, source, err) != 0 ||
	    mount_guard_check(guard, source, way.list, way.count, err) != 0)
		return -1;
	*ret = way.list[way.count - 1];
	return 0;
}
