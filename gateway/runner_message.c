/*
 * The runner's messages, by their tables of fields. It is trusted no further
 * than one connection: whatever is wrong here drops that.
 */
#include "gateway/runner_message.h"

#include <stdio.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/packet.h"
#include "policy/allowances.h"
#include "policy/policy.h"

/* A page of tasks whose arguments had to be escaped byte by byte. */
#define REPLY_BODY_MAX (64 * 1024 * 1024)
/* A window of a rule's rate is what anybody is told to wait longest for. */
#define RETRY_AFTER_MAX_S ALLOWANCE_PERIOD_MAX_S
#define REASONS_MAX 64
/* The path of a member of a request, such as a variable with its name. */
#define CONDITION_MAX 128

#define FIELD(type, member, kind, required, min, max)                        \
	JSON_FIELD(struct type, member, #member, JSON_KIND_##kind, required, \
	    min, max)

int
runner_read_welcome(
    const struct message *message, struct runner_welcome *ret, struct err *err)
{
	static const struct json_field fields[] = {
	    FIELD(runner_welcome, version, INTEGER, true, PROTOCOL_VERSION,
		PROTOCOL_VERSION),
	    FIELD(runner_welcome, runner, STRING, true, 1, 64),
	};

	return json_read_fields(
	    message->members, "", fields, COUNT(fields), false, ret, err);
}

int
runner_read_state(
    const struct message *message, struct runner_state *ret, struct err *err)
{
	static const struct json_field fields[] = {
	    FIELD(runner_state, ready, BOOLEAN, true, 0, 0),
	    FIELD(runner_state, reasons, ARRAY, true, 0, REASONS_MAX),
	    FIELD(runner_state, queued, INTEGER, true, 0, INT64_MAX),
	    FIELD(runner_state, running, INTEGER, true, 0, INT64_MAX),
	    FIELD(runner_state, capacity, INTEGER, true, 0, INT64_MAX),
	    FIELD(runner_state, warm, INTEGER, true, 0, INT64_MAX),
	    FIELD(runner_state, warming, INTEGER, true, 0, INT64_MAX),
	    FIELD(runner_state, counters, OBJECT, true, 0, 0),
	};
	struct runner_state state = {0};
	const json_t *reason;
	size_t i;

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&state, err) < 0)
		return -1;
	json_array_foreach(state.reasons, i,
	    reason) if (!json_is_string(reason)) return err_set(err,
	    ERR_UNPROCESSABLE, "reasons[%zu]: not a string", i);
	*ret = state;
	return 0;
}

/* A body that was too large for a packet: the sealed memfd behind it. */
static int
read_sealed_body(const struct message *message, json_t **ret, struct err *err)
{
	auto_free char *text = NULL;
	size_t len;

	if (message->nfds != 1)
		return err_set(err, ERR_MALFORMED,
		    "what was sealed came without its descriptor");
	if (packet_read_sealed(
		message->fds[0], REPLY_BODY_MAX, &text, &len, err) < 0)
		return -1;
	*ret = json_parse_strict(text, len, err);
	return *ret == NULL ? -1 : 0;
}

static int
check_revocation(
    struct runner_revocation *revocation, const char *path, struct err *err)
{
	if (!revocation_kind_parse(revocation->kind_text, &revocation->kind))
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s: nothing that can be revoked", path);
	if (revocation_check_value(revocation->kind, revocation->value, err) <
	    0)
		return err_prefix(err, "%s", path);
	return 0;
}

#define REVOCATION_FIELDS                                       \
	JSON_FIELD(struct runner_revocation, kind_text, "kind", \
	    JSON_KIND_STRING, true, 1, 16),                     \
	    FIELD(runner_revocation, value, STRING, true, 1,    \
		REVOCATION_VALUE_MAX),                          \
	    FIELD(runner_revocation, until_ms, INTEGER, false, 1, INT64_MAX)

int
runner_read_revocation(const struct message *message,
    struct runner_revocation *ret, struct err *err)
{
	static const struct json_field fields[] = {
	    REVOCATION_FIELDS,
	    FIELD(runner_revocation, change, INTEGER, true, 1, INT64_MAX),
	    FIELD(runner_revocation, lifted, BOOLEAN, true, 0, 0),
	};
	struct runner_revocation revocation = {0};

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&revocation, err) < 0 ||
	    check_revocation(&revocation, "revocation", err) < 0)
		return -1;
	*ret = revocation;
	return 0;
}

static int
read_entry(
    const json_t *json, size_t i, struct revocations *set, struct err *err)
{
	static const struct json_field fields[] = {REVOCATION_FIELDS};
	struct runner_revocation revocation = {0};
	char path[32];

	snprintf(path, sizeof(path), "[%zu]", i);
	if (!json_is_object(json))
		return err_set(
		    err, ERR_UNPROCESSABLE, "%s: not an object", path);
	if (json_read_fields(json, path, fields, COUNT(fields), false,
		&revocation, err) < 0 ||
	    check_revocation(&revocation, path, err) < 0)
		return -1;
	revocations_put(set, revocation.kind, revocation.value)->until_ms =
	    revocation.until_ms;
	return 0;
}

