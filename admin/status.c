/*
 * Role: `status`: how the runner is.
 * Trusts the runner.
 */
#include "admin/runner_link.h"
#include "admin/tool.h"
#include "admin/verbs.h"
#include "lib/cleanup.h"
#include "lib/json.h"

static const struct column columns[] = {
    {"Ready", "ready"},
    {"Reasons", "reasons"},
    {"Version", "version"},
    {"Uptime (s)", "uptime_s"},
    {"Running", "running"},
    {"Queued", "queued"},
    {"Capacity", "capacity"},
    {"Warm", "warm"},
    {"Warming", "warming"},
    {"Policy", "policy_sha256"},
    {"Audit records", "audit_seq"},
};
static const struct view view = {columns, COUNT(columns), "policy_sha256"};

int
verb_status(struct invocation *invocation)
{
	auto_json *body = NULL;
	struct err err;

	if (runner_link_ask(invocation, MESSAGE_status, &body, &err) != 0 ||
	    tool_print_one(invocation, &view, body, &err) != 0)
		return tool_fail(&err);
	return json_is_true(json_object_get(body, "ready")) ? 0 : 1;
}
