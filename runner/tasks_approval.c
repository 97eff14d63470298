/*
 * Tasks that wait until somebody else agrees: they are on record, hold a place
 * in the bounds of what may wait, and are in no line. What approves is durable
 * before it counts; what denies, or lets the time pass, counts at once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "runner/tasks_change.h"

bool
task_awaits(const struct task *task)
{
	return task->data != NULL && !task->ending &&
	    task->data->facts.state == TASK_WAITING_APPROVAL;
}

void
task_await(struct task *task)
{
	struct tasks *tasks = task->tasks;
	int64_t until_ms = task->data->approval->until_ms;

	tasks->awaiting++;
	if (until_ms < tasks->lapse_ms)
		tasks->lapse_ms = until_ms;
}

void
task_stop_awaiting(struct task *task)
{
	if (task_awaits(task))
		task->tasks->awaiting--;
}

int
tasks_may_approve(
    struct task *task, const struct policy_principal *approver, struct err *err)
{
	const struct policy *policy = task->tasks->policy;
	struct allowances allowances;
	auto_free char *denial = NULL;
	const char *rule;

	denial = task_find_denial(task, &rule);
	if (denial != NULL || !task_ask_revocations(task)) {
		(void)task_ask_policy(task, &rule);
		return err_set(err, ERR_DENIED,
		    "the task is not allowed any more%s%s",
		    denial != NULL ? ": " : "", denial != NULL ? denial : "");
	}
	allowances_find(policy, rule, &allowances);
	if (allowances.approval &&
	    !allowances_name_approver(policy, rule, approver))
		return err_set(err, ERR_DENIED,
		    "rule %s: approval: you are not one of those who may "
		    "approve",
		    rule);
	return 0;
}

/* -- deciding */

struct deciding {
	struct task *task;
	struct task_approval
	    approval; /* as it is to be; the address is owned */
	void (*done)(void *arg, const struct err *err);
	void *arg;
};

static void
copy_owner(const struct task_owner *from, struct task_owner *to)
{
	*to = *from;
	to->address = alloc_string(from->address != NULL ? from->address : "");
}

static void
fill(const struct task *task, const struct tasks_decision *decision,
    struct task_approval *ret)
{
	*ret = *task->data->approval;
	ret->decision =
	    decision->approves ? DECISION_APPROVED : DECISION_DENIED;
	ret->decided_ms = clock_wall_ms();
	copy_owner(decision->by, &ret->by);
	if (decision->reason != NULL)
		snprintf(ret->reason, sizeof(ret->reason), "%.*s",
		    APPROVAL_REASON_MAX, decision->reason);
}

/* Who decides, by the policy in force; whose task it is stands in the object.
 */
static struct audit_entry *
new_entry(const struct task *task, const struct task_approval *approval,
    enum event event)
{
	const struct task_owner *by = &approval->by;
	struct audit_entry *entry = tasks_entry(task->tasks, event);

	if (by->subject[0] != '\0')
		entry->principal = json_pack("{s:s, s:s, s:s, s:o}", "subject",
		    by->subject, "thumbprint", by->thumbprint, "token_id",
		    by->token_id, "address", audit_text(by->address));
	entry->object = json_pack("{s:s, s:s, s:s}", "task", task->data->id,
	    "subject", task->data->owner.subject, "request_sha256",
	    task->data->request_sha256);
	entry->rule = alloc_string(task->data->rule);
	if (approval->reason[0] != '\0')
		entry->untrusted =
		    json_pack("{s:o}", "reason", audit_text(approval->reason));
	return entry;
}

static void
keep(struct task *task, const struct task_approval *approval)
{
	free(task->data->approval->by.address);
	*task->data->approval = *approval;
}

static void
approved(struct task *task, struct deciding *deciding)
{
	struct tasks *tasks = task->tasks;

	keep(task, &deciding->approval);
	deciding->approval.by.address = NULL;
	task_stop_awaiting(task);
	task_step_to(task, TASK_EVENT_APPROVED);
	task->accepted_us = clock_boot_us();
	log_info("task.approved", "task", task->data->id, "subject",
	    task->data->owner.subject, "by", task->data->approval->by.subject,
	    NULL);
	task_wait(task);
	/* Whoever approves it may have been revoked while that was written. */
	(void)task_ask_revocations(task);
	tasks_dispatch(tasks);
	tasks->changed(tasks->arg);
}

