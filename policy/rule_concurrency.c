/*
 * `concurrency` of a rule: how many of its tasks may run at a time, of one
 * subject and in all.
 */
#include "lib/cleanup.h"
#include "lib/json.h"
#include "policy/rule.h"

static const struct json_field fields[] = {
    JSON_FIELD(struct allowances, running_per_subject, "per_subject",
	JSON_KIND_INTEGER, false, 1, ALLOWANCE_RUNNING_MAX),
    JSON_FIELD(struct allowances, running_total, "total", JSON_KIND_INTEGER,
	false, 1, ALLOWANCE_RUNNING_MAX),
};

int
rule_concurrency_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err)
{
	struct allowances *allowances = &rule->allowances;
	auto_free char *inner = rule_member_path(path, "concurrency");

	if (json_read_fields(
		json, inner, fields, COUNT(fields), true, allowances, err) != 0)
		return -1;
	if (allowances->running_per_subject == 0 &&
	    allowances->running_total == 0)
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: must have per_subject, total or both", inner);
	return 0;
}
