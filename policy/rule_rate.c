/*
 * `rate` of a rule: how many of its tasks a subject may have accepted within
 * which time.
 */
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/quantity.h"
#include "policy/rule.h"

struct members {
	int64_t tasks;
	json_t *per;
};

static const struct json_field fields[] = {
    JSON_FIELD(struct members, tasks, "tasks", JSON_KIND_INTEGER, true, 1,
	ALLOWANCE_TASKS_MAX),
    JSON_FIELD(struct members, per, "per", JSON_KIND_ANY, true, 0, 0),
};

static int
read_window(const json_t *json, const char *path, struct allowances *allowances,
    struct err *err)
{
	struct members members = {0};
	int64_t per_s;

	if (json_read_fields(
		json, path, fields, COUNT(fields), true, &members, err) != 0)
		return -1;
	if (!quantity_read_duration(members.per, &per_s) || per_s < 1 ||
	    per_s > ALLOWANCE_PERIOD_MAX_S)
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s.per: must be seconds, or a duration such as \"1m\", "
		    "from 1s to 31d",
		    path);
	for (size_t k = 0; k < allowances->nwindows; k++) {
		if (allowances->rate[k].per_s == per_s)
			return err_set(err, ERR_UNPROCESSABLE,
			    "%s.per: is that of another window", path);
	}
	allowances->rate[allowances->nwindows++] =
	    (struct allowance_window){members.tasks, per_s};
	return 0;
}

int
rule_rate_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err)
{
	for (size_t k = 0; k < json_array_size(json); k++) {
		auto_free char *inner = alloc_printf("%s.rate[%zu]", path, k);

		if (read_window(json_array_get(json, k), inner,
			&rule->allowances, err) != 0)
			return -1;
	}
	return 0;
}
