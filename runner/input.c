/*
 * Standard input, moved along as there is room for it. What the client sends
 * is counted before it is passed on, and never looked at.
 */
#include "runner/input.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runner/tasks_change.h"

static void
note(struct task *task)
{
	struct task_stdin *input = &task->data->facts.input;

	input->received = (int64_t)sandbox_input_received(task->sandbox);
	input->ended = sandbox_input_has_ended(task->sandbox);
}

/* Out of the request: what task-init does not have yet. */
static void
feed_inline(struct task *task)
{
	const struct request *request = &task->data->request;
	struct sandbox *sandbox = task->sandbox;
	size_t sent = (size_t)sandbox_input_received(sandbox);
	size_t len = sandbox_input_room(sandbox);

	if (sent > request->stdin_len || sandbox_input_has_ended(sandbox))
		return;
	if (len > request->stdin_len - sent)
		len = request->stdin_len - sent;
	if (len > 0)
		sandbox_input(sandbox, request->stdin_data + sent, len);
	if (sent + len == request->stdin_len)
		sandbox_input_end(sandbox);
}

/* -- an upload */

static bool
is_fed(const struct task *task)
{
	return task->data->facts.state == TASK_RUNNING && !task->adopting &&
	    !task->ending;
}

static int
check(const struct task *task, int64_t offset, struct err *err)
{
	const struct task_stdin *input = &task->data->facts.input;

	if (task->data->request.stdin_mode != REQUEST_STDIN_STREAM)
		return err_set(err, ERR_CONFLICT,
		    "the task has no standard input to be sent");
	if (task->ending || task->exited)
		return err_set(err, ERR_CONFLICT, "the task has ended");
	if (task->adopting)
		return err_set(err, ERR_UNAVAILABLE,
		    "the task is being taken up again after a restart");
	if (task->uploading)
		return err_set(err, ERR_CONFLICT,
		    "its standard input is being sent already");
	if (input->ended)
		return err_set(err, ERR_CONFLICT,
		    "its standard input ended after %" PRId64 " bytes",
		    input->received);
	if (offset != input->received)
		return err_set(err, ERR_CONFLICT,
		    "its standard input goes on at offset %" PRId64,
		    input->received);
	return 0;
}

static void
tell(const struct task *task, struct tasks_input *ret)
{
	const struct task_stdin *input = &task->data->facts.input;

	*ret = (struct tasks_input){input->received, input->ended};
}

int
tasks_input_begin(struct task *task, const struct tasks_upload *upload,
    struct tasks_input *ret, struct err *err)
{
	tell(task, ret);
	if (check(task, upload->offset, err) != 0)
		return -1;
	task->upload = *upload;
	task->uploading = true;
	task->upload_finished = false;
	return 0;
}

size_t
tasks_input_room(const struct task *task)
{
	return task->uploading && is_fed(task)
	    ? sandbox_input_room(task->sandbox)
	    : 0;
}

int
tasks_input_write(
    struct task *task, const void *data, size_t len, struct err *err)
{
	const int64_t most = task->data->limits[LIMIT_STDIN];

	if ((int64_t)len > most - task->data->facts.input.received) {
		task->uploading = false;
		err_set(err, ERR_TOO_LARGE,
		    "more standard input than the task's limit of %" PRId64
		    " bytes: the task was ended",
		    most);
		task_stop(task, "it was sent more than its limit stdin");
		return -1;
	}
	sandbox_input(task->sandbox, data, len);
	note(task);
	return 0;
}

static void
finish(struct task *task)
{
	struct tasks_input input;

	if (!task->uploading || !task->upload_finished)
		return;
	if (!task->upload.more) {
		if (!is_fed(task))
			return;
		sandbox_input_end(task->sandbox);
		note(task);
	}
	task->uploading = false;
	tell(task, &input);
	task->upload.done(task->upload.arg, &input);
}

void
tasks_input_finish(struct task *task)
{
	task->upload_finished = true;
	finish(task);
}

void
tasks_input_abort(struct task *task)
{
	task->uploading = false;
}

void
input_feed(struct task *task)
{
	switch (task->data->request.stdin_mode) {
	case REQUEST_STDIN_NONE:
		return;
	case REQUEST_STDIN_INLINE:
		feed_inline(task);
		break;
	case REQUEST_STDIN_STREAM:
		break;
	}
	note(task);
	finish(task);
	if (task->uploading)
		task->upload.room(task->upload.arg);
}

void
input_gone(struct task *task)
{
	struct err err;

	if (!task->uploading)
		return;
	task->uploading = false;
	err_set(&err, ERR_CONFLICT, "the task has ended");
	task->upload.gone(task->upload.arg, &err);
}
