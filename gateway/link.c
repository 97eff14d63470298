/*
 * The connection to the runner. Answers are matched by number; a number names
 * its slot, so that finding it costs nothing however many are open.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/link.h"
#include "lib/alloc.h"
#include "lib/channel.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/packet.h"

#define BACKOFF_MIN_MS 50
#define BACKOFF_MAX_MS 2000
#define TICK_MS 1000
#define SLOTS_MAX (1U << 20)
#define REPLY_BODY_MAX (16 * 1024 * 1024)
#define RETRY_AFTER_S 1

/* A number is the slot and, above it, how many were asked before: unique among
 * those that are open, and below 2^53. */
#define SLOT_BITS 20

struct question {
	uint64_t request; /* 0: free */
	link_answered *answered;
	void *arg;
	int64_t deadline_ms;
	size_t next_free;
};

struct link {
	uv_loop_t *loop;
	char *path;
	uid_t uid;
	struct channel *channel;
	struct link_state state;
	uv_timer_t retry, tick;
	unsigned closing; /* timers that are not closed yet */
	uint64_t backoff_ms;
	struct question *slots;
	size_t nslots, free;
	uint64_t asked;
	void (*changed)(void *arg, bool connected);
	void *arg;
};

static void schedule_retry(struct link *link);

static void
forget_state(struct link *link)
{
	json_decref(link->state.reasons);
	json_decref(link->state.counters);
	link->state = (struct link_state){0};
}

static void
tell_change(struct link *link, bool connected)
{
	if (link->changed != NULL)
		link->changed(link->arg, connected);
}

static size_t
take_slot(struct link *link)
{
	size_t old = link->nslots;

	if (link->free == old) {
		if (old == SLOTS_MAX)
			return SLOTS_MAX;
		link->nslots = old == 0 ? 64 : old * 2;
		link->slots = alloc_resize(
		    link->slots, link->nslots, sizeof(*link->slots));
		for (size_t i = old; i < link->nslots; i++)
			link->slots[i] = (struct question){.next_free = i + 1};
	}
	size_t slot = link->free;

	link->free = link->slots[slot].next_free;
	return slot;
}

/* The question of a number that is open, taken out; false: none. */
static bool
take_question(struct link *link, uint64_t request, struct question *ret)
{
	size_t slot = request & (SLOTS_MAX - 1);

	if (request == 0 || slot >= link->nslots ||
	    link->slots[slot].request != request)
		return false;
	*ret = link->slots[slot];
	link->slots[slot] = (struct question){.next_free = link->free};
	link->free = slot;
	return true;
}

static void
fail_question(struct link *link, uint64_t request, const char *detail)
{
	struct question question;
	struct err err;
	int fd = -1;

	if (!take_question(link, request, &question))
		return;
	err_set(&err, ERR_UNAVAILABLE, "%s", detail);
	question.answered(question.arg,
	    &(struct link_answer){
		.failure = &err, .retry_after_s = RETRY_AFTER_S, .fd = &fd});
}

static void
fail_all(struct link *link)
{
	for (size_t i = 0; i < link->nslots; i++)
		fail_question(link, link->slots[i].request,
		    "the runner's connection ended before it answered");
}

static int
handle_welcome(struct link *link, struct message *message, struct err *err)
{
	struct welcome {
		int64_t version;
		const char *runner;
	} welcome;
	static const struct json_field fields[] = {
	    JSON_FIELD(struct welcome, version, "version", JSON_KIND_INTEGER,
		true, PROTOCOL_VERSION, PROTOCOL_VERSION),
	    JSON_FIELD(struct welcome, runner, "runner", JSON_KIND_STRING, true,
		1, 64),
	};

	if (link->state.connected)
		return err_set(err, ERR_MALFORMED, "welcome came twice");
	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&welcome, err) < 0)
		return -1;
	link->state.connected = true;
	link->backoff_ms = BACKOFF_MIN_MS;
	log_info("runner.connected", "runner", welcome.runner, NULL);
	tell_change(link, true);
	return 0;
}

