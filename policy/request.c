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
#include "lib/digest.h"
#include "lib/json.h"
#include "lib/json_scan.h"
#include "policy/request_read.h"

/* What the first reading gives: borrowed from the body. */
struct members {
	const char *image;
	const char *task;
	json_t *params;
	json_t *args;
	json_t *env;
	json_t *limits;
	json_t *input; /* "stdin", a macro of the C library */
	json_t *inputs;
	json_t *outputs;
};

static const struct json_field fields[] = {
    JSON_FIELD(struct members, image, "image", JSON_KIND_STRING, false, 1,
	REQUEST_IMAGE_MAX),
    JSON_FIELD(struct members, task, "task", JSON_KIND_STRING, false, 1,
	REQUEST_TASK_MAX),
    JSON_FIELD(struct members, params, "params", JSON_KIND_OBJECT, false, 0, 0),
    JSON_FIELD(struct members, args, "args", JSON_KIND_ARRAY, false, 0,
	REQUEST_ARGS_MAX),
    JSON_FIELD(struct members, env, "env", JSON_KIND_OBJECT, false, 0, 0),
    JSON_FIELD(struct members, limits, "limits", JSON_KIND_OBJECT, false, 0, 0),
    JSON_FIELD(struct members, input, "stdin", JSON_KIND_OBJECT, false, 0, 0),
    JSON_FIELD(struct members, inputs, "inputs", JSON_KIND_OBJECT, false, 0, 0),
    JSON_FIELD(struct members, outputs, "outputs", JSON_KIND_ARRAY, false, 0,
	REQUEST_FILES_MAX),
};

/* One of them. */
struct stdin_members {
	json_t *text;
	json_t *base64;
	bool stream;
};

