/*
 * Orders. What the user wrote is checked only for what the request cannot
 * carry; what is allowed is the server's to say.
 */
#include "client/order.h"

#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/quantity.h"

static bool
parse_count(const char *text, int64_t *ret)
{
	char *end = NULL;

	if (*text < '0' || *text > '9' || strlen(text) > 9)
		return false;
	*ret = strtol(text, &end, 10);
	return *end == '\0';
}

static const struct {
	const char *option;
	const char *member;
	bool (*parse)(const char *, int64_t *);
	bool as_text; /* a fraction has no JSON number of ours */
	const char *example;
} limits_known[] = {
    {"memory", "memory", quantity_parse_size, false, "64MiB"},
    {"cpus", "cpus", quantity_parse_cpus, true, "0.5"},
    {"pids", "pids", parse_count, false, "64"},
    {"timeout", "timeout", quantity_parse_duration, false, "90s or 5m"},
    {"output-limit", "output", quantity_parse_size, false, "10MiB"},
    {"stdin-limit", "stdin", quantity_parse_size, false, "10MiB"},
    {"tmp", "tmp", quantity_parse_size, false, "16MiB"},
};

int
order_add_limit(
    json_t *limits, const char *member, const char *text, struct err *err)
{
	for (size_t i = 0; i < COUNT(limits_known); i++) {
		int64_t value;

		if (strcmp(limits_known[i].member, member) != 0)
			continue;
		if (!limits_known[i].parse(text, &value))
			return err_set(err, ERR_UNPROCESSABLE,
			    "--%s: \"%s\" is not a quantity; write it like %s",
			    limits_known[i].option, text,
			    limits_known[i].example);
		json_object_set_new(limits, member,
		    limits_known[i].as_text ? json_string(text)
					    : json_integer(value));
		return 0;
	}
	return err_set(err, ERR_INTERNAL, "no limit is called %s", member);
}

static int
check_env_name(const char *name, struct err *err)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz_";
	static const char more[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "abcdefghijklmnopqrstuvwxyz_0123456789";

	if (*name == '\0' || strchr(letters, *name) == NULL ||
	    name[strspn(name, more)] != '\0')
		return err_set(err, ERR_UNPROCESSABLE,
		    "--env: \"%s\" is not a variable's name: letters, digits "
		    "and underscores, no digit first",
		    name);
	return 0;
}

int
order_add_env(json_t *env, const char *text, char *(*lookup)(const char *name),
    struct err *err)
{
	const char *equals = strchrnul(text, '=');
	auto_free char *name = alloc_bytes(text, (size_t)(equals - text));
	const char *value = *equals == '=' ? equals + 1 : NULL;
	json_t *string = NULL;

	if (check_env_name(name, err) != 0)
		return -1;
	if (value == NULL)
		value = lookup(name);
	if (value == NULL)
		return err_set(err, ERR_UNPROCESSABLE,
		    "--env %s: there is no such variable here; write "
		    "--env %s=VALUE",
		    name, name);
	if (json_object_get(env, name) != NULL)
		return err_set(
		    err, ERR_UNPROCESSABLE, "--env: %s is given twice", name);
	string = json_string(value);
	if (string == NULL)
		return err_set(err, ERR_UNPROCESSABLE,
		    "--env %s: the value is not UTF-8", name);
	json_object_set_new(env, name, string);
	return 0;
}

static int
add_arguments(
    const struct invocation *invocation, json_t *order, struct err *err)
{
	json_t *args = NULL;

	if (invocation->noperands < 2)
		return 0;
	args = json_array();
	json_object_set_new(order, "args", args);
	for (int i = 1; i < invocation->noperands; i++) {
		json_t *string = json_string(invocation->operands[i]);

		if (string == NULL)
			return err_set(err, ERR_UNPROCESSABLE,
			    "argument %d of the command is not UTF-8", i);
		json_array_append_new(args, string);
	}
	return 0;
}

static int
add_limits(const struct invocation *invocation, json_t *order, struct err *err)
{
	auto_json *limits = json_object();

	for (size_t i = 0; i < COUNT(limits_known); i++) {
		const char *text =
		    option_value(invocation, limits_known[i].option);

		if (text != NULL &&
		    order_add_limit(
			limits, limits_known[i].member, text, err) != 0)
			return -1;
	}
	if (json_object_size(limits) > 0)
		json_object_set(order, "limits", limits);
	return 0;
}

static int
add_env(const struct invocation *invocation, json_t *order, struct err *err)
{
	auto_json *env = json_object();

	for (size_t k = 0;; k++) {
		const char *text = option_each(invocation, "env", k);

		if (text == NULL)
			break;
		if (order_add_env(env, text, getenv, err) != 0)
			return -1;
	}
	if (json_object_size(env) > 0)
		json_object_set(order, "env", env);
	return 0;
}

int
order_add_param(json_t *params, const char *text, struct err *err)
{
	const char *equals = strchr(text, '=');
	auto_free char *name =
	    alloc_bytes(text, equals != NULL ? (size_t)(equals - text) : 0);
	auto_json *value = equals != NULL ? json_string(equals + 1) : NULL;

	if (*name == '\0')
		return err_set(err, ERR_UNPROCESSABLE,
		    "--param: \"%s\" is not NAME=VALUE", text);
	if (value == NULL)
		return err_set(err, ERR_UNPROCESSABLE,
		    "--param %s: the value is not UTF-8", name);
	if (json_object_get(params, name) != NULL)
		return err_set(
		    err, ERR_UNPROCESSABLE, "--param: %s is given twice", name);
	if (json_object_set(params, name, value) != 0)
		return err_set(err, ERR_UNPROCESSABLE,
		    "--param: a name that is not UTF-8");
	return 0;
}

static int
add_params(const struct invocation *invocation, json_t *order, struct err *err)
{
	auto_json *params = json_object();
	const char *text;

	if (invocation->noperands > 1)
		return err_set(err, ERR_UNPROCESSABLE,
		    "\"%s\": a task takes --param NAME=VALUE and no arguments; "
		    "without --param and --task, %s is an image",
		    invocation->operands[1], invocation->operands[0]);
	for (size_t k = 0; (text = option_each(invocation, "param", k)) != NULL;
	     k++) {
		if (order_add_param(params, text, err) != 0)
			return -1;
	}
	if (json_object_size(params) > 0)
		json_object_set(order, "params", params);
	return 0;
}

static bool
is_task(const struct invocation *invocation)
{
	return option_flag(invocation, "task") ||
	    option_each(invocation, "param", 0) != NULL;
}

json_t *
order_build(const struct invocation *invocation, struct err *err)
{
	auto_json *order = json_object();
	json_t *name = json_string(invocation->operands[0]);
	bool task = is_task(invocation);

	if (name == NULL) {
		err_set(err, ERR_UNPROCESSABLE, "the %s's name is not UTF-8",
		    task ? "task" : "image");
		return NULL;
	}
	json_object_set_new(order, task ? "task" : "image", name);
	if ((task ? add_params : add_arguments)(invocation, order, err) != 0 ||
	    add_env(invocation, order, err) != 0 ||
	    add_limits(invocation, order, err) != 0)
		return NULL;
	return take(order);
}
