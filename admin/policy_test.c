/*
 * Role: `policy test`: whether a policy decides a file of cases as it is meant
 * to, and which of its rules no case is allowed by.
 * Trusts nothing of what it reads.
 */
#include <stdio.h>
#include <string.h>

#include "admin/cases.h"
#include "admin/policy_path.h"
#include "admin/tool.h"
#include "admin/verbs.h"
#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/json.h"

static const struct column columns[] = {
    {"RESULT", "result"},
    {"CASE", "name"},
    {"WANTED", "wanted"},
    {"GOT", "got"},
    {"WHY", "detail"},
};
static const struct view view = {columns, COUNT(columns), "name"};

static const struct column summary_columns[] = {{"Cases", "cases"}};
static const struct view summary_view = {
    summary_columns, COUNT(summary_columns), "failed"};

struct outcome {
	json_t *cases;
	json_t *reached; /* rules, as members */
	json_t *unreached;
	size_t passed, failed;
};

static void
outcome_done(struct outcome *outcome)
{
	json_decref(outcome->cases);
	json_decref(outcome->reached);
	json_decref(outcome->unreached);
}

static void
set_text(json_t *object, const char *name, const char *text)
{
	if (text != NULL)
		json_object_set_new(object, name, json_string(text));
}

/* "denied by demo: args[0]" */
static char *
say(bool allowed, const char *rule, const char *condition)
{
	return alloc_printf("%s%s%s%s%s", allowed ? "allowed" : "denied",
	    rule != NULL ? " by " : "", rule != NULL ? rule : "",
	    condition != NULL ? ": " : "", condition != NULL ? condition : "");
}

static json_t *
describe(const struct test_case *one, const struct case_result *result)
{
	auto_free char *wanted = say(one->allowed, one->rule, one->condition);
	auto_free char *got =
	    say(result->allowed, result->rule, result->condition);
	json_t *object = json_pack("{s:s, s:s, s:b, s:s, s:s, s:b}", "name",
	    one->name, "result", result->passed ? "ok" : "FAILED", "passed",
	    result->passed, "wanted", wanted, "got", got, "allowed",
	    result->allowed);

	set_text(object, "rule", result->rule);
	set_text(object, "condition", result->condition);
	set_text(object, "detail", result->detail);
	return object;
}

static void
try(const struct policy *policy, const struct test_case *one, int64_t now_ms,
    struct outcome *outcome)
{
	AUTO(case_result_done) struct case_result result = {0};

	cases_try(policy, one, now_ms, &result);
	if (result.passed)
		outcome->passed++;
	else
		outcome->failed++;
	if (result.allowed)
		json_object_set_new(outcome->reached, result.rule, json_true());
	json_array_append_new(outcome->cases, describe(one, &result));
}

static void
try_all(
    const struct policy *policy, const struct cases *cases, struct outcome *ret)
{
	int64_t now_ms = clock_wall_ms();

	*ret = (struct outcome){.cases = json_array(),
	    .reached = json_object(),
	    .unreached = json_array()};
	for (size_t k = 0; k < cases->count; k++)
		try(policy, &cases->items[k], now_ms, ret);
	for (size_t k = 0; k < policy_rule_count(policy); k++) {
		const char *rule = policy_rule_id(policy, k);

		if (json_object_get(ret->reached, rule) == NULL)
			json_array_append_new(
			    ret->unreached, json_string(rule));
	}
}

static int
print_table(const struct invocation *invocation, const struct outcome *outcome,
    struct err *err)
{
	const json_t *rule;
	size_t k;

	if (tool_print_list(invocation, &view, outcome->cases, err) != 0)
		return -1;
	printf("\n%zu passed, %zu failed\n", outcome->passed, outcome->failed);
	json_array_foreach(outcome->unreached, k, rule)
	    printf("No case is allowed by rule %s.\n", json_string_value(rule));
	return 0;
}

static int
print(const struct invocation *invocation, const struct outcome *outcome,
    struct err *err)
{
	enum tool_format format;

	if (tool_format(invocation, &format, err) != 0)
		return -1;
	if (format == FORMAT_TABLE)
		return print_table(invocation, outcome, err);
	if (format != FORMAT_JSON)
		return tool_print_list(invocation, &view, outcome->cases, err);
	auto_json *object = json_pack("{s:I, s:I, s:O, s:O}", "passed",
	    (json_int_t)outcome->passed, "failed", (json_int_t)outcome->failed,
	    "cases", outcome->cases, "unreached", outcome->unreached);

	return tool_print_one(invocation, &summary_view, object, err);
}

static int
read_cases(const char *path, struct cases *ret, struct err *err)
{
	size_t len = 0;
	auto_free char *text = tool_read(path, CASES_FILE_MAX, &len, err);

	return text != NULL ? cases_parse(path, text, len, ret, err) : -1;
}

int
verb_policy_test(struct invocation *invocation)
{
	struct err err = {0};
	auto_policy struct policy *policy =
	    policy_path_load(invocation, invocation->operands[0], &err);
	AUTO(cases_done) struct cases cases = {0};
	AUTO(outcome_done) struct outcome outcome = {0};

	if (policy == NULL ||
	    read_cases(invocation->operands[1], &cases, &err) != 0)
		return tool_fail(&err);
	try_all(policy, &cases, &outcome);
	if (print(invocation, &outcome, &err) != 0)
		return tool_fail(&err);
	return outcome.failed == 0 ? 0 : 1;
}
