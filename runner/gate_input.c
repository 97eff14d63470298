/*
 * `stdin`: bytes that are passed on to a task's standard input as they come.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "runner/gate.h"
#include "runner/input.h"
#include "runner/intake.h"

struct stdin_request {
	struct envelope envelope;
	const char *task;
	int64_t offset;
	bool more;
};

static size_t
stdin_room(const void *arg)
{
	return tasks_input_room(arg);
}

static int
stdin_write(void *arg, const void *data, size_t len, struct err *err)
{
	return tasks_input_write(arg, data, len, err);
}

static void
stdin_finish(struct intake *intake, void *arg)
{
	(void)intake;
	tasks_input_finish(arg);
}

static void
stdin_abort(void *arg)
{
	tasks_input_abort(arg);
}

static const struct intake_kind stdin_kind = {
    .room = stdin_room,
    .write = stdin_write,
    .finish = stdin_finish,
    .abort = stdin_abort,
};

static void
on_room(void *arg)
{
	intake_resume(arg);
}

static void
on_stdin_done(void *arg, const struct tasks_input *input)
{
	intake_reply_take(arg, 200,
	    json_pack("{s:I, s:b}", "received", (json_int_t)input->received,
		"ended", input->ended));
}

static void
on_stdin_gone(void *arg, const struct err *err)
{
	intake_fail(arg, err);
}

static void
refuse_ended(struct question *question, const struct task_data *data)
{
	struct err err;

	question->received = data->facts.input.received;
	err_set(&err, ERR_CONFLICT, "the task has ended");
	gate_refuse(question, &err);
}

static void
begin_stdin(struct question *question, struct task *live,
    const struct stdin_request *request)
{
	struct tasks_upload upload = {
	    .offset = request->offset,
	    .more = request->more,
	    .room = on_room,
	    .done = on_stdin_done,
	    .gone = on_stdin_gone,
	};
	struct tasks_input input = {0};
	struct intake *intake;
	struct err err = {0};
	int fd;

	if (intake_open(question, &stdin_kind, &intake, &fd, &err) != 0) {
		gate_refuse(question, &err);
		return;
	}
	upload.arg = intake;
	if (tasks_input_begin(live, &upload, &input, &err) == 0) {
		intake_begin_take(intake, live, fd);
		return;
	}
	if (err.code == ERR_CONFLICT)
		intake_set_received(intake, input.received);
	intake_refuse_take(intake, &err, fd);
}

static void
stdin_found(struct question *question, void *arg, struct task *live,
    struct task_data *data)
{
	auto_free struct stdin_request *request = arg;

	if (live == NULL)
		refuse_ended(question, data);
	else
		begin_stdin(question, live, request);
}

int
peer_handle_stdin(struct peer *peer, struct message *message, struct err *err)
{
	static const struct json_field fields[] = {
	    ENVELOPE_FIELDS(struct stdin_request),
	    JSON_FIELD(struct stdin_request, task, "task", JSON_KIND_STRING,
		true, 36, 36),
	    JSON_FIELD(struct stdin_request, offset, "offset",
		JSON_KIND_INTEGER, true, 0, INT64_MAX),
	    JSON_FIELD(struct stdin_request, more, "more", JSON_KIND_BOOLEAN,
		true, 0, 0),
	};
	struct stdin_request request = {0};
	struct question *question = NULL;
	int result;

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&request, err) != 0 ||
	    gate_check_task(request.task, err) != 0)
		return -1;
	result =
	    gate_open(peer, &request.envelope, SCOPE_TASKS_RUN, &question, err);
	if (result > 0)
		gate_find_own_take(question, request.task, stdin_found,
		    gate_keep(&request, sizeof(request)));
	return result < 0 ? -1 : 0;
}
