/*
 * The end of a task: known at once, told when it is durable. An end that
 * cannot be written is held.
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
	const struct task_facts *facts = &task->data.facts;

	log_info("task.finished", "task", task->data.id, "subject",
	    task->data.owner.subject, "outcome",
	    task_outcome_text(facts->outcome), NULL);
}

static void
end_written(struct task *task, const struct err *err)
{
	struct tasks *tasks = task->tasks;

	if (err != NULL) {
		if (!task->was_held)
			log_failure(LOG_LEVEL_ERROR, "task.end_held", err,
			    "task", task->data.id, NULL);
		task->held = true;
		task->was_held = true;
		return;
	}
	task->data.facts = task->end;
	tasks->counters.finished[task->end.outcome]++;
	log_end(task);
	if (task->output != NULL)
		output_end(task->output);
	task_tell_waiters(task);
	task_forget(task);
	tasks->changed(tasks->arg);
}

void
task_write_end(struct task *task)
{
	task->held = false;
	tasks_change_end(task, end_written);
}

/* Its place is free as soon as it does not run, whatever the disk says. */
static void
leave_place(struct task *task)
{
	struct queue *queue = &task->tasks->queue;

	if (task->entry.standing == QUEUE_RUNNING)
		queue_ended(queue, &task->entry, clock_boot_ms());
	else if (task->entry.standing == QUEUE_WAITING)
		queue_remove(queue, &task->entry);
}

static void
take_output(struct task *task)
{
	struct task_facts *end = &task->end;

	if (task->output == NULL)
		return;
	for (int i = 0; i < STREAM_COUNT; i++)
		end->kept[i] = output_kept(task->output, (enum stream)i);
	end->truncated = output_is_truncated(task->output);
	if (output_failure(task->output) != NULL)
		log_error("task.output_lost", "task", task->data.id, "reason",
		    output_failure(task->output), NULL);
}

void
task_end(struct task *task, const struct sandbox_end *end)
{
	struct tasks *tasks = task->tasks;
	const struct task_end_context context = {
	    .cancelled = task->cancelled,
	    .timed_out = task->timed_out,
	    .detail = task->why,
	};

	if (task->ending)
		return;
	task->ending = true;
	uv_timer_stop(&task->timer);
	task->end = task->data.facts;
	task_facts_end(&task->end, end, &context, clock_wall_ms());
	take_output(task);
	if (task->sandbox != NULL)
		sandbox_destroy(take(task->sandbox));
	leave_place(task);
	task_write_end(task);
	tasks_dispatch(tasks);
	tasks->changed(tasks->arg);
}

void
tasks_end_all(struct tasks *tasks, const char *why)
{
	static const struct sandbox_end dropped = {.how = SANDBOX_NOT_STARTED};
	struct task *newer;

	for (struct task *task = tasks->oldest; task != NULL; task = newer) {
		newer = task->newer;
		if (task->entry.standing != QUEUE_RUNNING || task->ending)
			continue;
		task->cancelled = true;
		task->why = why;
		if (!task->ordered)
			task_end(task, &dropped);
		else
			sandbox_kill(task->sandbox);
	}
}
