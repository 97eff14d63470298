/*
 * Role: `status`: how the runner is.
 * Trusts the runner.
 */
#include "admin/runner_link.h"
#include "admin/tool.h"
#include "admin/verbs.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"

#define NOTE_S (INT64_C(30) * 24 * 3600)

static const struct column columns[] = {
    {"Ready (runner)", "ready"},
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
    {"Server certificate ends", "certificate_expires_at"},
    {"CA ends", "ca_expires_at"},
    {"Token keys", "token_keys"},
    {"Audit key", "audit_key"},
};
static const struct view view = {columns, COUNT(columns), "policy_sha256"};

/* What ends by itself, while there is time to do something about it. */
static void
note_end(const json_t *body, const char *member, const char *what,
    const char *command)
{
	const char *text = json_string_value(json_object_get(body, member));
	int64_t end_ms;

	if (text == NULL || !clock_parse(text, &end_ms))
		return;
	int64_t left_s = end_ms / 1000 - tool_now_s();
	if (left_s < NOTE_S)
		tool_note("%s %s at %s: taskgate-admin %s", what,
		    left_s > 0 ? "ends" : "has ended", text, command);
}

int
verb_status(struct invocation *invocation)
{
	auto_json *body = NULL;
	struct err err;

	if (runner_link_ask(invocation, MESSAGE_status, &body, &err) != 0 ||
	    tool_print_one(invocation, &view, body, &err) != 0)
		return tool_fail(&err);
	note_end(body, "certificate_expires_at", "the server's certificate",
	    "cert renew");
	note_end(
	    body, "ca_expires_at", "a certificate of the CA bundle", "ca list");
	return json_is_true(json_object_get(body, "ready")) ? 0 : 1;
}
