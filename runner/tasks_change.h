/*
 * What the tasks write: each change of a task with its record.
 */
#ifndef RUNNER_TASKS_CHANGE_H
#define RUNNER_TASKS_CHANGE_H

#include "runner/tasks.h"

/* Holds the task until done(). */
typedef void task_changed(struct task *task, const struct err *err);

/* Accepted: the row, the key and the record, unless the key is known; and where
 * task->recorded says so, in the same transaction, about to be started. */
void tasks_change_accept(
    struct task *task, const struct task_submission *submission);
/* About to be started; `again`: that is on record already. */
void tasks_change_start(struct task *task, bool again, task_changed *done);
/* About to be started is on record, but its order reached nobody: it waits
 * again. That is so whether it can be written or not: row and record follow,
 * by tasks_settle_arrears(). */
void tasks_change_return(struct task *task);
/* Its end was asked for; takes the entry. `done` may be NULL, and is called
 * also when the task is gone. */
void tasks_change_cancel(struct task *task, struct audit_entry *entry,
    void (*done)(void *arg, const struct err *err), void *arg);
/* Somebody has decided, or nobody in time: the task as task->data->approval
 * says, in this state, and the record. Takes the entry; `approval` is copied.
 * What approves is not done where it is not written; else `done` hears of no
 * failure: what could not be written is in arrears, and in the end's row.
 * `done` is called also when the task is gone. */
void tasks_change_decide(struct task *task, enum task_state state,
    const struct task_approval *approval, struct audit_entry *entry,
    void (*done)(void *arg, const struct err *err), void *arg);
/* Ended as task->end says. */
void tasks_change_end(struct task *task, task_changed *done);

/* -- among the files of tasks */

/* tasks.c */
struct task *task_new_take(
    struct tasks *tasks, struct task_data *data, int64_t request_bytes);
/* Of an earlier life; it rests. */
struct task *task_new_packed_take(
    struct tasks *tasks, const char id[UUID_TEXT], struct task_pack *pack);
void task_link(struct task *task);
/* It is in its line. */
void task_wait(struct task *task);
void task_tell_waiters(struct task *task);
void task_forget(struct task *task);
/* Gives the memory back where nobody needs it any more. */
void task_free_if_unused(struct task *task);
/* Within tasks_change_accept(). */
void tasks_accepted(struct task *task, const struct err *err,
    const char *existing, bool same, const struct task_submission *submission);

/* tasks_rest.c */
/* It waits: may rest soon. */
void task_tire(struct task *task);
void task_stay_awake(struct task *task);
/* Those that may, and nobody works on. */
void tasks_rest(struct tasks *tasks);

/* tasks_approval.c */
/* Counted from its acceptance on, until it waits no more. */
void task_await(struct task *task);
bool task_awaits(const struct task *task);
/* It waits no more, however that came. */
void task_stop_awaiting(struct task *task);
/* Those whose time is up end. */
void tasks_lapse(struct tasks *tasks);

/* tasks_turn.c */
/* Of the policy in force; the caller frees. NULL: *ret_rule (borrowed from it)
 * lets it run. */
char *task_find_denial(const struct task *task, const char **ret_rule);
bool tasks_may_start(const struct tasks *tasks);
/* Before it is accepted: has its turn where nobody else waits, and then takes
 * a sandbox that is ready for it. */
void task_turn_at_once(struct task *task);
/* It is accepted, and has had its turn. */
void task_go(struct task *task);
/* Whether the policy in force, and what was revoked, lets it; else it ends.
 * *ret_rule as above. */
bool task_ask_policy(struct task *task, const char **ret_rule);
/* The rule that lets it run by the policy in force, or, where none does, that
 * let it wait. Borrowed. */
const char *task_rule(const struct task *task);
/* What it reads, then its sandbox, then task_prepared(). */
void task_find_inputs(struct task *task);
/* Its container is being made, or no longer. */
void task_count_cold(struct task *task, bool starting);
/* For whoever makes sandboxes ready: how much runs. */
void tasks_tell_pool(struct tasks *tasks);
void task_close_inputs(struct task *task);

/* task_secrets.c */
/* What its secrets hold, for the order; false: it has ended, for one of them is
 * not to be had. */
bool task_open_secrets(struct task *task);

/* tasks_run.c */
/* From here on it can be followed. */
void task_open_output(struct task *task);
extern const struct sandbox_events task_sandbox_events;
void task_step_to(struct task *task, enum task_event event);
/* What is to be known of a sandbox that waits. */
void task_note_sandbox(struct task *task);
void task_prepared(struct task *task);
void task_give_order(struct task *task);
/* Where its start is on record, that it did not come to it is put there too. */
void task_take_back_start(struct task *task);
void task_return_to_queue(struct task *task);

/* tasks_stop.c */
void task_arm_timer(struct task *task);
void task_set_cancelled(struct task *task, const char *why);
/* Kills what runs, as cancelled, with a record. */
void task_stop(struct task *task, const char *why);

/* tasks_revoke.c: whether nothing that it shows was revoked; else it ends. */
bool task_ask_revocations(struct task *task);

/* tasks_recover.c: the sandbox of an earlier life's task says that its order
 * never reached it, or that it runs or ran. */
void task_start_again(struct task *task);
void task_go_on(struct task *task);

/* tasks_end.c */
void task_note_exit(struct task *task);
void task_end(struct task *task, const struct sandbox_end *end);
/* It neither waits nor runs any more. */
void task_leave_place(struct task *task);
void task_write_end(struct task *task);

/* input.c */
void input_feed(struct task *task);
void input_gone(struct task *task);

#endif
