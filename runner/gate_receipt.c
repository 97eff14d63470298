/*
 * `receipt` and `proof`: what the audit log proves to the owner of a task, or
 * to an auditor.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/proof.h"
#include "runner/audit_proof.h"
#include "runner/gate.h"

/* -- receipt */

struct receipt_request {
	struct envelope envelope;
	const char *task;
};

struct receipt_op {
	struct store_op op;
	struct question *question;
	char task[UUID_TEXT];
	char *text;
	size_t len;
};

static int
run_receipt(struct store_op *op, struct database *database, struct err *err)
{
	struct receipt_op *receipt = (struct receipt_op *)op;

	return audit_receipt(
	    database, receipt->task, &receipt->text, &receipt->len, err);
}

static void
receipt_done(struct store_op *op, const struct err *err)
{
	struct receipt_op *receipt = (struct receipt_op *)op;

	if (err != NULL)
		gate_refuse(receipt->question, err);
	else
		gate_reply_text(
		    receipt->question, receipt->text, receipt->len, NULL);
	free(receipt->text);
	free(receipt);
}

static void
receipt_found(struct question *question, void *arg, struct task *live,
    struct task_data *data)
{
	struct receipt_op *receipt;
	struct err err;

	(void)arg;
	(void)live;
	if (data->facts.state != TASK_FINISHED) {
		err_set(&err, ERR_CONFLICT, "the task has not finished");
		gate_refuse(question, &err);
		return;
	}
	receipt = alloc_zero(1, sizeof(*receipt));
	receipt->op = (struct store_op){
	    .reads = true, .run = run_receipt, .done = receipt_done};
	receipt->question = question;
	memcpy(receipt->task, data->id, UUID_TEXT);
	store_submit(question->runner->store, &receipt->op);
}

int
peer_handle_receipt(struct peer *peer, struct message *message, struct err *err)
{
	static const struct json_field fields[] = {
	    ENVELOPE_FIELDS(struct receipt_request),
	    JSON_FIELD(struct receipt_request, task, "task", JSON_KIND_STRING,
		true, 36, 36),
	};
	struct receipt_request request = {0};
	struct question *question = NULL;
	int result;

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&request, err) != 0 ||
	    gate_check_task(request.task, err) != 0)
		return -1;
	result = gate_open(
	    peer, &request.envelope, SCOPE_TASKS_READ, &question, err);
	if (result > 0)
		gate_find_take(question, request.task, receipt_found, NULL);
	return result < 0 ? -1 : 0;
}

/* -- proof */

struct proof_request {
	struct envelope envelope;
	const char *task; /* NULL: an auditor asks */
	int64_t first, second, seq; /* sizes, or a record; 0: not given */
};

struct proof_op {
	struct store_op op;
	struct question *question;
	int64_t first, second, seq;
	struct audit_signed head;
	struct merkle_proof proof;
};

static int
run_proof(struct store_op *op, struct database *database, struct err *err)
{
	struct proof_op *asked = (struct proof_op *)op;

	if (audit_signed_read(database, &asked->head, err) != 0)
		return -1;
	if (asked->second == 0)
		asked->second = asked->head.size;
	if (asked->second > asked->head.size)
		return err_set(err, ERR_NOT_FOUND,
		    "the log has no more than %lld records",
		    (long long)asked->head.size);
	return asked->seq != 0 ? audit_prove_inclusion(database, asked->second,
				     asked->seq, &asked->proof, err)
			       : audit_prove_extension(database, asked->first,
				     asked->second, &asked->proof, err);
}

static json_t *
render_proof(const struct proof_op *asked)
{
	bool is_of_record = asked->seq != 0;

	return json_pack("{s:s, s:I, s:I, s:o}", "checkpoint", asked->head.note,
	    is_of_record ? "seq" : "first",
	    (json_int_t)(is_of_record ? asked->seq : asked->first),
	    is_of_record ? "size" : "second", (json_int_t)asked->second,
	    is_of_record ? "inclusion" : "consistency",
	    proof_write(&asked->proof));
}

static void
proof_done(struct store_op *op, const struct err *err)
{
	struct proof_op *asked = (struct proof_op *)op;

	if (err != NULL)
		gate_refuse(asked->question, err);
	else
		question_reply_take(
		    asked->question, 200, render_proof(asked), -1);
	audit_signed_done(&asked->head);
	free(asked);
}

static void
prove(struct question *question, const struct proof_op *asked)
{
	struct proof_op *op = gate_keep(asked, sizeof(*asked));

	op->op = (struct store_op){
	    .reads = true, .run = run_proof, .done = proof_done};
	op->question = question;
	store_submit(question->runner->store, &op->op);
}

/* The owner of a task has a receipt; that the log went on from it tells
 * nothing of anybody. */
static void
proof_found(struct question *question, void *arg, struct task *live,
    struct task_data *data)
{
	auto_free struct proof_op *asked = arg;

	(void)live;
	(void)data;
	prove(question, asked);
}

static int
check_proof(const struct proof_request *request, struct err *err)
{
	if (request->task != NULL && gate_check_task(request->task, err) != 0)
		return -1;
	if ((request->first != 0) == (request->seq != 0) ||
	    (request->task != NULL && request->seq != 0))
		return err_set(err, ERR_MALFORMED,
		    "first or seq, and of a task's receipt first");
	return 0;
}

int
peer_handle_proof(struct peer *peer, struct message *message, struct err *err)
{
#define NUMBER(member)                                                       \
	JSON_FIELD(struct proof_request, member, #member, JSON_KIND_INTEGER, \
	    false, 1, INT64_MAX)
	static const struct json_field fields[] = {
	    ENVELOPE_FIELDS(struct proof_request),
	    JSON_FIELD(struct proof_request, task, "task", JSON_KIND_STRING,
		false, 36, 36),
	    NUMBER(first),
	    NUMBER(second),
	    NUMBER(seq),
	};
#undef NUMBER
	struct proof_request request = {0};
	struct question *question = NULL;
	struct proof_op asked;
	int result;

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&request, err) != 0 ||
	    check_proof(&request, err) != 0)
		return -1;
	asked = (struct proof_op){.first = request.first,
	    .second = request.second,
	    .seq = request.seq};
	result = gate_open(peer, &request.envelope,
	    request.task != NULL ? SCOPE_TASKS_READ : SCOPE_AUDIT_READ,
	    &question, err);
	if (result > 0 && request.task != NULL)
		gate_find_take(question, request.task, proof_found,
		    gate_keep(&asked, sizeof(asked)));
	else if (result > 0)
		prove(question, &asked);
	return result < 0 ? -1 : 0;
}
