/*
 * Those who are connected to the private sockets, spoken to by the table of
 * messages.
 */
#include "runner/peers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "runner/intake.h"
#include "runner/reload.h"
#include "runner/revoke.h"

static const struct {
	unsigned roles;
	unsigned states;
	int (*handle)(
	    struct peer *peer, struct message *message, struct err *err);
} messages[MESSAGE_COUNT] = {
#define TO_RUNNER(name, roles, states, descriptors) \
	[MESSAGE_##name] = {roles, states, peer_handle_##name},
#define FROM_RUNNER(name, descriptors)
#include "lib/messages.def"
#undef TO_RUNNER
#undef FROM_RUNNER
};

/* -- questions */

struct question *
question_new(struct peer *peer, int64_t number, struct err *err)
{
	struct question *question = alloc_zero(1, sizeof(*question));

	question->runner = peer->runner;
	question->peer = peer;
	question->number = number;
	question->received = -1;
	snprintf(question->number_text, sizeof(question->number_text),
	    "%" PRId64, number);
	if (peer->questions.count >= QUESTIONS_MAX ||
	    table_find(&peer->questions, question->number_text) != NULL) {
		err_set(err, ERR_MALFORMED,
		    "request %" PRId64 " is open already, or too many are",
		    number);
		free(question);
		return NULL;
	}
	table_add(&peer->questions, question->number_text, question);
	return question;
}

struct question *
question_find(const struct peer *peer, int64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, number);
	return table_find(&peer->questions, text);
}

static void
detach(struct question *question)
{
	if (question->peer != NULL)
		table_remove(&question->peer->questions, question->number_text);
	question->peer = NULL;
}

void
question_forget(struct question *question)
{
	detach(question);
	if (question->waiter == NULL && question->intake == NULL)
		return;
	if (question->waiter != NULL)
		tasks_unwait(question->waiter);
	if (question->intake != NULL)
		intake_forget(question->intake);
	free(question);
}

static void
send_answer(
    struct question *question, enum message_type type, json_t *members, int fd)
{
	struct peer *peer = question->peer;
	struct err err;

	detach(question);
	json_decref(question->timing);
	free(question);
	if (peer != NULL &&
	    channel_send(
		peer->channel, type, members, &fd, fd >= 0 ? 1 : 0, &err) != 0)
		log_failure(LOG_LEVEL_WARNING, "peer.unheard", &err, NULL);
}

/* A large body travels as a descriptor, and there may be none left. */
static int
seal_body(json_t *members, json_t *body, int *ret_fd, struct err *err)
{
	auto_free char *text = json_dumps(body, JSON_COMPACT);

	if (text == NULL)
		die("a body that cannot be written");
	if (strlen(text) <= REPLY_INLINE_MAX) {
		json_object_set(members, "body", body);
		return 0;
	}
	if (packet_seal(text, strlen(text), ret_fd, err) != 0)
		return err_prefix(err, "seal an answer");
	json_object_set_new(members, "sealed", json_true());
	return 0;
}

void
question_reply_take(struct question *question, int status, json_t *body, int fd)
{
	auto_json *own = body;
	auto_json *members = json_pack("{s:I, s:i}", "request",
	    (json_int_t)question->number, "status", status);
	auto_fd int sealed = -1;
	struct err err;

	if (question->timing != NULL)
		json_object_set(members, "timing", question->timing);
	if (body != NULL && fd >= 0)
		json_object_set(members, "body", body);
	else if (body != NULL && seal_body(members, body, &sealed, &err) != 0) {
		log_failure(LOG_LEVEL_ERROR, "request.failed", &err, NULL);
		question_fail(question, &err);
		return;
	}
	send_answer(question, MESSAGE_reply, members, fd >= 0 ? fd : sealed);
}