static int
check_strings(const json_t *array, struct err *err)
{
	const json_t *item;
	size_t i;

	json_array_foreach(
	    array, i, item) if (!json_is_string(item)) return err_set(err,
	    ERR_MALFORMED, "state: reasons holds something else than strings");
	return 0;
}

static int
handle_state(struct link *link, struct message *message, struct err *err)
{
	struct link_state state = {.connected = true};
	static const struct json_field fields[] = {
	    JSON_FIELD(struct link_state, ready, "ready", JSON_KIND_BOOLEAN,
		true, 0, 0),
	    JSON_FIELD(struct link_state, reasons, "reasons", JSON_KIND_ARRAY,
		true, 0, 64),
	    JSON_FIELD(struct link_state, queued, "queued", JSON_KIND_INTEGER,
		true, 0, INT64_MAX),
	    JSON_FIELD(struct link_state, running, "running", JSON_KIND_INTEGER,
		true, 0, INT64_MAX),
	    JSON_FIELD(struct link_state, capacity, "capacity",
		JSON_KIND_INTEGER, true, 0, INT64_MAX),
	    JSON_FIELD(struct link_state, counters, "counters",
		JSON_KIND_OBJECT, true, 0, 0),
	};

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&state, err) < 0 ||
	    check_strings(state.reasons, err) < 0)
		return -1;
	json_incref(state.reasons);
	json_incref(state.counters);
	forget_state(link);
	link->state = state;
	return 0;
}

/* A body that was too large for a packet: the sealed memfd behind it. */
static int
read_sealed_body(int fd, json_t **ret, struct err *err)
{
	auto_free char *text = NULL;
	size_t len;

	if (packet_read_sealed(fd, REPLY_BODY_MAX, &text, &len, err) < 0)
		return -1;
	*ret = json_parse_strict(text, len, err);
	return *ret == NULL ? -1 : 0;
}

static int
handle_reply(struct link *link, struct message *message, struct err *err)
{
	struct reply {
		int64_t request, status;
		json_t *body;
		bool sealed;
	} reply = {0};
	static const struct json_field fields[] = {
	    JSON_FIELD(struct reply, request, "request", JSON_KIND_INTEGER,
		true, 1, INT64_MAX),
	    JSON_FIELD(struct reply, status, "status", JSON_KIND_INTEGER, true,
		200, 299),
	    JSON_FIELD(struct reply, body, "body", JSON_KIND_ANY, false, 0, 0),
	    JSON_FIELD(
		struct reply, sealed, "sealed", JSON_KIND_BOOLEAN, false, 0, 0),
	};
	auto_json *sealed = NULL;
	struct question question;
	int none = -1;

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&reply, err) < 0)
		return -1;
	if (reply.sealed) {
		if (message->nfds != 1)
			return err_set(err, ERR_MALFORMED,
			    "reply: sealed without a descriptor");
		if (read_sealed_body(message->fds[0], &sealed, err) < 0)
			return -1;
		reply.body = sealed;
	}
	/* What was forgotten meanwhile is nobody's. */
	if (!take_question(link, (uint64_t)reply.request, &question))
		return 0;
	question.answered(question.arg,
	    &(struct link_answer){.status = reply.status,
		.body = reply.body,
		.fd = message->nfds > 0 && !reply.sealed ? &message->fds[0]
							 : &none});
	return 0;
}

