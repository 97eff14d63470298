/*
 * The connection to the runner: keeping it up, asking, and handing each answer
 * to who asked.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/link.h"
#include "gateway/questions.h"
#include "gateway/runner_message.h"
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
#define RETRY_AFTER_S 1

struct link {
	uv_loop_t *loop;
	char *path;
	uid_t uid;
	struct channel *channel;
	struct link_state state;
	struct questions questions;
	uv_timer_t retry, tick;
	unsigned closing; /* timers that are not closed yet */
	uint64_t backoff_ms;
	void (*changed)(void *arg, bool connected);
	void *arg;
	const struct link_orders *orders; /* NULL: it takes none */
	void *orders_arg;
	size_t (*enforce)(void *arg);
	void *enforce_arg;
};

static void schedule_retry(struct link *link);

static void
forget_state(struct link *link)
{
	json_decref(link->state.said.reasons);
	json_decref(link->state.said.counters);
	revocations_done(&link->state.revoked);
	link->state = (struct link_state){0};
}

static void
tell_change(struct link *link, bool connected)
{
	if (link->changed != NULL)
		link->changed(link->arg, connected);
}

static void
fail_question(struct link *link, uint64_t request, const char *detail)
{
	struct question question;
	struct err err;
	int fd = -1;

	if (!questions_take(&link->questions, request, &question))
		return;
	err_set(&err, ERR_UNAVAILABLE, "%s", detail);
	question.answered(question.arg,
	    &(struct link_answer){.failure = &err,
		.retry_after_s = RETRY_AFTER_S,
		.received = -1,
		.timing = RUNNER_TIMING_NONE,
		.fd = &fd});
}

static void
fail_all(struct link *link)
{
	uint64_t request;
	size_t at = 0;

	while ((request = questions_find_due(
		    &link->questions, INT64_MAX, &at)) != 0)
		fail_question(link, request,
		    "the runner's connection ended before it answered");
}

static int
handle_welcome(struct link *link, struct message *message, struct err *err)
{
	struct runner_welcome welcome;

	if (link->state.connected)
		return err_set(err, ERR_MALFORMED, "welcome came twice");
	if (runner_read_welcome(message, &welcome, err) < 0)
		return -1;
	link->state.connected = true;
	link->backoff_ms = BACKOFF_MIN_MS;
	log_info("runner.connected", "runner", welcome.runner, NULL);
	tell_change(link, true);
	if (link->orders != NULL)
		link->orders->connected(link->orders_arg);
	return 0;
}

static int
handle_reload_order(struct link *link, struct message *message, struct err *err)
{
	int64_t order;

	if (runner_read_reload_order(message, &order, err) < 0)
		return -1;
	if (link->orders == NULL)
		return err_set(err, ERR_MALFORMED,
		    "reload_order to a connection that takes none");
	link->orders->reload(link->orders_arg, order);
	return 0;
}

static int
handle_state(struct link *link, struct message *message, struct err *err)
{
	struct runner_state said;

	if (runner_read_state(message, &said, err) < 0)
		return -1;
	json_incref(said.reasons);
	json_incref(said.counters);
	json_decref(link->state.said.reasons);
	json_decref(link->state.said.counters);
	link->state.said = said;
	return 0;
}

/* What is not to go on has been ended before the runner hears that it has. */
static int
confirm(struct link *link, int64_t change, struct err *err)
{
	size_t closed =
	    link->enforce != NULL ? link->enforce(link->enforce_arg) : 0;
	auto_json *members = json_pack("{s:I, s:I}", "change",
	    (json_int_t)change, "closed", (json_int_t)closed);

	return channel_send(
	    link->channel, MESSAGE_revoked, members, NULL, 0, err);
}

static int
handle_revocations(struct link *link, struct message *message, struct err *err)
{
	int64_t change;

	if (link->state.listed)
		return err_set(err, ERR_MALFORMED, "revocations came twice");
	if (runner_read_revocations(
		message, &change, &link->state.revoked, err) < 0)
		return -1;
	link->state.listed = true;
	log_info("revocations.known", NULL);
	return confirm(link, change, err);
}

static int
handle_revocation(struct link *link, struct message *message, struct err *err)
{
	struct revocations *set = &link->state.revoked;
	struct runner_revocation said;

	if (!link->state.listed)
		return err_set(
		    err, ERR_MALFORMED, "revocation came before revocations");
	if (runner_read_revocation(message, &said, err) < 0)
		return -1;
	if (said.lifted)
		(void)revocations_remove(set, said.kind, said.value);
	else
		revocations_put(set, said.kind, said.value)->until_ms =
		    said.until_ms;
	return confirm(link, said.change, err);
}

static int
handle_reply(struct link *link, struct message *message, struct err *err)
{
	struct runner_reply reply;
	struct question question;
	int none = -1;

	if (runner_read_reply(message, &reply, err) < 0)
		return -1;
	/* What was forgotten meanwhile is nobody's. */
	if (questions_take(
		&link->questions, (uint64_t)reply.request, &question))
		question.answered(question.arg,
		    &(struct link_answer){.status = reply.status,
			.received = -1,
			.timing = reply.timing,
			.body = reply.body,
			.fd = reply.fd == NULL ? &none : reply.fd});
	if (reply.sealed)
		json_decref(reply.body);
	return 0;
}

