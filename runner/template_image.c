/*
 * What the engine says about an image. Whoever built the image wrote most of
 * it: it is read as a stranger's.
 */
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "runner/control.h"
#include "runner/template.h"

#define ID_PREFIX "sha256:"
#define ID_DIGITS 64

static bool
is_hex(const char *text, size_t len)
{
	return strspn(text, "0123456789abcdef") >= len;
}

static bool
is_id(const char *text)
{
	return strncmp(text, ID_PREFIX, strlen(ID_PREFIX)) == 0 &&
	    strlen(text) == strlen(ID_PREFIX) + ID_DIGITS &&
	    is_hex(text + strlen(ID_PREFIX), ID_DIGITS);
}

bool
template_image_name_is_valid(const char *name)
{
	size_t len = strlen(name);

	return len >= 1 && len <= REQUEST_IMAGE_MAX &&
	    strspn(name,
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789._-/:@") == len &&
	    strstr(name, "..") == NULL && strstr(name, "//") == NULL &&
	    name[0] != '/' && name[0] != '.' && name[len - 1] != '/';
}

/* Whether one of the names that the engine lists for the image has the
 * repository of `name`, whose length is `len`. */
static bool
has_repository(const json_t *names, const char *name, size_t len)
{
	size_t i;
	json_t *value;

	json_array_foreach(names, i, value)
	{
		const char *text = json_string_value(value);
		const char *rest;

		if (text == NULL || strncmp(text, name, len) != 0)
			continue;
		rest = text + len;
		if ((*rest == ':' || *rest == '@') && strchr(rest, '/') == NULL)
			return true;
	}
	return false;
}

/*
 * The engine looks for a name first and then for an id that begins so: where
 * there is no image "cafe", it answers with sha256:cafe0123... Policy spoke
 * of a name.
 */
static bool
is_the_one(const json_t *inspection, const char *id, const char *name)
{
	const char *digest = strstr(name, "@" ID_PREFIX);
	const json_t *tags = json_object_get(inspection, "RepoTags");
	const json_t *digests = json_object_get(inspection, "RepoDigests");
	size_t len;

	if (strncmp(name, ID_PREFIX, strlen(ID_PREFIX)) == 0)
		return strcmp(id, name) == 0;
	len = strcspn(name, digest != NULL ? "@" : ":@/");
	/* Only digits and no further part: this might be an id. */
	if (digest == NULL && name[len] == '\0' && is_hex(name, len))
		return has_repository(tags, name, len);
	/* NAME@ID of an image that came from no registry. */
	if (digest != NULL && strcmp(digest + 1, id) == 0)
		return has_repository(tags, name, len) ||
		    has_repository(digests, name, len);
	return true;
}

static bool
is_strings(const json_t *array, size_t most)
{
	size_t i;
	json_t *value;

	if (array == NULL || json_is_null(array))
		return true;
	if (!json_is_array(array) || json_array_size(array) > most)
		return false;
	json_array_foreach(array, i, value)
	{
		if (!json_is_string(value))
			return false;
	}
	return true;
}

/* The places that the template itself has a use for. */
static const char *const TAKEN[] = {
    "/.taskgate", "/proc", "/sys", "/dev", "/tmp", "/etc/hosts"};

static bool
is_below(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	return strncmp(path, folder, len) == 0 &&
	    (path[len] == '/' || path[len] == '\0');
}

/* The engine would make the parent, or the root itself, of it. */
static bool
is_dots(const char *last)
{
	return strcmp(last, ".") == 0 || strcmp(last, "..") == 0;
}

static int
check_volume(const char *path, struct err *err)
{
	size_t len = strlen(path);

	if (path[0] != '/' || len < 2 || len > 1024 || path[len - 1] == '/' ||
	    strstr(path, "//") != NULL || strstr(path, "/./") != NULL ||
	    strstr(path, "/../") != NULL || is_dots(strrchr(path, '/') + 1) ||
	    strpbrk(path, ":,\n") != NULL)
		return err_set(err, ERR_UNPROCESSABLE,
		    "the image declares a VOLUME that is no plain path: %s",
		    path);
	/* /tmp itself is a tmpfs anyway. */
	if (strcmp(path, "/tmp") == 0)
		return 0;
	for (size_t i = 0; i < COUNT(TAKEN); i++) {
		if (is_below(path, TAKEN[i]) || is_below(TAKEN[i], path))
			return err_set(err, ERR_UNPROCESSABLE,
			    "the image declares a VOLUME at %s, where taskgate "
			    "or the kernel has something",
			    path);
	}
	return 0;
}

static int
check_volumes(const json_t *volumes, struct err *err)
{
	const char *path;
	json_t *value;

	if (volumes == NULL || json_is_null(volumes))
		return 0;
	if (!json_is_object(volumes) ||
	    json_object_size(volumes) > TEMPLATE_VOLUMES_MAX)
		return err_set(err, ERR_UNPROCESSABLE,
		    "the image declares more than %d VOLUMEs",
		    TEMPLATE_VOLUMES_MAX);
	json_object_foreach((json_t *)(uintptr_t)volumes, path, value)
	{
		if (check_volume(path, err) != 0)
			return -1;
	}
	return 0;
}

int
template_image_read(json_t *inspection, const char *name,
    struct template_image *ret, struct err *err)
{
	const char *id = json_string_value(json_object_get(inspection, "Id"));
	const json_t *config = json_object_get(inspection, "Config");
	struct template_image image = {
	    .id = id,
	    .entrypoint = json_object_get(config, "Entrypoint"),
	    .command = json_object_get(config, "Cmd"),
	    .environment = json_object_get(config, "Env"),
	    .volumes = json_object_get(config, "Volumes"),
	    .folder = json_string_value(json_object_get(config, "WorkingDir")),
	};

	if (id == NULL || !is_id(id))
		return err_set(err, ERR_UNPROCESSABLE,
		    "the engine gives no proper id for the image");
	if (!is_the_one(inspection, id, name))
		return err_set(err, ERR_NOT_FOUND,
		    "there is no image of this name (only one whose id begins "
		    "so: %.19s)",
		    id);
	if (!is_strings(image.entrypoint, CONTROL_ARGS_MAX) ||
	    !is_strings(image.command, CONTROL_ARGS_MAX) ||
	    !is_strings(image.environment, CONTROL_ENV_MAX))
		return err_set(err, ERR_UNPROCESSABLE,
		    "the image's ENTRYPOINT, CMD or ENV is not usable");
	if (image.folder == NULL)
		image.folder = "";
	if (*image.folder != '\0' && *image.folder != '/')
		return err_set(err, ERR_UNPROCESSABLE,
		    "the image's WORKDIR is not absolute: %s", image.folder);
	if (check_volumes(image.volumes, err) != 0)
		return -1;
	/* The rest of an inspection can be large, and is kept for long. */
	image.json = json_pack("{s:O, s:O*, s:O*, s:O*, s:O*, s:O*}", "Id",
	    json_object_get(inspection, "Id"), "Entrypoint", image.entrypoint,
	    "Cmd", image.command, "Env", image.environment, "Volumes",
	    image.volumes, "WorkingDir", json_object_get(config, "WorkingDir"));
	if (image.json == NULL)
		die("json_pack");
	*ret = image;
	return 0;
}

void
template_image_done(struct template_image *image)
{
	json_decref(image->json);
	*image = (struct template_image){0};
}
