/*
 * `wait`: until tasks have ended, and with what code.
 */
#include "client/verbs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/batch.h"
#include "client/collection.h"
#include "client/exit_code.h"
#include "client/operand.h"
#include "client/task.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/quantity.h"
#include "lib/terminal.h"

#define WAIT_S 60 /* docs/api.md: the longest of one request */
#define LATE_MS 2000

struct wait {
	struct batch *batch;
	int64_t deadline_ms; /* 0: none */
	struct collection collection;
};

/* 0: the user does not mind how long. */
static int
read_deadline(const struct invocation *invocation, int64_t now_ms,
    int64_t *ret_deadline_ms, struct err *err)
{
	const char *text = option_value(invocation, "timeout");
	int64_t seconds;

	*ret_deadline_ms = 0;
	if (text == NULL)
		return 0;
	if (!quantity_parse_duration(text, &seconds) ||
	    seconds > INT64_C(366) * 86400)
		return err_set(err, ERR_UNPROCESSABLE,
		    "--timeout: \"%.32s\" is not a duration; write it like "
		    "90s or 5m",
		    text);
	*ret_deadline_ms = now_ms + seconds * 1000;
	return 0;
}

/* Whole seconds of the server's waiting that are left; -1: none. */
static int
find_wait(int64_t deadline_ms)
{
	int64_t left = deadline_ms - clock_boot_ms();

	if (deadline_ms == 0 || left > WAIT_S * 1000)
		return WAIT_S;
	return left <= 0 ? -1 : (int)((left + 999) / 1000);
}

static int
wait_for_end(struct session *session, const char *id, int64_t deadline_ms,
    json_t **ret_document, struct failure *failure)
{
	bool asked = false;

	for (;;) {
		auto_json *document = NULL;
		int wait_s = find_wait(deadline_ms);
		struct task task;
		struct err err;

		/* Even "--timeout 0" looks once. */
		if (wait_s < 0 && asked) {
			return failure_set(failure, "waited",
			    "it has not ended within the time");
		}
		asked = true;
		if (session_get_task(session, id, wait_s > 0 ? wait_s : 0,
			&document, failure) != 0)
			return -1;
		if (task_read(document, &task, &err) != 0)
			return failure_from_err(failure, "reply", &err);
		if (task_is_finished(&task)) {
			*ret_document = take(document);
			return 0;
		}
		if (session_pause(session, failure) != 0)
			return -1;
	}
}

static void
show_end(const struct session *session, const struct task *task, int code)
{
	auto_free char *outcome = terminal_neutralise(
	    task->outcome != NULL ? task->outcome : task->state);

	if (session->format == SHOW_ID)
		printf("%s\n", task->id);
	if (session->format == SHOW_TABLE && !session->quiet)
		printf("%s  %s  %d\n", task->id, outcome, code);
	/* The next may take hours. */
	fflush(stdout);
}

/* As after `run`: what cannot be had makes a success none. */
static int
fetch_outputs(const struct wait *wait, const json_t *document, int code)
{
	auto_failure failure = FAILURE_INIT;
	struct session *session = wait->batch->session;
	size_t missing = 0;

	session->until_ms = 0;
	if (collection_fetch(&wait->collection, session, document, &missing,
		&failure) != 0) {
		failure_print(&failure);
		return EXIT_INTERRUPTED;
	}
	return missing > 0 && code == 0 ? EXIT_OURS : code;
}

static void
wait_one(const struct wait *wait, const char *operand)
{
	struct batch *batch = wait->batch;
	int64_t deadline_ms = wait->deadline_ms;
	auto_failure failure = FAILURE_INIT;
	json_t *document = NULL;
	char id[OPERAND_ID];
	struct task task;
	struct err err;
	int code;

	if (operand_read_id(operand, id, &err) != 0) {
		failure_from_err(&failure, "usage", &err);
		batch_add_failure(batch, &failure, EXIT_OURS);
		return;
	}
	/* The server answers at the deadline; one that does not is not waited
	 * for any longer. */
	if (deadline_ms != 0)
		batch->session->until_ms = deadline_ms + LATE_MS;
	if (wait_for_end(
		batch->session, id, deadline_ms, &document, &failure) != 0) {
		failure.task = alloc_string(id);
		batch_add_failure(batch, &failure,
		    exit_code_of_attached_problem(failure.slug));
		return;
	}
	/* wait_for_end() has read it already. */
	if (task_read(document, &task, &err) != 0)
		die("a task that cannot be read twice");
	code = fetch_outputs(wait, document, exit_code_of_task(&task));
	show_end(batch->session, &task, code);
	batch_add_take(batch, document, code);
}

static void
wait_done(struct wait *wait)
{
	collection_close(&wait->collection);
}

static int
read_options(const struct invocation *invocation, struct wait *wait,
    struct failure *failure)
{
	struct err err;

	if (read_deadline(
		invocation, clock_boot_ms(), &wait->deadline_ms, &err) != 0)
		return failure_from_err(failure, "usage", &err);
	if (collection_open(invocation, &wait->collection, failure) != 0 ||
	    collection_check(&wait->collection, failure) != 0)
		return -1;
	if (wait->collection.count > 0 && invocation->noperands > 1)
		return failure_set(failure, "usage",
		    "--output is of one task; there are %d",
		    invocation->noperands);
	return 0;
}

int
verb_wait(struct invocation *invocation)
{
	auto_session session = {0};
	auto_batch batch = {0};
	auto_failure failure = FAILURE_INIT;
	AUTO(wait_done) struct wait wait = {.batch = &batch};

	batch_init(&batch, &session);
	if (session_open(invocation, &session, &failure) != 0)
		return session_report(&session, &failure,
		    exit_code_of_attached_problem(failure.slug));
	if (read_options(invocation, &wait, &failure) != 0)
		return session_fail_verb(&session, &failure);
	for (int i = 0; i < invocation->noperands; i++) {
		wait_one(&wait, invocation->operands[i]);
		if (batch.code == EXIT_INTERRUPTED)
			break;
	}
	return batch_show(&batch);
}
