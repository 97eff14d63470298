/*
 * Changes as operations of the store. What the store's thread reads of a task
 * is never changed after the task was made, or copied here.
 */
#include "runner/tasks_change.h"

#include <inttypes.h>
#include <stdlib.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/quantity.h"
#include "runner/admission.h"
#include "runner/tasks_entry.h"

struct change {
	struct store_op op;
	struct task *task; /* NULL: about no task of ours */
	struct task_facts facts;
	char *request; /* of an end: without values */
	struct audit_entry *entry;
	struct arrears *arrears; /* takes the entry where it is not written */
	task_changed *changed;
	void (*done)(void *arg, const struct err *err);
	void *arg;
	struct audit_entry *started; /* of an acceptance with its start */
	struct audit_entry *asked; /* of one that needs an approval */
	/* Of a decision; and of the end that one brings. */
	struct task_approval *approval;
	/* of an acceptance: */
	struct task_submission submission;
	char *key;
	char existing[UUID_TEXT];
	bool repeated, same;
	struct allowances allowances;
	bool over; /* the rate of its rule: */
	struct err over_rate;
};

static void
free_change(struct change *change)
{
	audit_entry_free(change->entry);
	audit_entry_free(change->started);
	audit_entry_free(change->asked);
	task_approval_free(change->approval);
	free(change->request);
	free(change->key);
	free(change);
}

static void
say_over(struct change *change, const struct admission_refusal *refusal)
{
	const struct task_data *data = change->task->data;
	int64_t wait_ms = refusal->free_ms - change->entry->wall_ms;
	char per[QUANTITY_TEXT], when[CLOCK_TEXT];

	quantity_format_duration(refusal->window.per_s, per);
	clock_format(refusal->free_ms, when);
	change->over = true;
	err_set(&change->over_rate, ERR_OVER_RATE,
	    "rule %s: rate: you have had %" PRId64 " tasks in %s, which is all "
	    "that it allows; there is room for the next at %s",
	    data->rule, refusal->window.tasks, per, when);
	change->over_rate.retry_after_s = (wait_ms + 999) / 1000;
}

/* 1: there is room for it, and a place is taken. What is found out about the
 * clock is kept where there is none: that is no failure of the operation. */
static int
take_place(struct change *change, struct database *database, struct err *err)
{
	const struct task_data *data = change->task->data;
	struct admission_refusal refusal;
	int result;

	if (change->allowances.nwindows == 0)
		return 1;
	result = admission_take(database, data->rule, data->owner.subject,
	    &change->allowances, change->entry->wall_ms, &refusal, err);
	if (result == 0)
		say_over(change, &refusal);
	return result;
}

static int
run_accept(struct store_op *op, struct database *database, struct err *err)
{
	struct change *change = (struct change *)op;
	const struct task_data *data = change->task->data;
	int found = 0, place;

	if (change->key != NULL)
		found = task_store_find_key(database, data->owner.subject,
		    change->key, data->request_sha256, data->created_ms,
		    change->existing, &change->same, err);
	if (found < 0)
		return -1;
	change->repeated = found > 0;
	if (change->repeated)
		return 0;
	place = take_place(change, database, err);
	if (place <= 0)
		return place;
	if (task_store_insert(database, data, err) != 0)
		return -1;
	if (change->key != NULL &&
	    task_store_add_key(database, data, change->key, err) != 0)
		return -1;
	if (audit_append(database, change->entry, err) != 0)
		return -1;
	if (change->asked != NULL)
		return audit_append(database, change->asked, err);
	if (change->started == NULL)
		return 0;
	if (task_store_start(database, data->id, &change->facts, err) != 0)
		return -1;
	return audit_append(database, change->started, err);
}

static int
run_start(struct store_op *op, struct database *database, struct err *err)
{
	struct change *change = (struct change *)op;

	if (task_store_start(
		database, change->task->data->id, &change->facts, err) != 0)
		return -1;
	return change->entry == NULL
	    ? 0
	    : audit_append(database, change->entry, err);
}

static int
run_return(struct store_op *op, struct database *database, struct err *err)
{
	struct change *change = (struct change *)op;

	/* Its data may be packed away by the time that this is tried again. */
	if (task_store_return(database, change->task->id, err) != 0)
		return -1;
	return audit_append(database, change->entry, err);
}

static int
run_decide(struct store_op *op, struct database *database, struct err *err)
{
	struct change *change = (struct change *)op;

	if (task_store_decide(database, change->task->data->id,
		change->facts.state, change->approval, err) != 0)
		return -1;
	return audit_append(database, change->entry, err);
}

