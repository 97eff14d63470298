#include "runner/mount_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"

#define TO_LOOK (O_PATH | O_NOFOLLOW | O_CLOEXEC)
/* As many as the kernel follows: path_resolution(7). */
#define LINKS_MAX 40

void
mount_guard_init(struct mount_guard *guard)
{
	static const char *const machine[] = {"/proc", "/sys", "/dev",
	    "/run/docker.sock", "/run/docker", "/run/containerd",
	    "/var/lib/docker", "/var/lib/containerd"};

	*guard = (struct mount_guard){0};
	for (size_t i = 0; i < COUNT(machine); i++)
		mount_guard_add(guard, machine[i]);
}

void
mount_guard_add(struct mount_guard *guard, const char *place)
{
	if (place == NULL)
		return;
	if (guard->count == COUNT(guard->places) || place[0] != '/')
		die("%s: one more place that no mount shows", place);
	guard->places[guard->count++] = place;
}

void
mount_guard_add_named(struct mount_guard *guard, const char *place)
{
	if (place == NULL)
		return;
	if (guard->nnamed == COUNT(guard->named) || place[0] != '/')
		die("%s: one more place that no mount shows", place);
	guard->named[guard->nnamed++] = place;
}

static bool
is_same(const struct control_inode *a, const struct control_inode *b)
{
	return a->device == b->device && a->inode == b->inode;
}

/* -- the way to a place */

struct trail {
	int at; /* the folder, or what else it has come to */
	struct control_inode inode; /* and which that is */
	char *text;
	const char *rest; /* of the text: to go yet */
	int links;
	const struct control_inode *wanted;
	bool met; /* the one that is wanted */
};

static void
trail_done(struct trail *trail)
{
	if (trail->at >= 0)
		close(trail->at);
	free(trail->text);
}

static void
come_to(struct trail *trail, int fd_take, const struct stat *st)
{
	if (trail->at >= 0)
		close(trail->at);
	trail->at = fd_take;
	trail->inode = (struct control_inode){st->st_dev, st->st_ino};
	trail->met = trail->met || is_same(&trail->inode, trail->wanted);
}

static int
come_to_root(struct trail *trail)
{
	auto_fd int fd = open("/", TO_LOOK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		return -1;
	come_to(trail, take_fd(fd), &st);
	return 0;
}

static int
follow(struct trail *trail, int link)
{
	char target[PATH_MAX];
	ssize_t len = readlinkat(link, "", target, sizeof(target));
	char *text;

	if (len < 0)
		return -1;
	if (len == sizeof(target)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (++trail->links > LINKS_MAX) {
		errno = ELOOP;
		return -1;
	}
	text = alloc_printf("%.*s/%s", (int)len, target, trail->rest);
	free(trail->text);
	trail->rest = trail->text = text;
	return text[0] == '/' ? come_to_root(trail) : 0;
}

/* 1; 0: it is not there; or -1 with errno. `..` asks the folder, so that
 * what is above it is what the kernel would say. */
static int
step(struct trail *trail)
{
	const char *end = strchrnul(trail->rest, '/');
	auto_free char *name =
	    alloc_bytes(trail->rest, (size_t)(end - trail->rest));
	auto_fd int fd = openat(trail->at, name, TO_LOOK);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	if (fstat(fd, &st) != 0)
		return -1;
	trail->rest = end;
	if (S_ISLNK(st.st_mode))
		return follow(trail, fd) == 0 ? 1 : -1;
	come_to(trail, take_fd(fd), &st);
	return 1;
}

/* Likewise, for all of it. */
static int
go(struct trail *trail)
{
	int result = come_to_root(trail) == 0 ? 1 : -1;

	while (result > 0) {
		trail->rest += strspn(trail->rest, "/");
		if (*trail->rest == '\0')
			break;
		result = step(trail);
	}
	return result;
}

/* -- the check */

static int
refuse(const char *source, const char *what, const char *place, struct err *err)
{
	return err_set(err, ERR_UNPROCESSABLE,
	    "%s: %s %s, which no task may "
	    "have",
	    source, what, place);
}

static int
check_place(const char *place, const char *source,
    const struct control_inode *way, size_t count, struct err *err)
{
	AUTO(trail_done)
	struct trail trail = {
	    .at = -1, .text = alloc_string(place), .wanted = &way[count - 1]};
	int found;

	trail.rest = trail.text;
	found = go(&trail);
	if (found < 0)
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: whether it shows %s, which no task may have, cannot "
		    "be seen: %s",
		    source, place, strerror(errno));
	for (size_t i = 0; found > 0 && i < count; i++) {
		if (is_same(&way[i], &trail.inode))
			return refuse(source, "is or lies in", place, err);
	}
	return trail.met ? refuse(source, "holds", place, err) : 0;
}

static bool
lies_in(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	while (len > 0 && folder[len - 1] == '/')
		len--;
	return strncmp(path, folder, len) == 0 &&
	    (path[len] == '\0' || path[len] == '/');
}

int
mount_guard_check(const struct mount_guard *guard, const char *source,
    const struct control_inode *way, size_t count, struct err *err)
{
	for (size_t i = 0; i < guard->count; i++) {
		if (check_place(guard->places[i], source, way, count, err) != 0)
			return -1;
	}
	for (size_t i = 0; i < guard->nnamed; i++) {
		const char *place = guard->named[i];

		if (lies_in(source, place))
			return refuse(source, "is or lies in", place, err);
		if (lies_in(place, source))
			return refuse(source, "holds", place, err);
	}
	return 0;
}
