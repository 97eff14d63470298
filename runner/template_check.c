/*
 * Whether the engine made what it was asked for. Of what was not asked for
 * nothing may be set, but for the few members that are the engine's own.
 */
#include <stdio.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "runner/template.h"
#include "runner/template_network.h"

/* Null, false, zero, "", {}, and arrays of such: what the engine writes for a
 * member that nobody set ("ConsoleSize": [0, 0]). */
static bool
is_empty(const json_t *json)
{
	size_t i;
	json_t *value;

	if (json == NULL || json_is_null(json) || json_is_false(json))
		return true;
	if (json_is_integer(json))
		return json_integer_value(json) == 0;
	if (json_is_string(json))
		return json_string_length(json) == 0;
	if (json_is_object(json))
		return json_object_size(json) == 0;
	if (!json_is_array(json))
		return false;
	json_array_foreach(json, i, value)
	{
		if (!is_empty(value))
			return false;
	}
	return true;
}

static int
refuse(
    const char *path, const json_t *asked, const json_t *found, struct err *err)
{
	auto_free char *a = asked != NULL
	    ? json_dumps(asked, JSON_ENCODE_ANY | JSON_COMPACT)
	    : NULL;
	auto_free char *f = found != NULL
	    ? json_dumps(found, JSON_ENCODE_ANY | JSON_COMPACT)
	    : NULL;

	return err_set(err, ERR_CONFLICT,
	    "the engine made another container than it was asked for: %s is "
	    "%.100s and not %.100s",
	    path, f != NULL ? f : "absent", a != NULL ? a : "absent");
}

static int compare(const char *path, const json_t *asked, const json_t *found,
    struct err *err);

static int
compare_arrays(
    const char *path, const json_t *asked, const json_t *found, struct err *err)
{
	size_t i;
	json_t *value;

	if (json_array_size(asked) != json_array_size(found))
		return refuse(path, asked, found, err);
	json_array_foreach(asked, i, value)
	{
		auto_free char *inner = alloc_printf("%s[%zu]", path, i);

		if (compare(inner, value, json_array_get(found, i), err) != 0)
			return -1;
	}
	return 0;
}

static int
compare_asked(
    const char *path, const json_t *asked, const json_t *found, struct err *err)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)asked, name, value)
	{
		auto_free char *inner = alloc_printf("%s.%s", path, name);

		if (compare(inner, value, json_object_get(found, name), err) !=
		    0)
			return -1;
	}
	return 0;
}

static int
compare_objects(
    const char *path, const json_t *asked, const json_t *found, struct err *err)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)found, name, value)
	{
		auto_free char *inner = alloc_printf("%s.%s", path, name);

		if (json_object_get(asked, name) == NULL && !is_empty(value))
			return refuse(inner, NULL, value, err);
	}
	return compare_asked(path, asked, found, err);
}

static int
compare(
    const char *path, const json_t *asked, const json_t *found, struct err *err)
{
	if (is_empty(asked) && is_empty(found))
		return 0;
	if (json_is_object(asked) && json_is_object(found))
		return compare_objects(path, asked, found, err);
	if (json_is_array(asked) && json_is_array(found))
		return compare_arrays(path, asked, found, err);
	return json_equal(asked, found) ? 0 : refuse(path, asked, found, err);
}

static bool
is_string(const json_t *found)
{
	return json_is_string(found);
}

static bool
has_string(const json_t *array, const char *text)
{
	size_t i;
	json_t *value;

	json_array_foreach(array, i, value)
	{
		if (json_is_string(value) &&
		    strcmp(json_string_value(value), text) == 0)
			return true;
	}
	return false;
}

static bool
hides_kernel(const json_t *found)
{
	return has_string(found, "/proc/kcore") &&
	    has_string(found, "/proc/keys") &&
	    has_string(found, "/sys/firmware");
}

static bool
protects_kernel(const json_t *found)
{
	return has_string(found, "/proc/sys") &&
	    has_string(found, "/proc/sysrq-trigger");
}

static bool
is_default_isolation(const json_t *found)
{
	return is_empty(found) ||
	    strcmp(json_string_value(found) != NULL ? json_string_value(found)
						    : "",
		"default") == 0;
}

/* Members of HostConfig that the engine sets by its own configuration. */
static const struct own {
	const char *name;
	bool (*accept)(const json_t *found);
} OWN[] = {
    {"Runtime", is_string},
    {"Isolation", is_default_isolation},
    {"MaskedPaths", hides_kernel},
    {"ReadonlyPaths", protects_kernel},
};

