/*
 * What the tasks write: each change of a task with its record.
 */
#ifndef RUNNER_TASKS_CHANGE_H
#define RUNNER_TASKS_CHANGE_H

#include "runner/tasks.h"

/* Holds the task until done(). */
typedef void task_changed(struct task *task, const struct err *err);

/* Accepted: the row, the key and the record, unless the key is known. */
void tasks_change_accept(
    struct task *task, const struct task_submission *submission);
/* About to be started. */
void tasks_change_start(struct task *task, task_changed *done);
/* Ended as task->end says. */
void tasks_change_end(struct task *task, task_changed *done);

/* Within tasks_change_accept(). */
void tasks_accepted(struct task *task, const struct err *err,
    const char *existing, bool same, const struct task_submission *submission);
/* Gives the memory back where nobody needs it any more. */
void task_free_if_unused(struct task *task);
/* tasks_dispatch.c and tasks_end.c */
void task_end(struct task *task, const struct sandbox_end *end);
void task_write_end(struct task *task);
void task_arm_timer(struct task *task);
void task_tell_waiters(struct task *task);
void task_forget(struct task *task);
void task_link(struct task *task);
struct task *task_new_take(
    struct tasks *tasks, struct task_data *data, int64_t request_bytes);

#endif