static int
run_cancel(struct store_op *op, struct database *database, struct err *err)
{
	struct change *change = (struct change *)op;

	const struct task_facts *facts = &change->facts;

	if (facts->cancelled &&
	    task_store_cancel(database, change->task->data->id,
		facts->detail[0] != '\0' ? facts->detail : NULL, err) != 0)
		return -1;
	return audit_append(database, change->entry, err);
}

static int
run_end(struct store_op *op, struct database *database, struct err *err)
{
	struct change *change = (struct change *)op;

	/* What ended it may not have been written when it came. */
	if (change->approval != NULL &&
	    task_store_decide(database, change->task->data->id,
		change->facts.state, change->approval, err) != 0)
		return -1;
	if (task_store_finish(database, change->task->data->id, &change->facts,
		change->request, err) != 0)
		return -1;
	return audit_append(database, change->entry, err);
}

static int
run_record(struct store_op *op, struct database *database, struct err *err)
{
	struct change *change = (struct change *)op;

	return audit_append(database, change->entry, err);
}

static struct change *
new_change(struct task *task, struct audit_entry *entry,
    int (*run)(struct store_op *, struct database *, struct err *),
    void (*done)(struct store_op *, const struct err *))
{
	struct change *change = alloc_zero(1, sizeof(*change));

	change->op = (struct store_op){.run = run, .done = done};
	change->task = task;
	change->entry = entry;
	if (task != NULL)
		task->users++;
	return change;
}

static void
let_go(struct task *task)
{
	task->users--;
	task_free_if_unused(task);
}

static struct audit_entry *
take_unreturned(struct task *task)
{
	task->tasks->unreturned--;
	return take(task->unreturned);
}

/* Its row was written as a whole since: only the record is still to come. */
static void
leave_return_to_arrears(struct task *task)
{
	if (task->unreturned != NULL)
		arrears_add_take(task->tasks->arrears, take_unreturned(task));
}

static void
change_done(struct store_op *op, const struct err *err)
{
	struct change *change = (struct change *)op;

	if (err == NULL)
		leave_return_to_arrears(change->task);
	change->changed(change->task, err);
	let_go(change->task);
	free_change(change);
}

static void
accept_done(struct store_op *op, const struct err *err)
{
	struct change *change = (struct change *)op;

	change->submission.key = NULL;
	if (err == NULL && change->over)
		err = &change->over_rate;
	tasks_accepted(change->task, err,
	    change->repeated ? change->existing : NULL, change->same,
	    &change->submission);
	let_go(change->task);
	free_change(change);
}

/* Once for each: what is late says nothing more. */
static void
say_unwritten(const struct audit_entry *entry, const struct err *err)
{
	if (!entry->is_late)
		log_failure(LOG_LEVEL_ERROR, "audit.not_written", err, "event",
		    event_code(entry->event), NULL);
}

static void
note_unwritten(struct change *change, const struct err *err)
{
	if (err == NULL)
		return;
	say_unwritten(change->entry, err);
	if (change->arrears != NULL)
		arrears_add_take(change->arrears, take(change->entry));
}

static void
returned_done(struct store_op *op, const struct err *err)
{
	struct change *change = (struct change *)op;
	struct task *task = change->task;

	if (err != NULL) {
		say_unwritten(change->entry, err);
		change->entry->is_late = true;
		task->unreturned = take(change->entry);
		task->tasks->unreturned++;
	}
	let_go(task);
	free_change(change);
}

static void
withdrawn_done(struct store_op *op, const struct err *err)
{
	struct change *change = (struct change *)op;

	note_unwritten(change, err);
	if (change->done != NULL)
		change->done(change->arg, err);
	let_go(change->task);
	free_change(change);
}

/* What has arrears took effect before it was written. */
static void
decide_done(struct store_op *op, const struct err *err)
{
	struct change *change = (struct change *)op;

	note_unwritten(change, err);
	if (change->done != NULL)
		change->done(change->arg, change->arrears != NULL ? NULL : err);
	let_go(change->task);
	free_change(change);
}

static void
record_done(struct store_op *op, const struct err *err)
{
	struct change *change = (struct change *)op;

	note_unwritten(change, err);
	if (change->done != NULL)
		change->done(change->arg, err);
	free_change(change);
}

/* What the store is to know of the start. Should we not live to see more of it,
 * it ran. */
static void
note_start(struct change *change, int64_t wall_ms)
{
	struct task *task = change->task;

	change->facts = task->data->facts;
	change->facts.started_ms = wall_ms;
	change->facts.deadline_ms =
	    wall_ms + 1000 * task->data->limits[LIMIT_TIMEOUT];
	change->facts.starting_us = clock_boot_us() - task->turn_us;
	change->facts.state = TASK_RUNNING;
}