static int
check_host(const json_t *asked, const json_t *found, struct err *err)
{
	auto_json *rest = json_copy((json_t *)(uintptr_t)found);

	if (!json_is_object(rest))
		return refuse("HostConfig", asked, found, err);
	for (size_t i = 0; i < COUNT(OWN); i++) {
		const json_t *value = json_object_get(rest, OWN[i].name);

		if (!OWN[i].accept(value))
			return refuse(OWN[i].name, NULL, value, err);
		json_object_del(rest, OWN[i].name);
	}
	return compare("HostConfig", asked, rest, err);
}

/* The image adds to Config what we do not override; each member that we did
 * ask for must be there. */
static int
check_config(const json_t *asked, const json_t *found, struct err *err)
{
	const json_t *labels = json_object_get(found, "Labels");
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)asked, name, value)
	{
		auto_free char *path = alloc_printf("Config.%s", name);

		if (strcmp(name, "HostConfig") == 0)
			continue;
		if (strcmp(name, "Labels") == 0) {
			if (compare_asked(path, value, labels, err) != 0)
				return -1;
			continue;
		}
		if (compare(path, value, json_object_get(found, name), err) !=
		    0)
			return -1;
	}
	return 0;
}

static const json_t *
find_mount(const json_t *mounts, const char *target)
{
	size_t i;
	json_t *mount;

	json_array_foreach(mounts, i, mount)
	{
		const char *text =
		    json_string_value(json_object_get(mount, "Target"));

		if (text != NULL && strcmp(text, target) == 0)
			return mount;
	}
	return NULL;
}

/* A volume that nothing covers would be a writable place on the disk. */
static int
check_volumes(const json_t *asked_host, const json_t *config, struct err *err)
{
	const json_t *tmpfs = json_object_get(asked_host, "Tmpfs");
	const json_t *mounts = json_object_get(asked_host, "Mounts");
	const char *path;
	json_t *value;

	json_object_foreach(json_object_get(config, "Volumes"), path, value)
	{
		if (json_object_get(tmpfs, path) == NULL &&
		    find_mount(mounts, path) == NULL)
			return err_set(err, ERR_CONFLICT,
			    "the engine made another container than it was "
			    "asked for: it has a volume at %s",
			    path);
	}
	return 0;
}

static bool
is_opposite(const json_t *one, const json_t *other)
{
	return json_is_boolean(one) && json_is_boolean(other) &&
	    json_is_true(one) != json_is_true(other);
}

/* The mount points as the engine resolved them: ours, and read-only where they
 * are to be. */
static int
check_mounts(const json_t *asked, const json_t *found, struct err *err)
{
	size_t i;
	json_t *point;

	if (!json_is_array(found) ||
	    json_array_size(found) != json_array_size(asked))
		return refuse("Mounts", asked, found, err);
	json_array_foreach(found, i, point)
	{
		const char *target =
		    json_string_value(json_object_get(point, "Destination"));
		const json_t *mount =
		    target != NULL ? find_mount(asked, target) : NULL;

		if (mount == NULL ||
		    !json_equal(json_object_get(point, "Source"),
			json_object_get(mount, "Source")) ||
		    !json_equal(json_object_get(point, "Type"),
			json_object_get(mount, "Type")) ||
		    !is_opposite(json_object_get(point, "RW"),
			json_object_get(mount, "ReadOnly")))
			return refuse("Mounts", mount, point, err);
	}
	return 0;
}

int
template_check(const json_t *asked, const char *image_id,
    const json_t *inspection, struct err *err)
{
	const json_t *host = json_object_get(asked, "HostConfig");
	const json_t *config = json_object_get(inspection, "Config");
	const char *image =
	    json_string_value(json_object_get(inspection, "Image"));

	if (image == NULL || strcmp(image, image_id) != 0)
		return err_set(err, ERR_CONFLICT,
		    "the engine made the container of another image: %s and "
		    "not %s",
		    image != NULL ? image : "none", image_id);
	if (check_host(host, json_object_get(inspection, "HostConfig"), err) !=
	    0)
		return -1;
	if (check_config(asked, config, err) != 0 ||
	    check_volumes(host, config, err) != 0 ||
	    template_check_network(host, inspection, err) != 0)
		return -1;
	return check_mounts(json_object_get(host, "Mounts"),
	    json_object_get(inspection, "Mounts"), err);
}

int
template_check_limits(
    const json_t *asked, const json_t *inspection, struct err *err)
{
	return compare_asked("HostConfig", asked,
	    json_object_get(inspection, "HostConfig"), err);
}
