/*
 * The end of a task: known at once, told when it is durable. An end that
 * cannot be written is held, and so is its sandbox: should we not live to write
 * it, the next life hears of it once more.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "runner/tasks_change.h"

static void
log_end(const struct task *task)
{
	const struct task_facts *facts = &task->data->facts;

	log_info("task.finished", "task", task->data->id, "subject",
	    task->data->owner.subject, "outcome",
	    task_outcome_text(facts->outcome), NULL);
}

static void
end_written(struct task *task, const struct err *err)
{
	struct tasks *tasks = task->tasks;

	if (err != NULL) {
		if (!task->was_held)
			log_failure(LOG_LEVEL_ERROR, "task.end_held", err,
			    "task", task->data->id, NULL);
		task->held = true;
		tasks->held++;
		task->was_held = true;
		return;
	}
	task->end->ending_us = clock_boot_us() - task->ended_us;
	task->data->facts = *task->end;
	tasks->counters.finished[task->end->outcome]++;
	output_end(task->output);
	task_tell_waiters(task);
	/* Behind the replies: removing it takes its time. */
	log_end(task);
	if (task->sandbox != NULL)
		sandbox_destroy(take(task->sandbox));
	task_forget(task);
	tasks->changed(tasks->arg);
}

void
task_write_end(struct task *task)
{
	if (task->held)
		task->tasks->held--;
	task->held = false;
	tasks_change_end(task, end_written);
}

/* Its place is free as soon as it does not run, whatever the disk says. */
void
task_leave_place(struct task *task)
{
	struct queue *queue = &task->tasks->queue;

	if (task->entry.standing == QUEUE_RUNNING)
		queue_ended(queue, &task->entry, clock_boot_ms());
	else if (queue_waits(&task->entry))
		queue_remove(queue, &task->entry);
	else if (task->entry.standing == QUEUE_ADMITTED)
		queue_dismiss(queue, &task->entry);
}

/* -- what it leaves */

static void
take_output(struct task *task, const struct sandbox_end *end)
{
	struct task_facts *facts = task->end;

	for (int i = 0; i < STREAM_COUNT; i++) {
		enum stream stream = (enum stream)i;

		facts->kept[i] = output_kept(task->output, stream);
		/* Also what was cut in a life before this one. */
		if (end->written[i] > (uint64_t)facts->kept[i])
			facts->truncated = true;
	}
	facts->truncated |= output_is_truncated(task->output);
	if (output_failure(task->output) != NULL)
		log_error("task.output_lost", "task", task->data->id, "reason",
		    output_failure(task->output), NULL);
}

static void
take_digests(struct task *task)
{
	for (int i = 0; i < STREAM_COUNT; i++)
		memcpy(task->end->output_sha256[i],
		    output_sha256(task->output, (enum stream)i), SHA256_HEX);
	if (task->files == NULL)
		return;
	if (files_failure(task->files) != NULL)
		log_error("task.files_lost", "task", task->data->id, "reason",
		    files_failure(task->files), NULL);
	task->end->files = files_render(task->files);
}

static void
digested(void *arg)
{
	struct task *task = arg;

	if (--task->digesting > 0)
		return;
	take_digests(task);
	task_write_end(task);
}

static void
digest(struct task *task)
{
	task->digesting = 2;
	output_digest(task->output, digested, task);
	if (task->files != NULL) {
		task->digesting++;
		files_digest(task->files, digested, task);
	}
	digested(task);
}

/* -- the end */

static void
decide(struct task *task, const struct sandbox_end *end)
{
	auto_free char *why = alloc_string(task->data->facts.detail);
	const struct task_end_context context = {
	    .cancelled = task->data->facts.cancelled,
	    .revoked = task->revoked,
	    .rejected = task->rejected,
	    .timed_out = task->timed_out,
	    .overdue = task->overdue,
	    .detail = *why != '\0' ? why : NULL,
	};

	task->end = alloc_zero(1, sizeof(*task->end));
	*task->end = task->data->facts;
	task_facts_end(task->end, end, &context, clock_wall_ms());
	take_output(task, end);
}

void
task_note_exit(struct task *task)
{
	task->ended_us = clock_boot_us();
	task->exited = true;
	if (task->started_us > 0)
		task->data->facts.running_us =
		    task->ended_us - task->started_us;
}

void
task_end(struct task *task, const struct sandbox_end *end)
{
	struct tasks *tasks = task->tasks;

	if (task->ending)
		return;
	if (!task->exited)
		task_note_exit(task);
	task_stop_awaiting(task);
	task->ending = true;
	if (task->revoking)
		tasks->revoking--;
	task->revoking = false;
	task_count_cold(task, false);
	uv_timer_stop(&task->timer);
	task_close_inputs(task);
	input_gone(task);
	task_open_output(task);
	decide(task, end);
	/* Nothing is on record of it that would be looked for. */
	if (task->sandbox != NULL && !task->recorded)
		sandbox_destroy(take(task->sandbox));
	task_leave_place(task);
	digest(task);
	tasks_dispatch(tasks);
	tasks->changed(tasks->arg);
}
