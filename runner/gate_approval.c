/*
 * `approval`: what somebody decides about another's task. It is signed, over
 * the task's id and over what the task was shown to be, and verified here
 * whatever the gateway thought of it: a gateway that was taken over can neither
 * make one, nor use it for another task, nor have one task approved by showing
 * another.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/idempotency_key.h"
#include "runner/gate.h"

struct approval_request {
	struct envelope envelope;
	const char *task, *idempotency_key;
	struct signature signature;
};

/* What was asked for: in one piece of memory. It was read once, and is read
 * again when the task is found. */
struct asked {
	char task[UUID_TEXT];
	size_t len;
	char body[];
};

/* One being considered; all borrowed. */
struct judging {
	struct question *question;
	const struct approval *approval;
};

/* Decided, and answered when that is durable. */
struct deciding {
	struct question *question;
	char task[UUID_TEXT];
};

/* -- it has been decided */

static void
reply_shown(struct question *question, void *arg, struct task *live,
    struct task_data *data)
{
	(void)arg;
	(void)live;
	gate_reply_task(question, 200, data, false);
}

static void
decided(void *arg, const struct err *err)
{
	auto_free struct deciding *deciding = arg;

	if (err != NULL)
		gate_refuse_about(deciding->question, deciding->task, err);
	else
		gate_find_shown_take(deciding->question, deciding->task, true,
		    reply_shown, NULL);
}

/* -- deciding */

/* The same again, by the same subject: a client that lost the answer. */
static bool
is_repeated(const struct judging *judging, const struct task_data *data)
{
	const struct task_approval *approval = data->approval;

	return approval->decision ==
	    (judging->approval->approves ? DECISION_APPROVED
					 : DECISION_DENIED) &&
	    strcmp(approval->by.subject,
		judging->question->principal.certificate.subject) == 0;
}

static int
refuse_late(const struct task_data *data, struct err *err)
{
	const struct task_approval *approval = data->approval;

	if (approval->decision == DECISION_NONE)
		return err_set(err, ERR_CONFLICT,
		    "the task does not wait for approval any more");
	if (approval->decision == DECISION_LAPSED)
		return err_set(
		    err, ERR_CONFLICT, "nobody approved the task in time");
	return err_set(err, ERR_CONFLICT, "the task was %s by %s already",
	    task_decision_text(approval->decision), approval->by.subject);
}

static int
check_shown(const struct judging *judging, const struct task_data *data,
    struct err *err)
{
	auto_json *is = task_render_request(data);

	if (!judging->approval->approves ||
	    json_equal(judging->approval->request, is))
		return 0;
	return err_set(err, ERR_CONFLICT,
	    "request: is not what the task is; nothing was approved");
}

static int
check_approver(
    const struct judging *judging, struct task *live, struct err *err)
{
	const struct token_claims *token = &judging->question->principal.token;
	const char *roles[TOKEN_ROLES_MAX];
	const struct policy_principal approver = {
	    .subject = token->subject,
	    .roles = roles,
	    .nroles = token->nroles,
	};

	if (!gate_may_approve(judging->question, live->data->rule))
		return err_set(err, ERR_DENIED,
		    "rule %s: approval: you are not one of those who may "
		    "approve or deny",
		    live->data->rule);
	for (size_t i = 0; i < token->nroles; i++)
		roles[i] = token->roles[i];
	return judging->approval->approves
	    ? tasks_may_approve(live, &approver, err)
	    : 0;
}

/* 1: it may; 0: it has, already; -1. */
static int
judge(const struct judging *judging, struct task *live,
    const struct task_data *data, struct err *err)
{
	const char *asker = judging->question->principal.certificate.subject;

	/* Whatever certificate it comes with. */
	if (strcmp(asker, data->owner.subject) == 0)
		return err_set(err, ERR_DENIED,
		    "nobody approves or denies a task of their own; it can be "
		    "cancelled");
	if (data->approval == NULL)
		return err_set(err, ERR_CONFLICT, "the task needs no approval");
	if (is_repeated(judging, data))
		return 0;
	if (live == NULL || data->facts.state != TASK_WAITING_APPROVAL)
		return refuse_late(data, err);
	if (check_shown(judging, data, err) != 0 ||
	    check_approver(judging, live, err) != 0)
		return -1;
	return 1;
}