void
tasks_change_accept(struct task *task, const struct task_submission *submission)
{
	struct change *change = new_change(task,
	    tasks_entry_accepted(task, submission), run_accept, accept_done);

	change->submission = *submission;
	allowances_find(
	    task->tasks->policy, task->data->rule, &change->allowances);
	if (submission->key != NULL)
		change->key = alloc_string(submission->key);
	if (task->data->approval != NULL)
		change->asked = tasks_entry_asked(task);
	if (task->recorded) {
		change->started = tasks_entry_start(task);
		note_start(change, change->started->wall_ms);
	}
	store_submit(task->tasks->store, &change->op);
}

void
tasks_change_start(struct task *task, bool again, task_changed *done)
{
	struct change *change = new_change(task,
	    again ? NULL : tasks_entry_start(task), run_start, change_done);

	note_start(change, again ? clock_wall_ms() : change->entry->wall_ms);
	change->changed = done;
	store_submit(task->tasks->store, &change->op);
}

static void
submit_return_take(struct task *task, struct audit_entry *entry)
{
	struct change *change =
	    new_change(task, entry, run_return, returned_done);

	store_submit(task->tasks->store, &change->op);
}

void
tasks_change_return(struct task *task)
{
	submit_return_take(task, tasks_entry_return(task));
}

static struct task_approval *
copy_approval(const struct task_approval *approval)
{
	struct task_approval *copy = alloc_zero(1, sizeof(*copy));

	*copy = *approval;
	if (approval->by.address != NULL)
		copy->by.address = alloc_string(approval->by.address);
	return copy;
}

static bool
has_ended_it(const struct task_approval *approval)
{
	return approval != NULL &&
	    (approval->decision == DECISION_DENIED ||
		approval->decision == DECISION_LAPSED);
}

void
tasks_change_decide(struct task *task, enum task_state state,
    const struct task_approval *approval, struct audit_entry *entry,
    void (*done)(void *arg, const struct err *err), void *arg)
{
	struct change *change =
	    new_change(task, entry, run_decide, decide_done);

	change->facts.state = state;
	change->approval = copy_approval(approval);
	if (has_ended_it(approval))
		change->arrears = task->tasks->arrears;
	change->done = done;
	change->arg = arg;
	store_submit(task->tasks->store, &change->op);
}

void
tasks_change_cancel(struct task *task, struct audit_entry *entry,
    void (*done)(void *arg, const struct err *err), void *arg)
{
	struct change *change =
	    new_change(task, entry, run_cancel, withdrawn_done);

	change->arrears = task->tasks->arrears;
	change->facts = task->data->facts;
	change->done = done;
	change->arg = arg;
	store_submit(task->tasks->store, &change->op);
}

void
tasks_change_end(struct task *task, task_changed *done)
{
	struct change *change =
	    new_change(task, tasks_entry_end(task), run_end, change_done);

	change->facts = *task->end;
	if (has_ended_it(task->data->approval))
		change->approval = copy_approval(task->data->approval);
	change->request = task_request_scrub(&task->data->request);
	change->changed = done;
	store_submit(task->tasks->store, &change->op);
}

void
tasks_record_then_take(struct tasks *tasks, struct audit_entry *entry,
    void (*done)(void *arg, const struct err *err), void *arg)
{
	struct change *change =
	    new_change(NULL, entry, run_record, record_done);

	change->done = done;
	change->arg = arg;
	store_submit(tasks->store, &change->op);
}

void
tasks_record_done_take(struct tasks *tasks, struct audit_entry *entry,
    void (*done)(void *arg, const struct err *err), void *arg)
{
	struct change *change =
	    new_change(NULL, entry, run_record, record_done);

	change->arrears = tasks->arrears;
	change->done = done;
	change->arg = arg;
	store_submit(tasks->store, &change->op);
}

void
tasks_record_take(struct tasks *tasks, struct audit_entry *entry)
{
	tasks_record_done_take(tasks, entry, NULL, NULL);
}

static void
record_late(void *arg, struct audit_entry *entry)
{
	tasks_record_take(arg, entry);
}

/* Not behind another start or the end, which write the row as well. */
static void
submit_returns(struct tasks *tasks)
{
	for (struct task *task = tasks->oldest;
	     task != NULL && tasks->unreturned > 0; task = task->newer) {
		if (task->unreturned != NULL && !task->recorded &&
		    !task->ending)
			submit_return_take(task, take_unreturned(task));
	}
}

void
tasks_settle_arrears(struct tasks *tasks)
{
	if (store_reason(tasks->store) != NULL)
		return;
	submit_returns(tasks);
	arrears_settle(tasks->arrears, clock_wall_ms(),
	    tasks->policy != NULL ? policy_sha256(tasks->policy) : NULL,
	    record_late, tasks);
}
