/*
 * The collection of tasks: acceptance, waiting for them, and taking up what an
 * earlier life of the runner left.
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

void
tasks_open(struct tasks *tasks, const struct queue_bounds *bounds)
{
	queue_init(&tasks->queue, bounds);
	table_init(&tasks->by_id);
	tasks->oldest = tasks->newest = NULL;
	tasks->count = 0;
	tasks->recovered = true;
	tasks->recovering = false;
	tasks->last_id[0] = '\0';
	tasks->counters = (struct tasks_counters){0};
	if (uv_timer_init(tasks->loop, &tasks->again) != 0 ||
	    uv_timer_start(&tasks->again, on_again, AGAIN_MS, AGAIN_MS) != 0)
		die("tasks: libuv gives no timer");
	tasks->again.data = tasks;
}

struct task *
tasks_find(const struct tasks *tasks, const char *id)
{
	return table_find(&tasks->by_id, id);
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
task_entry(const struct task_data *data, int64_t request_bytes)
{
	return (struct queue_entry){
	    .bytes = request_bytes,
	    .memory_bytes = data->limits[LIMIT_MEMORY],
	    .cpus = data->limits[LIMIT_CPUS],
	};
}

struct task *
task_new_take(
    struct tasks *tasks, struct task_data *data, int64_t request_bytes)
{
	struct task *task = alloc_zero(1, sizeof(*task));

	task->data = *data;
	*data = (struct task_data){0};
	task->tasks = tasks;
	task->entry = task_entry(&task->data, request_bytes);
	task->deadline_ms = TASK_UNKNOWN;
	task->kill_ms = TASK_UNKNOWN;
	if (uv_timer_init(tasks->loop, &task->timer) != 0)
		die("uv_timer_init");
	task->timer.data = task;
	return task;
}

void
task_link(struct task *task)
{
	struct tasks *tasks = task->tasks;

	table_add(&tasks->by_id, task->data.id, task);
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

	if (table_remove(&tasks->by_id, task->data.id) == NULL)
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
	if (task->output != NULL)
		output_release(take(task->output));
	task->forgotten = true;
	uv_close((uv_handle_t *)&task->timer, on_timer_closed);
}

void
task_free_if_unused(struct task *task)
{
	if (!task->forgotten || !task->timer_closed || task->users > 0)
		return;
	task_data_done(&task->data);
	free(task);
}

/* -- acceptance */

/* From here on it can be followed. */
static void
enqueue(struct task *task)
{
	struct tasks *tasks = task->tasks;

	task->output = output_new(
	    tasks->outputs, task->data.id, task->data.limits[LIMIT_OUTPUT]);
	queue_push(&tasks->queue, &task->entry);
}

int
tasks_submit_take(struct tasks *tasks, struct task_data *data,
    const struct task_submission *submission, struct err *err)
{
	AUTO(task_data_done) struct task_data own = *data;
	struct queue_entry entry = task_entry(&own, submission->request_bytes);
	struct task *task;

	*data = (struct task_data){0};
	if (queue_admit(&tasks->queue, own.owner.subject, own.rule, &entry,
		clock_boot_ms(), err) != 0) {
		tasks->counters.refused++;
		return -1;
	}
	task = task_new_take(tasks, &own, submission->request_bytes);
	task->entry = entry;
	tasks_change_accept(task, submission);
	return 0;
}

static void
give_up(struct task *task)
{
	queue_dismiss(&task->tasks->queue, &task->entry);
	task_forget(task);
}

void
tasks_accepted(struct task *task, const struct err *err, const char *existing,
    bool same, const struct task_submission *submission)
{
	struct tasks *tasks = task->tasks;
	struct err conflict;

	if (existing != NULL && err == NULL) {
		give_up(task);
		if (!same)
			err_set(&conflict, ERR_CONFLICT,
			    "this Idempotency-Key stands for another request");
		else
			tasks->counters.repeated++;
		submission->done(
		    submission->arg, same ? NULL : &conflict, NULL, existing);
		return;
	}
	if (err != NULL) {
		give_up(task);
		tasks->counters.refused++;
		submission->done(submission->arg, err, NULL, NULL);
		return;
	}
	tasks->counters.accepted++;
	task_link(task);
	enqueue(task);
	log_info("task.accepted", "task", task->data.id, "subject",
	    task->data.owner.subject, "rule", task->data.rule, NULL);
	submission->done(submission->arg, NULL, task, NULL);
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
	const struct task *task = waiter->task;

	remove_waiter(waiter);
	waiter->done(waiter->arg, &task->data);
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
		waiter->done(waiter->arg, &task->data);
	}
}

