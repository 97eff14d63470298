/*
 * Rest: of what waits hardly anything is asked until its turn. It is packed
 * away within a second of being looked at, and never under the hands of who
 * works on it.
 */
#include <stdlib.h>

#include "lib/alloc.h"
#include "runner/tasks_change.h"

void
task_stay_awake(struct task *task)
{
	if (task->tired_at == NULL)
		return;
	*task->tired_at = task->next_tired;
	if (task->next_tired != NULL)
		task->next_tired->tired_at = task->tired_at;
	task->tired_at = NULL;
	task->next_tired = NULL;
}

void
task_tire(struct task *task)
{
	struct task **at = &task->tasks->tired;

	if (task->tired_at != NULL || task->data == NULL)
		return;
	task->next_tired = *at;
	if (*at != NULL)
		(*at)->tired_at = &task->next_tired;
	task->tired_at = at;
	*at = task;
}

void
task_wake(struct task *task)
{
	if (task->data != NULL)
		return;
	task->data = alloc_zero(1, sizeof(*task->data));
	task_unpack(task->pack, task->id, task->data);
	free(task->pack);
	task->pack = NULL;
	task_tire(task);
}

static bool
is_worked_on(const struct task *task)
{
	return task->users > 0 || task->uploading;
}

static void
rest(struct task *task)
{
	bool waits = queue_waits(&task->entry) && !task->ending;

	if (waits && is_worked_on(task))
		return;
	task_stay_awake(task);
	if (!waits)
		return;
	task->pack = task_pack_take(task->data);
	if (task->pack != NULL) {
		free(task->data);
		task->data = NULL;
	}
}

void
tasks_rest(struct tasks *tasks)
{
	struct task *next;

	for (struct task *task = tasks->tired; task != NULL; task = next) {
		next = task->next_tired;
		rest(task);
	}
}

enum task_state
task_state(const struct task *task)
{
	return task->data != NULL ? task->data->facts.state : TASK_QUEUED;
}

const char *
task_subject(const struct task *task)
{
	struct task_pack_texts texts;

	if (task->data != NULL)
		return task->data->owner.subject;
	task_pack_texts(task->pack, &texts);
	return texts.subject;
}
