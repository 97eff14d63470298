/*
 * `run` and `submit`. The task's output and exit code are the task's own and
 * go through as they are; what is ours is 125 and a sentence on standard
 * error.
 */
#include "client/verbs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/collection.h"
#include "client/creation.h"
#include "client/exit_code.h"
#include "client/follow.h"
#include "client/interrupt.h"
#include "client/output.h"
#include "client/run_receipt.h"
#include "client/task.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/terminal.h"

struct run {
	struct session session;
	struct follow follow;
	struct feed feed;
	struct sink sinks[2];
	struct collection collection;
	struct run_receipt receipt;
	bool streams; /* our standard input */
	bool was_sent; /* the order: there may be a task */
	json_t *created; /* as the task was when it was made */
	json_t *finished;
};

static const struct {
	const char *name;
	int fd;
} outputs[] = {{"stdout", STDOUT_FILENO}, {"stderr", STDERR_FILENO}};

static void
run_done(struct run *run)
{
	follow_done(&run->follow);
	feed_done(&run->feed);
	collection_close(&run->collection);
	run_receipt_done(&run->receipt);
	for (size_t i = 0; i < COUNT(run->sinks); i++)
		sink_done(&run->sinks[i]);
	json_decref(run->created);
	json_decref(run->finished);
	session_close(&run->session);
}

static bool
shows_document(const struct session *session)
{
	return session->format != SHOW_TABLE;
}

static void
open_sinks(struct run *run)
{
	for (size_t i = 0; i < COUNT(outputs); i++) {
		if (shows_document(&run->session))
			sink_init_memory(&run->sinks[i], OUTPUT_KEPT_MAX);
		else
			sink_init(&run->sinks[i], outputs[i].fd);
		follow_add(
		    &run->follow, outputs[i].name, &run->sinks[i], 0, true);
	}
}

/* A short task's output comes with its document, which saves two requests;
 * the lengths must agree. */
static int
take_inline_output(struct run *run, const struct task *task, struct err *err)
{
	const int64_t lengths[] = {task->stdout_bytes, task->stderr_bytes};

	for (size_t i = 0; i < COUNT(outputs); i++) {
		struct stream *stream = &run->follow.streams[i];
		auto_free char *data = NULL;
		size_t len = 0;
		int found = task_inline_output(
		    run->created, outputs[i].name, &data, &len, err);

		if (found < 0)
			return -1;
		if (found == 0 || (int64_t)len != lengths[i])
			continue;
		stream_take(stream, data, len);
		stream->ended = true;
	}
	return 0;
}

static bool
has_all_output(const struct follow *follow)
{
	for (size_t i = 0; i < follow->nstreams; i++) {
		if (!follow->streams[i].ended)
			return false;
	}
	return true;
}

/* Who watches, or writes to the task, wants to be attached at once; else a
 * short task's end and output come in one reply. */
static int
find_wait(const struct run *run)
{
	bool watches =
	    isatty(STDOUT_FILENO) == 1 && !shows_document(&run->session);

	return watches || run->streams ? 0 : 1;
}

static int
make_task(const struct invocation *invocation, struct run *run,
    struct task *ret_task, struct failure *failure)
{
	auto_json *order = creation_order(
	    invocation, &run->session, &run->collection, run->streams, failure);
	struct err err;

	if (order == NULL)
		return -1;
	run_receipt_order(&run->receipt, order);
	/* From here on ^C cancels the task. */
	run->session.on_signal = follow_take_signal;
	run->session.on_turn = follow_turn_errands;
	run->session.arg = &run->follow;
	interrupt_catch_more();
	run->was_sent = true;
	if (creation_send(invocation, &run->session, order, find_wait(run),
		&run->created, failure) != 0)
		return -1;
	return task_read(run->created, ret_task, &err) == 0
	    ? 0
	    : failure_from_err(failure, "reply", &err);
}

static int
run_task(const struct invocation *invocation, struct run *run,
    struct failure *failure)
{
	struct task task;
	struct err err;

	if (make_task(invocation, run, &task, failure) != 0)
		return -1;
	if (strcmp(task.state, "waiting_approval") == 0)
		session_note(&run->session,
		    "task %s waits until somebody else approves it", task.id);
	follow_begin(&run->follow, task.id);
	if (run->streams) {
		feed_begin(&run->feed, &run->session, task.id, STDIN_FILENO);
		run->follow.feed = &run->feed;
	}
	if (task_is_finished(&task) &&
	    take_inline_output(run, &task, &err) != 0)
		return failure_from_err(failure, "reply", &err);
	if (!has_all_output(&run->follow))
		return follow_to_end(&run->follow, &run->finished, failure);
	run->finished = json_incref(run->created);
	return follow_streams(&run->follow, failure);
}

