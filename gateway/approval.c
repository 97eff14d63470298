/*
 * Approvals: from HTTP to a question for the runner. What is not signed, or
 * says nothing that could be decided, never reaches it; whether it counts is
 * the runner's to say, which trusts nothing of this.
 */
#include "policy/approval.h"
#include "gateway/exchange.h"
#include "gateway/query.h"
#include "gateway/signed.h"
#include "lib/cleanup.h"
#include "lib/packet.h"

#define REPLY_S 30

static void
heard_decided(struct exchange *x, const struct link_answer *answer)
{
	if (answer->failure != NULL)
		exchange_pass_failure(x, answer);
	else
		exchange_answer_json(x, (unsigned)answer->status, answer->body);
}

static int
read_body(const struct exchange *x, int *ret_fd, struct err *err)
{
	AUTO(approval_done) struct approval approval = {0};

	if (approval_parse(x->body.data == NULL ? "" : x->body.data,
		x->body.len, &approval, err) < 0)
		return -1;
	return packet_seal(x->body.data, x->body.len, ret_fd, err);
}

static int
read_signature(const struct exchange *x, struct signature *ret, struct err *err)
{
	const char *key = exchange_field(x, "Idempotency-Key");

	if (signed_check_key(key, err) < 0 || signed_read(x, key, ret, err) < 0)
		return -1;
	return signature_is_there(ret) ? 0 : signature_require(err);
}

void
handle_task_approval(struct exchange *x)
{
	struct signature signature = {0};
	auto_fd int fd = -1;
	json_t *members;
	struct err err;

	if (query_read(x, &(struct query_table){0}, &err) < 0 ||
	    read_signature(x, &signature, &err) < 0 ||
	    read_body(x, &fd, &err) < 0) {
		exchange_refuse_err(x, &err);
		return;
	}
	members = json_pack("{s:s}", "task", x->in_path.task);
	signed_add_members(
	    exchange_field(x, "Idempotency-Key"), &signature, members);
	exchange_ask_take(x,
	    &(struct link_question){.type = MESSAGE_approval,
		.members = members,
		.fd = fd,
		.timeout_s = REPLY_S},
	    heard_decided);
}
