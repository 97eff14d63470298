/*
 * Role: `policy check`: says whether a policy would be accepted.
 * Trusts nothing in it.
 */
#include "policy/policy.h"

#include "admin/tool.h"
#include "admin/verbs.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"

static const struct column columns[] = {
    {"Policy", "path"},
    {"Rules", "rules"},
    {"SHA-256", "sha256"},
    {"Note", "note"},
};
static const struct view view = {columns, COUNT(columns), "sha256"};

static json_t *
describe(const char *path, const struct policy *policy)
{
	size_t rules = policy_rule_count(policy);
	json_t *object =
	    json_pack("{s:s, s:b, s:I, s:s}", "path", path, "valid", 1, "rules",
		(json_int_t)rules, "sha256", policy_sha256(policy));

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
	return tool_print_one(invocation, &view, object, &err) == 0
	    ? 0
	    : tool_fail(&err);
}
