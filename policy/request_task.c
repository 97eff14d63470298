/*
 * The part of a request that asks for a named task. Trusts nothing.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/json_scan.h"
#include "policy/request_read.h"

static bool
is_task_name(const char *name)
{
	return name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-")] ==
	    '\0' &&
	    strchr("._-", name[0]) == NULL;
}

static char *
value_text(const json_t *value)
{
	if (json_is_integer(value))
		return alloc_printf(
		    "%" PRId64, (int64_t)json_integer_value(value));
	return json_is_string(value) ? alloc_string(json_string_value(value))
				     : NULL;
}

static int
read_param(struct request *request, const char *name, const json_t *value,
    struct err *err)
{
	struct request_param *param = &request->params[request->nparams];
	auto_buffer path = BUFFER_INIT(JSON_PATH_MAX);

	buffer_append_string(&path, "params");
	json_path_add_key(&path, name, strlen(name));
	if (name[0] < 'a' || name[0] > 'z' || strlen(name) > REQUEST_NAME_MAX ||
	    name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-")] !=
		'\0')
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: a name is [a-z][a-z0-9_-]*, %d bytes at most",
		    path.data, REQUEST_NAME_MAX);
	*param =
	    (struct request_param){.name = name, .value = value_text(value)};
	if (param->value == NULL)
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: must be a string or an integer", path.data);
	request->nparams++;
	if (strlen(param->value) > REQUEST_PARAM_MAX)
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: longer than %d bytes", path.data, REQUEST_PARAM_MAX);
	return 0;
}

static int
compare_params(const void *a, const void *b)
{
	const struct request_param *one = a, *other = b;

	return strcmp(one->name, other->name);
}

static int
read_params(struct request *request, json_t *params, struct err *err)
{
	size_t count = json_object_size(params);
	const char *name = NULL;
	json_t *value = NULL;

	if (count > REQUEST_PARAMS_MAX)
		return err_set(err, ERR_UNPROCESSABLE, "params: more than %d",
		    REQUEST_PARAMS_MAX);
	if (count == 0)
		return 0;
	request->params = alloc_zero(count, sizeof(*request->params));
	json_object_foreach(params, name, value)
	{
		if (read_param(request, name, value, err) != 0)
			return -1;
	}
	qsort(request->params, count, sizeof(*request->params), compare_params);
	return 0;
}

int
request_task_read(
    struct request *request, const char *task, json_t *params, struct err *err)
{
	if (!is_task_name(task))
		return err_set(err, ERR_UNPROCESSABLE,
		    "task: a name is [a-z0-9][a-z0-9._-]*, %d bytes at most",
		    REQUEST_TASK_MAX);
	request->task = task;
	return read_params(request, params, err);
}

void
request_task_done(struct request *request)
{
	for (size_t k = 0; k < request->nparams; k++)
		free(request->params[k].value);
	free(request->params);
}
