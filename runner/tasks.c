/*
 * The collection of tasks: acceptance, and waiting for them.
 */
#include "runner/tasks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "runner/tasks_change.h"

#define AGAIN_MS 1000
/* For those who follow output when the runner goes. */
#define FOLLOWERS_MS 5000

struct task_waiter {
	struct task_waiter *next;
	struct task *task;
	uv_timer_t timer;
	void (*done)(void *arg, const struct task_data *data);
	void *arg;
};

static void on_again(uv_timer_t *again);

static void
bound_rule(void *arg, const char *rule, struct queue_concurrency *ret)
{
	const struct tasks *tasks = arg;
	struct allowances allowances;

	allowances_find(tasks->policy, rule, &allowances);
	ret->per_subject = allowances.running_per_subject;
	ret->total = allowances.running_total;
}

void
tasks_open(struct tasks *tasks, const struct queue_bounds *bounds)
{
	queue_init(&tasks->queue, bounds);
	tasks->queue.bounds.of_rule = bound_rule;
	tasks->queue.bounds.arg = tasks;
	table_init(&tasks->by_id);
	table_init(&tasks->accepting);
	tasks->oldest = tasks->newest = NULL;
	tasks->tired = NULL;
	tasks->count = 0;
	tasks->starting_cold = 0;
	tasks->awaiting = 0;
	tasks->lapse_ms = INT64_MAX;
	tasks->revoking = 0;
	tasks->found_revoked = (struct tasks_revoked){0};
	tasks->recovered = true;
	tasks->recovering = false;
	tasks->last_id[0] = '\0';
	tasks->counters = (struct tasks_counters){0};
	tasks->arrears = alloc_zero(1, sizeof(*tasks->arrears));
	if (uv_timer_init(tasks->loop, &tasks->again) != 0 ||
	    uv_timer_start(&tasks->again, on_again, AGAIN_MS, AGAIN_MS) != 0)
		die("tasks: libuv gives no timer");
	tasks->again.data = tasks;
}

void
tasks_set_policy(struct tasks *tasks, const struct policy *policy)
{
	tasks->policy = policy;
	queue_bound_rules(&tasks->queue);
}

struct task *
tasks_find(struct tasks *tasks, const char *id)
{
	struct task *task = table_find(&tasks->by_id, id);

	if (task != NULL)
		task_wake(task);
	return task;
}

/* RFC 9562 6.2: ids of one millisecond need not be in order by themselves. */
void
tasks_make_id(struct tasks *tasks, int64_t now_ms, char ret[UUID_TEXT])
{
	char hex[13];

	if (tasks->last_id[0] != '\0') {
		int64_t last_ms;

		snprintf(hex, sizeof(hex), "%.8s%.4s", tasks->last_id,
		    tasks->last_id + 9);
		last_ms = (int64_t)strtoull(hex, NULL, 16);
		if (now_ms < last_ms)
			now_ms = last_ms;
	}
	uuid_make(now_ms, ret);
	for (int i = 0; strcmp(ret, tasks->last_id) <= 0; i++)
		uuid_make(i < 8 ? now_ms : ++now_ms, ret);
	memcpy(tasks->last_id, ret, UUID_TEXT);
}

/* -- making, linking, letting go */

/* What the queue counts of a task. */
static struct queue_entry
task_entry(const int64_t limits[LIMIT_COUNT], int64_t request_bytes)
{
	return (struct queue_entry){
	    .bytes = request_bytes,
	    .memory_bytes = limits[LIMIT_MEMORY],
	    .cpus = limits[LIMIT_CPUS],
	};
}

static struct task *
new_task(struct tasks *tasks, const char id[UUID_TEXT])
{
	struct task *task = alloc_zero(1, sizeof(*task));

	memcpy(task->id, id, UUID_TEXT);
	task->tasks = tasks;
	task->deadline_ms = TASK_UNKNOWN;
	task->kill_ms = TASK_UNKNOWN;
	if (uv_timer_init(tasks->loop, &task->timer) != 0)
		die("uv_timer_init");
	task->timer.data = task;
	return task;
}

struct task *
task_new_take(
    struct tasks *tasks, struct task_data *data, int64_t request_bytes)
{
	struct task *task = new_task(tasks, data->id);

	task->entry = task_entry(data->limits, request_bytes);
	task->data = alloc_zero(1, sizeof(*task->data));
	*task->data = *data;
	*data = (struct task_data){0};
	return task;
}

struct task *
task_new_packed_take(
    struct tasks *tasks, const char id[UUID_TEXT], struct task_pack *pack)
{
	struct task *task = new_task(tasks, id);

	task->entry = task_entry(pack->limits, (int64_t)pack->request_bytes);
	task->pack = pack;
	return task;
}

void
task_link(struct task *task)
{
	struct tasks *tasks = task->tasks;

	table_add(&tasks->by_id, task->id, task);
	task->older = tasks->newest;
	if (tasks->newest != NULL)
		tasks->newest->newer = task;
	else
		tasks->oldest = task;
	tasks->newest = task;
	tasks->count++;
}

