/*
 * What a rule says of arguments and variables: a template each.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "policy/rule.h"

struct rest {
	json_t *rest;
	int64_t min, max;
};

static const struct json_field rest_fields[] = {
    JSON_FIELD(struct rest, rest, "rest", JSON_KIND_ANY, true, 0, 0),
    JSON_FIELD(
	struct rest, min, "min", JSON_KIND_INTEGER, false, 0, REQUEST_ARGS_MAX),
    JSON_FIELD(
	struct rest, max, "max", JSON_KIND_INTEGER, false, 1, REQUEST_ARGS_MAX),
};

static int
read_rest(
    const json_t *json, const char *path, struct rule *rule, struct err *err)
{
	struct rest rest = {.max = REQUEST_ARGS_MAX};
	auto_free char *inner = rule_member_path(path, "rest");

	if (json_read_fields(json, path, rest_fields, COUNT(rest_fields), true,
		&rest, err) != 0)
		return -1;
	if (rest.min > rest.max)
		return err_set(
		    err, ERR_UNPROCESSABLE, "%s.min: greater than max", path);
	if (template_read(rest.rest, inner, &rule->rest, err) != 0)
		return -1;
	rule->has_rest = true;
	rule->rest_min = rest.min;
	rule->rest_max = rest.max;
	return 0;
}

int
rule_args_read(
    const json_t *args, const char *path, struct rule *rule, struct err *err)
{
	size_t count = json_array_size(args);
	auto_free char *whole = rule_member_path(path, "args");

	if (rule->task.name != NULL)
		return named_task_read_args(&rule->task, args, whole, err);
	rule->args = alloc_zero(count + 1, sizeof(*rule->args));
	for (size_t k = 0; k < count; k++) {
		const json_t *arg = json_array_get(args, k);
		auto_free char *inner = alloc_printf("%s.args[%zu]", path, k);

		if (json_object_get(arg, "rest") == NULL) {
			if (template_read(arg, inner, &rule->args[k], err) != 0)
				return -1;
			rule->nargs++;
			continue;
		}
		if (k + 1 < count)
			return rule_refuse(
			    err, inner, "rest must be the last of the args");
		if (read_rest(arg, inner, rule, err) != 0)
			return -1;
	}
	return 0;
}

static int
compare_variables(const void *a, const void *b)
{
	const struct rule_variable *one = a, *other = b;

	return strcmp(one->name, other->name);
}

int
rule_env_read(
    const json_t *env, const char *path, struct rule *rule, struct err *err)
{
	auto_free char *inner = rule_member_path(path, "env");
	const char *name = NULL;
	json_t *value = NULL;

	rule->env = alloc_zero(json_object_size(env) + 1, sizeof(*rule->env));
	json_object_foreach((json_t *)(uintptr_t)env, name, value)
	{
		auto_free char *where = rule_member_path(inner, name);

		if (strcmp(name, "//") == 0)
			continue;
		if (!request_env_name_is_valid(name))
			return rule_refuse(err, where,
			    "not the name of a variable, which is "
			    "[A-Za-z_][A-Za-z0-9_]*, 64 bytes at most");
		if (template_read(
			value, where, &rule->env[rule->nenv].value, err) != 0)
			return -1;
		rule->env[rule->nenv++].name = name;
	}
	qsort(rule->env, rule->nenv, sizeof(*rule->env), compare_variables);
	return 0;
}