static int
handle_failure(struct link *link, struct message *message, struct err *err)
{
	struct failure {
		int64_t request, retry_after;
		const char *error, *detail, *rule, *condition;
	} failure = {0};
	static const struct json_field fields[] = {
	    JSON_FIELD(struct failure, request, "request", JSON_KIND_INTEGER,
		true, 1, INT64_MAX),
	    JSON_FIELD(
		struct failure, error, "error", JSON_KIND_STRING, true, 1, 64),
	    JSON_FIELD(
		struct failure, detail, "detail", JSON_KIND_STRING, true, 0, 0),
	    JSON_FIELD(
		struct failure, rule, "rule", JSON_KIND_STRING, false, 0, 0),
	    JSON_FIELD(struct failure, condition, "condition", JSON_KIND_STRING,
		false, 0, 0),
	    JSON_FIELD(struct failure, retry_after, "retry_after",
		JSON_KIND_INTEGER, false, 0, 86400),
	};
	struct question question;
	struct err reason;
	int fd = -1;

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&failure, err) < 0)
		return -1;
	if (!take_question(link, (uint64_t)failure.request, &question))
		return 0;
	err_set(&reason, err_from_slug(failure.error), "%s", failure.detail);
	question.answered(question.arg,
	    &(struct link_answer){.failure = &reason,
		.rule = failure.rule,
		.condition = failure.condition,
		.retry_after_s = failure.retry_after,
		.fd = &fd});
	return 0;
}

/* One handler for each message that the runner may send. */
static const struct {
	int (*handle)(
	    struct link *link, struct message *message, struct err *err);
} handlers[MESSAGE_COUNT] = {
#define TO_RUNNER(name, roles, states)
#define FROM_RUNNER(name) [MESSAGE_##name] = {handle_##name},
#include "lib/messages.def"
#undef TO_RUNNER
#undef FROM_RUNNER
};

static int
on_message(void *arg, struct message *message, struct err *err)
{
	struct link *link = arg;

	if (handlers[message->type].handle == NULL)
		return err_set(err, ERR_MALFORMED,
		    "%s is not the runner's to send",
		    message_name(message->type));
	if (!link->state.connected && message->type != MESSAGE_welcome)
		return err_set(err, ERR_MALFORMED, "%s came before welcome",
		    message_name(message->type));
	return handlers[message->type].handle(link, message, err);
}

static void
disconnect(struct link *link)
{
	if (link->channel == NULL)
		return;
	channel_close(link->channel);
	link->channel = NULL;
	if (link->state.connected)
		tell_change(link, false);
	forget_state(link);
	fail_all(link);
}

static void
on_closed(void *arg, const struct err *err)
{
	struct link *link = arg;

	if (err->code == ERR_NONE)
		log_warning("runner.disconnected", NULL);
	else
		log_failure(
		    LOG_LEVEL_WARNING, "runner.disconnected", err, NULL);
	disconnect(link);
	schedule_retry(link);
}

static const struct channel_events channel_events = {
    .message = on_message,
    .closed = on_closed,
};

static int
say_hello(struct link *link, struct err *err)
{
	auto_json *hello = json_pack(
	    "{s:i, s:s}", "version", PROTOCOL_VERSION, "role", "gateway");

	return channel_send(link->channel, MESSAGE_hello, hello, NULL, 0, err);
}

static int
connect_now(struct link *link, struct err *err)
{
	auto_fd int fd = -1;
	uid_t uid;
	pid_t pid;

	if (packet_connect(link->path, &fd, err) < 0)
		return -1;
	if (packet_peer(fd, &uid, &pid, err) < 0)
		return -1;
	if (uid != link->uid)
		return err_set(err, ERR_INTERNAL,
		    "%s: whoever listens there has uid %ld, not the runner's",
		    link->path, (long)uid);
	link->channel =
	    channel_open_take(link->loop, take_fd(fd), &channel_events, link);
	if (say_hello(link, err) < 0) {
		disconnect(link);
		return -1;
	}
	return 0;
}

static void
try_connect(uv_timer_t *timer)
{
	struct link *link = timer->data;
	struct err err;

	if (connect_now(link, &err) == 0)
		return;
	log_failure(LOG_LEVEL_DEBUG, "runner.unreachable", &err, NULL);
	schedule_retry(link);
}

static void
schedule_retry(struct link *link)
{
	if (link->closing > 0)
		return;
	uv_timer_start(&link->retry, try_connect, link->backoff_ms, 0);
	link->backoff_ms *= 2;
	if (link->backoff_ms > BACKOFF_MAX_MS)
		link->backoff_ms = BACKOFF_MAX_MS;
}

