/*
 * Creation: what `run` and `submit` have in common.
 */
#include "client/creation.h"

#include <string.h>

#include "client/deposit.h"
#include "client/order.h"
#include "client/standard_input.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/idempotency_key.h"
#include "lib/json.h"

static int
make_key(const struct invocation *invocation, char ret[65], struct err *err)
{
	const char *key = option_value(invocation, "idempotency-key");

	if (key == NULL) {
		uuid_make(clock_wall_ms(), ret);
		return 0;
	}
	if (!idempotency_key_is_valid(key))
		return err_set(err, ERR_UNPROCESSABLE,
		    "--idempotency-key: 1 to 64 letters, digits, \"-\" and "
		    "\"_\", not \"%s\"",
		    key);
	strcpy(ret, key);
	return 0;
}

static int
add_standard_input(const struct invocation *invocation, bool streams,
    json_t *order, struct failure *failure)
{
	const char *path = option_value(invocation, "stdin");
	auto_free char *data = NULL;
	size_t len;

	if (streams && path != NULL)
		return failure_set(failure, "usage",
		    "--stdin and --interactive exclude each other");
	if (streams)
		json_object_set_new(
		    order, "stdin", json_pack("{s:b}", "stream", 1));
	if (path == NULL)
		return 0;
	if (standard_input_read(path, &data, &len, failure) != 0)
		return -1;
	json_object_set_new(order, "stdin", standard_input_render(data, len));
	return 0;
}

typedef int settle_inputs(struct deposits *deposits, struct session *session,
    struct failure *failure);

static int
add_inputs(const struct invocation *invocation, struct session *session,
    settle_inputs *settle, json_t *order, struct failure *failure)
{
	AUTO(deposits_close) struct deposits deposits = {0};

	if (deposits_open(invocation, &deposits, failure) != 0 ||
	    settle(&deposits, session, failure) != 0)
		return -1;
	deposits_add(&deposits, order);
	return 0;
}

static json_t *
make_order(const struct invocation *invocation, struct session *session,
    const struct collection *collection, bool streams, settle_inputs *settle,
    struct failure *failure)
{
	struct err err;
	auto_json *order = order_build(invocation, &err);

	if (order == NULL) {
		failure_from_err(failure, "usage", &err);
		return NULL;
	}
	if (add_standard_input(invocation, streams, order, failure) != 0)
		return NULL;
	collection_add(collection, order);
	if (add_inputs(invocation, session, settle, order, failure) != 0)
		return NULL;
	return take(order);
}

json_t *
creation_order(const struct invocation *invocation, struct session *session,
    const struct collection *collection, bool streams, struct failure *failure)
{
	return make_order(
	    invocation, session, collection, streams, deposits_send, failure);
}

json_t *
creation_question(const struct invocation *invocation, struct session *session,
    const struct collection *collection, bool streams, struct failure *failure)
{
	return make_order(
	    invocation, session, collection, streams, deposits_hash, failure);
}

int
creation_send(const struct invocation *invocation, struct session *session,
    const json_t *order, int wait_s, json_t **ret_document,
    struct failure *failure)
{
	struct err err;
	char key[65];

	if (make_key(invocation, key, &err) != 0)
		return failure_from_err(failure, "usage", &err);
	return session_create(
	    session, order, key, wait_s, ret_document, failure);
}
