/*
 * The operator's requests about what is revoked, and the gateways'
 * confirmations.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "runner/peers.h"
#include "runner/revoke.h"

/* A clock that is behind ours must not take a certificate for good again. */
#define CERTIFICATE_LEEWAY_MS (INT64_C(24) * 3600 * 1000)

struct target {
	int64_t request;
	const char *kind_text, *value;
	enum revocation_kind kind;
};

#define TARGET_FIELDS(type)                                                    \
	JSON_FIELD(type, target.request, "request", JSON_KIND_INTEGER, true,   \
	    1, INT64_MAX),                                                     \
	    JSON_FIELD(type, target.kind_text, "kind", JSON_KIND_STRING, true, \
		1, 16),                                                        \
	    JSON_FIELD(type, target.value, "value", JSON_KIND_STRING, true, 1, \
		REVOCATION_VALUE_MAX)

static int
check_target(struct target *target, struct err *err)
{
	if (!revocation_kind_parse(target->kind_text, &target->kind))
		return err_set(err, ERR_UNPROCESSABLE,
		    "kind: \"%s\" is nothing that can be revoked",
		    target->kind_text);
	return revocation_check_value(target->kind, target->value, err);
}

/* -- revoke */

struct revoke {
	struct target target;
	const char *reason;
	int64_t not_after_s, ttl_s; /* 0: not said */
};

static void
revoked(void *arg, const struct revoke_report *report)
{
	struct question *question = arg;
	const struct {
		const char *name;
		size_t value;
	} numbers[] = {
	    {"connections", report->connections},
	    {"queued", report->tasks.queued},
	    {"running", report->tasks.running},
	    {"still_running", report->still_running},
	    {"warm", report->warm},
	    {"gateways", report->gateways},
	    {"confirmed", report->confirmed},
	    {"took_ms", (size_t)report->took_ms},
	};
	json_t *body = json_pack(
	    "{s:b, s:b}", "recorded", report->recorded, "known", report->known);

	for (size_t i = 0; i < COUNT(numbers); i++)
		json_object_set_new(body, numbers[i].name,
		    json_integer((json_int_t)numbers[i].value));
	question_reply_take(question, 200, body, -1);
}

/* No token that there is today outlives this. */
static int64_t
end_of_tokens(const struct runner *runner, int64_t now_ms)
{
	return now_ms +
	    1000 * (runner->authority.lifetime_max_s + 2 * TOKEN_LEEWAY_S);
}

static int
find_until(const struct runner *runner, const struct revoke *asked,
    int64_t *ret_ms, struct err *err)
{
	int64_t now_ms = clock_wall_ms();

	*ret_ms = 0;
	switch (asked->target.kind) {
	case REVOCATION_LOCK:
		if (asked->ttl_s == 0)
			return err_set(err, ERR_UNPROCESSABLE,
			    "ttl_s: a lock is for a time");
		*ret_ms = now_ms + 1000 * asked->ttl_s;
		return 0;
	case REVOCATION_TOKEN:
		*ret_ms = end_of_tokens(runner, now_ms);
		return 0;
	case REVOCATION_CERTIFICATE:
		if (asked->not_after_s > 0)
			*ret_ms =
			    1000 * asked->not_after_s + CERTIFICATE_LEEWAY_MS;
		return 0;
	default:
		return 0;
	}
}

static int
carry_out(struct question *question, struct revoke *asked, struct err *err)
{
	const struct peer *peer = question->peer;
	struct revoke_order order = {
	    .reason = asked->reason,
	    .uid = (int64_t)channel_peer_uid(peer->channel),
	};

	if (check_target(&asked->target, err) != 0 ||
	    find_until(peer->runner, asked, &order.until_ms, err) != 0)
		return -1;
	order.kind = asked->target.kind;
	order.value = asked->target.value;
	return revoke_put(peer->runner, &order, revoked, question, err);
}

