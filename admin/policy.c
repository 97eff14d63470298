/*
 * Role: `policy check`: says whether a policy would be accepted.
 * Trusts nothing in it.
 */
#include "policy/policy.h"

#include "admin/tool.h"
#include "admin/verbs.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "policy/lint.h"

static const struct column columns[] = {
    {"Policy", "path"},
    {"Rules", "rules"},
    {"SHA-256", "sha256"},
    {"Note", "note"},
};
static const struct view view = {columns, COUNT(columns), "sha256"};

static void
tell_warnings(const json_t *warnings)
{
	size_t i;
	const json_t *warning;

	json_array_foreach(warnings, i, warning)
	{
		tool_note("%s:%" JSON_INTEGER_FORMAT ":%" JSON_INTEGER_FORMAT
			  ": rule %s: %s: %s",
		    json_string_value(json_object_get(warning, "file")),
		    json_integer_value(json_object_get(warning, "line")),
		    json_integer_value(json_object_get(warning, "column")),
		    json_string_value(json_object_get(warning, "rule")),
		    json_string_value(json_object_get(warning, "member")),
		    json_string_value(json_object_get(warning, "message")));
	}
}

static json_t *
describe(const char *path, const struct policy *policy)
{
	size_t rules = policy_rule_count(policy);
	json_t *object =
	    json_pack("{s:s, s:b, s:I, s:s, s:o}", "path", path, "valid", 1,
		"rules", (json_int_t)rules, "sha256", policy_sha256(policy),
		"warnings", lint_find(policy, clock_wall_ms()));

	if (rules == 0)
		json_object_set_new(object, "note",
		    json_string("no rule: nobody may run anything"));
	return object;
}

int
verb_policy_check(struct invocation *invocation)
{
	auto_free char *usual =
	    alloc_printf("%s/policy.json", tool_directory(invocation));
	const char *path =
	    invocation->noperands > 0 ? invocation->operands[0] : usual;
	struct err err;
	struct policy *policy = policy_load(path, &err);

	if (policy == NULL)
		return tool_fail(&err);
	auto_json *object = describe(path, policy);
	policy_free(policy);
	tell_warnings(json_object_get(object, "warnings"));
	return tool_print_one(invocation, &view, object, &err) == 0
	    ? 0
	    : tool_fail(&err);
}
