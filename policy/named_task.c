/*
 * Named tasks: params and placeholders. Trusts no value.
 */
#include "policy/named_task.h"

#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/json_scan.h"

static int
compare_params(const void *a, const void *b)
{
	const struct param *one = a, *other = b;

	return strcmp(one->name, other->name);
}

int
named_task_read_params(struct named_task *task, const json_t *params,
    const char *path, struct err *err)
{
	const char *name = NULL;
	json_t *value = NULL;

	task->params =
	    alloc_zero(json_object_size(params) + 1, sizeof(*task->params));
	json_object_foreach((json_t *)(uintptr_t)params, name, value)
	{
		auto_buffer where = BUFFER_INIT(SIZE_MAX);

		if (strcmp(name, "//") == 0)
			continue;
		buffer_append_string(&where, path);
		json_path_add_key(&where, name, strlen(name));
		if (task->nparams == REQUEST_PARAMS_MAX)
			return err_set(err, ERR_UNPROCESSABLE,
			    "%s: more than %d params", path,
			    REQUEST_PARAMS_MAX);
		if (param_read(name, value, where.data,
			&task->params[task->nparams], err) != 0)
			return -1;
		task->nparams++;
	}
	qsort(
	    task->params, task->nparams, sizeof(*task->params), compare_params);
	return 0;
}

static struct named_task_piece *
add_piece(struct named_task_arg *arg)
{
	arg->pieces =
	    alloc_resize(arg->pieces, arg->npieces + 1, sizeof(*arg->pieces));
	arg->pieces[arg->npieces] = (struct named_task_piece){0};
	return &arg->pieces[arg->npieces++];
}

static void
add_text(struct named_task_arg *arg, struct buffer *text)
{
	if (text->len > 0)
		add_piece(arg)->text = buffer_take(text);
}

/* From behind the brace to the one that closes it; NULL: a reason. */
static const char *
add_placeholder(const struct named_task *task, struct named_task_arg *arg,
    const char *at, const char **ret_why)
{
	size_t len = strcspn(at, "{}");

	*ret_why = "a { that does not end in }; a brace itself is {{";
	if (at[len] != '}')
		return NULL;
	for (size_t k = 0; k < task->nparams; k++) {
		const char *name = task->params[k].name;

		if (strlen(name) != len || strncmp(name, at, len) != 0)
			continue;
		add_piece(arg)->param = k;
		return at + len;
	}
	*ret_why = "a placeholder that is none of the params";
	return NULL;
}

static const char *
read_pieces(
    const struct named_task *task, const char *text, struct named_task_arg *arg)
{
	auto_buffer plain = BUFFER_INIT(SIZE_MAX);
	const char *why = NULL;

	for (const char *at = text; *at != '\0'; at++) {
		if (*at != '{' && *at != '}') {
			buffer_append(&plain, at, 1);
		} else if (at[1] == *at) {
			buffer_append(&plain, at++, 1);
		} else if (*at == '}') {
			return "a } that ends nothing; a brace itself is }}";
		} else {
			add_text(arg, &plain);
			at = add_placeholder(task, arg, at + 1, &why);
			if (at == NULL)
				return why;
		}
	}
	add_text(arg, &plain);
	return NULL;
}

/* The kernel counts the NUL too. */
static bool
is_short_enough(const struct named_task *task, const struct named_task_arg *arg)
{
	size_t len = 0;

	for (size_t k = 0; k < arg->npieces; k++) {
		const struct named_task_piece *piece = &arg->pieces[k];

		len += piece->text != NULL
		    ? strlen(piece->text)
		    : param_longest(&task->params[piece->param]);
	}
	return len < REQUEST_ARG_MAX;
}

static bool
is_used(const struct named_task *task, size_t param)
{
	for (size_t i = 0; i < task->nargs; i++) {
		const struct named_task_arg *arg = &task->args[i];

		for (size_t k = 0; k < arg->npieces; k++) {
			if (arg->pieces[k].text == NULL &&
			    arg->pieces[k].param == param)
				return true;
		}
	}
	return false;
}

