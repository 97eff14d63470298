/*
 * `get`, `cancel`, `signal` and `output`: what is asked of one task.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "runner/gate.h"

/* How long a cancelled task may take to end before it is shown as it is. */
#define CANCEL_WAIT_MS 2000

/* -- get */

struct get {
	struct envelope envelope;
	const char *task;
	int64_t wait;
};

static void
get_found(struct question *question, void *arg, struct task *live,
    struct task_data *data)
{
	auto_free struct get *get = arg;

	if (live != NULL && get->wait > 0)
		gate_wait_task(question, live, 1000 * get->wait, 200, true);
	else
		gate_reply_task(question, 200, data, get->wait > 0);
}

int
peer_handle_get(struct peer *peer, struct message *message, struct err *err)
{
	static const struct json_field fields[] = {
	    ENVELOPE_FIELDS(struct get),
	    JSON_FIELD(
		struct get, task, "task", JSON_KIND_STRING, true, 36, 36),
	    JSON_FIELD(
		struct get, wait, "wait", JSON_KIND_INTEGER, true, 0, 60),
	};
	struct get get = {0};
	struct question *question = NULL;
	int result;

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&get, err) != 0 ||
	    gate_check_task(get.task, err) != 0)
		return -1;
	result =
	    gate_open(peer, &get.envelope, SCOPE_TASKS_READ, &question, err);
	if (result > 0)
		gate_find_shown_take(question, get.task, false, get_found,
		    gate_keep(&get, sizeof(get)));
	return result < 0 ? -1 : 0;
}

/* -- cancel */

struct cancel {
	struct envelope envelope;
	const char *task;
	int64_t grace;
};

/* Asked for, and answered when that is durable. */
struct cancelling {
	struct question *question;
	char task[UUID_TEXT];
};

static void
cancel_shown(struct question *question, void *arg, struct task *live,
    struct task_data *data)
{
	(void)arg;
	/* What did not run yet has ended as soon as that is durable. */
	if (live != NULL && live->ending)
		gate_wait_task(question, live, CANCEL_WAIT_MS, 202, false);
	else
		gate_reply_task(
		    question, live != NULL ? 202 : 200, data, false);
}

/* Whether it could be written or not, it was done. */
static void
cancel_asked(void *arg, const struct err *err)
{
	auto_free struct cancelling *cancelling = arg;

	(void)err;
	gate_find_take(
	    cancelling->question, cancelling->task, cancel_shown, NULL);
}

static void
cancel_found(struct question *question, void *arg, struct task *live,
    struct task_data *data)
{
	auto_free struct cancel *cancel = arg;
	auto_json *principal = gate_principal(question);
	struct cancelling *cancelling;

	if (live == NULL) {
		gate_reply_task(question, 200, data, false);
		return;
	}
	cancelling = alloc_zero(1, sizeof(*cancelling));
	cancelling->question = question;
	memcpy(cancelling->task, data->id, UUID_TEXT);
	tasks_cancel(live, cancel->grace, principal, cancel_asked, cancelling);
}

int
peer_handle_cancel(struct peer *peer, struct message *message, struct err *err)
{
	static const struct json_field fields[] = {
	    ENVELOPE_FIELDS(struct cancel),
	    JSON_FIELD(
		struct cancel, task, "task", JSON_KIND_STRING, true, 36, 36),
	    JSON_FIELD(
		struct cancel, grace, "grace", JSON_KIND_INTEGER, true, 0, 300),
	};
	struct cancel cancel = {0};
	struct question *question = NULL;
	int result;

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&cancel, err) != 0 ||
	    gate_check_task(cancel.task, err) != 0)
		return -1;
	result = gate_open(
	    peer, &cancel.envelope, SCOPE_TASKS_CANCEL, &question, err);
	if (result > 0)
		gate_find_take(question, cancel.task, cancel_found,
		    gate_keep(&cancel, sizeof(cancel)));
	return result < 0 ? -1 : 0;
}

/* -- signal */

struct signal_request {
	struct envelope envelope;
	const char *task, *signal;
	int number;
};

static const struct {
	const char *name;
	int number;
} signals[] = {{"HUP", SIGHUP}, {"INT", SIGINT}, {"QUIT", SIGQUIT},
    {"KILL", SIGKILL}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"TERM", SIGTERM},
    {"CONT", SIGCONT}, {"STOP", SIGSTOP}, {"TSTP", SIGTSTP},
    {"WINCH", SIGWINCH}};

static int
parse_signal(const char *name, int *ret, struct err *err)
{
	for (size_t i = 0; i < COUNT(signals); i++) {
		if (strcmp(signals[i].name, name) != 0)
			continue;
		*ret = signals[i].number;
		return 0;
	}
	return err_set(err, ERR_MALFORMED, "signal: not one of ours");
}

