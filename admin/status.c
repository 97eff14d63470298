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
    {"Policy", "policy_sha256"},
    {"Audit records", "audit_seq"},
};
static const struct view view = {columns, COUNT(columns), "policy_sha256"};

static int
ask(const struct invocation *invocation, json_t **ret_body, struct err *err)
{
	AUTO(runner_link_close) struct runner_link link = {.sock = -1};
	auto_fd int fd = -1;

	if (runner_link_open(invocation, &link, err) != 0 ||
	    runner_link_call_take(
		&link, MESSAGE_status, json_object(), ret_body, &fd, err) != 0)
		return -1;
	if (!json_is_object(*ret_body))
		return err_set(
		    err, ERR_UNAVAILABLE, "the runner's answer cannot be read");
	return 0;
}

int
verb_status(struct invocation *invocation)
{
	auto_json *body = NULL;
	struct err err;

	if (ask(invocation, &body, &err) != 0 ||
	    tool_print_one(invocation, &view, body, &err) != 0)
		return tool_fail(&err);
	return json_is_true(json_object_get(body, "ready")) ? 0 : 1;
}