static void
unlink_task(struct task *task)
{
	struct tasks *tasks = task->tasks;

	if (table_remove(&tasks->by_id, task->id) == NULL)
		return;
	if (task->older != NULL)
		task->older->newer = task->newer;
	else
		tasks->oldest = task->newer;
	if (task->newer != NULL)
		task->newer->older = task->older;
	else
		tasks->newest = task->older;
	tasks->count--;
}

static void
on_timer_closed(uv_handle_t *timer)
{
	struct task *task = timer->data;

	task->timer_closed = true;
	task_free_if_unused(task);
}

/* Ended and told, or never accepted. */
void
task_forget(struct task *task)
{
	unlink_task(task);
	task_close_inputs(task);
	if (task->output != NULL)
		output_release(take(task->output));
	if (task->files != NULL)
		files_free(take(task->files));
	/* Of an end that never became durable. */
	if (task->end != NULL && task->data->facts.files == NULL)
		json_decref(task->end->files);
	task_stay_awake(task);
	task->forgotten = true;
	uv_close((uv_handle_t *)&task->timer, on_timer_closed);
}

void
task_free_if_unused(struct task *task)
{
	if (!task->forgotten || !task->timer_closed || task->users > 0)
		return;
	if (task->data != NULL)
		task_data_done(task->data);
	free(task->data);
	free(task->pack);
	free(task->end);
	audit_entry_free(task->unreturned);
	free(task);
}

/* -- acceptance */

void
task_wait(struct task *task)
{
	queue_push(&task->tasks->queue, &task->entry);
	task_tire(task);
}

/* Whether this is the only one of its key that is on its way: those that come
 * behind it are most likely the same again. */
static bool
note_key(struct task *task, const char *key)
{
	struct tasks *tasks = task->tasks;
	auto_free char *name = NULL;

	if (key == NULL)
		return true;
	name = alloc_printf("%s %s", task->data->owner.subject, key);
	if (table_find(&tasks->accepting, name) != NULL)
		return false;
	task->key = take(name);
	table_add(&tasks->accepting, task->key, task);
	return true;
}

static void
forget_key(struct task *task)
{
	if (task->key == NULL)
		return;
	table_remove(&task->tasks->accepting, task->key);
	free(take(task->key));
}

/* What may be refused yet takes no sandbox from those that are ready: whoever
 * asks for more than there is would use them all up. */
static bool
may_be_refused(const struct task *task)
{
	struct allowances allowances;

	allowances_find(task->tasks->policy, task->data->rule, &allowances);
	return allowances.nwindows > 0;
}

int
tasks_submit_take(struct tasks *tasks, struct task_data *data,
    const struct task_submission *submission, struct err *err)
{
	AUTO(task_data_done) struct task_data own = *data;
	struct queue_entry entry =
	    task_entry(own.limits, submission->request_bytes);
	struct task *task;

	*data = (struct task_data){0};
	if (own.approval != NULL && tasks->awaiting >= TASKS_AWAITING_MAX) {
		tasks->counters.refused++;
		return err_set(err, ERR_BUSY,
		    "%d tasks wait for approval already", TASKS_AWAITING_MAX);
	}
	if (queue_admit(&tasks->queue, own.owner.subject, own.rule, &entry,
		clock_boot_ms(), err) != 0) {
		tasks->counters.refused++;
		return -1;
	}
	task = task_new_take(tasks, &own, submission->request_bytes);
	task->entry = entry;
	task->accepting = true;
	task->accepted_us = clock_boot_us();
	if (note_key(task, submission->key) && task->data->approval == NULL &&
	    !may_be_refused(task))
		task_turn_at_once(task);
	tasks_change_accept(task, submission);
	return 0;
}

/* Nothing of it is on record. */
static void
give_up(struct task *task)
{
	struct queue *queue = &task->tasks->queue;

	if (task->sandbox != NULL)
		sandbox_destroy(take(task->sandbox));
	if (task->entry.standing == QUEUE_RUNNING) {
		queue_return(queue, &task->entry);
		queue_remove(queue, &task->entry);
	} else {
		queue_dismiss(queue, &task->entry);
	}
	task_forget(task);
}

static void
stand_for_another(struct task *task, const char *existing, bool same,
    const struct task_submission *submission)
{
	struct err conflict;

	give_up(task);
	if (!same)
		err_set(&conflict, ERR_CONFLICT,
		    "this Idempotency-Key stands for another request");
	else
		task->tasks->counters.repeated++;
	submission->done(
	    submission->arg, same ? NULL : &conflict, NULL, existing);
}

static void
take_in(struct task *task)
{
	task->tasks->counters.accepted++;
	task_link(task);
	if (task->entry.standing == QUEUE_RUNNING)
		task_open_output(task);
	else if (task->data->approval != NULL)
		task_await(task);
	else
		task_wait(task);
	/* It may have been revoked while that was written. */
	if (task_ask_revocations(task) && task->entry.standing == QUEUE_RUNNING)
		task_go(task);
	log_info("task.accepted", "task", task->data->id, "subject",
	    task->data->owner.subject, "rule", task->data->rule, NULL);
}