static void
signal_done(void *arg, const struct err *err)
{
	struct question *question = arg;

	if (err != NULL)
		gate_refuse(question, err);
	else
		question_reply_take(question, 204, NULL, -1);
}

static void
signal_found(struct question *question, void *arg, struct task *live,
    struct task_data *data)
{
	auto_free struct signal_request *request = arg;
	auto_json *principal = gate_principal(question);
	struct err err;

	(void)data;
	if (live == NULL) {
		err_set(&err, ERR_CONFLICT, "the task has ended");
		gate_refuse(question, &err);
		return;
	}
	tasks_signal(live, request->number, principal, signal_done, question);
}

int
peer_handle_signal(struct peer *peer, struct message *message, struct err *err)
{
	static const struct json_field fields[] = {
	    ENVELOPE_FIELDS(struct signal_request),
	    JSON_FIELD(struct signal_request, task, "task", JSON_KIND_STRING,
		true, 36, 36),
	    JSON_FIELD(struct signal_request, signal, "signal",
		JSON_KIND_STRING, true, 1, 16),
	};
	struct signal_request request = {0};
	struct question *question = NULL;
	int result;

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&request, err) != 0 ||
	    gate_check_task(request.task, err) != 0 ||
	    parse_signal(request.signal, &request.number, err) != 0)
		return -1;
	result = gate_open(
	    peer, &request.envelope, SCOPE_TASKS_CANCEL, &question, err);
	if (result > 0)
		gate_find_take(question, request.task, signal_found,
		    gate_keep(&request, sizeof(request)));
	return result < 0 ? -1 : 0;
}

/* -- output */

struct output_request {
	struct envelope envelope;
	const char *task, *stream_name;
	enum stream stream;
	int64_t offset;
	bool follow;
};

static int
parse_stream(const char *name, enum stream *ret, struct err *err)
{
	if (strcmp(name, "stdout") == 0)
		*ret = STREAM_STDOUT;
	else if (strcmp(name, "stderr") == 0)
		*ret = STREAM_STDERR;
	else
		return err_set(err, ERR_MALFORMED, "stream: not one of ours");
	return 0;
}

/* The end is known: the file itself. */
static void
reply_file(struct question *question, const struct output_request *request,
    const struct task_data *data)
{
	int64_t length = data->facts.kept[request->stream] - request->offset;
	auto_fd int fd = -1;
	struct err err = {0};

	if (task_check_kept(data, &err) != 0) {
		gate_refuse(question, &err);
		return;
	}
	if (length < 0) {
		err_set(&err, ERR_UNPROCESSABLE,
		    "offset: the stream has only %lld bytes",
		    (long long)data->facts.kept[request->stream]);
		gate_refuse(question, &err);
		return;
	}
	if (output_open(&question->runner->outputs, data->id, request->stream,
		request->offset, &fd, &err) != 0) {
		gate_refuse(question, &err);
		return;
	}
	question_reply_take(question, 200,
	    json_pack("{s:I}", "length", (json_int_t)length), fd);
}

static void
reply_pipe(struct question *question, const struct output_request *request,
    struct task *live)
{
	auto_fd int fd = -1;
	struct err err = {0};

	if (task_follow(live, request->stream, request->offset, &fd, &err) !=
	    0) {
		gate_refuse(question, &err);
		return;
	}
	question_reply_take(question, 200, json_object(), fd);
}

static void
output_found(struct question *question, void *arg, struct task *live,
    struct task_data *data)
{
	auto_free struct output_request *request = arg;

	if (live != NULL && request->follow)
		reply_pipe(question, request, live);
	else
		reply_file(question, request, data);
}

int
peer_handle_output(struct peer *peer, struct message *message, struct err *err)
{
	static const struct json_field fields[] = {
	    ENVELOPE_FIELDS(struct output_request),
	    JSON_FIELD(struct output_request, task, "task", JSON_KIND_STRING,
		true, 36, 36),
	    JSON_FIELD(struct output_request, stream_name, "stream",
		JSON_KIND_STRING, true, 1, 16),
	    JSON_FIELD(struct output_request, offset, "offset",
		JSON_KIND_INTEGER, true, 0, INT64_MAX),
	    JSON_FIELD(struct output_request, follow, "follow",
		JSON_KIND_BOOLEAN, true, 0, 0),
	};
	struct output_request request = {0};
	struct question *question = NULL;
	int result;

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&request, err) != 0 ||
	    gate_check_task(request.task, err) != 0 ||
	    parse_stream(request.stream_name, &request.stream, err) != 0)
		return -1;
	result = gate_open(
	    peer, &request.envelope, SCOPE_TASKS_READ, &question, err);
	if (result > 0)
		gate_find_take(question, request.task, output_found,
		    gate_keep(&request, sizeof(request)));
	return result < 0 ? -1 : 0;
}
