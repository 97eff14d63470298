/*
 * What becomes of tasks whose owner or image is revoked: what waits is dropped,
 * what runs is killed. Nothing is asked of the disk first: this only stops.
 */
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "policy/launch.h"
#include "runner/tasks_change.h"

/* ERR_REVOKED, ERR_DENIED: something of it was. */
static int
check(const struct task *task, int64_t now_ms, struct err *err)
{
	const struct task_data *data = task->data;
	const struct revocable asked = {
	    .subject = data->owner.subject,
	    .thumbprint = data->owner.thumbprint,
	    .token_id = data->owner.token_id,
	    .image = launch_image(data->launch, &data->request),
	};
	const struct revocable found = {.image = data->facts.image_id};

	if (revocations_check(task->tasks->revocations, &asked, now_ms, err) !=
	    0)
		return -1;
	return revocations_check(task->tasks->revocations, &found, now_ms, err);
}

/* Whoever approved it: that counts until it has started. */
static int
check_approver(const struct task *task, int64_t now_ms, struct err *err)
{
	const struct task_approval *approval = task->data->approval;
	struct revocable approver;

	if (approval == NULL || approval->decision != DECISION_APPROVED ||
	    task->ordered)
		return 0;
	approver = (struct revocable){
	    .subject = approval->by.subject,
	    .thumbprint = approval->by.thumbprint,
	    .token_id = approval->by.token_id,
	};
	if (revocations_check(
		task->tasks->revocations, &approver, now_ms, err) == 0)
		return 0;
	return err_prefix(err, "who approved it");
}

static void
kill_soon(struct task *task)
{
	task->revoking = true;
	task->tasks->revoking++;
	task->kill_ms = clock_boot_ms();
	task_arm_timer(task);
}

static void
withdraw(struct task *task, const char *why)
{
	static const struct sandbox_end dropped = {.how = SANDBOX_NOT_STARTED};
	struct task_facts *facts = &task->data->facts;

	task->revoked = true;
	snprintf(facts->detail, sizeof(facts->detail), "%.255s", why);
	if (task->ordered)
		kill_soon(task);
	else
		task_end(task, &dropped);
}

bool
task_ask_revocations(struct task *task)
{
	struct err why;

	int64_t now_ms = clock_wall_ms();

	if (check(task, now_ms, &why) == 0 &&
	    check_approver(task, now_ms, &why) == 0)
		return true;
	withdraw(task, why.detail);
	return false;
}

/* Of one that rests: whether it is worth waking. */
static bool
may_be_revoked(const struct task *task, int64_t now_ms)
{
	const struct revocations *set = task->tasks->revocations;
	struct task_pack_texts texts;
	struct err ignored;

	task_pack_texts(task->pack, &texts);
	for (size_t i = 0; i < set->count; i++) {
		const char *value = set->entries[i]->value;

		if (set->entries[i]->kind == REVOCATION_IMAGE &&
		    (strstr(texts.request, value) != NULL ||
			strstr(texts.launch, value) != NULL))
			return true;
	}
	return revocations_check(set,
		   &(struct revocable){.subject = texts.subject,
		       .thumbprint = texts.thumbprint,
		       .token_id = texts.token_id},
		   now_ms, &ignored) != 0;
}

/* How something ended that has ended already is its own. */
static bool
is_over(const struct task *task)
{
	return task->ending || task->exited || task->revoked;
}

void
tasks_revoke(struct tasks *tasks, struct tasks_revoked *ret)
{
	bool dispatching = tasks->dispatching;
	struct tasks_revoked revoked = {0};
	int64_t now_ms = clock_wall_ms();
	struct task *newer;

	*ret = revoked;
	if (tasks->revocations == NULL || tasks->revocations->count == 0)
		return;
	/* Once, behind all of them. */
	tasks->dispatching = true;
	for (struct task *task = tasks->oldest; task != NULL; task = newer) {
		bool waits = queue_waits(&task->entry) || task_awaits(task);

		newer = task->newer;
		if (is_over(task) ||
		    (task->data == NULL && !may_be_revoked(task, now_ms)))
			continue;
		task_wake(task);
		if (task_ask_revocations(task))
			continue;
		revoked.queued += waits ? 1 : 0;
		revoked.running += waits ? 0 : 1;
	}
	tasks->dispatching = dispatching;
	tasks_dispatch(tasks);
	*ret = revoked;
}
