/* The order of task-init: which program, with what around it. */
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "runner/control.h"
#include "runner/sandbox.h"
#include "runner/template.h"

/* What every container has (the engine would say the same), the weakest. */
static const struct request_env USUAL[] = {
    {"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
    {"HOME", "/"},
    {"HOSTNAME", TEMPLATE_HOSTNAME},
};

/* All variables in order of strength: of one name the last holds. */
struct variables {
	const struct template_image *image;
	const struct sandbox_command *command;
};

static size_t
count_variables(const struct variables *variables)
{
	return COUNT(USUAL) + json_array_size(variables->image->environment) +
	    variables->command->nenv;
}

/* The k-th variable's name (its length) and value. */
static const char *
get_variable(const struct variables *variables, size_t k, size_t *ret_len,
    const char **ret_value)
{
	size_t nimage = json_array_size(variables->image->environment);
	const struct request_env *pair;
	const char *text;

	if (k >= COUNT(USUAL) && k < COUNT(USUAL) + nimage) {
		text = json_string_value(json_array_get(
		    variables->image->environment, k - COUNT(USUAL)));
		*ret_len = strcspn(text, "=");
		*ret_value = text[*ret_len] == '=' ? text + *ret_len + 1 : "";
		return text;
	}
	pair = k < COUNT(USUAL)
	    ? &USUAL[k]
	    : &variables->command->env[k - COUNT(USUAL) - nimage];
	*ret_len = strlen(pair->name);
	*ret_value = pair->value;
	return pair->name;
}

static bool
is_overridden(const struct variables *variables, size_t k)
{
	const char *value;
	size_t len, other_len;
	const char *name = get_variable(variables, k, &len, &value);

	/* An entry without a name sets nothing. */
	if (len == 0)
		return true;
	for (size_t i = k + 1; i < count_variables(variables); i++) {
		const char *other =
		    get_variable(variables, i, &other_len, &value);

		if (len == other_len && memcmp(name, other, len) == 0)
			return true;
	}
	return false;
}

static size_t
append_variables(const struct variables *variables, struct buffer *buffer)
{
	size_t count = 0;

	for (size_t k = 0; k < count_variables(variables); k++) {
		const char *value;
		size_t len;
		const char *name = get_variable(variables, k, &len, &value);

		if (is_overridden(variables, k))
			continue;
		buffer_append(buffer, name, len);
		buffer_append(buffer, "=", 1);
		buffer_append(buffer, value, strlen(value) + 1);
		count++;
	}
	return count;
}

static size_t
append_strings(const json_t *array, struct buffer *buffer)
{
	size_t i;
	json_t *value;

	json_array_foreach(array, i, value) buffer_append(
	    buffer, json_string_value(value), json_string_length(value) + 1);
	return json_array_size(array);
}

static void
append_list(const char *const *list, size_t count, struct buffer *buffer)
{
	for (size_t i = 0; i < count; i++)
		buffer_append(buffer, list[i], strlen(list[i]) + 1);
}

static size_t
append_args(const struct template_image *image,
    const struct sandbox_command *command, struct buffer *buffer)
{
	size_t count;

	if (command->entrypoint != NULL) {
		append_list(command->entrypoint, command->nentrypoint, buffer);
		append_list(command->args, command->nargs, buffer);
		return command->nentrypoint + command->nargs;
	}
	count = append_strings(image->entrypoint, buffer);
	if (command->nargs == 0)
		return count + append_strings(image->command, buffer);
	append_list(command->args, command->nargs, buffer);
	return count + command->nargs;
}

static void
append_names(const struct sandbox_command *command, struct buffer *buffer,
    struct control_order *numbers)
{
	for (size_t i = 0; i < command->ninputs; i++)
		buffer_append(buffer, command->inputs[i].name,
		    strlen(command->inputs[i].name) + 1);
	for (size_t i = 0; i < command->noutputs; i++)
		buffer_append(buffer, command->outputs[i],
		    strlen(command->outputs[i]) + 1);
	for (size_t i = 0; i < command->nsecrets; i++)
		buffer_append(buffer, command->secrets[i].name,
		    strlen(command->secrets[i].name) + 1);
	numbers->has_stdin = command->has_stdin;
	numbers->ninputs = command->ninputs;
	numbers->noutputs = command->noutputs;
	numbers->nsecrets = command->nsecrets;
}

int
template_order_encode(const struct template_image *image,
    const struct sandbox_command *command, uint64_t file_max,
    struct buffer *ret, struct err *err)
{
	struct variables variables = {image, command};
	struct control_order numbers = {0};
	uint8_t head[CONTROL_ORDER_HEAD] = {0};
	auto_buffer body = BUFFER_INIT(CONTROL_ORDER_MAX);

	buffer_append(&body, head, sizeof(head));
	buffer_append(&body, image->folder, strlen(image->folder) + 1);
	numbers.nargs = append_args(image, command, &body);
	numbers.nenv = append_variables(&variables, &body);
	append_names(command, &body, &numbers);
	if (numbers.nargs == 0)
		return err_set(err, ERR_UNPROCESSABLE,
		    "no command: the image has neither ENTRYPOINT nor CMD, and "
		    "the request no args");
	if (command->ninputs > CONTROL_FILES_MAX ||
	    command->noutputs > CONTROL_FILES_MAX ||
	    command->nsecrets > CONTROL_SECRETS_MAX)
		return err_set(err, ERR_UNPROCESSABLE,
		    "more than %d inputs or outputs, or than %d secrets",
		    CONTROL_FILES_MAX, CONTROL_SECRETS_MAX);
	if (body.full || numbers.nargs > CONTROL_ARGS_MAX ||
	    numbers.nenv > CONTROL_ENV_MAX)
		return err_set(err, ERR_UNPROCESSABLE,
		    "the command with the image's ENTRYPOINT and ENV is too "
		    "large");
	numbers.file_max = file_max;
	numbers.deadline_s = command->timeout_s > 0
	    ? (uint64_t)command->timeout_s
	    : CONTROL_DEADLINE_MAX_S;
	control_encode_order_head(&numbers, (uint8_t *)body.data);
	buffer_done(ret);
	*ret = body;
	body = (struct buffer){0};
	return 0;
}

const char *
template_order_program(
    const struct template_image *image, const struct sandbox_command *command)
{
	const json_t *first = json_array_get(image->entrypoint, 0);

	if (command->entrypoint != NULL && command->nentrypoint > 0)
		return command->entrypoint[0];
	if (command->entrypoint != NULL)
		return command->nargs > 0 ? command->args[0] : "";
	if (first == NULL && command->nargs > 0)
		return command->args[0];
	if (first == NULL)
		first = json_array_get(image->command, 0);
	return first != NULL ? json_string_value(first) : "";
}
