/*
 * The loop of an attached task. Output is the task's own and goes through
 * unread; everything that is said about it goes to standard error.
 */
#include "client/follow.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "client/interrupt.h"
#include "client/task.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/digest.h"
#include "lib/json.h"

#define GRACE_S 10 /* between TERM and KILL after the first ^C */
#define WAIT_S 60 /* docs/api.md: the longest wait of one request */

void
follow_add(struct follow *follow, const char *name, struct sink *sink,
    int64_t offset, bool until_end)
{
	if (follow->nstreams == COUNT(follow->streams))
		die("follow: too many streams");
	follow->streams[follow->nstreams++] = (struct stream){
	    .name = name,
	    .sink = sink,
	    .offset = offset,
	    .follow = until_end,
	};
}

static bool
cancel(struct follow *follow)
{
	switch (interrupt_decide(&follow->interrupts, follow->task != NULL)) {
	case INTERRUPT_NOTED:
		session_note(
		    follow->session, "cancelling; once more to leave at once");
		return true;
	case INTERRUPT_CANCEL:
		session_note(follow->session,
		    "cancelling; once more to kill it at once");
		errands_cancel(&follow->errands, follow->task, GRACE_S);
		return true;
	case INTERRUPT_KILL:
		session_note(follow->session,
		    "killing; once more to leave it to the server");
		errands_cancel(&follow->errands, follow->task, 0);
		return true;
	case INTERRUPT_LEAVE:
		break;
	}
	return false;
}

/* As the kernel does for a process that does not look: each once. */
static void
keep_early(struct follow *follow, int number)
{
	for (size_t i = 0; i < follow->nearly; i++) {
		if (follow->early[i] == number)
			return;
	}
	if (follow->nearly == COUNT(follow->early))
		die("follow: a signal that is not caught");
	follow->early[follow->nearly++] = number;
}

static void
pass_on(struct follow *follow, int number)
{
	if (follow->task == NULL)
		keep_early(follow, number);
	else
		errands_signal(
		    &follow->errands, follow->task, sigabbrev_np(number));
}

bool
follow_take_signal(void *arg, int number)
{
	struct follow *follow = arg;

	if (!follow->passes_signals)
		return number != SIGINT && number != SIGTERM;
	if (number == SIGINT || number == SIGTERM)
		return cancel(follow);
	pass_on(follow, number);
	return true;
}

void
follow_turn_errands(void *arg)
{
	struct follow *follow = arg;
	auto_failure failure = FAILURE_INIT;

	errands_turn(&follow->errands, follow->session);
	/* The streams have ended: what is left is the task's end, and that is
	 * what will be told. */
	if (follow->feed != NULL)
		feed_turn(follow->feed, &failure);
}

void
follow_begin(struct follow *follow, const char *task)
{
	follow->task = task;
	for (size_t i = 0; i < follow->nearly; i++)
		pass_on(follow, follow->early[i]);
	follow->nearly = 0;
	if (follow->interrupts > 0) {
		follow->interrupts = 0;
		cancel(follow);
	}
}

static int
take_signals(struct follow *follow, struct failure *failure)
{
	int number;

	while ((number = interrupt_next()) != 0) {
		if (follow_take_signal(follow, number))
			continue;
		failure_set(failure, "interrupted", "interrupted");
		failure->task = alloc_string(follow->task);
		return -1;
	}
	return 0;
}

static void
start(struct follow *follow, struct stream *stream)
{
	auto_free char *path = stream_path(stream, follow->task);
	const struct http_request request = {
	    .method = "GET",
	    .path = path,
	    .reply_max = 64 * 1024,
	    .write = stream_take,
	    .arg = stream,
	};

	stream->transfer = http_start(follow->session->http, &request);
}

static int
fail_stream(struct follow *follow, const struct stream *stream,
    const struct http_reply *reply, struct failure *failure)
{
	session_fail(follow->session, reply, failure);
	failure->task = alloc_string(follow->task);
	if (reply->status == 0)
		failure_hint(failure,
		    "the task goes on; taskgate logs --follow --stream %s "
		    "--offset %" PRId64 " %s",
		    stream->name, stream->offset, follow->task);
	return -1;
}

static int
take_reply(
    struct follow *follow, struct stream *stream, struct failure *failure)
{
	struct http_reply reply = http_reply(stream->transfer);
	struct session *session = follow->session;
	enum stream_verdict verdict;
	uint32_t random;
	int result = 0;

	random_bytes(&random, sizeof(random));
	session->has_answered |=
	    reply.status != 0 || http_has_begun(stream->transfer);
	verdict = stream_judge(stream,
	    session->has_answered ? &retry_stream : &retry_call, &reply,
	    clock_boot_ms(), random);
	if (verdict == STREAM_FAILED)
		result = fail_stream(follow, stream, &reply, failure);
	if (verdict == STREAM_AGAIN && stream->retry.attempts == 2)
		session_note(follow->session,
		    "%s; going on as soon as the server is back",
		    reply.status == 0 ? reply.error
				      : "the server cannot serve");
	http_end(take(stream->transfer));
	return result;
}

