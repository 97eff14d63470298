/*
 * The limits of a rule: what a task gets that does not ask, and the most that
 * it may ask for.
 */
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "policy/rule.h"

struct limit_members {
	json_t *standard;
	json_t *most;
};

static const struct json_field limit_fields[] = {
    JSON_FIELD(
	struct limit_members, standard, "default", JSON_KIND_ANY, false, 0, 0),
    JSON_FIELD(struct limit_members, most, "max", JSON_KIND_ANY, false, 0, 0),
};

static int
read_limit(const json_t *json, const char *path, enum limit limit,
    struct rule_limit *ret, struct err *err)
{
	struct limit_members members = {0};
	auto_free char *standard = alloc_printf("%s.default", path);
	auto_free char *most = alloc_printf("%s.max", path);

	if (json_read_fields(json, path, limit_fields, COUNT(limit_fields),
		true, &members, err) != 0)
		return -1;
	if (members.standard == NULL && members.most == NULL)
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: must have default, max or both", path);
	if (members.standard != NULL &&
	    limit_check(
		limit, members.standard, standard, &ret->standard, err) != 0)
		return -1;
	if (members.most == NULL) {
		ret->most = ret->standard;
		return 0;
	}
	if (limit_check(limit, members.most, most, &ret->most, err) != 0)
		return -1;
	if (members.standard == NULL && ret->standard > ret->most)
		ret->standard = ret->most;
	if (ret->standard > ret->most)
		return err_set(
		    err, ERR_UNPROCESSABLE, "%s: greater than max", standard);
	return 0;
}

int
rule_limits_read(
    const json_t *limits, const char *path, struct rule *rule, struct err *err)
{
	auto_free char *inner = alloc_printf("%s.limits", path);
	struct json_field names[LIMIT_COUNT];
	json_t *values[LIMIT_COUNT] = {NULL};

	for (size_t k = 0; k < LIMIT_COUNT; k++) {
		names[k] = (struct json_field){
		    .name = limit_name((enum limit)k),
		    .kind = JSON_KIND_OBJECT,
		    .offset = k * sizeof(values[0]),
		};
	}
	if (json_read_fields(
		limits, inner, names, LIMIT_COUNT, true, values, err) != 0)
		return -1;
	for (size_t k = 0; k < LIMIT_COUNT; k++) {
		auto_free char *where =
		    alloc_printf("%s.%s", inner, limit_name((enum limit)k));

		if (values[k] != NULL &&
		    read_limit(values[k], where, (enum limit)k,
			&rule->limits[k], err) != 0)
			return -1;
	}
	return 0;
}
