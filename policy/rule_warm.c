/*
 * How many sandboxes wait for the tasks of a rule, and how long. They are made
 * before anybody asks, so the rule must say exactly of which image.
 */
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/quantity.h"
#include "policy/rule.h"

struct members {
	int64_t min, max;
	json_t *max_age;
};

static const struct json_field fields[] = {
    JSON_FIELD(
	struct members, min, "min", JSON_KIND_INTEGER, false, 0, RULE_WARM_MAX),
    JSON_FIELD(
	struct members, max, "max", JSON_KIND_INTEGER, false, 1, RULE_WARM_MAX),
    JSON_FIELD(struct members, max_age, "max_age", JSON_KIND_ANY, false, 0, 0),
};

static int
read_age(const json_t *age, const char *path, int64_t *ret_s, struct err *err)
{
	int64_t value;

	if (age == NULL)
		return 0;
	if (!quantity_read_duration(age, &value) ||
	    value < RULE_WARM_AGE_LEAST_S || value > RULE_WARM_AGE_MOST_S)
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s.max_age: must be seconds, or a duration such as "
		    "\"10m\", from 10s to 1d",
		    path);
	*ret_s = value;
	return 0;
}

int
rule_warm_read(
    const json_t *warm, const char *path, struct rule *rule, struct err *err)
{
	auto_free char *inner = alloc_printf("%s.warm", path);
	struct members members = {0};
	struct rule_warm read = {.max_age_s = RULE_WARM_AGE_USUAL_S};

	if (json_read_fields(
		warm, inner, fields, COUNT(fields), true, &members, err) != 0)
		return -1;
	if (rule->image_pattern != NULL)
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: only for a rule of one image, not of a pattern",
		    inner);
	read.min = members.min;
	read.max = members.max;
	if (read.max == 0)
		read.max = read.min;
	if (read.max == 0)
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: must have min, max or both, not all of them 0", inner);
	if (read.min > read.max)
		return err_set(
		    err, ERR_UNPROCESSABLE, "%s.min: greater than max", inner);
	if (read_age(members.max_age, inner, &read.max_age_s, err) != 0)
		return -1;
	rule->warm = read;
	return 0;
}
