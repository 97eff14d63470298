/* When a rule holds, and whether it takes part. */
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "policy/rule.h"

int
rule_hours_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err)
{
	auto_free char *inner = rule_member_path(path, "hours");

	return hours_read(json, inner, &rule->hours, err);
}

int
rule_expires_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err)
{
	auto_free char *inner = rule_member_path(path, "expires");

	if (!clock_parse(json_string_value(json), &rule->expires_ms))
		return rule_refuse(err, inner,
		    "must be a time such as \"2030-12-31T23:59:59Z\", in UTC");
	return 0;
}

int
rule_mode_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err)
{
	auto_free char *inner = rule_member_path(path, "mode");
	const char *mode = json_string_value(json);

	rule->is_shadow = strcmp(mode, "shadow") == 0;
	if (!rule->is_shadow && strcmp(mode, "enforce") != 0)
		return rule_refuse(
		    err, inner, "must be \"enforce\" or \"shadow\"");
	if (rule->is_shadow && rule->warm.max > 0)
		return rule_refuse(err, inner,
		    "together with warm: of a rule that takes no part nothing "
		    "need be ready");
	return 0;
}
