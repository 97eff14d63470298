/*
 * What an earlier life of the runner left: what waited waits again, what ran is
 * adopted. A task's end is heard from its task-init or not at all: nothing is
 * guessed.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "runner/tasks_change.h"

/* What waits is packed as it is read. */
struct found {
	char id[UUID_TEXT];
	struct task_pack *pack; /* or: */
	struct task_data *data;
};

struct recovery {
	struct store_op op;
	struct tasks *tasks;
	struct found *found;
	size_t count, size;
	char last_id[UUID_TEXT];
};

static bool
keep_row(void *arg, struct task_data *data)
{
	struct recovery *recovery = arg;
	struct found *found;

	if (recovery->count == recovery->size) {
		recovery->size = 2 * recovery->size + 64;
		recovery->found = alloc_resize(
		    recovery->found, recovery->size, sizeof(*recovery->found));
	}
	found = &recovery->found[recovery->count++];
	*found = (struct found){0};
	memcpy(found->id, data->id, UUID_TEXT);
	found->pack = task_pack_take(data);
	if (found->pack != NULL)
		return true;
	found->data = alloc_zero(1, sizeof(*found->data));
	*found->data = *data;
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

/* -- what ran */

static void
open_kept(struct task *task)
{
	const struct request *request = &task->data->request;
	struct tasks *tasks = task->tasks;

	task->output = output_adopt(
	    tasks->outputs, task->data->id, task->data->limits[LIMIT_OUTPUT]);
	for (int i = 0; i < STREAM_COUNT; i++)
		task->data->facts.kept[i] =
		    output_kept(task->output, (enum stream)i);
	if (request->noutputs > 0)
		task->files = files_adopt(tasks->files, task->data->id,
		    request->outputs, request->noutputs);
}

static void
save(const struct task *task, struct sandbox_saved *ret)
{
	const struct task_data *data = task->data;
	const struct task_facts *facts = &data->facts;

	*ret = (struct sandbox_saved){
	    .init_pid = facts->init_pid,
	    .uid = data->uid,
	    .input_max = data->request.stdin_mode != REQUEST_STDIN_NONE
		? data->limits[LIMIT_STDIN] + 1
		: 0,
	    .mounts = data->mounts,
	    .tmp_bytes = data->limits[LIMIT_TMP],
	    .noutputs = data->request.noutputs,
	    /* The first again: what there is of the others is passed over. */
	    .file_offset = task->files != NULL ? files_size(task->files, 0) : 0,
	};
	snprintf(ret->id, sizeof(ret->id), "%s", facts->sandbox);
	snprintf(
	    ret->container, sizeof(ret->container), "%s", facts->container);
	snprintf(ret->image_id, sizeof(ret->image_id), "%s", facts->image_id);
	for (int i = 0; i < STREAM_COUNT; i++)
		ret->received[i] = (uint64_t)facts->kept[i];
}

/* The clock that the store has is the wall's. */
static void
find_times(struct task *task)
{
	const struct task_facts *facts = &task->data->facts;
	int64_t wall_ms = clock_wall_ms(), boot_ms = clock_boot_ms();

	if (facts->deadline_ms != TASK_UNKNOWN)
		task->deadline_ms = boot_ms + facts->deadline_ms - wall_ms;
	task->started_us = 1000 * (boot_ms + facts->started_ms - wall_ms);
}

/* It was started by a release that knew no recovery. */
static void
call_lost(struct task *task)
{
	static const struct sandbox_end lost = {
	    .how = SANDBOX_LOST,
	    .detail = "the runner ended while the task ran",
	};

	open_kept(task);
	task_end(task, &lost);
}

static void
resume(struct task *task)
{
	struct tasks *tasks = task->tasks;

	task->recorded = true;
	task->ordered = true;
	task->adopting = true;
	find_times(task);
	open_kept(task);
	/* As it was counted, unless the policy was changed meanwhile. */
	queue_start_again(&tasks->queue, task->data->owner.subject,
	    task_rule(task), &task->entry, clock_boot_ms());
}

void
task_go_on(struct task *task)
{
	struct task_facts *facts = &task->data->facts;

	task->adopting = false;
	task->tasks->counters.adopted++;
	log_info("task.adopted", "task", task->data->id, "subject",
	    task->data->owner.subject, NULL);
	for (int i = 0; i < STREAM_COUNT; i++) {
		/* Acknowledged, but not kept: nothing may follow the gap. */
		if (sandbox_output_received(task->sandbox, (enum stream)i) >
		    (uint64_t)facts->kept[i])
			output_cut(task->output);
	}
	if (task->deadline_ms != TASK_UNKNOWN &&
	    clock_boot_ms() >= task->deadline_ms) {
		task->deadline_ms = TASK_UNKNOWN;
		task->overdue = true;
		sandbox_kill(task->sandbox);
	} else if (facts->cancelled && task->kill_ms == TASK_UNKNOWN) {
		sandbox_kill(task->sandbox);
	} else if (facts->cancelled) {
		sandbox_signal(task->sandbox, SIGTERM);
	}
	task_arm_timer(task);
}

void
task_start_again(struct task *task)
{
	static const struct sandbox_end dropped = {.how = SANDBOX_NOT_STARTED};
	struct task_facts *facts = &task->data->facts;
	const char *rule;

	task->adopting = false;
	task->ordered = false;
	task->deadline_ms = TASK_UNKNOWN;
	task->turn_us = clock_boot_us();
	task->started_us = 0;
	facts->state = TASK_STARTING;
	facts->started_ms = TASK_UNKNOWN;
	task->again = true;
	if (facts->cancelled || task->revoked)
		task_end(task, &dropped);
	else if (task_ask_policy(task, &rule))
		task_find_inputs(task);
}

/* -- taking up */

static void
link_again(struct task *task, int64_t created_ms)
{
	task->accepted_us =
	    1000 * (clock_boot_ms() + created_ms - clock_wall_ms());
	task_link(task);
}

static void
wait_again(struct task *task, const char *subject, const char *rule)
{
	queue_readmit(&task->tasks->queue, subject, rule, &task->entry);
	task_wait(task);
}

static void
await_again(struct task *task)
{
	queue_readmit(&task->tasks->queue, task->data->owner.subject,
	    task->data->rule, &task->entry);
	task_await(task);
}

/* Since when it has waited for its turn. */
static int64_t
approved_ms(const struct task_data *data)
{
	const struct task_approval *approval = data->approval;

	return approval != NULL && approval->decision == DECISION_APPROVED
	    ? approval->decided_ms
	    : data->created_ms;
}

static void
take_up_packed(struct tasks *tasks, const char *id, struct task_pack *pack)
{
	struct task *task = task_new_packed_take(tasks, id, pack);
	struct task_pack_texts texts;

	link_again(task, pack->created_ms);
	task_pack_texts(pack, &texts);
	wait_again(task, texts.subject, texts.rule);
}

static void
take_up(struct tasks *tasks, struct task_data *data)
{
	auto_free char *body = json_dumps(data->request.body, JSON_COMPACT);
	int64_t bytes = body != NULL ? (int64_t)strlen(body) : 0;
	struct task *task = task_new_take(tasks, data, bytes);

	link_again(task, approved_ms(task->data));
	if (task->data->facts.state == TASK_WAITING_APPROVAL)
		await_again(task);
	else if (task->data->facts.state == TASK_QUEUED)
		wait_again(task, task->data->owner.subject, task->data->rule);
	else if (task->data->facts.sandbox[0] == '\0')
		call_lost(task);
	else
		resume(task);
}

/* All else of an earlier life may be removed once those that are kept are
 * known; their sandboxes are looked for after that. */
static void
adopt(struct tasks *tasks, size_t count)
{
	auto_free struct sandbox_saved *saved =
	    alloc_zero(count + 1, sizeof(*saved));
	size_t n = 0;

	for (struct task *task = tasks->oldest; task != NULL;
	     task = task->newer) {
		if (task->adopting)
			save(task, &saved[n++]);
	}
	if (tasks->kept != NULL)
		tasks->kept(tasks->arg, saved, n);
	n = 0;
	for (struct task *task = tasks->oldest; task != NULL;
	     task = task->newer) {
		if (task->adopting)
			task->sandbox = sandbox_adopt(tasks->factory,
			    &saved[n++], &task_sandbox_events, task);
	}
}

static void
take_up_all(struct tasks *tasks, struct recovery *recovery)
{
	for (size_t i = 0; i < recovery->count; i++) {
		struct found *found = &recovery->found[i];

		if (found->pack != NULL)
			take_up_packed(tasks, found->id, take(found->pack));
		else
			take_up(tasks, found->data);
	}
	adopt(tasks, recovery->count);
	/* Some may have been revoked as the last life ended, or by now. */
	tasks_revoke(tasks, &tasks->found_revoked);
}

static void
recovery_done(struct store_op *op, const struct err *err)
{
	struct recovery *recovery = (struct recovery *)op;
	struct tasks *tasks = recovery->tasks;

	if (err == NULL) {
		memcpy(tasks->last_id, recovery->last_id, UUID_TEXT);
		take_up_all(tasks, recovery);
		/* Not before: who waits for it is told what was revoked. */
		tasks->recovered = true;
	} else {
		log_failure(LOG_LEVEL_ERROR, "tasks.not_recovered", err, NULL);
	}
	tasks->recovering = false;
	for (size_t i = 0; i < recovery->count; i++) {
		struct found *found = &recovery->found[i];

		free(found->pack);
		if (found->data != NULL)
			task_data_done(found->data);
		free(found->data);
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