static int
turn_stream(
    struct follow *follow, struct stream *stream, struct failure *failure)
{
	sink_flush(stream->sink);
	/* Nobody reads it any more, or memory is full: the rest is not
	 * fetched. */
	if (sink_is_closed(stream->sink) && !stream->ended) {
		stream->ended = true;
		if (stream->transfer != NULL)
			http_end(take(stream->transfer));
		return 0;
	}
	if (stream->paused && !sink_is_waiting(stream->sink)) {
		stream->paused = false;
		http_resume(stream->transfer);
	}
	if (stream->transfer != NULL && http_is_done(stream->transfer))
		return take_reply(follow, stream, failure);
	if (stream->transfer == NULL && !stream->ended &&
	    stream->due_ms <= clock_boot_ms())
		start(follow, stream);
	return 0;
}

/* A reader that went away: as SIGPIPE would, it ends what writes to it. */
static int
check_readers(struct follow *follow, struct failure *failure)
{
	for (size_t i = 0; i < follow->nstreams; i++) {
		const struct stream *stream = &follow->streams[i];
		int errnum = stream->sink->errnum;

		if (errnum == 0)
			continue;
		failure_set(failure, errnum == EPIPE ? "no-reader" : "local",
		    "%s cannot be written: %s", stream->name, strerror(errnum));
		failure->task = alloc_string(follow->task);
		return -1;
	}
	return 0;
}

static bool
is_over(const struct follow *follow)
{
	for (size_t i = 0; i < follow->nstreams; i++) {
		if (!follow->streams[i].ended ||
		    sink_is_waiting(follow->streams[i].sink))
			return false;
	}
	return true;
}

static int64_t
find_due(const struct follow *follow)
{
	int64_t due = errands_due(&follow->errands);

	for (size_t i = 0; i < follow->nstreams; i++) {
		const struct stream *stream = &follow->streams[i];

		if (stream->transfer == NULL && !stream->ended &&
		    stream->due_ms < due)
			due = stream->due_ms;
	}
	if (follow->feed != NULL && feed_due(follow->feed) < due)
		due = feed_due(follow->feed);
	return due;
}

static void
wait_for_something(struct follow *follow)
{
	struct pollfd fds[4] = {{interrupt_fd(), POLLIN, 0}};
	size_t nfds = 1;
	int64_t due = find_due(follow);
	int64_t now = clock_boot_ms();

	for (size_t i = 0; i < follow->nstreams; i++) {
		if (sink_is_waiting(follow->streams[i].sink))
			fds[nfds++] = (struct pollfd){
			    follow->streams[i].sink->fd, POLLOUT, 0};
	}
	if (follow->feed != NULL)
		fds[nfds++] = feed_wants(follow->feed);
	http_turn(follow->session->http, fds, nfds,
	    due == INT64_MAX ? 60000 : due - now);
}

int
follow_streams(struct follow *follow, struct failure *failure)
{
	for (;;) {
		if (take_signals(follow, failure) != 0)
			return -1;
		errands_turn(&follow->errands, follow->session);
		if (follow->feed != NULL &&
		    feed_turn(follow->feed, failure) != 0)
			return -1;
		for (size_t i = 0; i < follow->nstreams; i++) {
			if (turn_stream(follow, &follow->streams[i], failure) !=
			    0)
				return -1;
		}
		if (check_readers(follow, failure) != 0)
			return -1;
		if (is_over(follow))
			return 0;
		wait_for_something(follow);
	}
}

/* Waits for the task's end; a signal in between becomes an errand, which the
 * next turn sends. */
static int
get_task(struct follow *follow, json_t **ret_document, struct failure *failure)
{
	int result = session_get_task(
	    follow->session, follow->task, WAIT_S, ret_document, failure);

	if (result != 0 && failure->task == NULL)
		failure->task = alloc_string(follow->task);
	return result;
}

static enum stream_verdict
check_lengths(
    struct follow *follow, const struct task *task, struct failure *failure)
{
	enum stream_verdict worst = STREAM_ENDED;

	for (size_t i = 0; i < follow->nstreams; i++) {
		struct stream *stream = &follow->streams[i];
		int64_t kept = strcmp(stream->name, "stdout") == 0
		    ? task->stdout_bytes
		    : task->stderr_bytes;
		enum stream_verdict verdict =
		    stream_check_length(stream, kept, clock_boot_ms());

		if (verdict == STREAM_FAILED) {
			failure_set(failure, "reply",
			    "of %s the server keeps %" PRId64
			    " bytes, but only %" PRId64 " came",
			    stream->name, kept, stream->offset);
			failure->task = alloc_string(follow->task);
		}
		if (verdict > worst)
			worst = verdict;
	}
	return worst;
}

int
follow_to_end(
    struct follow *follow, json_t **ret_document, struct failure *failure)
{
	for (;;) {
		auto_json *document = NULL;
		enum stream_verdict verdict;
		struct task task;
		struct err err;

		if (follow_streams(follow, failure) != 0 ||
		    get_task(follow, &document, failure) != 0)
			return -1;
		if (task_read(document, &task, &err) != 0)
			return failure_from_err(failure, "reply", &err);
		if (!task_is_finished(&task)) {
			if (session_pause(follow->session, failure) != 0)
				return -1;
			continue;
		}
		verdict = check_lengths(follow, &task, failure);
		if (verdict == STREAM_FAILED)
			return -1;
		if (verdict == STREAM_ENDED) {
			*ret_document = take(document);
			return 0;
		}
	}
}

void
follow_done(struct follow *follow)
{
	for (size_t i = 0; i < follow->nstreams; i++) {
		if (follow->streams[i].transfer != NULL)
			http_end(take(follow->streams[i].transfer));
		stream_done(&follow->streams[i]);
	}
	errands_done(&follow->errands);
}
