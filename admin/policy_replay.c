/*
 * Role: `policy replay`: what a policy would have said of the requests that
 * are on record, before anyone puts it in force.
 * Trusts nothing in the database: the runner is not asked.
 */
#include <inttypes.h>
#include <stdio.h>

#include "admin/audit_log.h"
#include "admin/policy_path.h"
#include "admin/replay.h"
#include "admin/tool.h"
#include "admin/verbs.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"

#define SINCE_S (30 * 86400)

static const struct column group_columns[] = {
    {"CALLS", "count"},
    {"SUBJECT", "subject"},
    {"IMAGE OR TASK", "what"},
    {"WAS", "was"},
    {"NOW", "now"},
    {"WHY", "why"},
    {"LAST", "last"},
    {"SEQ", "seq"},
};
static const struct view group_view = {
    group_columns, COUNT(group_columns), "seq"};

static const struct column change_columns[] = {
    {"SEQ", "seq"},
    {"TIME", "time"},
    {"SUBJECT", "subject"},
    {"IMAGE OR TASK", "what"},
    {"WAS", "was"},
    {"NOW", "now"},
    {"WHY", "why"},
};
static const struct view change_view = {
    change_columns, COUNT(change_columns), "seq"};

static const struct column summary_columns[] = {{"Calls", "calls"}};
static const struct view summary_view = {
    summary_columns, COUNT(summary_columns), "calls"};

static int
replay(const struct invocation *invocation, const struct policy *policy,
    struct replay_report *ret, struct err *err)
{
	AUTO(audit_log_done) struct audit_log log = {0};
	struct replay_question question = {.policy = policy};
	int64_t since_s = 0;

	if (tool_duration(invocation, "since", SINCE_S, &since_s, err) != 0 ||
	    audit_log_open_copy(invocation, &log, err) != 0)
		return -1;
	question.until_ms = clock_wall_ms() + 1;
	question.since_ms = question.until_ms - 1000 * since_s;
	return replay_run(log.database, &question, ret, err);
}

/* -- what it says */

static json_t *
describe(const struct policy *policy, const struct replay_report *report)
{
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:O, "
			 "s:O}",
	    "policy_sha256", policy_sha256(policy), "records",
	    (json_int_t)report->records, "calls", (json_int_t)report->calls,
	    "same", (json_int_t)report->same, "denied",
	    (json_int_t)report->denied, "allowed", (json_int_t)report->allowed,
	    "other_rule", (json_int_t)report->other_rule, "unknown",
	    (json_int_t)report->unknown, "unrecorded",
	    (json_int_t)report->unrecorded, "groups", report->groups, "changes",
	    report->changes);
}

static void
print_summary(const struct replay_report *report)
{
	printf("%" PRId64 " calls on record: %" PRId64
	       " decided as they were, %" PRId64 " would be denied, %" PRId64
	       " would be allowed, %" PRId64
	       " allowed by another rule, %" PRId64 " unknown.\n",
	    report->calls, report->same, report->denied, report->allowed,
	    report->other_rule, report->unknown);
	if (report->unrecorded > 0)
		printf("%" PRId64 " more were denied in floods, of which only "
		       "the number is on record.\n",
		    report->unrecorded);
}

static int
print_report(const struct invocation *invocation, const struct policy *policy,
    const struct replay_report *report, struct err *err)
{
	bool each = option_flag(invocation, "each");
	const struct view *view = each ? &change_view : &group_view;
	const json_t *rows = each ? report->changes : report->groups;
	enum tool_format format;

	if (tool_format(invocation, &format, err) != 0)
		return -1;
	if (format == FORMAT_JSON) {
		auto_json *object = describe(policy, report);

		return tool_print_one(invocation, &summary_view, object, err);
	}
	if (format != FORMAT_TABLE)
		return tool_print_list(
		    invocation, &change_view, report->changes, err);
	if (json_array_size(rows) > 0 &&
	    tool_print_list(invocation, view, rows, err) != 0)
		return -1;
	print_summary(report);
	return 0;
}

int
verb_policy_replay(struct invocation *invocation)
{
	AUTO(replay_report_done) struct replay_report report = {0};
	struct err err = {0};
	auto_policy struct policy *policy =
	    policy_load(invocation->operands[0], &err);

	if (policy == NULL || replay(invocation, policy, &report, &err) != 0 ||
	    print_report(invocation, policy, &report, &err) != 0)
		return tool_fail(&err);
	return report.denied + report.allowed + report.other_rule > 0 ? 1 : 0;
}
