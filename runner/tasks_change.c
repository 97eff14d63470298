/*
 * Changes as operations of the store. What the store's thread reads of a task
 * is never changed after the task was made, or copied here.
 */
#include "runner/tasks_change.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/quantity.h"
#include "policy/launch.h"
#include "runner/admission.h"

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

/* -- what the records say */

static json_t *
render_owner(const struct task_owner *owner)
{
	json_t *principal = json_object();

	json_object_set_new(principal, "subject", json_string(owner->subject));
	json_object_set_new(
	    principal, "thumbprint", json_string(owner->thumbprint));
	json_object_set_new(
	    principal, "token_id", json_string(owner->token_id));
	json_object_set_new(principal, "address", audit_text(owner->address));
	if (owner->nroles > 0)
		json_object_set_new(
		    principal, "roles", task_roles_write(owner));
	return principal;
}

struct audit_entry *
tasks_entry(const struct tasks *tasks, enum event event)
{
	return audit_entry_new(event, clock_wall_ms(),
	    tasks->policy != NULL ? policy_sha256(tasks->policy) : NULL);
}

/* About a task: on whose behalf, by which rule. */
static struct audit_entry *
new_entry(const struct task *task, enum event event)
{
	struct audit_entry *entry =
	    audit_entry_new(event, clock_wall_ms(), task->data->policy_sha256);

	entry->principal = render_owner(&task->data->owner);
	entry->object = json_pack("{s:s}", "task", task->data->id);
	entry->rule = alloc_string(task->data->rule);
	return entry;
}

/* JSON that we wrote ourselves; NULL: none. */
static void
add_text(json_t *object, const char *member, const char *text)
{
	struct err ignored;

	if (text != NULL)
		json_object_set_new(object, member,
		    json_parse_strict(text, strlen(text), &ignored));
}

static struct audit_entry *
new_start_entry(const struct task *task)
{
	const struct task_facts *facts = &task->data->facts;
	struct audit_entry *entry = new_entry(task, EVENT_TASK_STARTED);

	audit_set_message(entry, "A task of %s was started in container %.12s",
	    task->data->owner.subject, facts->container);
	json_object_set_new(
	    entry->object, "image_id", audit_text(facts->image_id));
	json_object_set_new(
	    entry->object, "container", audit_text(facts->container));
	if (task->data->network != NULL)
		json_object_set_new(
		    entry->object, "network", json_string(task->data->network));
	add_text(entry->object, "mounts", task->data->mounts);
	/* Names: what is in them is on no record. */
	add_text(entry->object, "secrets", task->data->secrets);
	json_object_set_new(
	    entry->object, "start", json_string(facts->warm ? "warm" : "cold"));
	return entry;
}

static struct audit_entry *
new_asked_entry(const struct task *task)
{
	struct audit_entry *entry = new_entry(task, EVENT_APPROVAL_ASKED);

	audit_set_message(entry,
	    "A task of %s waits for somebody else to approve it",
	    task->data->owner.subject);
	json_set_time(
	    entry->object, "expires_at", task->data->approval->until_ms / 1000);
	return entry;
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

struct audit_entry *
tasks_change_accepted_entry(
    const struct task *task, const struct task_submission *submission)
{
	struct audit_entry *entry = new_entry(task, EVENT_TASK_ACCEPTED);

	audit_set_message(entry, "A task of %s was accepted by rule %s",
	    task->data->owner.subject, task->data->rule);
	json_object_set_new(entry->object, "request_sha256",
	    json_string(task->data->request_sha256));
	json_object_set_new(
	    entry->object, "limits", task_limits_write(task->data->limits));
	json_object_set_new(
	    entry->object, "signed", json_boolean(submission->is_signed));
	if (submission->shadows != NULL)
		json_object_set(entry->object, "shadows", submission->shadows);
	/* The client did not say it. */
	if (task->data->launch != NULL)
		json_object_set_new(entry->object, "image",
		    json_string(launch_image(
			task->data->launch, &task->data->request)));
	entry->untrusted = json_incref(submission->untrusted);
	return entry;
}

void
tasks_change_accept(struct task *task, const struct task_submission *submission)
{
	struct change *change =
	    new_change(task, tasks_change_accepted_entry(task, submission),
		run_accept, accept_done);

	change->submission = *submission;
	allowances_find(
	    task->tasks->policy, task->data->rule, &change->allowances);
	if (submission->key != NULL)
		change->key = alloc_string(submission->key);
	if (task->data->approval != NULL)
		change->asked = new_asked_entry(task);
	if (task->recorded) {
		change->started = new_start_entry(task);
		note_start(change, change->started->wall_ms);
	}
	store_submit(task->tasks->store, &change->op);
}

void
tasks_change_start(struct task *task, bool again, task_changed *done)
{
	struct change *change = new_change(
	    task, again ? NULL : new_start_entry(task), run_start, change_done);

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
	struct audit_entry *entry = new_entry(task, EVENT_TASK_RETURNED);

	audit_set_message(entry,
	    "A task of %s waits again: its container went before its order",
	    task->data->owner.subject);
	json_object_set_new(entry->object, "container",
	    audit_text(task->data->facts.container));
	submit_return_take(task, entry);
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

/* The digests are the record's, the names the client's. */
static json_t *
render_files(const json_t *files)
{
	json_t *copy = json_deep_copy(files);

	for (size_t i = 0; i < json_array_size(copy); i++)
		json_object_del(json_array_get(copy, i), "name");
	return copy;
}

static json_t *
render_end(const struct task *task)
{
	struct task_data copy = *task->data;
	json_t *object;

	/* Borrowed: nothing of it is given back. */
	copy.facts = *task->end;
	object = task_render(&copy, NULL);
	json_object_set_new(object, "task", json_string(copy.id));
	json_object_set_new(
	    object, "request_sha256", json_string(copy.request_sha256));
	/* In the record's other members, or, where the client wrote it, in the
	 * record of the acceptance. All that a receipt is to say is here. */
	static const char *const elsewhere[] = {"id", "state", "outcome",
	    "subject", "image", "args", "env", "inputs", "rule", "approval",
	    "detail"};

	for (size_t i = 0; i < COUNT(elsewhere); i++)
		json_object_del(object, elsewhere[i]);
	if (copy.facts.files != NULL)
		json_object_set_new(
		    object, "outputs", render_files(copy.facts.files));
	return object;
}

/* An engine repeats names that a client chose; those of the files are its own.
 * NULL: nothing. */
static json_t *
render_end_untrusted(const struct task_facts *end)
{
	auto_json *untrusted = json_object();
	json_t *names = json_array();

	for (size_t i = 0; i < json_array_size(end->files); i++)
		json_array_append(names,
		    json_object_get(json_array_get(end->files, i), "name"));
	if (json_array_size(names) > 0)
		json_object_set(untrusted, "outputs", names);
	json_decref(names);
	if (end->detail[0] != '\0')
		json_object_set_new(
		    untrusted, "detail", audit_text(end->detail));
	return json_object_size(untrusted) > 0 ? json_incref(untrusted) : NULL;
}

void
tasks_change_end(struct task *task, task_changed *done)
{
	struct audit_entry *entry = new_entry(task, EVENT_TASK_FINISHED);
	struct change *change = new_change(task, entry, run_end, change_done);
	const char *outcome = task_outcome_text(task->end->outcome);

	json_decref(entry->object);
	entry->object = render_end(task);
	entry->outcome = alloc_string(outcome);
	audit_set_message(entry, "A task of %s ended: %s",
	    task->data->owner.subject, outcome);
	entry->untrusted = render_end_untrusted(task->end);
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
