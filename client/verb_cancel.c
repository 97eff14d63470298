/*
 * `cancel` and `signal`: what ends or moves a task that was started.
 */
#include "client/verbs.h"

#include <stdio.h>
#include <string.h>

#include "client/batch.h"
#include "client/exit_code.h"
#include "client/operand.h"
#include "client/task.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/quantity.h"

#define GRACE_S 10
#define GRACE_MAX_S 300

static int
read_grace(const struct invocation *invocation, int64_t *ret_s, struct err *err)
{
	const char *text = option_value(invocation, "grace");

	*ret_s = GRACE_S;
	if (text != NULL &&
	    (!quantity_parse_duration(text, ret_s) || *ret_s > GRACE_MAX_S))
		return err_set(err, ERR_UNPROCESSABLE,
		    "--grace: 0 to %ds, not \"%.32s\"", GRACE_MAX_S, text);
	return 0;
}

static int
cancel_task(struct session *session, const char *id, int64_t grace_s,
    json_t **ret_document, int *ret_status, struct failure *failure)
{
	auto_free char *path =
	    alloc_printf("/v1/tasks/%s?grace=%lld", id, (long long)grace_s);
	const struct session_call call = {
	    .method = "DELETE",
	    .path = path,
	    .policy = &retry_call,
	};

	return session_call(session, &call, ret_document, ret_status, failure);
}

static void
cancel_one(struct batch *batch, const char *operand, int64_t grace_s)
{
	auto_failure failure = FAILURE_INIT;
	json_t *document = NULL;
	char id[OPERAND_ID];
	struct err err;
	int status = 0;

	if (operand_read_id(operand, id, &err) != 0) {
		failure_from_err(&failure, "usage", &err);
		batch_add_failure(batch, &failure, EXIT_USAGE);
		return;
	}
	if (cancel_task(batch->session, id, grace_s, &document, &status,
		&failure) != 0) {
		batch_add_failure(
		    batch, &failure, exit_code_of_problem(failure.slug));
		return;
	}
	if (batch->session->format == SHOW_ID)
		printf("%s\n", id);
	if (batch->session->format == SHOW_TABLE && !batch->session->quiet)
		printf("%s  %s\n", id,
		    status == 202 ? "cancelling" : "had ended already");
	batch_add_take(batch, document, 0);
}

int
verb_cancel(struct invocation *invocation)
{
	auto_session session = {0};
	auto_batch batch = {0};
	auto_failure failure = FAILURE_INIT;
	int64_t grace_s;
	struct err err;

	batch_init(&batch, &session);
	if (session_open(invocation, &session, &failure) != 0)
		return session_fail_verb(&session, &failure);
	if (read_grace(invocation, &grace_s, &err) != 0) {
		failure_from_err(&failure, "usage", &err);
		return session_fail_verb(&session, &failure);
	}
	for (int i = 0; i < invocation->noperands; i++) {
		cancel_one(&batch, invocation->operands[i], grace_s);
		if (batch.code == EXIT_INTERRUPTED)
			break;
	}
	return batch_show(&batch);
}

static int
send_signal(const struct invocation *invocation, struct session *session,
    struct failure *failure)
{
	char id[OPERAND_ID];
	char name[8];
	auto_free char *path = NULL;
	auto_free char *body = NULL;
	auto_json *document = NULL;
	struct session_call call = {.method = "POST", .policy = &retry_once};
	struct err err;
	int status;

	if (operand_read_id(invocation->operands[0], id, &err) != 0 ||
	    operand_read_signal(invocation->operands[1], name, &err) != 0)
		return failure_from_err(failure, "usage", &err);
	path = alloc_printf("/v1/tasks/%s/signal", id);
	body = alloc_printf("{\"signal\":\"%s\"}", name);
	call.path = path;
	call.body = body;
	if (session_call(session, &call, &document, &status, failure) != 0)
		return -1;
	document = document != NULL
	    ? document
	    : json_pack("{s:s, s:s}", "id", id, "signal", name);
	if (session->format == SHOW_JSON || session->format == SHOW_JSONL)
		show_document(session->format, document);
	if (session->format == SHOW_ID)
		printf("%s\n", id);
	return 0;
}

int
verb_signal(struct invocation *invocation)
{
	auto_session session = {0};
	auto_failure failure = FAILURE_INIT;

	if (session_open(invocation, &session, &failure) != 0 ||
	    send_signal(invocation, &session, &failure) != 0)
		return session_fail_verb(&session, &failure);
	return 0;
}