const struct task_standing *
tasks_standing(const struct task *task, struct task_standing *ret)
{
	const struct queue *queue = &task->tasks->queue;
	int64_t estimate_ms;
	size_t place;

	if (task->entry.standing != QUEUE_WAITING)
		return NULL;
	place = queue_place(queue, &task->entry);
	estimate_ms = queue_estimate_ms(queue, place, clock_boot_ms());
	*ret = (struct task_standing){
	    .place = (int64_t)place,
	    .estimate_s =
		estimate_ms < 0 ? TASK_UNKNOWN : (estimate_ms + 999) / 1000,
	};
	return ret;
}

/* -- recovery */

struct recovery {
	struct store_op op;
	struct tasks *tasks;
	struct task_data *found;
	size_t count, size;
	char last_id[UUID_TEXT];
};

static bool
keep_row(void *arg, struct task_data *data)
{
	struct recovery *recovery = arg;

	if (recovery->count == recovery->size) {
		recovery->size = 2 * recovery->size + 64;
		recovery->found = alloc_resize(
		    recovery->found, recovery->size, sizeof(*recovery->found));
	}
	recovery->found[recovery->count++] = *data;
	*data = (struct task_data){0};
	return true;
}

static int
run_recovery(struct store_op *op, struct database *database, struct err *err)
{
	struct recovery *recovery = (struct recovery *)op;

	if (task_store_last(database, recovery->last_id, err) != 0)
		return -1;
	return task_store_open(database, keep_row, recovery, err);
}

/* Its containers are removed, its end was never reported: not guessed at. */
static void
call_lost(struct task *task)
{
	static const struct sandbox_end lost = {
	    .how = SANDBOX_LOST,
	    .detail = "the runner ended while the task ran",
	};

	for (int i = 0; i < STREAM_COUNT; i++)
		task->data.facts.kept[i] = output_size(
		    task->tasks->outputs, task->data.id, (enum stream)i);
	task_end(task, &lost);
}

static void
take_up(struct tasks *tasks, struct task_data *data)
{
	bool waits = data->facts.state == TASK_QUEUED;
	auto_free char *body = json_dumps(data->request.body, JSON_COMPACT);
	int64_t bytes = body != NULL ? (int64_t)strlen(body) : 0;
	struct task *task = task_new_take(tasks, data, bytes);

	task_link(task);
	if (!waits) {
		call_lost(task);
		return;
	}
	queue_readmit(&tasks->queue, task->data.owner.subject, task->data.rule,
	    &task->entry);
	enqueue(task);
}

static void
recovery_done(struct store_op *op, const struct err *err)
{
	struct recovery *recovery = (struct recovery *)op;
	struct tasks *tasks = recovery->tasks;

	tasks->recovering = false;
	if (err == NULL) {
		memcpy(tasks->last_id, recovery->last_id, UUID_TEXT);
		tasks->recovered = true;
	} else {
		log_failure(LOG_LEVEL_ERROR, "tasks.not_recovered", err, NULL);
	}
	for (size_t i = 0; i < recovery->count; i++) {
		if (err == NULL)
			take_up(tasks, &recovery->found[i]);
		task_data_done(&recovery->found[i]);
	}
	free(recovery->found);
	free(recovery);
	tasks_dispatch(tasks);
	tasks->changed(tasks->arg);
}

void
tasks_recover(struct tasks *tasks)
{
	struct recovery *recovery = alloc_zero(1, sizeof(*recovery));

	tasks->recovering = true;
	tasks->recovered = false;
	recovery->tasks = tasks;
	recovery->op = (struct store_op){
	    .reads = true, .run = run_recovery, .done = recovery_done};
	store_submit(tasks->store, &recovery->op);
}

/* -- what could not be written is written when it can be */

static void
on_again(uv_timer_t *again)
{
	struct tasks *tasks = again->data;

	if (!tasks->recovered && !tasks->recovering)
		tasks_recover(tasks);
	for (struct task *task = tasks->oldest; task != NULL;
	     task = task->newer) {
		if (task->held)
			task_write_end(task);
	}
	tasks_dispatch(tasks);
}

size_t
tasks_busy(const struct tasks *tasks)
{
	return tasks->count - tasks->queue.length;
}

void
tasks_close(struct tasks *tasks)
{
	while (tasks->oldest != NULL) {
		struct task *task = tasks->oldest;

		if (task->entry.standing == QUEUE_WAITING)
			queue_remove(&tasks->queue, &task->entry);
		if (task->sandbox != NULL)
			sandbox_destroy(take(task->sandbox));
		task_tell_waiters(task);
		task_forget(task);
	}
	output_store_end(tasks->outputs, FOLLOWERS_MS);
	queue_done(&tasks->queue);
	table_done(&tasks->by_id);
	uv_close((uv_handle_t *)&tasks->again, NULL);
}