int
runner_read_revocation_list(
    const json_t *list, struct revocations *ret_set, struct err *err)
{
	AUTO(revocations_done) struct revocations set = {0};
	const json_t *one;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > REVOCATIONS_MAX)
		return err_set(err, ERR_UNPROCESSABLE,
		    "not a list of at most %d revocations", REVOCATIONS_MAX);
	json_array_foreach(list, i, one)
	{
		if (read_entry(one, i, &set, err) < 0)
			return -1;
	}
	*ret_set = set;
	set = (struct revocations){0};
	return 0;
}

int
runner_read_revocations(const struct message *message, int64_t *ret_change,
    struct revocations *ret_set, struct err *err)
{
	struct list {
		int64_t change;
	} said;
	static const struct json_field fields[] = {
	    FIELD(list, change, INTEGER, true, 0, INT64_MAX),
	};
	auto_json *list = NULL;

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&said, err) < 0 ||
	    read_sealed_body(message, &list, err) < 0 ||
	    runner_read_revocation_list(list, ret_set, err) < 0)
		return -1;
	*ret_change = said.change;
	return 0;
}

static int
read_timing(const json_t *json, struct runner_timing *ret, struct err *err)
{
	static const struct json_field fields[] = {
	    JSON_FIELD(struct runner_timing, queue_us, "queue",
		JSON_KIND_INTEGER, false, 0, INT64_MAX),
	    JSON_FIELD(struct runner_timing, start_us, "start",
		JSON_KIND_INTEGER, false, 0, INT64_MAX),
	    JSON_FIELD(struct runner_timing, run_us, "run", JSON_KIND_INTEGER,
		false, 0, INT64_MAX),
	    JSON_FIELD(struct runner_timing, audit_us, "audit",
		JSON_KIND_INTEGER, false, 0, INT64_MAX),
	};
	struct runner_timing timing = RUNNER_TIMING_NONE;

	if (json != NULL &&
	    json_read_fields(
		json, "timing", fields, COUNT(fields), false, &timing, err) < 0)
		return -1;
	*ret = timing;
	return 0;
}

int
runner_read_reply(
    struct message *message, struct runner_reply *ret, struct err *err)
{
	static const struct json_field fields[] = {
	    FIELD(runner_reply, request, INTEGER, true, 1, INT64_MAX),
	    FIELD(runner_reply, status, INTEGER, true, 200, 299),
	    FIELD(runner_reply, body, ANY, false, 0, 0),
	    FIELD(runner_reply, sealed, BOOLEAN, false, 0, 0),
	    JSON_FIELD(struct runner_reply, timing_members, "timing",
		JSON_KIND_OBJECT, false, 0, 0),
	};
	struct runner_reply reply = {0};

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&reply, err) < 0 ||
	    read_timing(reply.timing_members, &reply.timing, err) < 0)
		return -1;
	if (reply.sealed && reply.body != NULL)
		return err_set(err, ERR_MALFORMED, "a reply with two bodies");
	if (reply.sealed && read_sealed_body(message, &reply.body, err) < 0)
		return -1;
	if (!reply.sealed && message->nfds > 0)
		reply.fd = &message->fds[0];
	*ret = reply;
	return 0;
}

int
runner_read_begin(
    const struct message *message, int64_t *ret_request, struct err *err)
{
	struct runner_begin {
		int64_t request;
	} begin;
	static const struct json_field fields[] = {
	    FIELD(runner_begin, request, INTEGER, true, 1, INT64_MAX),
	};

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&begin, err) < 0)
		return -1;
	if (message->nfds != 1)
		return err_set(
		    err, ERR_MALFORMED, "begin without its descriptor");
	*ret_request = begin.request;
	return 0;
}

int
runner_read_reload_order(
    const struct message *message, int64_t *ret_order, struct err *err)
{
	struct reload_order {
		int64_t order;
	} said;
	static const struct json_field fields[] = {
	    FIELD(reload_order, order, INTEGER, true, 1, INT64_MAX),
	};

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&said, err) < 0)
		return -1;
	*ret_order = said.order;
	return 0;
}

int
runner_read_failure(
    const struct message *message, struct runner_failure *ret, struct err *err)
{
	static const struct json_field fields[] = {
	    FIELD(runner_failure, request, INTEGER, true, 1, INT64_MAX),
	    FIELD(runner_failure, error, STRING, true, 1, 64),
	    FIELD(runner_failure, detail, STRING, true, 0, 0),
	    FIELD(runner_failure, rule, STRING, false, 0, RULE_ID_MAX),
	    FIELD(runner_failure, condition, STRING, false, 0, CONDITION_MAX),
	    JSON_FIELD(struct runner_failure, retry_after_s, "retry_after",
		JSON_KIND_INTEGER, false, 0, RETRY_AFTER_MAX_S),
	    FIELD(runner_failure, received, INTEGER, false, 0, INT64_MAX),
	};
	struct runner_failure failure = {.received = -1};

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&failure, err) < 0)
		return -1;
	*ret = failure;
	return 0;
}
