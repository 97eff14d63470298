/*
 * From the queue to the order: a task's turn, its sandbox, its deadline.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "runner/tasks_change.h"

/* uv_timer_t runs on CLOCK_MONOTONIC, which stops while the machine sleeps:
 * deadlines are looked at this often. */
#define LOOK_MS 1000

static void
step(struct task *task, enum task_event event)
{
	struct task_facts *facts = &task->data.facts;

	if (!task_step(facts->state, event, &facts->state))
		die("task %s: event %d in state %s", task->data.id, (int)event,
		    task_state_text(facts->state));
}

static void
copy_name(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from);
}

/* -- sandbox events */

static void
give_order(struct task *task)
{
	const struct request *request = &task->data.request;
	const struct sandbox_command command = {
	    .args = request->args,
	    .nargs = request->nargs,
	    .env = request->env,
	    .nenv = request->nenv,
	    .timeout_s = task->data.limits[LIMIT_TIMEOUT],
	};
	struct err err;

	/* What cannot be ordered ends by itself, and says why. */
	sandbox_start(task->sandbox, &command, &err);
}

static void
start_written(struct task *task, const struct err *err)
{
	/* It was cancelled while its start was being written. */
	if (task->ending || task->sandbox == NULL)
		return;
	if (err == NULL) {
		task->ordered = true;
		task->deadline_ms =
		    clock_boot_ms() + 1000 * task->data.limits[LIMIT_TIMEOUT];
		task_arm_timer(task);
		give_order(task);
		return;
	}
	/* No record, no action: it waits for better times. */
	log_failure(LOG_LEVEL_ERROR, "task.not_started", err, "task",
	    task->data.id, NULL);
	sandbox_destroy(take(task->sandbox));
	task->data.facts.image_id[0] = '\0';
	step(task, TASK_EVENT_RETURNED);
	queue_return(&task->tasks->queue, &task->entry);
}

static void
on_ready(void *arg, const struct sandbox_ready *ready)
{
	struct task *task = arg;
	struct task_facts *facts = &task->data.facts;

	copy_name(facts->container, sizeof(facts->container), ready->container);
	copy_name(facts->image_id, sizeof(facts->image_id), ready->image_id);
	tasks_change_start(task, start_written);
}

static void
on_started(void *arg, int64_t wall_ms)
{
	struct task *task = arg;

	step(task, TASK_EVENT_STARTED);
	task->data.facts.started_ms = wall_ms;
	task->tasks->counters.started++;
	log_info("task.started", "task", task->data.id, "subject",
	    task->data.owner.subject, NULL);
	task->tasks->changed(task->tasks->arg);
}

static void
on_output(void *arg, enum stream stream, const void *data, size_t len)
{
	struct task *task = arg;
	struct task_facts *facts = &task->data.facts;
	int64_t before = facts->kept[stream];

	output_write(task->output, stream, data, len);
	facts->kept[stream] = output_kept(task->output, stream);
	facts->truncated = output_is_truncated(task->output);
	task->tasks->counters.output_bytes +=
	    (uint64_t)(facts->kept[stream] - before);
}

static void
on_ended(void *arg, const struct sandbox_end *end)
{
	task_end(arg, end);
}

static const struct sandbox_events sandbox_events = {
    .ready = on_ready,
    .started = on_started,
    .output = on_output,
    .ended = on_ended,
};

/* -- a task's turn */

/* A rule that is gone may have granted more than the one that allows it now. */
static bool
is_within(const struct task_data *data, const struct policy_verdict *now)
{
	const char *network = now->network != NULL ? now->network : "";

	for (int i = 0; i < LIMIT_COUNT; i++) {
		if (data->limits[i] > now->limits[i])
			return false;
	}
	return data->uid == now->uid && data->gid == now->gid &&
	    strcmp(data->network != NULL ? data->network : "", network) == 0;
}

