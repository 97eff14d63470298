/*
 * `approve` and `deny`: what somebody else decides about a task that waits for
 * it. What is shown is what is signed: the server gets the very object back
 * that stood on the terminal, so that nobody on the way can have another task
 * approved than the one that was seen.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/operand.h"
#include "client/task.h"
#include "client/verbs.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "policy/approval.h"

static int
get_request(struct session *session, const char *id, json_t **ret,
    struct failure *failure)
{
	auto_json *document = NULL;
	json_t *request;

	if (session_get_task(session, id, 0, &document, failure) != 0)
		return -1;
	request =
	    json_object_get(json_object_get(document, "approval"), "request");
	if (!json_is_object(request))
		return failure_set(failure, "conflict",
		    "task %s does not wait for approval", id);
	*ret = json_incref(request);
	return 0;
}

/* Every member, whatever it is: all of it is signed. */
static void
show_request(const json_t *request)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)request, name, value)
	{
		auto_free char *text = json_is_string(value)
		    ? alloc_string(json_string_value(value))
		    : json_dumps(value,
			  JSON_COMPACT | JSON_ENSURE_ASCII | JSON_ENCODE_ANY);

		show_fact(name, text);
	}
}

static bool
is_confirmed(void)
{
	char answer[16];

	fprintf(stderr, "Approve this task? [y/N] ");
	fflush(stderr);
	return fgets(answer, sizeof(answer), stdin) != NULL &&
	    (strcmp(answer, "y\n") == 0 || strcmp(answer, "yes\n") == 0);
}

static int
confirm(const struct invocation *invocation, const struct session *session,
    const json_t *request, struct failure *failure)
{
	bool yes = option_flag(invocation, "yes");

	if (!yes && (isatty(STDIN_FILENO) != 1 || isatty(STDERR_FILENO) != 1))
		return failure_set(failure, "usage",
		    "approve asks on a terminal; without one, say --yes");
	if (session->format == SHOW_TABLE && !(yes && session->quiet)) {
		show_request(request);
		fflush(stdout);
	}
	if (yes || is_confirmed())
		return 0;
	return failure_set(failure, "declined", "nothing was approved");
}

static int
send_decision(struct session *session, const char *id, const json_t *body,
    struct failure *failure)
{
	auto_free char *path = alloc_printf("/v1/tasks/%s/approval", id);
	auto_free char *text = json_encode(body, NULL);
	auto_json *document = NULL;
	char key[UUID_TEXT];
	const struct session_call call = {
	    .method = "POST",
	    .path = path,
	    .body = text,
	    .idempotency_key = key,
	    .policy = &retry_call,
	    .is_signed = true,
	};
	int status;

	uuid_make(clock_wall_ms(), key);
	if (session_call(session, &call, &document, &status, failure) != 0)
		return -1;
	if (session->format == SHOW_ID)
		printf("%s\n", id);
	else if (session->format != SHOW_TABLE)
		show_document(session->format, document);
	return 0;
}

static int
read_operands(const struct invocation *invocation, char id[OPERAND_ID],
    const char **ret_reason, struct err *err)
{
	const char *reason = option_value(invocation, "reason");

	if (reason != NULL &&
	    (*reason == '\0' || strlen(reason) > APPROVAL_REASON_MAX))
		return err_set(err, ERR_UNPROCESSABLE,
		    "--reason: 1 to %d bytes", APPROVAL_REASON_MAX);
	*ret_reason = reason;
	return operand_read_id(invocation->operands[0], id, err);
}

static int
decide(const struct invocation *invocation, struct session *session,
    bool approves, struct failure *failure)
{
	auto_json *request = NULL;
	auto_json *body = NULL;
	const char *reason = NULL;
	char id[OPERAND_ID];
	struct err err;

	if (read_operands(invocation, id, &reason, &err) != 0)
		return failure_from_err(failure, "usage", &err);
	body = json_pack("{s:s}", "decision", approves ? "approve" : "deny");
	if (reason != NULL &&
	    json_object_set_new(body, "reason", json_string(reason)) != 0)
		return failure_set(failure, "usage", "--reason: not UTF-8");
	if (approves) {
		if (get_request(session, id, &request, failure) != 0 ||
		    confirm(invocation, session, request, failure) != 0)
			return -1;
		json_object_set(body, "request", request);
	}
	if (send_decision(session, id, body, failure) != 0)
		return -1;
	if (session->format == SHOW_TABLE && !session->quiet)
		printf("%s  %s\n", id, approves ? "approved" : "denied");
	return 0;
}

static int
run(struct invocation *invocation, bool approves)
{
	auto_session session = {0};
	auto_failure failure = FAILURE_INIT;

	if (session_open(invocation, &session, &failure) != 0 ||
	    decide(invocation, &session, approves, &failure) != 0)
		return session_fail_verb(&session, &failure);
	return 0;
}

int
verb_approve(struct invocation *invocation)
{
	return run(invocation, true);
}

int
verb_deny(struct invocation *invocation)
{
	return run(invocation, false);
}