int
peer_handle_revoke(struct peer *peer, struct message *message, struct err *err)
{
	static const struct json_field fields[] = {
	    TARGET_FIELDS(struct revoke),
	    JSON_FIELD(struct revoke, reason, "reason", JSON_KIND_STRING, false,
		1, REVOCATION_REASON_MAX),
	    JSON_FIELD(struct revoke, not_after_s, "not_after_s",
		JSON_KIND_INTEGER, false, 1, INT64_C(253402300799)),
	    JSON_FIELD(struct revoke, ttl_s, "ttl_s", JSON_KIND_INTEGER, false,
		1, REVOCATION_LOCK_MAX_S),
	};
	struct revoke asked = {0};
	struct question *question;
	struct err refused;

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&asked, err) != 0)
		return -1;
	question = question_new(peer, asked.target.request, err);
	if (question == NULL)
		return -1;
	if (carry_out(question, &asked, &refused) != 0)
		question_fail(question, &refused);
	return 0;
}

/* -- restore */

struct restore {
	struct target target;
};

static void
restored(void *arg, const struct err *err)
{
	struct question *question = arg;

	if (err != NULL)
		question_fail(question, err);
	else
		question_reply_take(question, 200, json_object(), -1);
}

static int
check_restorable(const struct target *target, struct err *err)
{
	if (target->kind != REVOCATION_CERTIFICATE &&
	    target->kind != REVOCATION_TOKEN)
		return 0;
	return err_set(err, ERR_CONFLICT, "a %s stays revoked: issue another",
	    revocation_kind_text(target->kind));
}

int
peer_handle_restore(struct peer *peer, struct message *message, struct err *err)
{
	static const struct json_field fields[] = {
	    TARGET_FIELDS(struct restore),
	};
	struct restore asked = {0};
	struct target *target = &asked.target;
	struct question *question;
	struct err refused;

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&asked, err) != 0)
		return -1;
	question = question_new(peer, target->request, err);
	if (question == NULL)
		return -1;
	if (check_target(target, &refused) != 0 ||
	    check_restorable(target, &refused) != 0 ||
	    revoke_lift(peer->runner, target->kind, target->value,
		(int64_t)channel_peer_uid(peer->channel), restored, question,
		&refused) != 0)
		question_fail(question, &refused);
	return 0;
}

/* -- revocations_read */

int
peer_handle_revocations_read(
    struct peer *peer, struct message *message, struct err *err)
{
	struct reading {
		int64_t request;
	} reading;
	static const struct json_field fields[] = {
	    JSON_FIELD(struct reading, request, "request", JSON_KIND_INTEGER,
		true, 1, INT64_MAX),
	};
	const struct revocations *set = &peer->runner->revoked.set;
	struct question *question;
	json_t *body;

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&reading, err) != 0)
		return -1;
	question = question_new(peer, reading.request, err);
	if (question == NULL)
		return -1;
	body = json_array();
	for (size_t i = 0; i < set->count; i++)
		json_array_append_new(body, revoke_render(set->entries[i]));
	question_reply_take(question, 200, body, -1);
	return 0;
}

/* -- what a gateway says of it */

int
peer_handle_revoked(struct peer *peer, struct message *message, struct err *err)
{
	struct confirmation {
		int64_t change, closed;
	} said;
	static const struct json_field fields[] = {
	    JSON_FIELD(struct confirmation, change, "change", JSON_KIND_INTEGER,
		true, 0, INT64_MAX),
	    JSON_FIELD(struct confirmation, closed, "closed", JSON_KIND_INTEGER,
		true, 0, 1 << 20),
	};

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&said, err) != 0)
		return -1;
	if ((uint64_t)said.change > peer->runner->revoked.change)
		return err_set(err, ERR_MALFORMED,
		    "revoked: nobody told it of this change");
	if ((uint64_t)said.change > peer->confirmed)
		peer->confirmed = (uint64_t)said.change;
	effect_confirm(
	    peer->runner, (uint64_t)said.change, (size_t)said.closed);
	return 0;
}