static void
approval_written(void *arg, const struct err *err)
{
	auto_free struct deciding *deciding = arg;
	struct task *task = deciding->task;
	struct err ended;

	task->deciding = false;
	if (err == NULL && !task_awaits(task)) {
		err_set(&ended, ERR_CONFLICT, "the task has ended");
		err = &ended;
	}
	if (err == NULL)
		approved(task, deciding);
	deciding->done(deciding->arg, err);
	free(deciding->approval.by.address);
}

static void
approve(struct task *task, struct deciding *deciding)
{
	struct audit_entry *entry =
	    new_entry(task, &deciding->approval, EVENT_APPROVAL_GIVEN);

	audit_set_message(entry, "%s approved a task of %s",
	    deciding->approval.by.subject, task->data->owner.subject);
	task->deciding = true;
	tasks_change_decide(task, TASK_QUEUED, &deciding->approval, entry,
	    approval_written, deciding);
}

static void
reject(struct task *task, const char *why)
{
	static const struct sandbox_end dropped = {.how = SANDBOX_NOT_STARTED};
	struct task_facts *facts = &task->data->facts;

	task->rejected = true;
	snprintf(facts->detail, sizeof(facts->detail), "%.255s", why);
	task_end(task, &dropped);
}

static void
deny(struct task *task, const struct tasks_decision *decision,
    void (*done)(void *arg, const struct err *err), void *arg)
{
	struct task_approval approval;
	struct audit_entry *entry;
	auto_free char *why = decision->reason != NULL
	    ? alloc_printf(
		  "denied by %s: %s", decision->by->subject, decision->reason)
	    : alloc_printf("denied by %s", decision->by->subject);

	fill(task, decision, &approval);
	entry = new_entry(task, &approval, EVENT_APPROVAL_DENIED);
	audit_set_message(entry, "%s denied a task of %s", approval.by.subject,
	    task->data->owner.subject);
	keep(task, &approval);
	tasks_change_decide(task, TASK_WAITING_APPROVAL, task->data->approval,
	    entry, done, arg);
	reject(task, why);
}

void
tasks_decide(struct task *task, const struct tasks_decision *decision,
    void (*done)(void *arg, const struct err *err), void *arg)
{
	struct deciding *deciding;
	struct err err;

	if (!task_awaits(task) || task->deciding) {
		err_set(&err, ERR_CONFLICT,
		    "the task does not wait for approval any more");
		done(arg, &err);
		return;
	}
	if (!decision->approves) {
		deny(task, decision, done, arg);
		return;
	}
	deciding = alloc_zero(1, sizeof(*deciding));
	deciding->task = task;
	deciding->done = done;
	deciding->arg = arg;
	fill(task, decision, &deciding->approval);
	approve(task, deciding);
}

/* -- lapsing */

static void
lapse(struct task *task, int64_t now_ms)
{
	struct task_approval *approval = task->data->approval;
	struct audit_entry *entry;

	approval->decision = DECISION_LAPSED;
	approval->decided_ms = now_ms;
	entry = new_entry(task, approval, EVENT_APPROVAL_LAPSED);
	audit_set_message(entry, "Nobody approved a task of %s in time",
	    task->data->owner.subject);
	tasks_change_decide(
	    task, TASK_WAITING_APPROVAL, approval, entry, NULL, NULL);
	reject(task, "nobody approved it in time");
}

void
tasks_lapse(struct tasks *tasks)
{
	int64_t now_ms = clock_wall_ms();
	struct task *newer;

	if (now_ms < tasks->lapse_ms)
		return;
	tasks->lapse_ms = INT64_MAX;
	for (struct task *task = tasks->oldest; task != NULL; task = newer) {
		int64_t until_ms;

		newer = task->newer;
		if (!task_awaits(task))
			continue;
		until_ms = task->data->approval->until_ms;
		/* What is on its way to the disk came in time. */
		if (now_ms >= until_ms && !task->deciding)
			lapse(task, now_ms);
		else if (until_ms < tasks->lapse_ms)
			tasks->lapse_ms = until_ms;
	}
}