static void
decide(const struct judging *judging, struct task *live)
{
	struct deciding *deciding = alloc_zero(1, sizeof(*deciding));
	struct task_owner by;
	const struct tasks_decision decision = {
	    .approves = judging->approval->approves,
	    .reason = judging->approval->reason,
	    .by = &by,
	};

	deciding->question = judging->question;
	memcpy(deciding->task, live->id, UUID_TEXT);
	gate_owner(judging->question, &by);
	tasks_decide(live, &decision, decided, deciding);
	free(by.address);
}

static void
approval_found(struct question *question, void *arg, struct task *live,
    struct task_data *data)
{
	auto_free struct asked *asked = arg;
	AUTO(approval_done) struct approval approval = {0};
	const struct judging judging = {question, &approval};
	struct err err;
	int result;

	result = approval_parse(asked->body, asked->len, &approval, &err);
	if (result == 0)
		result = judge(&judging, live, data, &err);
	if (result > 0)
		decide(&judging, live);
	else if (result < 0)
		gate_refuse_about(question, asked->task, &err);
	else
		gate_reply_task(question, 200, data, false);
}

/* -- the message */

static void
consider(struct question *question, const struct approval_request *request,
    const char *body, size_t len)
{
	AUTO(approval_done) struct approval approval = {0};
	struct asked *asked;
	struct err err;

	if ((request->envelope.claim == NULL && signature_require(&err) != 0) ||
	    approval_parse(body, len, &approval, &err) != 0) {
		gate_refuse_about(question, request->task, &err);
		return;
	}
	asked = alloc_zero(1, sizeof(*asked) + len);
	memcpy(asked->task, request->task, UUID_TEXT);
	asked->len = len;
	memcpy(asked->body, body, len);
	gate_find_shown_take(
	    question, asked->task, true, approval_found, asked);
}

static int
read_approval(const struct message *message, struct approval_request *ret,
    struct err *err)
{
	static const struct json_field fields[] = {
	    ENVELOPE_FIELDS(struct approval_request),
	    JSON_FIELD(struct approval_request, task, "task", JSON_KIND_STRING,
		true, 36, 36),
	    JSON_FIELD(struct approval_request, idempotency_key,
		"idempotency_key", JSON_KIND_STRING, false, 1,
		IDEMPOTENCY_KEY_MAX),
	    JSON_FIELD(struct approval_request, signature.input,
		"signature_input", JSON_KIND_STRING, false, 0, 0),
	    JSON_FIELD(struct approval_request, signature.value, "signature",
		JSON_KIND_STRING, false, 0, 0),
	};

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		ret, err) != 0 ||
	    gate_check_task(ret->task, err) != 0)
		return -1;
	if (ret->idempotency_key != NULL &&
	    !idempotency_key_is_valid(ret->idempotency_key))
		return err_set(err, ERR_MALFORMED, "idempotency_key: not one");
	return 0;
}

int
peer_handle_approval(
    struct peer *peer, struct message *message, struct err *err)
{
	struct approval_request request = {0};
	struct question *question = NULL;
	auto_free char *body = NULL;
	auto_free char *path = NULL;
	uint8_t sha256[SHA256_BYTES];
	size_t len = 0;
	int result;

	if (read_approval(message, &request, err) != 0 ||
	    packet_read_sealed(
		message->fds[0], REQUEST_BODY_MAX, &body, &len, err) != 0)
		return -1;
	digest_sha256(body, len, sha256);
	path = alloc_printf("/v1/tasks/%s/approval", request.task);
	const struct gate_claim claim = {
	    .request = {.method = "POST",
		.path = path,
		.token = request.envelope.token,
		.body_sha256 = sha256,
		.idempotency_key = request.idempotency_key},
	    .signature = request.signature,
	};
	if (signature_is_there(&request.signature))
		request.envelope.claim = &claim;
	result = gate_open(
	    peer, &request.envelope, SCOPE_TASKS_APPROVE, &question, err);
	if (result > 0)
		consider(question, &request, body, len);
	return result < 0 ? -1 : 0;
}
