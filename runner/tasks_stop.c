/*
 * What ends a task before its time: its deadline, who cancels it, an orderly
 * stop of the runner. And signals on the way.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "runner/tasks_change.h"

/* uv_timer_t runs on CLOCK_MONOTONIC, which stops while the machine sleeps:
 * deadlines are looked at this often. */
#define LOOK_MS 1000

/* -- deadlines */

static void on_timer(uv_timer_t *timer);

void
task_arm_timer(struct task *task)
{
	int64_t next = INT64_MAX, wait;

	if (task->deadline_ms != TASK_UNKNOWN)
		next = task->deadline_ms;
	if (task->kill_ms != TASK_UNKNOWN && task->kill_ms < next)
		next = task->kill_ms;
	/* One of an earlier life is not judged before it is heard of. */
	if (next == INT64_MAX || task->ending || task->adopting) {
		uv_timer_stop(&task->timer);
		return;
	}
	wait = next - clock_boot_ms();
	wait = wait < 0 ? 0 : wait > LOOK_MS ? LOOK_MS : wait;
	uv_timer_start(&task->timer, on_timer, (uint64_t)wait, 0);
}

static bool
is_due(int64_t *when_ms, int64_t now_ms)
{
	if (*when_ms == TASK_UNKNOWN || now_ms < *when_ms)
		return false;
	*when_ms = TASK_UNKNOWN;
	return true;
}

static void
on_timer(uv_timer_t *timer)
{
	struct task *task = timer->data;
	int64_t now_ms = clock_boot_ms();
	bool is_over = is_due(&task->deadline_ms, now_ms);

	if (is_over)
		task->timed_out = true;
	if ((is_due(&task->kill_ms, now_ms) || is_over) &&
	    task->sandbox != NULL)
		sandbox_kill(task->sandbox);
	task_arm_timer(task);
}

/* -- cancel and signal */

void
task_set_cancelled(struct task *task, const char *why)
{
	struct task_facts *facts = &task->data->facts;

	facts->cancelled = true;
	snprintf(facts->detail, sizeof(facts->detail), "%s", why);
}

static struct audit_entry *
new_cancel_entry(const struct task *task, int64_t grace_s)
{
	struct audit_entry *entry =
	    tasks_entry(task->tasks, EVENT_TASK_CANCEL_ASKED);

	entry->object = json_pack("{s:s, s:I}", "task", task->data->id,
	    "grace_s", (json_int_t)grace_s);
	return entry;
}

/* How long it may take from here on; TERM where that is not nothing. */
static void
end_within(struct task *task, int64_t grace_s)
{
	task->kill_ms = clock_boot_ms() + 1000 * grace_s;
	if (grace_s > 0 && !task->adopting)
		sandbox_signal(task->sandbox, SIGTERM);
	task_arm_timer(task);
}

void
tasks_cancel(struct task *task, int64_t grace_s, json_t *principal,
    void (*done)(void *arg, const struct err *err), void *arg)
{
	static const struct sandbox_end dropped = {.how = SANDBOX_NOT_STARTED};
	int64_t kill_ms = clock_boot_ms() + 1000 * grace_s;
	struct audit_entry *entry;

	/* Asked again for what is under way: nothing to do, nothing to say. */
	if (task->ending ||
	    (task->kill_ms != TASK_UNKNOWN && kill_ms >= task->kill_ms)) {
		done(arg, NULL);
		return;
	}
	entry = new_cancel_entry(task, grace_s);
	entry->principal = json_incref(principal);
	/* What is over its time already ends for that reason. */
	if (!task->timed_out)
		task_set_cancelled(task, "");
	tasks_change_cancel(task, entry, done, arg);
	if (task->ordered)
		end_within(task, grace_s);
	else
		task_end(task, &dropped);
}

void
task_stop(struct task *task, const char *why)
{
	struct audit_entry *entry;

	if (task->ending || task->data->facts.cancelled)
		return;
	entry = new_cancel_entry(task, 0);
	json_object_set_new(entry->object, "reason", json_string(why));
	task_set_cancelled(task, why);
	tasks_change_cancel(task, entry, NULL, NULL);
	end_within(task, 0);
}

struct signalling {
	struct tasks *tasks;
	char task[UUID_TEXT];
	int signal;
	void (*done)(void *arg, const struct err *err);
	void *arg;
};

static int
check_signal(const struct task *task, struct err *err)
{
	enum task_state ignored;

	if (task == NULL || task->ending || task->exited ||
	    !task_step(task->data->facts.state, TASK_EVENT_SIGNALLED, &ignored))
		return err_set(err, ERR_CONFLICT, "the task does not run");
	if (task->adopting)
		return err_set(err, ERR_UNAVAILABLE,
		    "the task is being taken up again after a restart");
	return 0;
}

static void
signal_written(void *arg, const struct err *err)
{
	auto_free struct signalling *signalling = arg;
	struct task *task = tasks_find(signalling->tasks, signalling->task);
	struct err late;

	if (err == NULL && check_signal(task, &late) != 0)
		err = &late;
	if (err == NULL)
		sandbox_signal(task->sandbox, signalling->signal);
	signalling->done(signalling->arg, err);
}

/* What a cancel sends as well; it ends somebody's work and starts nothing. */
static bool
only_ends(int signal)
{
	return signal == SIGTERM || signal == SIGKILL;
}

static void
ending_written(void *arg, const struct err *err)
{
	auto_free struct signalling *signalling = arg;

	/* Done, and on record sooner or later. */
	(void)err;
	signalling->done(signalling->arg, NULL);
}

void
tasks_signal(struct task *task, int signal, json_t *principal,
    void (*done)(void *arg, const struct err *err), void *arg)
{
	struct tasks *tasks = task->tasks;
	struct signalling *signalling;
	struct audit_entry *entry;
	struct err err;

	if (check_signal(task, &err) != 0) {
		done(arg, &err);
		return;
	}
	signalling = alloc_zero(1, sizeof(*signalling));
	*signalling = (struct signalling){
	    .tasks = tasks, .signal = signal, .done = done, .arg = arg};
	memcpy(signalling->task, task->data->id, UUID_TEXT);
	entry = tasks_entry(tasks, EVENT_TASK_SIGNALLED);
	entry->principal = json_incref(principal);
	entry->object = json_pack("{s:s, s:s}", "task", task->data->id,
	    "signal", sigabbrev_np(signal));
	if (!only_ends(signal)) {
		tasks_record_then_take(
		    tasks, entry, signal_written, signalling);
		return;
	}
	sandbox_signal(task->sandbox, signal);
	tasks_record_done_take(tasks, entry, ending_written, signalling);
}

/* -- the runner stops */

void
tasks_end_all(struct tasks *tasks, const char *why)
{
	static const struct sandbox_end dropped = {.how = SANDBOX_NOT_STARTED};
	struct task *newer;

	for (struct task *task = tasks->oldest; task != NULL; task = newer) {
		newer = task->newer;
		if (task->entry.standing != QUEUE_RUNNING || task->ending)
			continue;
		if (!task->ordered) {
			task_set_cancelled(task, why);
			task_end(task, &dropped);
		} else {
			task_stop(task, why);
		}
	}
}

void
tasks_hand_over(struct tasks *tasks)
{
	struct task *newer;

	tasks->handing_over = true;
	for (struct task *task = tasks->oldest; task != NULL; task = newer) {
		newer = task->newer;
		if (task->entry.standing == QUEUE_RUNNING && !task->recorded &&
		    !task->ending)
			task_return_to_queue(task);
	}
}
