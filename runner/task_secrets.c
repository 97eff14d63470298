/*
 * A task's secrets, from its turn to its order: as descriptors, and under no
 * other name than its rule's. Who asked for the task is told which one is not
 * to be had; where it lies and what is wrong with it is the operator's to know.
 */
#include <stdio.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "policy/secret.h"
#include "runner/secret_folder.h"
#include "runner/tasks_change.h"

static void
fail_secret(struct task *task, const char *name, const struct err *err)
{
	struct sandbox_end end = {
	    .how = SANDBOX_NOT_STARTED, .failure = SANDBOX_FAILURE_SECRET};

	snprintf(end.detail, sizeof(end.detail), "the secret \"%s\" %s", name,
	    err->code == ERR_NOT_FOUND
		? "is not there; the operator has to provide it"
		: "cannot be given; the runner's log says why");
	log_failure(LOG_LEVEL_WARNING, "task.secret_unusable", err, "task",
	    task->data->id, "rule", task->data->rule, "secret", name, NULL);
	task_end(task, &end);
}

static int
open_one(
    const struct tasks *tasks, const char *file, int *ret_fd, struct err *err)
{
	if (tasks->secret_folder == NULL)
		return err_set(err, ERR_UNPROCESSABLE,
		    "the configuration names no folder of secrets");
	return secret_folder_open(tasks->secret_folder, file, ret_fd, err);
}

bool
task_open_secrets(struct task *task)
{
	struct secrets secrets;
	struct err err;
	bool good = true;

	if (secrets_parse(task->data->secrets, &secrets, &err) != 0) {
		fail_secret(task, "", &err);
		return false;
	}
	if (secrets.count > 0)
		task->secrets =
		    alloc_zero(secrets.count, sizeof(*task->secrets));
	for (size_t i = 0; i < secrets.count && good; i++) {
		const struct secret *secret = &secrets.list[i];

		good = open_one(task->tasks, secret->file, &task->secrets[i],
			   &err) == 0;
		if (good)
			task->nsecrets++;
		else
			fail_secret(task, secret->name, &err);
	}
	secrets_done(&secrets);
	return good;
}