void
question_fail_rule(struct question *question, const struct err *err,
    const char *rule, const char *condition)
{
	auto_json *members = json_pack("{s:I, s:s, s:s}", "request",
	    (json_int_t)question->number, "error", err_slug(err->code),
	    "detail", err_detail_is_public(err->code) ? err->detail : "");

	if (members == NULL)
		die("a failure that cannot be put together");
	if (rule != NULL)
		json_object_set_new(members, "rule", json_string(rule));
	if (condition != NULL)
		json_object_set_new(
		    members, "condition", json_string(condition));
	if (question->received >= 0)
		json_object_set_new(
		    members, "received", json_integer(question->received));
	if (err->code == ERR_BUSY || err->code == ERR_OVER_RATE ||
	    err->code == ERR_UNAVAILABLE)
		json_object_set_new(members, "retry_after",
		    json_integer(
			err->retry_after_s > 0 ? err->retry_after_s : 1));
	send_answer(question, MESSAGE_failure, members, -1);
}

void
question_fail(struct question *question, const struct err *err)
{
	question_fail_rule(question, err, NULL, NULL);
}

/* -- peers */

static int
on_message(void *arg, struct message *message, struct err *err)
{
	struct peer *peer = arg;

	if ((messages[message->type].roles & (unsigned)peer->role) == 0)
		return err_set(err, ERR_MALFORMED,
		    "%s is not this peer's to send",
		    message_name(message->type));
	if ((messages[message->type].states & (unsigned)peer->state) == 0)
		return err_set(err, ERR_MALFORMED, "%s comes at the wrong time",
		    message_name(message->type));
	if (message_check_descriptors(message, err) != 0)
		return -1;
	return messages[message->type].handle(peer, message, err);
}

/* Whoever comes and goes all the time must not fill the log: what is not
 * recorded is counted in the next record. NULL: this one is not. */
static struct audit_entry *
new_entry(struct runner *runner, enum event event, uid_t uid)
{
	struct audit_entry *entry;

	if (!bucket_has(&runner->connections, clock_boot_ms())) {
		runner->unrecorded++;
		return NULL;
	}
	bucket_take(&runner->connections);
	entry = tasks_entry(&runner->tasks, event);
	entry->object = json_pack("{s:I}", "uid", (json_int_t)uid);
	if (runner->unrecorded > 0)
		json_object_set_new(entry->object, "unrecorded",
		    json_integer((json_int_t)runner->unrecorded));
	runner->unrecorded = 0;
	return entry;
}

static void
record_connection(const struct peer *peer, enum event event)
{
	struct audit_entry *entry =
	    new_entry(peer->runner, event, channel_peer_uid(peer->channel));

	if (entry != NULL)
		tasks_record_take(&peer->runner->tasks, entry);
}

const char *
peers_socket(enum role role)
{
	return role == ROLE_ADMIN ? "admin" : "gateway";
}

void
peers_record_refused(struct runner *runner, enum role role, uid_t uid,
    const char *reason, const char *detail)
{
	struct audit_entry *entry = new_entry(runner, EVENT_PEER_REFUSED, uid);

	if (entry == NULL)
		return;
	json_object_set_new(
	    entry->object, "socket", json_string(peers_socket(role)));
	json_object_set_new(entry->object, "reason", json_string(reason));
	if (detail != NULL)
		entry->untrusted =
		    json_pack("{s:o}", "detail", audit_text(detail));
	tasks_record_take(&runner->tasks, entry);
}

/* What it said, and not what became of the connection. */
static bool
is_its_fault(const struct err *err)
{
	return err->code != ERR_NONE && err_status(err->code) < 500;
}

static void
on_closed(void *arg, const struct err *err)
{
	struct peer *peer = arg;
	struct runner *runner = peer->runner;
	const char *role = peers_socket(peer->role);

	if (err->code == ERR_NONE)
		log_info("peer.closed", "role", role, NULL);
	else
		log_failure(
		    LOG_LEVEL_WARNING, "peer.dropped", err, "role", role, NULL);
	if (is_its_fault(err))
		peers_record_refused(runner, peer->role,
		    channel_peer_uid(peer->channel), "what it sent",
		    err->detail);
	if (peer->role == ROLE_GATEWAY && peer->state == STATE_READY)
		record_connection(peer, EVENT_GATEWAY_DISCONNECTED);
	peer_free(peer);
	/* It is not waited for any more. */
	revoke_settle(runner);
}

