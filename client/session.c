/*
 * Sessions. Decides nothing about retries itself (retry.c), shows nothing but
 * notes.
 */
#include "client/session.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/advice.h"
#include "client/context_store.h"
#include "client/exit_code.h"
#include "client/interrupt.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/digest.h"
#include "lib/json.h"
#include "lib/terminal.h"

/* A list of 200 tasks, each with a request of 1 MiB, would be more; whoever
 * meets this asks for fewer at a time. */
#define REPLY_MAX (64 * 1024 * 1024)
#define REPLY_TIMEOUT_S 30
#define PAUSE_MS 250
#define TURN_MS 500 /* on_turn() has deadlines of its own */

int
session_open(const struct invocation *invocation, struct session *session,
    struct failure *failure)
{
	auto_free char *folder = NULL;
	struct err err;

	*session = (struct session){.quiet = option_flag(invocation, "quiet")};
	if (show_parse(invocation, &session->format, &err) != 0)
		return failure_from_err(failure, "usage", &err);
	folder = context_find(option_value(invocation, "context"), &err);
	if (folder == NULL ||
	    context_load(folder, &session->context, &err) != 0) {
		failure_from_err(failure, "context", &err);
		advice_for_context(&err, failure);
		return -1;
	}
	session->http = http_open(&session->context);
	return 0;
}

void
session_close(struct session *session)
{
	if (session->http != NULL)
		http_close(session->http);
	session->http = NULL;
	context_done(&session->context);
}

void
session_note(const struct session *session, const char *format, ...)
{
	auto_free char *text = NULL;
	auto_free char *clean = NULL;
	va_list ap;

	if (session->quiet || isatty(STDERR_FILENO) != 1)
		return;
	va_start(ap, format);
	if (vasprintf(&text, format, ap) < 0)
		die("out of memory");
	va_end(ap);
	clean = terminal_neutralise(text);
	fprintf(stderr, "taskgate: %s\n", clean);
}

int
session_report(
    const struct session *session, const struct failure *failure, int exit_code)
{
	auto_json *document = failure_document(failure, exit_code);

	if (session->format == SHOW_JSON || session->format == SHOW_JSONL)
		show_document(session->format, document);
	failure_print(failure);
	return exit_code;
}

int
session_fail_verb(const struct session *session, const struct failure *failure)
{
	return session_report(
	    session, failure, exit_code_of_problem(failure->slug));
}

int
session_fail(const struct session *session, const struct http_reply *reply,
    struct failure *failure)
{
	if (reply->status != 0)
		failure_from_reply(
		    failure, reply->status, reply->body, reply->len);
	else
		failure_set(failure, reply->slug, "%s: %s",
		    session->context.server, reply->error);
	failure->retry_after_s = reply->retry_after_s;
	if (reply->scope != NULL)
		failure->scope = alloc_string(reply->scope);
	advice_for_reply(&session->context, clock_wall_ms() / 1000, failure);
	return -1;
}

/* Whether to go on. */
static bool
take_signals(struct session *session)
{
	bool go_on = true;
	int number;

	while ((number = interrupt_next()) != 0) {
		if (session->on_signal != NULL)
			go_on &= session->on_signal(session->arg, number);
		else
			go_on = false;
	}
	return go_on;
}

/* Turns the wheel until the time (of clock_boot_ms()) or, if there is a
 * transfer, its end. -1: interrupted. */
static int
turn_until(struct session *session, const struct transfer *transfer,
    int64_t until_ms, struct failure *failure)
{
	for (;;) {
		struct pollfd fd = {interrupt_fd(), POLLIN, 0};
		int64_t left = until_ms - clock_boot_ms();

		if (!take_signals(session))
			return failure_set(
			    failure, "interrupted", "interrupted");
		if (session->until_ms != 0 &&
		    clock_boot_ms() >= session->until_ms)
			return failure_set(failure, "waited",
			    "it has not ended within the time");
		if (transfer != NULL ? http_is_done(transfer) : left <= 0)
			return 0;
		if (session->on_turn != NULL)
			session->on_turn(session->arg);
		if (transfer != NULL || left > TURN_MS)
			left = TURN_MS;
		http_turn(session->http, &fd, 1, left);
	}
}

int
session_await(struct session *session, const struct transfer *transfer,
    struct failure *failure)
{
	return turn_until(session, transfer, 0, failure);
}

int
session_sleep(
    struct session *session, int64_t delay_ms, struct failure *failure)
{
	return turn_until(session, NULL, clock_boot_ms() + delay_ms, failure);
}

bool
session_is_interrupted(struct session *session, struct failure *failure)
{
	if (take_signals(session))
		return false;
	failure_set(failure, "interrupted", "interrupted");
	return true;
}