static const struct json_field stdin_fields[] = {
    JSON_FIELD(struct stdin_members, text, "text", JSON_KIND_ANY, false, 0, 0),
    JSON_FIELD(
	struct stdin_members, base64, "base64", JSON_KIND_ANY, false, 0, 0),
    JSON_FIELD(
	struct stdin_members, stream, "stream", JSON_KIND_BOOLEAN, false, 0, 0),
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

bool
request_file_name_is_valid(const char *name)
{
	static const char bytes[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t len = strspn(name, bytes);

	return len > 0 && len <= REQUEST_FILE_NAME_MAX && name[len] == '\0' &&
	    name[0] != '.' && name[0] != '-';
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

/* An image and its arguments, or a task and its params. */
static int
read_what(
    struct request *request, const struct members *members, struct err *err)
{
	if (members->task == NULL && members->image == NULL)
		return err_set(err, ERR_UNPROCESSABLE,
		    "image: missing, and so is task: one of them");
	if (members->task == NULL && members->params != NULL)
		return err_set(
		    err, ERR_UNPROCESSABLE, "params: only of a task");
	if (members->task == NULL)
		return read_image(request, members->image, err);
	if (members->image != NULL)
		return err_set(err, ERR_UNPROCESSABLE,
		    "image: together with task, which says it");
	if (members->args != NULL)
		return err_set(err, ERR_UNPROCESSABLE,
		    "args: together with task, which takes params");
	return request_task_read(request, members->task, members->params, err);
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

static int
read_stdin_text(struct request *request, const json_t *text, struct err *err)
{
	if (!json_is_string(text))
		return err_set(
		    err, ERR_UNPROCESSABLE, "stdin.text: must be a string");
	request->stdin_mode = REQUEST_STDIN_INLINE;
	request->stdin_len = json_string_length(text);
	request->stdin_data =
	    alloc_bytes(json_string_value(text), request->stdin_len);
	return 0;
}

static int
read_stdin_base64(struct request *request, const json_t *text, struct err *err)
{
	uint8_t *data = NULL;

	if (!json_is_string(text))
		return err_set(
		    err, ERR_UNPROCESSABLE, "stdin.base64: must be a string");
	if (!base64_decode(json_string_value(text), json_string_length(text),
		&data, &request->stdin_len))
		return err_set(err, ERR_UNPROCESSABLE,
		    "stdin.base64: not base64 of RFC 4648 section 4, with its "
		    "padding and nothing else");
	request->stdin_mode = REQUEST_STDIN_INLINE;
	request->stdin_data = (char *)data;
	return 0;
}

static int
read_stdin(struct request *request, const json_t *input, struct err *err)
{
	struct stdin_members members = {0};

	if (input == NULL)
		return 0;
	if (json_read_fields(input, "stdin", stdin_fields, COUNT(stdin_fields),
		false, &members, err) != 0)
		return -1;
	if (json_object_size(input) != 1)
		return err_set(err, ERR_UNPROCESSABLE,
		    "stdin: must have text, base64 or stream, one of them");
	if (members.text != NULL)
		return read_stdin_text(request, members.text, err);
	if (members.base64 != NULL)
		return read_stdin_base64(request, members.base64, err);
	if (!members.stream)
		return err_set(
		    err, ERR_UNPROCESSABLE, "stdin.stream: must be true");
	request->stdin_mode = REQUEST_STDIN_STREAM;
	return 0;
}

static int
check_file_name(const char *name, const char *path, struct err *err)
{
	if (request_file_name_is_valid(name))
		return 0;
	return err_set(err, ERR_UNPROCESSABLE,
	    "%s: a name is letters, digits, '.', '_' and '-', %d at most, and "
	    "begins with a letter, a digit or '_'",
	    path, REQUEST_FILE_NAME_MAX);
}

static int
read_input(struct request *request, const char *name, const json_t *value,
    struct err *err)
{
	auto_free char *path = member_path("inputs", name);
	const char *sha256 = json_string_value(value);
	uint8_t digest[SHA256_BYTES];

	if (check_file_name(name, path, err) != 0)
		return -1;
	if (sha256 == NULL ||
	    !hex_decode(
		sha256, json_string_length(value), digest, sizeof(digest)))
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: must be the SHA-256 of a blob: 64 digits, 0-9 and a-f",
		    path);
	request->inputs[request->ninputs++] =
	    (struct request_input){.name = name, .sha256 = sha256};
	return 0;
}

static int
compare_inputs(const void *a, const void *b)
{
	const struct request_input *one = a, *other = b;

	return strcmp(one->name, other->name);
}

static int
read_inputs(struct request *request, json_t *inputs, struct err *err)
{
	size_t count = json_object_size(inputs);
	const char *name = NULL;
	json_t *value = NULL;

	if (count > REQUEST_FILES_MAX)
		return err_set(err, ERR_UNPROCESSABLE,
		    "inputs: more than %d files", REQUEST_FILES_MAX);
	if (count == 0)
		return 0;
	request->inputs = alloc_zero(count, sizeof(*request->inputs));
	json_object_foreach(inputs, name, value)
	{
		if (read_input(request, name, value, err) != 0)
			return -1;
	}
	qsort(request->inputs, count, sizeof(*request->inputs), compare_inputs);
	return 0;
}

static bool
is_among(const char *name, const char *const *names, size_t count)
{
	for (size_t k = 0; k < count; k++) {
		if (strcmp(names[k], name) == 0)
			return true;
	}
	return false;
}

static int
read_outputs(struct request *request, const json_t *outputs, struct err *err)
{
	size_t count = json_array_size(outputs);

	if (count == 0)
		return 0;
	request->outputs = alloc_zero(count, sizeof(*request->outputs));
	for (size_t k = 0; k < count; k++) {
		auto_free char *path = alloc_printf("outputs[%zu]", k);
		const char *name =
		    json_string_value(json_array_get(outputs, k));

		if (name == NULL)
			return err_set(err, ERR_UNPROCESSABLE,
			    "%s: must be a string", path);
		if (check_file_name(name, path, err) != 0)
			return -1;
		if (is_among(name, request->outputs, request->noutputs))
			return err_set(err, ERR_UNPROCESSABLE,
			    "%s: \"%s\" is there already", path, name);
		request->outputs[request->noutputs++] = name;
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
	    read_what(&request, &members, err) != 0 ||
	    read_args(&request, members.args, err) != 0 ||
	    read_env(&request, members.env, err) != 0 ||
	    read_limits(&request, members.limits, err) != 0 ||
	    read_stdin(&request, members.input, err) != 0 ||
	    read_inputs(&request, members.inputs, err) != 0 ||
	    read_outputs(&request, members.outputs, err) != 0)
		return -1;
	*ret = request;
	half = NULL;
	return 0;
}

void
request_done(struct request *request)
{
	request_task_done(request);
	free(request->args);
	free(request->env);
	free(request->hashes);
	free(request->stdin_data);
	free(request->inputs);
	free(request->outputs);
	json_decref(request->body);
	*request = (struct request){0};
}