static const struct channel_events channel_events = {
    .message = on_message,
    .closed = on_closed,
};

struct peer *
peer_new_take(struct runner *runner, int fd, enum role role)
{
	struct peer *peer = alloc_zero(1, sizeof(*peer));

	peer->runner = runner;
	peer->role = role;
	peer->state = STATE_NEW;
	table_init(&peer->questions);
	peer->channel =
	    channel_open_take(&runner->loop, fd, &channel_events, peer);
	peer->next = runner->peers;
	if (peer->next != NULL)
		peer->next->previous = peer;
	runner->peers = peer;
	runner->npeers++;
	return peer;
}

void
peer_free(struct peer *peer)
{
	struct runner *runner = peer->runner;

	reload_peer_gone(runner->reload, peer);
	for (size_t i = 0; i < peer->questions.size; i++) {
		struct table_slot *slot = &peer->questions.slots[i];

		if (table_slot_is_used(slot))
			question_forget(slot->thing);
	}
	table_done(&peer->questions);
	if (peer->previous != NULL)
		peer->previous->next = peer->next;
	else
		runner->peers = peer->next;
	if (peer->next != NULL)
		peer->next->previous = peer->previous;
	runner->npeers--;
	channel_close(peer->channel);
	free(peer);
}

void
peers_tell(struct runner *runner, enum message_type type, json_t *members)
{
	struct err err;

	for (struct peer *peer = runner->peers; peer != NULL;
	     peer = peer->next) {
		if (peer->role == ROLE_GATEWAY && peer->state == STATE_READY)
			(void)channel_send(
			    peer->channel, type, members, NULL, 0, &err);
	}
}

int
peer_handle_hello(struct peer *peer, struct message *message, struct err *err)
{
	struct hello {
		int64_t version;
		const char *role;
		int64_t certificate_not_after;
	} hello = {.certificate_not_after = -1};
	static const struct json_field fields[] = {
	    JSON_FIELD(struct hello, version, "version", JSON_KIND_INTEGER,
		true, PROTOCOL_VERSION, PROTOCOL_VERSION),
	    JSON_FIELD(
		struct hello, role, "role", JSON_KIND_STRING, true, 1, 16),
	    JSON_FIELD(struct hello, certificate_not_after,
		"certificate_not_after", JSON_KIND_INTEGER, false, 0,
		PEER_TIME_MAX_S),
	};
	const char *role = peers_socket(peer->role);
	auto_json *welcome = json_pack("{s:i, s:s}", "version",
	    PROTOCOL_VERSION, "runner", peer->runner->config.id);
	auto_json *state = NULL;

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&hello, err) != 0)
		return -1;
	if (strcmp(hello.role, role) != 0)
		return err_set(
		    err, ERR_MALFORMED, "hello: this socket is the %s's", role);
	peer->state = STATE_READY;
	if (channel_send(
		peer->channel, MESSAGE_welcome, welcome, NULL, 0, err) != 0)
		return -1;
	if (peer->role == ROLE_ADMIN)
		return 0;
	if (revoke_tell_all(peer, err) != 0)
		return -1;
	peer->takes_orders = hello.certificate_not_after >= 0;
	peer->certificate_not_after_s = hello.certificate_not_after;
	log_info("gateway.connected", NULL);
	record_connection(peer, EVENT_GATEWAY_CONNECTED);
	state = runner_state(peer->runner);
	return channel_send(peer->channel, MESSAGE_state, state, NULL, 0, err);
}

int
peer_handle_forget(struct peer *peer, struct message *message, struct err *err)
{
	struct forget {
		int64_t request;
	} forget;
	static const struct json_field fields[] = {
	    JSON_FIELD(struct forget, request, "request", JSON_KIND_INTEGER,
		true, 1, INT64_MAX),
	};
	struct question *question;

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&forget, err) != 0)
		return -1;
	question = question_find(peer, forget.request);
	/* The answer may have crossed it. */
	if (question != NULL)
		question_forget(question);
	return 0;
}
