/*
 * Receipts, and what else the audit log proves: passed on as the runner wrote
 * it, byte for byte, since whoever asks verifies it with a key of its own.
 */
#include "gateway/document.h"
#include "gateway/query.h"
#include "lib/cleanup.h"

#define REPLY_S 30

void
handle_task_receipt(struct exchange *x)
{
	struct err err;

	if (query_read(x, &(struct query_table){0}, &err) < 0) {
		exchange_refuse_err(x, &err);
		return;
	}
	exchange_ask_take(x,
	    &(struct link_question){.type = MESSAGE_receipt,
		.members = json_pack("{s:s}", "task", x->in_path.task),
		.fd = -1,
		.timeout_s = REPLY_S},
	    document_heard);
}

/* -- proofs */

enum { PROOF_FIRST, PROOF_SECOND, PROOF_SEQ, PROOF_SIZE, PROOF_COUNT };

#define SIZE(text)                                               \
	{                                                        \
		.name = (text), .kind = QUERY_INTEGER, .min = 1, \
		.max = INT64_MAX                                 \
	}

static const struct query_spec proof_specs[PROOF_COUNT] = {
    [PROOF_FIRST] = SIZE("first"),
    [PROOF_SECOND] = SIZE("second"),
    [PROOF_SEQ] = SIZE("seq"),
    [PROOF_SIZE] = SIZE("size"),
};

/* Either that the log of `second` records begins with the `first`, or that
 * record `seq` is in the log of `size` records. */
static int
check_proof(const struct query_value values[PROOF_COUNT], struct err *err)
{
	bool is_of_record = values[PROOF_SEQ].given;

	if (is_of_record == values[PROOF_FIRST].given ||
	    values[is_of_record ? PROOF_SECOND : PROOF_SIZE].given)
		return err_set(err, ERR_UNPROCESSABLE,
		    "a proof is of first and second, or of seq and size");
	return 0;
}

static void
set_integer(json_t *members, const char *name, const struct query_value *value)
{
	if (value->given)
		json_object_set_new(
		    members, name, json_integer((json_int_t)value->integer));
}

static void
heard_proof(struct exchange *x, const struct link_answer *answer)
{
	if (answer->failure != NULL)
		exchange_pass_failure(x, answer);
	else
		exchange_answer_json(x, (unsigned)answer->status, answer->body);
}

/* `task`: whose receipt it is about; NULL: an auditor asks. */
static void
ask_proof(struct exchange *x, const char *task)
{
	struct query_value values[PROOF_COUNT] = {0};
	const struct query_table table = {
	    proof_specs, values, task != NULL ? PROOF_SEQ : PROOF_COUNT};
	struct err err;
	json_t *members;

	if (query_read(x, &table, &err) < 0 || check_proof(values, &err) < 0) {
		exchange_refuse_err(x, &err);
		return;
	}
	members = json_object();
	if (task != NULL)
		json_object_set_new(members, "task", json_string(task));
	set_integer(members, "first", &values[PROOF_FIRST]);
	set_integer(members, "second", &values[PROOF_SECOND]);
	set_integer(members, "second", &values[PROOF_SIZE]);
	set_integer(members, "seq", &values[PROOF_SEQ]);
	exchange_ask_take(x,
	    &(struct link_question){.type = MESSAGE_proof,
		.members = members,
		.fd = -1,
		.timeout_s = REPLY_S},
	    heard_proof);
}

void
handle_task_receipt_proof(struct exchange *x)
{
	ask_proof(x, x->in_path.task);
}

void
handle_audit_proof(struct exchange *x)
{
	ask_proof(x, NULL);
}