int
session_pause(struct session *session, struct failure *failure)
{
	return session_sleep(session, PAUSE_MS, failure);
}

/* 2xx: the document, which must be JSON if there is any. */
static int
read_document(const struct http_reply *reply, json_t **ret_document,
    struct failure *failure)
{
	struct err err;
	json_t *document = NULL;

	if (reply->len > 0) {
		document = json_parse_strict(reply->body, reply->len, &err);
		if (document == NULL)
			return failure_set(failure, "reply",
			    "the server's reply is not what the API "
			    "promises: %s",
			    err.detail);
	}
	*ret_document = document;
	return 0;
}

static bool
try_again(struct session *session, const struct session_call *call,
    struct retry *retry, const struct http_reply *reply, int64_t *ret_delay_ms)
{
	uint32_t random;

	if (reply->status >= 200 && reply->status < 300)
		return false;
	random_bytes(&random, sizeof(random));
	if (!retry_decide(call->policy, retry, reply->cause,
		reply->retry_after_s, clock_boot_ms(), random, ret_delay_ms))
		return false;
	/* The first is most often over before it could be read. */
	if (retry->attempts > 1)
		session_note(session,
		    "%s; trying again in %" PRId64 ".%" PRId64 " s",
		    reply->status == 0 ? reply->error
			: reply->status == 429
			? "the server is busy"
			: "the server cannot serve at the moment",
		    *ret_delay_ms / 1000, *ret_delay_ms % 1000 / 100);
	return true;
}

static void
end_transfer(struct transfer **transfer)
{
	if (*transfer != NULL)
		http_end(*transfer);
}

/* 1: once more after *ret_delay_ms. */
static int
call_once(struct session *session, const struct session_call *call,
    struct retry *retry, int64_t *ret_delay_ms, json_t **ret_document,
    int *ret_status, struct failure *failure)
{
	const struct http_request request = {
	    .method = call->method,
	    .path = retry->attempts > 0 && call->path_again != NULL
		? call->path_again
		: call->path,
	    .body = call->body,
	    .idempotency_key = call->idempotency_key,
	    .is_signed = call->is_signed,
	    .anonymous = call->anonymous,
	    .timeout_s = call->wait_s + REPLY_TIMEOUT_S,
	    .reply_max = REPLY_MAX,
	};
	AUTO(end_transfer)
	struct transfer *transfer = http_start(session->http, &request);
	struct http_reply reply;

	if (turn_until(session, transfer, 0, failure) != 0)
		return -1;
	reply = http_reply(transfer);
	session->has_answered |= reply.status != 0;
	session->has_next = reply.has_next;
	session->knows_skew = reply.date_s != 0;
	session->skew_s = reply.date_s - clock_wall_ms() / 1000;
	if (try_again(session, call, retry, &reply, ret_delay_ms))
		return 1;
	if (reply.status < 200 || reply.status > 299)
		return session_fail(session, &reply, failure);
	*ret_status = reply.status;
	return read_document(&reply, ret_document, failure);
}

int
session_call(struct session *session, const struct session_call *call,
    json_t **ret_document, int *ret_status, struct failure *failure)
{
	struct retry retry = {0};
	int64_t delay_ms = 0;
	int result;

	while ((result = call_once(session, call, &retry, &delay_ms,
		    ret_document, ret_status, failure)) == 1) {
		if (turn_until(session, NULL, clock_boot_ms() + delay_ms,
			failure) != 0)
			return -1;
	}
	return result;
}

char *
session_order_body(const json_t *order)
{
	return json_dumps(order, JSON_COMPACT);
}

int
session_create(struct session *session, const json_t *order, const char *key,
    int wait_s, json_t **ret_document, struct failure *failure)
{
	auto_free char *path = alloc_printf("/v1/tasks?wait=%d", wait_s);
	auto_free char *body = session_order_body(order);
	const struct session_call call = {
	    .method = "POST",
	    .path = path,
	    .path_again = "/v1/tasks",
	    .body = body,
	    .idempotency_key = key,
	    .policy = &retry_call,
	    .is_signed = true,
	    .wait_s = wait_s,
	};
	int status;

	return session_call(session, &call, ret_document, &status, failure);
}

int
session_get_task(struct session *session, const char *id, int wait_s,
    json_t **ret_document, struct failure *failure)
{
	auto_free char *path = alloc_printf("/v1/tasks/%s?wait=%d", id, wait_s);
	const struct session_call call = {
	    .method = "GET",
	    .path = path,
	    .policy = wait_s > 0 && session->has_answered ? &retry_stream
							  : &retry_call,
	    .wait_s = wait_s,
	};
	int status;

	return session_call(session, &call, ret_document, &status, failure);
}