/* As a local program would have ended by SIGPIPE. */
static void
cancel_for_reader(struct run *run)
{
	auto_free char *path = alloc_printf("/v1/tasks/%s", run->follow.task);
	const struct session_call call = {
	    .method = "DELETE",
	    .path = path,
	    .policy = &retry_call,
	};
	auto_failure ignored = FAILURE_INIT;
	auto_json *document = NULL;
	int status;

	session_call(&run->session, &call, &document, &status, &ignored);
}

static int
report_failure(struct run *run, struct failure *failure)
{
	int code = exit_code_of_attached_problem(failure->slug);

	if (code == EXIT_NO_READER && run->follow.task != NULL) {
		cancel_for_reader(run);
		return code;
	}
	if (code == EXIT_INTERRUPTED && run->follow.task != NULL)
		failure_hint(failure,
		    "the task goes on being ended; taskgate status %s",
		    run->follow.task);
	if (code == EXIT_INTERRUPTED && run->follow.task == NULL &&
	    run->was_sent)
		failure_hint(failure,
		    "whether the task was made is not "
		    "known; taskgate ps");
	return session_report(&run->session, failure, code);
}

static void
say_end(const struct run *run, const struct task *task)
{
	auto_free char *sentence = task_describe_end(task);
	auto_free char *clean = NULL;

	if (run->session.quiet)
		return;
	if (sentence != NULL) {
		clean = terminal_neutralise(sentence);
		fprintf(stderr, "taskgate: %s\n", clean);
	}
	if (task->truncated)
		fprintf(stderr,
		    "taskgate: it wrote more than its output limit; the rest "
		    "was dropped (--output-limit)\n");
}

/* What cannot be had makes a success none; a failure stays what it is. */
static int
fetch_outputs(struct run *run, int code)
{
	auto_failure failure = FAILURE_INIT;
	size_t missing = 0;

	/* The task is over: ^C is about us from here on. */
	run->session.on_signal = NULL;
	if (collection_fetch(&run->collection, &run->session, run->finished,
		&missing, &failure) != 0) {
		failure_print(&failure);
		return EXIT_INTERRUPTED;
	}
	return missing > 0 && code == 0 ? EXIT_OURS : code;
}

/* A task without the receipt that was asked for is no success either. */
static int
fetch_receipt(struct run *run, int code)
{
	auto_failure failure = FAILURE_INIT;

	if (run_receipt_finish(&run->receipt, &run->session, &run->follow,
		run->finished, &failure) == 0)
		return code;
	failure_print(&failure);
	return code == 0 ? EXIT_OURS : code;
}

static int
report_end(struct run *run)
{
	struct task task;
	struct err err;
	int code;

	/* follow_to_end() has read it already. */
	if (task_read(run->finished, &task, &err) != 0)
		die("a task that cannot be read twice");
	code = exit_code_of_task(&task);
	say_end(run, &task);
	code = fetch_outputs(run, code);
	code = fetch_receipt(run, code);
	if (shows_document(&run->session)) {
		for (size_t i = 0; i < COUNT(outputs); i++)
			output_add(
			    run->finished, outputs[i].name, &run->sinks[i]);
		json_object_set_new(
		    run->finished, "client_exit_code", json_integer(code));
		show_document(run->session.format, run->finished);
	}
	return code;
}

static int
run_attached(struct invocation *invocation)
{
	__attribute__((cleanup(run_done))) struct run run = {0};
	auto_failure failure = FAILURE_INIT;

	if (session_open(invocation, &run.session, &failure) != 0)
		return report_failure(&run, &failure);
	if (run.session.format == SHOW_ID) {
		failure_set(
		    &failure, "usage", "run shows no id: taskgate submit does");
		return report_failure(&run, &failure);
	}
	if (collection_open(invocation, &run.collection, &failure) != 0 ||
	    collection_check(&run.collection, &failure) != 0)
		return report_failure(&run, &failure);
	run.streams = option_flag(invocation, "interactive");
	run.follow.session = &run.session;
	run.follow.passes_signals = true;
	open_sinks(&run);
	if (run_receipt_open(invocation, &run.session, &run.follow,
		&run.receipt, &failure) != 0)
		return report_failure(&run, &failure);
	return run_task(invocation, &run, &failure) == 0
	    ? report_end(&run)
	    : report_failure(&run, &failure);
}

int
verb_run(struct invocation *invocation)
{
	int code = run_attached(invocation);

	/* A document that could not be written was not delivered. */
	if (fflush(stdout) != 0) {
		fprintf(stderr, "taskgate: write to standard output: %s\n",
		    strerror(errno));
		code = EXIT_OURS;
	}
	return code | EXIT_ATTACHED;
}
