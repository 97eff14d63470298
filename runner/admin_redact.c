/*
 * `audit_redact`: the operator has what a client wrote taken out of a record.
 * It is answered when that, and the record of it, is durable.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/record.h"
#include "runner/audit_gone.h"
#include "runner/peers.h"

struct redacting {
	struct store_op op;
	struct question *question;
	struct audit_redaction redaction;
	char *reason;
	char policy_sha256[SHA256_HEX];
};

static int
run_redact(struct store_op *op, struct database *database, struct err *err)
{
	struct redacting *redacting = (struct redacting *)op;

	return audit_redact(database, &redacting->redaction, err);
}

static void
redact_done(struct store_op *op, const struct err *err)
{
	struct redacting *redacting = (struct redacting *)op;

	if (err != NULL)
		question_fail(redacting->question, err);
	else
		question_reply_take(
		    redacting->question, 200, json_object(), -1);
	free(redacting->reason);
	free(redacting);
}

struct redact {
	int64_t request, seq;
	const char *reason;
};

static void
submit(struct question *question, const struct redact *asked)
{
	struct redacting *redacting = alloc_zero(1, sizeof(*redacting));
	struct runner *runner = question->runner;

	redacting->op =
	    (struct store_op){.run = run_redact, .done = redact_done};
	redacting->question = question;
	redacting->reason = alloc_string(asked->reason);
	redacting->redaction = (struct audit_redaction){
	    .seq = asked->seq,
	    .uid = (int64_t)channel_peer_uid(question->peer->channel),
	    .reason = redacting->reason,
	    .wall_ms = clock_wall_ms(),
	};
	if (runner->policy != NULL) {
		memcpy(redacting->policy_sha256, policy_sha256(runner->policy),
		    SHA256_HEX);
		redacting->redaction.policy_sha256 = redacting->policy_sha256;
	}
	store_submit(runner->store, &redacting->op);
}

int
peer_handle_audit_redact(
    struct peer *peer, struct message *message, struct err *err)
{
	static const struct json_field fields[] = {
	    JSON_FIELD(struct redact, request, "request", JSON_KIND_INTEGER,
		true, 1, INT64_MAX),
	    JSON_FIELD(struct redact, seq, "seq", JSON_KIND_INTEGER, true, 1,
		INT64_MAX),
	    JSON_FIELD(struct redact, reason, "reason", JSON_KIND_STRING, true,
		1, RECORD_REASON_MAX),
	};
	struct redact asked = {0};
	struct question *question;

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&asked, err) != 0)
		return -1;
	question = question_new(peer, asked.request, err);
	if (question == NULL)
		return -1;
	submit(question, &asked);
	return 0;
}
