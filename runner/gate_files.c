/*
 * `file`: a file that a task has left.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "runner/files.h"
#include "runner/gate.h"

struct file_request {
	struct envelope envelope;
	const char *task, *name;
};

/* Kept until the task has been found. */
struct wanted {
	char name[REQUEST_FILE_NAME_MAX + 1];
};

static void
reply_file(struct question *question, const struct wanted *wanted,
    const struct task_data *data)
{
	const struct files_store *store = &question->runner->files;
	auto_fd int fd = -1;
	const char *sha256 = NULL;
	int64_t size = 0;
	struct err err;

	if (task_check_kept(data, &err) != 0 ||
	    files_find(data->facts.files, wanted->name, &size, &sha256, &err) !=
		0 ||
	    files_open(store, data->id, wanted->name, &fd, &err) != 0) {
		gate_refuse(question, &err);
		return;
	}
	question_reply_take(question, 200,
	    json_pack(
		"{s:I, s:s}", "length", (json_int_t)size, "sha256", sha256),
	    fd);
}

static void
file_found(struct question *question, void *arg, struct task *live,
    struct task_data *data)
{
	auto_free struct wanted *wanted = arg;
	struct err err;

	(void)live;
	if (data->facts.state == TASK_FINISHED) {
		reply_file(question, wanted, data);
		return;
	}
	err_set(&err, ERR_CONFLICT, "the task has not finished");
	gate_refuse(question, &err);
}

int
peer_handle_file(struct peer *peer, struct message *message, struct err *err)
{
	static const struct json_field fields[] = {
	    ENVELOPE_FIELDS(struct file_request),
	    JSON_FIELD(struct file_request, task, "task", JSON_KIND_STRING,
		true, 36, 36),
	    JSON_FIELD(struct file_request, name, "name", JSON_KIND_STRING,
		true, 1, REQUEST_FILE_NAME_MAX),
	};
	struct file_request request = {0};
	struct question *question = NULL;
	struct wanted wanted;
	int result;

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&request, err) != 0 ||
	    gate_check_task(request.task, err) != 0)
		return -1;
	if (!request_file_name_is_valid(request.name))
		return err_set(err, ERR_MALFORMED, "name: not one of a file");
	snprintf(wanted.name, sizeof(wanted.name), "%s", request.name);
	result = gate_open(
	    peer, &request.envelope, SCOPE_TASKS_READ, &question, err);
	if (result > 0)
		gate_find_take(question, request.task, file_found,
		    gate_keep(&wanted, sizeof(wanted)));
	return result < 0 ? -1 : 0;
}
