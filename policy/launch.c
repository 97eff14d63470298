/* Launches: read back as strictly as they were written. */
#include "policy/launch.h"

#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"

const char *
launch_image(const json_t *launch, const struct request *request)
{
	const char *image = json_string_value(json_object_get(launch, "image"));

	return image != NULL ? image : request->reference;
}

static const char **
list_strings(const json_t *array, size_t *ret_count)
{
	const char **list =
	    alloc_zero(json_array_size(array) + 1, sizeof(*list));

	*ret_count = json_array_size(array);
	for (size_t k = 0; k < *ret_count; k++)
		list[k] = json_string_value(json_array_get(array, k));
	return list;
}

const char **
launch_args(
    const json_t *launch, const struct request *request, size_t *ret_count)
{
	const json_t *args = json_object_get(launch, "args");
	const char **list;

	if (args != NULL)
		return list_strings(args, ret_count);
	*ret_count = request->nargs;
	list = alloc_zero(request->nargs + 1, sizeof(*list));
	if (request->nargs > 0)
		memcpy(list, request->args, request->nargs * sizeof(*list));
	return list;
}

const char **
launch_entrypoint(const json_t *launch, size_t *ret_count)
{
	const json_t *entrypoint = json_object_get(launch, "entrypoint");

	*ret_count = 0;
	return entrypoint == NULL ? NULL : list_strings(entrypoint, ret_count);
}

static bool
is_strings(const json_t *array)
{
	for (size_t k = 0; k < json_array_size(array); k++) {
		if (!json_is_string(json_array_get(array, k)))
			return false;
	}
	return true;
}

bool
launch_is_valid(const json_t *launch)
{
	struct members {
		const char *image;
		json_t *args, *entrypoint;
	} members = {0};
	static const struct json_field fields[] = {
	    JSON_FIELD(struct members, image, "image", JSON_KIND_STRING, false,
		1, IMAGE_MAX),
	    JSON_FIELD(
		struct members, args, "args", JSON_KIND_ARRAY, false, 0, 0),
	    JSON_FIELD(struct members, entrypoint, "entrypoint",
		JSON_KIND_ARRAY, false, 0, 0),
	};
	struct err ignored;

	return json_read_fields(launch, "", fields, COUNT(fields), false,
		   &members, &ignored) == 0 &&
	    is_strings(members.args) && is_strings(members.entrypoint);
}