static void
tell_forget(struct link *link, uint64_t request)
{
	auto_json *members = json_pack("{s:I}", "request", (json_int_t)request);
	struct err err;

	if (link->channel != NULL &&
	    channel_send(
		link->channel, MESSAGE_forget, members, NULL, 0, &err) < 0)
		log_failure(LOG_LEVEL_DEBUG, "runner.forget", &err, NULL);
}

/* A runner that is there but does not answer must not hold clients. */
static void
expire(uv_timer_t *timer)
{
	struct link *link = timer->data;
	int64_t now_ms = clock_boot_ms();

	for (size_t i = 0; i < link->nslots; i++) {
		uint64_t request = link->slots[i].request;

		if (request == 0 || link->slots[i].deadline_ms > now_ms)
			continue;
		tell_forget(link, request);
		fail_question(
		    link, request, "the runner did not answer in time");
	}
}

struct link *
link_open(uv_loop_t *loop, const char *path, uid_t uid)
{
	struct link *link = alloc_zero(1, sizeof(*link));

	link->loop = loop;
	link->path = alloc_string(path);
	link->uid = uid;
	link->backoff_ms = BACKOFF_MIN_MS;
	uv_timer_init(loop, &link->retry);
	uv_timer_init(loop, &link->tick);
	link->retry.data = link;
	link->tick.data = link;
	uv_timer_start(&link->retry, try_connect, 0, 0);
	uv_timer_start(&link->tick, expire, TICK_MS, TICK_MS);
	return link;
}

void
link_on_change(
    struct link *link, void (*changed)(void *arg, bool connected), void *arg)
{
	link->changed = changed;
	link->arg = arg;
}

const struct link_state *
link_state(const struct link *link)
{
	return &link->state;
}

int
link_ask(struct link *link, const struct link_question *question,
    link_answered *answered, void *arg, uint64_t *ret_request, struct err *err)
{
	size_t slot;
	uint64_t request;

	if (!link->state.connected)
		return err_set(err, ERR_UNAVAILABLE,
		    "the runner cannot be reached at the moment");
	slot = take_slot(link);
	if (slot == SLOTS_MAX)
		return err_set(err, ERR_UNAVAILABLE, "too much is under way");
	request =
	    (++link->asked << SLOT_BITS | slot) & ((UINT64_C(1) << 53) - 1);
	link->slots[slot] = (struct question){.request = request,
	    .answered = answered,
	    .arg = arg,
	    .deadline_ms = clock_boot_ms() + question->timeout_s * 1000};
	json_object_set_new(
	    question->members, "request", json_integer((json_int_t)request));
	if (channel_send(link->channel, question->type, question->members,
		&question->fd, question->fd >= 0 ? 1 : 0, err) < 0) {
		struct question unasked;

		take_question(link, request, &unasked);
		/* Full or closed: the caller can try again. A request that
		 * is too large for a packet is the caller's to mend. */
		if (err->code != ERR_TOO_LARGE)
			err->code = ERR_UNAVAILABLE;
		return -1;
	}
	*ret_request = request;
	return 0;
}

void
link_forget(struct link *link, uint64_t request)
{
	struct question question;

	if (take_question(link, request, &question))
		tell_forget(link, request);
}

int
link_tell(
    struct link *link, enum message_type type, json_t *members, struct err *err)
{
	if (!link->state.connected)
		return err_set(err, ERR_UNAVAILABLE,
		    "the runner cannot be reached at the moment");
	return channel_send(link->channel, type, members, NULL, 0, err);
}

static void
timer_closed(uv_handle_t *handle)
{
	struct link *link = handle->data;

	if (--link->closing > 0)
		return;
	free(link->slots);
	free(link->path);
	free(link);
}

void
link_close(struct link *link)
{
	link->closing = 2;
	disconnect(link);
	forget_state(link);
	uv_close((uv_handle_t *)&link->retry, timer_closed);
	uv_close((uv_handle_t *)&link->tick, timer_closed);
}
