/*
 * Errands. The server's refusal of one does not end the follow beside it.
 */
#include "client/errand.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/digest.h"

static void
add(struct errands *errands, const struct errand *errand)
{
	if (errands->count == ERRANDS_MAX) {
		free(errand->path);
		free(errand->body);
		return;
	}
	errands->list[errands->count++] = *errand;
}

void
errands_cancel(struct errands *errands, const char *task, int grace_s)
{
	const struct errand errand = {
	    .method = "DELETE",
	    .path = alloc_printf("/v1/tasks/%s?grace=%d", task, grace_s),
	    .policy = &retry_stream,
	};

	add(errands, &errand);
}

void
errands_signal(struct errands *errands, const char *task, const char *signal)
{
	const struct errand errand = {
	    .method = "POST",
	    .path = alloc_printf("/v1/tasks/%s/signal", task),
	    .body = alloc_printf("{\"signal\":\"%s\"}", signal),
	    .signal = signal,
	    .policy = &retry_once,
	};

	add(errands, &errand);
}

static void
remove_errand(struct errands *errands, size_t i)
{
	struct errand *errand = &errands->list[i];

	if (errand->transfer != NULL)
		http_end(errand->transfer);
	free(errand->path);
	free(errand->body);
	errands->count--;
	for (; i < errands->count; i++)
		errands->list[i] = errands->list[i + 1];
}

static void
start(struct errand *errand, struct session *session)
{
	const struct http_request request = {
	    .method = errand->method,
	    .path = errand->path,
	    .body = errand->body,
	    .timeout_s = 30,
	    .reply_max = 16 * 1024 * 1024,
	};

	errand->transfer = http_start(session->http, &request);
}

/* It has not started yet, or has ended: of the latter the follow tells, of
 * a signal that went nowhere nobody else does. */
static void
say_refused(const struct errand *errand, const struct session *session)
{
	if (errand->signal != NULL && !session->quiet)
		fprintf(stderr,
		    "taskgate: %s was not passed on: the task does not run\n",
		    errand->signal);
}

/* Returns whether the errand is over. */
static bool
take_reply(struct errand *errand, struct session *session)
{
	struct http_reply reply = http_reply(errand->transfer);
	auto_failure failure = FAILURE_INIT;
	int64_t delay_ms;
	uint32_t random;

	if (reply.status >= 200 && reply.status < 300)
		return true;
	if (reply.status == 409) {
		say_refused(errand, session);
		return true;
	}
	random_bytes(&random, sizeof(random));
	if (!retry_decide(errand->policy, &errand->retry, reply.cause,
		reply.retry_after_s, clock_boot_ms(), random, &delay_ms)) {
		session_fail(session, &reply, &failure);
		failure_print(&failure);
		return true;
	}
	errand->due_ms = clock_boot_ms() + delay_ms;
	http_end(take(errand->transfer));
	return false;
}

void
errands_turn(struct errands *errands, struct session *session)
{
	int64_t now_ms = clock_boot_ms();

	for (size_t i = 0; i < errands->count;) {
		struct errand *errand = &errands->list[i];

		if (errand->transfer != NULL &&
		    http_is_done(errand->transfer) &&
		    take_reply(errand, session)) {
			remove_errand(errands, i);
			continue;
		}
		if (errand->transfer == NULL && errand->due_ms <= now_ms)
			start(errand, session);
		i++;
	}
}

int64_t
errands_due(const struct errands *errands)
{
	int64_t due = INT64_MAX;

	for (size_t i = 0; i < errands->count; i++) {
		if (errands->list[i].transfer == NULL &&
		    errands->list[i].due_ms < due)
			due = errands->list[i].due_ms;
	}
	return due;
}

void
errands_done(struct errands *errands)
{
	while (errands->count > 0)
		remove_errand(errands, errands->count - 1);
}