static int
read_arg(struct named_task *task, const json_t *json, const char *path,
    struct err *err)
{
	struct named_task_arg *arg = &task->args[task->nargs++];
	const char *why;

	if (!json_is_string(json))
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: must be a string, perhaps with {placeholders}: the "
		    "arguments of a task are fixed",
		    path);
	why = read_pieces(task, json_string_value(json), arg);
	if (why == NULL && !is_short_enough(task, arg))
		why = "could become longer than an argument can be";
	return why == NULL
	    ? 0
	    : err_set(err, ERR_UNPROCESSABLE, "%s: %s", path, why);
}

int
named_task_read_args(struct named_task *task, const json_t *args,
    const char *path, struct err *err)
{
	size_t count = json_array_size(args);

	task->args = alloc_zero(count + 1, sizeof(*task->args));
	for (size_t k = 0; k < count; k++) {
		auto_free char *where = alloc_printf("%s[%zu]", path, k);

		if (read_arg(task, json_array_get(args, k), where, err) != 0)
			return -1;
	}
	for (size_t k = 0; k < task->nparams; k++) {
		if (!is_used(task, k))
			return err_set(err, ERR_UNPROCESSABLE,
			    "%s: {%s} is nowhere in it, so the param would say "
			    "nothing",
			    path, task->params[k].name);
	}
	return 0;
}

void
named_task_done(struct named_task *task)
{
	for (size_t k = 0; k < task->nparams; k++)
		param_done(&task->params[k]);
	for (size_t i = 0; i < task->nargs; i++) {
		for (size_t k = 0; k < task->args[i].npieces; k++)
			free(task->args[i].pieces[k].text);
		free(task->args[i].pieces);
	}
	free(task->params);
	free(task->args);
	*task = (struct named_task){0};
}

static const char *
find_value(const struct request *request, const struct param *param)
{
	for (size_t k = 0; k < request->nparams; k++) {
		if (strcmp(request->params[k].name, param->name) == 0)
			return request->params[k].value;
	}
	return NULL;
}

static bool
has_param(const struct named_task *task, const char *name)
{
	for (size_t k = 0; k < task->nparams; k++) {
		if (strcmp(task->params[k].name, name) == 0)
			return true;
	}
	return false;
}

const struct param *
named_task_find_fault(const struct named_task *task,
    const struct request *request, const char **ret_value,
    const char **ret_unknown)
{
	*ret_value = NULL;
	*ret_unknown = NULL;
	for (size_t k = 0; k < request->nparams; k++) {
		if (has_param(task, request->params[k].name))
			continue;
		*ret_unknown = request->params[k].name;
		return NULL;
	}
	for (size_t k = 0; k < task->nparams; k++) {
		const struct param *param = &task->params[k];
		const char *value = find_value(request, param);

		*ret_value = value;
		if (value == NULL ? param->standard == NULL
				  : !param_is_match(param, value))
			return param;
	}
	return NULL;
}

static const char *
value_of(const struct request *request, const struct param *param)
{
	const char *value = find_value(request, param);

	return value != NULL ? value : param->standard;
}

static json_t *
expand(const struct named_task *task, const struct named_task_arg *arg,
    const struct request *request)
{
	auto_buffer text = BUFFER_INIT(SIZE_MAX);

	for (size_t k = 0; k < arg->npieces; k++) {
		const struct named_task_piece *piece = &arg->pieces[k];

		buffer_append_string(&text,
		    piece->text != NULL
			? piece->text
			: value_of(request, &task->params[piece->param]));
	}
	return json_string(text.data != NULL ? text.data : "");
}

json_t *
named_task_expand(const struct named_task *task, const struct request *request)
{
	json_t *args = json_array();

	for (size_t k = 0; k < task->nargs; k++)
		json_array_append_new(
		    args, expand(task, &task->args[k], request));
	return args;
}
