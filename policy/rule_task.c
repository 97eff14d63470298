/*
 * Named tasks as members of a rule. A rule with `task` fixes image and
 * arguments; what would leave one of them open contradicts it.
 */
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "policy/rule.h"

int
rule_task_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err)
{
	auto_free char *inner = rule_member_path(path, "task");
	const char *name = json_string_value(json);

	if (!rule_text_is_name(name))
		return rule_refuse(err, inner,
		    "a task's name is [a-z0-9][a-z0-9._-]*, 64 bytes at most");
	rule->task.name = name;
	return 0;
}

int
rule_params_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err)
{
	auto_free char *inner = rule_member_path(path, "params");

	if (rule->task.name == NULL)
		return rule_refuse(
		    err, inner, "only for a rule with task, which takes them");
	return named_task_read_params(&rule->task, json, inner, err);
}

int
rule_task_check(const struct rule *rule, const json_t *json, const char *path,
    struct err *err)
{
	auto_free char *image = rule_member_path(path, "image");
	auto_free char *params = rule_member_path(path, "params");

	if (rule->task.name == NULL)
		return 0;
	if (rule->image_pattern != NULL)
		return rule_refuse(
		    err, image, "a task is of one image, not of a pattern");
	if (rule->task.nparams > 0 && json_object_get(json, "args") == NULL)
		return rule_refuse(
		    err, params, "without args there is nowhere to put them");
	return 0;
}