static bool
is_still_allowed(const struct task *task)
{
	const struct task_owner *owner = &task->data.owner;
	const char *roles[TOKEN_ROLES_MAX];
	struct policy_principal principal = {
	    .subject = owner->subject,
	    .roles = roles,
	    .nroles = owner->nroles,
	};
	struct policy_verdict verdict = {0};
	bool allowed;

	for (size_t i = 0; i < owner->nroles; i++)
		roles[i] = owner->roles[i];
	policy_decide(task->tasks->policy, &principal, &task->data.request,
	    clock_wall_ms(), &verdict);
	allowed = verdict.allowed && is_within(&task->data, &verdict);
	policy_verdict_done(&verdict);
	return allowed;
}

static void
start(struct task *task)
{
	struct tasks *tasks = task->tasks;
	const struct task_data *data = &task->data;
	struct sandbox_spec spec = {
	    .image = data->request.image,
	    .uid = data->uid,
	    .gid = data->gid,
	    .network = data->network,
	};

	memcpy(spec.limits, data->limits, sizeof(spec.limits));
	task->sandbox =
	    sandbox_new(tasks->factory, &spec, &sandbox_events, task);
}

static void
take_turn(struct task *task)
{
	static const struct sandbox_end refused = {.how = SANDBOX_NOT_STARTED};

	step(task, TASK_EVENT_DISPATCHED);
	/* It waited; the policy may have changed meanwhile. */
	if (is_still_allowed(task)) {
		start(task);
		return;
	}
	task->cancelled = true;
	task->why = "the policy that is in force now does not allow it";
	task_end(task, &refused);
}

void
tasks_dispatch(struct tasks *tasks)
{
	struct queue_entry *entry;

	/* What ends at once asks for the next: once is enough. */
	if (tasks->dispatching)
		return;
	tasks->dispatching = true;
	while (!tasks->stopping && !tasks->no_room && tasks->recovered &&
	    tasks->engine_reason == NULL && tasks->policy != NULL &&
	    store_reason(tasks->store) == NULL &&
	    (entry = queue_start(&tasks->queue, clock_boot_ms())) != NULL) {
		struct task *task = (struct task *)((char *)entry -
		    offsetof(struct task, entry));

		take_turn(task);
	}
	tasks->dispatching = false;
}

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
	if (next == INT64_MAX || task->ending) {
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

static void
record_cancel(const struct task *task, int64_t grace_s, json_t *principal)
{
	struct tasks *tasks = task->tasks;
	struct audit_entry *entry = tasks_entry(tasks, EVENT_TASK_CANCEL_ASKED);

	entry->principal = json_incref(principal);
	entry->object = json_pack("{s:s, s:I}", "task", task->data.id,
	    "grace_s", (json_int_t)grace_s);
	tasks_record_take(tasks, entry);
}

void
tasks_cancel(struct task *task, int64_t grace_s, json_t *principal)
{
	static const struct sandbox_end dropped = {.how = SANDBOX_NOT_STARTED};
	int64_t kill_ms = clock_boot_ms() + 1000 * grace_s;

	/* Asked again for what is under way: nothing to do, nothing to say. */
	if (task->ending ||
	    (task->kill_ms != TASK_UNKNOWN && kill_ms >= task->kill_ms))
		return;
	record_cancel(task, grace_s, principal);
	/* What is over its time already ends for that reason. */
	task->cancelled = !task->timed_out;
	if (!task->ordered) {
		task_end(task, &dropped);
		return;
	}
	task->kill_ms = kill_ms;
	if (grace_s > 0)
		sandbox_signal(task->sandbox, SIGTERM);
	task_arm_timer(task);
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

	if (task == NULL || task->ending ||
	    !task_step(task->data.facts.state, TASK_EVENT_SIGNALLED, &ignored))
		return err_set(err, ERR_CONFLICT, "the task does not run");
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
	memcpy(signalling->task, task->data.id, UUID_TEXT);
	entry = tasks_entry(tasks, EVENT_TASK_SIGNALLED);
	entry->principal = json_incref(principal);
	entry->object = json_pack("{s:s, s:s}", "task", task->data.id, "signal",
	    sigabbrev_np(signal));
	tasks_record_then_take(tasks, entry, signal_written, signalling);
}
