/*
 * The body of POST /v1/tasks. Trusts nothing; the JSON was read strictly
 * before anything here looks at it, so that no string holds a NUL.
 */
#include "policy/request.h"

#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/json_scan.h"

/* What the first reading gives: borrowed from the body. */
struct members {
	const char *image;
	json_t *args;
	json_t *env;
	json_t *limits;
};

static const struct json_field fields[] = {
    JSON_FIELD(struct members, image, "image", JSON_KIND_STRING, true, 1,
	REQUEST_IMAGE_MAX),
    JSON_FIELD(struct members, args, "args", JSON_KIND_ARRAY, false, 0,
	REQUEST_ARGS_MAX),
    JSON_FIELD(struct members, env, "env", JSON_KIND_OBJECT, false, 0, 0),
    JSON_FIELD(struct members, limits, "limits", JSON_KIND_OBJECT, false, 0, 0),
};

/* "env.NAME", its bytes neutralised, since a stranger chose them. */
static char *
member_path(const char *parent, const char *name)
{
	struct buffer path = BUFFER_INIT(JSON_PATH_MAX);

	buffer_append_string(&path, parent);
	json_path_add_key(&path, name, strlen(name));
	return buffer_take(&path);
}

bool
request_env_name_is_valid(const char *name)
{
	static const char bytes[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
	size_t len = strspn(name, bytes);

	return len > 0 && len <= REQUEST_NAME_MAX && name[len] == '\0' &&
	    (name[0] < '0' || name[0] > '9');
}

static int
read_image(struct request *request, const char *image, struct err *err)
{
	const char *why =
	    image_read(image, request->reference, &request->image_kind);

	if (why != NULL)
		return err_set(err, ERR_UNPROCESSABLE, "image: %s", why);
	request->image = image;
	return 0;
}

static int
read_args(struct request *request, const json_t *args, struct err *err)
{
	size_t count = json_array_size(args);

	if (count == 0)
		return 0;
	request->args = alloc_zero(count, sizeof(*request->args));
	for (size_t k = 0; k < count; k++) {
		const json_t *arg = json_array_get(args, k);

		if (!json_is_string(arg))
			return err_set(err, ERR_UNPROCESSABLE,
			    "args[%zu]: must be a string", k);
		/* The kernel counts the NUL too. */
		if (json_string_length(arg) >= REQUEST_ARG_MAX)
			return err_set(err, ERR_UNPROCESSABLE,
			    "args[%zu]: longer than %d bytes", k,
			    REQUEST_ARG_MAX - 1);
		request->args[request->nargs++] = json_string_value(arg);
	}
	return 0;
}

static int
read_variable(struct request *request, const char *name, const json_t *value,
    struct err *err)
{
	auto_free char *path = member_path("env", name);

	if (!request_env_name_is_valid(name))
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: a name is a letter or _, then letters, digits and _, "
		    "%d at most",
		    path, REQUEST_NAME_MAX);
	if (!json_is_string(value))
		return err_set(
		    err, ERR_UNPROCESSABLE, "%s: must be a string", path);
	/* One string NAME=VALUE to the kernel, its NUL counted. */
	if (strlen(name) + json_string_length(value) + 2 > REQUEST_ARG_MAX)
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: longer than %d bytes with its name", path,
		    REQUEST_ARG_MAX - 1);
	request->env[request->nenv++] = (struct request_env){
	    .name = name, .value = json_string_value(value)};
	return 0;
}

static int
compare_variables(const void *a, const void *b)
{
	const struct request_env *one = a, *other = b;

	return strcmp(one->name, other->name);
}

static int
read_env(struct request *request, json_t *env, struct err *err)
{
	size_t count = json_object_size(env);
	const char *name = NULL;
	json_t *value = NULL;

	if (count > REQUEST_ENV_MAX)
		return err_set(err, ERR_UNPROCESSABLE,
		    "env: more than %d variables", REQUEST_ENV_MAX);
	if (count == 0)
		return 0;
	request->env = alloc_zero(count, sizeof(*request->env));
	json_object_foreach(env, name, value)
	{
		if (read_variable(request, name, value, err) != 0)
			return -1;
	}
	qsort(request->env, count, sizeof(*request->env), compare_variables);
	return 0;
}

static int
read_limits(struct request *request, json_t *limits, struct err *err)
{
	json_t *values[LIMIT_COUNT] = {NULL};
	struct json_field limit_fields[LIMIT_COUNT];

	for (size_t k = 0; k < LIMIT_COUNT; k++) {
		limit_fields[k] = (struct json_field){
		    .name = limit_name((enum limit)k),
		    .kind = JSON_KIND_ANY,
		    .offset = k * sizeof(values[0]),
		};
		request->limits[k] = LIMIT_UNSET;
	}
	if (limits == NULL)
		return 0;
	if (json_read_fields(limits, "limits", limit_fields, LIMIT_COUNT, false,
		values, err) != 0)
		return -1;
	for (size_t k = 0; k < LIMIT_COUNT; k++) {
		auto_free char *path =
		    member_path("limits", limit_name((enum limit)k));

		if (values[k] != NULL &&
		    limit_check((enum limit)k, values[k], path,
			&request->limits[k], err) != 0)
			return -1;
	}
	return 0;
}

DEFINE_CLEANUP(struct request, request_done);

int
request_parse(
    const char *text, size_t len, struct request *ret, struct err *err)
{
	struct request request = {0};
	AUTO(request_donep) struct request *half = &request;
	struct members members = {0};

	if (len > REQUEST_BODY_MAX)
		return err_set(err, ERR_TOO_LARGE,
		    "the body is longer than %d bytes", REQUEST_BODY_MAX);
	request.body = json_parse_strict(text, len, err);
	if (request.body == NULL)
		return -1;
	if (json_read_fields(request.body, "", fields, COUNT(fields), false,
		&members, err) != 0 ||
	    read_image(&request, members.image, err) != 0 ||
	    read_args(&request, members.args, err) != 0 ||
	    read_env(&request, members.env, err) != 0 ||
	    read_limits(&request, members.limits, err) != 0)
		return -1;
	*ret = request;
	half = NULL;
	return 0;
}

void
request_done(struct request *request)
{
	free(request->args);
	free(request->env);
	json_decref(request->body);
	*request = (struct request){0};
}