static int
handle_begin(struct link *link, struct message *message, struct err *err)
{
	struct question *question;
	link_began *began;
	int64_t request;

	if (runner_read_begin(message, &request, err) < 0)
		return -1;
	/* What was forgotten meanwhile is nobody's. */
	question = questions_find(&link->questions, (uint64_t)request);
	if (question == NULL)
		return 0;
	began = question->began;
	if (began == NULL)
		return err_set(
		    err, ERR_MALFORMED, "begin for what has no body to come");
	question->began = NULL;
	question->deadline_ms = INT64_MAX;
	began(question->arg, &message->fds[0]);
	return 0;
}

static int
handle_failure(struct link *link, struct message *message, struct err *err)
{
	struct runner_failure failure;
	struct question question;
	struct err reason;
	int none = -1;

	if (runner_read_failure(message, &failure, err) < 0)
		return -1;
	if (!questions_take(
		&link->questions, (uint64_t)failure.request, &question))
		return 0;
	err_set(&reason, err_from_slug(failure.error), "%s", failure.detail);
	question.answered(question.arg,
	    &(struct link_answer){.failure = &reason,
		.rule = failure.rule,
		.condition = failure.condition,
		.retry_after_s = failure.retry_after_s,
		.received = failure.received,
		.timing = RUNNER_TIMING_NONE,
		.fd = &none});
	return 0;
}

/* One handler for each message that the runner may send. */
static const struct {
	int (*handle)(
	    struct link *link, struct message *message, struct err *err);
} handlers[MESSAGE_COUNT] = {
#define TO_RUNNER(name, roles, states, descriptors)
#define FROM_RUNNER(name, descriptors) [MESSAGE_##name] = {handle_##name},
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
	if (message_check_descriptors(message, err) != 0)
		return -1;
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

	if (link->orders != NULL)
		json_object_set_new(hello, "certificate_not_after",
		    json_integer(
			link->orders->certificate_not_after(link->orders_arg)));
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
	link->state.process = pid;
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
	uint64_t request;
	size_t at = 0;

	while ((request = questions_find_due(&link->questions, now_ms, &at)) !=
	    0) {
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

void
link_take_orders(struct link *link, const struct link_orders *orders, void *arg)
{
	link->orders = orders;
	link->orders_arg = arg;
}

void
link_on_revocation(struct link *link, size_t (*enforce)(void *arg), void *arg)
{
	link->enforce = enforce;
	link->enforce_arg = arg;
}

const struct link_state *
link_state(const struct link *link)
{
	return &link->state;
}

/* What is wrong with the connection is for the log. */
static int
fail_to_ask(struct link *link, uint64_t request, struct err *err)
{
	struct question unasked;

	questions_take(&link->questions, request, &unasked);
	log_failure(LOG_LEVEL_WARNING, "runner.unasked", err, NULL);
	return err_set(err, ERR_UNAVAILABLE, LINK_UNREACHABLE);
}

int
link_ask(struct link *link, const struct link_question *question,
    link_answered *answered, void *arg, uint64_t *ret_request, struct err *err)
{
	uint64_t request;

	if (!link->state.connected)
		return err_set(err, ERR_UNAVAILABLE, LINK_UNREACHABLE);
	request = questions_add(&link->questions,
	    &(struct question){.answered = answered,
		.began = question->began,
		.arg = arg,
		.deadline_ms = clock_boot_ms() + question->timeout_s * 1000});
	if (request == 0)
		return err_set(err, ERR_UNAVAILABLE, "too much is under way");
	json_object_set_new(
	    question->members, "request", json_integer((json_int_t)request));
	if (channel_send(link->channel, question->type, question->members,
		&question->fd, question->fd >= 0 ? 1 : 0, err) < 0)
		return fail_to_ask(link, request, err);
	*ret_request = request;
	return 0;
}

void
link_forget(struct link *link, uint64_t request)
{
	struct question question;

	if (questions_take(&link->questions, request, &question))
		tell_forget(link, request);
}

void
link_expect(struct link *link, uint64_t request, int64_t timeout_s)
{
	struct question *question = questions_find(&link->questions, request);

	if (question != NULL)
		question->deadline_ms = clock_boot_ms() + timeout_s * 1000;
}

int
link_tell(
    struct link *link, enum message_type type, json_t *members, struct err *err)
{
	if (!link->state.connected)
		return err_set(err, ERR_UNAVAILABLE, LINK_UNREACHABLE);
	return channel_send(link->channel, type, members, NULL, 0, err);
}

static void
timer_closed(uv_handle_t *handle)
{
	struct link *link = handle->data;

	if (--link->closing > 0)
		return;
	questions_done(&link->questions);
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
