/*
 * Paths of mounts. Both sides are resolved by others, as root: so there is
 * nothing in a path that could be resolved, and nothing is mounted where the
 * container has something of its own.
 */
#include "policy/mount.h"

#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"

static const struct json_field fields[] = {
    JSON_FIELD(struct mount, source, "source", JSON_KIND_STRING, true, 1,
	MOUNT_PATH_MAX),
    JSON_FIELD(struct mount, target, "target", JSON_KIND_STRING, true, 1,
	MOUNT_PATH_MAX),
    JSON_FIELD(
	struct mount, read_only, "read_only", JSON_KIND_BOOLEAN, false, 0, 0),
};

/* The kernel's and the machine's own. */
static const char *const machine[] = {"/proc", "/sys", "/dev"};

/* What a container has of its own: nothing lies over it, in it or around it,
 * for the engine makes a folder where it mounts. */
static const char *const reserved[] = {"/proc", "/sys", "/dev", "/tmp",
    "/run/secrets", "/.taskgate", "/etc/hosts", "/etc/hostname",
    "/etc/resolv.conf"};

bool
mount_path_is_within(const char *path, const char *other)
{
	size_t len = strlen(other);

	if (strcmp(other, "/") == 0)
		return true;
	return strncmp(path, other, len) == 0 &&
	    (path[len] == '\0' || path[len] == '/');
}

static bool
has_control(const char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return true;
	}
	return false;
}

/* NULL, or why not. */
static const char *
check_path(const char *path)
{
	if (path[0] != '/')
		return "must be an absolute path";
	if (has_control(path))
		return "has a control byte";
	for (const char *at = path; *at == '/';
	     at += 1 + strcspn(at + 1, "/")) {
		size_t len = strcspn(at + 1, "/");

		if (len == 0 && path[1] != '\0')
			return "must be written plainly: no slash twice or at "
			       "the end";
		if ((len == 1 && at[1] == '.') ||
		    (len == 2 && at[1] == '.' && at[2] == '.'))
			return "must be written plainly: neither . nor .. in "
			       "it";
		if (len > 255)
			return "has a name of more than 255 bytes";
	}
	return NULL;
}

static int
check_source(const char *source, const char *path, struct err *err)
{
	const char *why = check_path(source);

	if (why == NULL && strcmp(source, "/") == 0)
		why = "must not be the whole machine";
	for (size_t k = 0; k < COUNT(machine) && why == NULL; k++) {
		if (mount_path_is_within(source, machine[k]))
			why = "must not lie in /proc, /sys or /dev";
	}
	return why == NULL
	    ? 0
	    : err_set(err, ERR_UNPROCESSABLE, "%s.source: %s", path, why);
}

static int
check_target(const char *target, const char *path, struct err *err)
{
	const char *why = check_path(target);

	if (why != NULL)
		return err_set(
		    err, ERR_UNPROCESSABLE, "%s.target: %s", path, why);
	for (size_t k = 0; k < COUNT(reserved); k++) {
		if (mount_path_is_within(target, reserved[k]) ||
		    mount_path_is_within(reserved[k], target))
			return err_set(err, ERR_UNPROCESSABLE,
			    "%s.target: must neither lie in %s, which is the "
			    "container's own, nor hold it",
			    path, reserved[k]);
	}
	return 0;
}

static int
read_one(
    const json_t *json, const char *path, struct mounts *ret, struct err *err)
{
	struct mount mount = {.read_only = true};

	if (json_read_fields(
		json, path, fields, COUNT(fields), true, &mount, err) != 0 ||
	    check_source(mount.source, path, err) != 0 ||
	    check_target(mount.target, path, err) != 0)
		return -1;
	for (size_t k = 0; k < ret->count; k++) {
		if (mount_path_is_within(mount.target, ret->list[k].target) ||
		    mount_path_is_within(ret->list[k].target, mount.target))
			return err_set(err, ERR_UNPROCESSABLE,
			    "%s.target: is that of another mount, lies in it "
			    "or holds it",
			    path);
	}
	ret->list[ret->count++] = mount;
	return 0;
}

static int
compare_targets(const void *a, const void *b)
{
	const struct mount *one = a, *other = b;

	return strcmp(one->target, other->target);
}

int
mounts_read(
    const json_t *json, const char *path, struct mounts *ret, struct err *err)
{
	struct mounts mounts = {.json = (json_t *)(uintptr_t)json};
	size_t count = json_array_size(json);

	if (!json_is_array(json) || count < 1 || count > MOUNTS_MAX)
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: must be an array of 1 to %d mounts", path, MOUNTS_MAX);
	for (size_t k = 0; k < count; k++) {
		auto_free char *inner = alloc_printf("%s[%zu]", path, k);

		if (read_one(json_array_get(json, k), inner, &mounts, err) != 0)
			return -1;
	}
	qsort(
	    mounts.list, mounts.count, sizeof(mounts.list[0]), compare_targets);
	json_incref(mounts.json);
	*ret = mounts;
	return 0;
}

char *
mounts_text(const struct mounts *mounts)
{
	auto_json *list = json_array();

	for (size_t k = 0; k < mounts->count; k++) {
		const struct mount *mount = &mounts->list[k];

		json_array_append_new(list,
		    json_pack("{s:s, s:s, s:b}", "source", mount->source,
			"target", mount->target, "read_only",
			mount->read_only));
	}
	return json_encode_canonical(list, NULL);
}

int
mounts_parse(const char *text, struct mounts *ret, struct err *err)
{
	auto_json *json = NULL;

	*ret = (struct mounts){0};
	if (text == NULL)
		return 0;
	json = json_parse_strict(text, strlen(text), err);
	return json == NULL ? -1 : mounts_read(json, "mounts", ret, err);
}

json_t *
mounts_show(const char *text)
{
	json_t *list = json_array();
	struct mounts mounts;
	struct err ignored;

	if (mounts_parse(text, &mounts, &ignored) != 0)
		return list;
	for (size_t k = 0; k < mounts.count; k++)
		json_array_append_new(list,
		    json_pack("{s:s, s:b}", "target", mounts.list[k].target,
			"read_only", mounts.list[k].read_only));
	mounts_done(&mounts);
	return list;
}

void
mounts_done(struct mounts *mounts)
{
	json_decref(mounts->json);
	*mounts = (struct mounts){0};
}
