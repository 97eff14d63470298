/*
 * `POST /v1/explain`: the body goes to the runner as it came, and its answer
 * back. The gateway's own policy is not asked: of two, the runner's counts.
 */
#include "gateway/exchange.h"
#include "gateway/query.h"
#include "lib/cleanup.h"
#include "lib/packet.h"

#define REPLY_S 30

static void
heard_explanation(struct exchange *x, const struct link_answer *answer)
{
	if (answer->failure != NULL)
		exchange_pass_failure(x, answer);
	else
		exchange_answer_json(x, (unsigned)answer->status, answer->body);
}

void
handle_explain(struct exchange *x)
{
	auto_fd int fd = -1;
	struct err err;

	if (query_read(x, &(struct query_table){0}, &err) < 0 ||
	    packet_seal(x->body.data, x->body.len, &fd, &err) < 0) {
		exchange_refuse_err(x, &err);
		return;
	}
	exchange_ask_take(x,
	    &(struct link_question){.type = MESSAGE_explain,
		.members = json_object(),
		.fd = fd,
		.timeout_s = REPLY_S},
	    heard_explanation);
}