void
tasks_accepted(struct task *task, const struct err *err, const char *existing,
    bool same, const struct task_submission *submission)
{
	struct tasks *tasks = task->tasks;

	task->accepting = false;
	forget_key(task);
	if (existing != NULL && err == NULL) {
		stand_for_another(task, existing, same, submission);
	} else if (err != NULL) {
		give_up(task);
		tasks->counters.refused++;
		submission->done(submission->arg, err, NULL, NULL);
	} else {
		take_in(task);
		submission->done(submission->arg, NULL, task, NULL);
	}
	tasks_dispatch(tasks);
	tasks->changed(tasks->arg);
}

/* -- waiting */

static void
on_waiter_closed(uv_handle_t *timer)
{
	free(timer->data);
}

static void
remove_waiter(struct task_waiter *waiter)
{
	struct task_waiter **at = &waiter->task->waiters;

	while (*at != waiter)
		at = &(*at)->next;
	*at = waiter->next;
	uv_close((uv_handle_t *)&waiter->timer, on_waiter_closed);
}

static void
on_waited(uv_timer_t *timer)
{
	struct task_waiter *waiter = timer->data;
	struct task *task = waiter->task;

	remove_waiter(waiter);
	task_wake(task);
	waiter->done(waiter->arg, task->data);
}

struct task_waiter *
tasks_wait(struct task *task, uint64_t wait_ms,
    void (*done)(void *arg, const struct task_data *data), void *arg)
{
	struct task_waiter *waiter = alloc_zero(1, sizeof(*waiter));

	waiter->task = task;
	waiter->done = done;
	waiter->arg = arg;
	waiter->next = task->waiters;
	task->waiters = waiter;
	if (uv_timer_init(task->tasks->loop, &waiter->timer) != 0)
		die("uv_timer_init");
	waiter->timer.data = waiter;
	uv_timer_start(&waiter->timer, on_waited, wait_ms, 0);
	return waiter;
}

void
tasks_unwait(struct task_waiter *waiter)
{
	remove_waiter(waiter);
}

void
task_tell_waiters(struct task *task)
{
	while (task->waiters != NULL) {
		struct task_waiter *waiter = task->waiters;

		remove_waiter(waiter);
		task_wake(task);
		waiter->done(waiter->arg, task->data);
	}
}

const struct task_standing *
tasks_standing(const struct task *task, struct task_standing *ret)
{
	const struct queue *queue = &task->tasks->queue;
	const char *held_by;
	int64_t estimate_ms;
	size_t place;

	if (!queue_waits(&task->entry))
		return NULL;
	place = queue_place(queue, &task->entry);
	held_by = queue_held_by(&task->entry);
	estimate_ms = queue_estimate_ms(queue, place, clock_boot_ms());
	*ret = (struct task_standing){
	    .place = (int64_t)place,
	    .estimate_s = estimate_ms < 0 || held_by != NULL
		? TASK_UNKNOWN
		: (estimate_ms + 999) / 1000,
	    .held_by = held_by,
	};
	return ret;
}

/* -- what could not be written is written when it can be */

static void
on_again(uv_timer_t *again)
{
	struct tasks *tasks = again->data;

	if (!tasks->recovered && !tasks->recovering)
		tasks_recover(tasks);
	/* Before the ends that they led to. */
	tasks_settle_arrears(tasks);
	/* Hardly ever any, and 100,000 may wait. */
	for (struct task *task = tasks->oldest; task != NULL && tasks->held > 0;
	     task = task->newer) {
		if (task->held)
			task_write_end(task);
	}
	tasks_lapse(tasks);
	tasks_dispatch(tasks);
	tasks_rest(tasks);
}

size_t
tasks_busy(const struct tasks *tasks)
{
	return tasks->count - tasks->queue.length - tasks->awaiting;
}

size_t
tasks_ending(const struct tasks *tasks)
{
	size_t count = 0;

	for (const struct task *task = tasks->oldest; task != NULL;
	     task = task->newer)
		count += task->ending ? 1 : 0;
	return count;
}

/* What is on record as running and is not ended by us, also what has ended and
 * could not be written, is heard of in the next life. */
static void
leave_sandbox(struct task *task)
{
	struct sandbox *sandbox = take(task->sandbox);

	if (sandbox == NULL)
		return;
	if (task->recorded && (task->tasks->handing_over || task->ending))
		sandbox_abandon(sandbox);
	else
		sandbox_destroy(sandbox);
}

void
tasks_close(struct tasks *tasks)
{
	while (tasks->oldest != NULL) {
		struct task *task = tasks->oldest;

		task_leave_place(task);
		leave_sandbox(task);
		input_gone(task);
		task_tell_waiters(task);
		task_forget(task);
	}
	output_store_end(tasks->outputs, FOLLOWERS_MS);
	queue_done(&tasks->queue);
	table_done(&tasks->by_id);
	table_done(&tasks->accepting);
	arrears_done(tasks->arrears);
	free(take(tasks->arrears));
	uv_close((uv_handle_t *)&tasks->again, NULL);
}
