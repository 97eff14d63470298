/*
 * From the queue to the order: a task's turn, what it reads, its sandbox, the
 * record of its start.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "policy/launch.h"
#include "runner/tasks_change.h"

/* -- what it reads */

void
task_close_inputs(struct task *task)
{
	for (size_t i = 0; i < task->ninputs; i++)
		close(task->inputs[i]);
	free(take(task->inputs));
	task->ninputs = 0;
	for (size_t i = 0; i < task->nsecrets; i++)
		close(task->secrets[i]);
	free(take(task->secrets));
	task->nsecrets = 0;
}

/* -- its sandbox */

static void
make_spec(const struct task_data *data, struct sandbox_spec *ret)
{
	*ret = (struct sandbox_spec){
	    .image = launch_image(data->launch, &data->request),
	    .uid = data->uid,
	    .gid = data->gid,
	    .network = data->network,
	    .mounts = data->mounts,
	    .has_secrets = data->secrets != NULL,
	};
	memcpy(ret->limits, data->limits, sizeof(ret->limits));
}

void
task_count_cold(struct task *task, bool starting)
{
	if (task->starting_cold == starting)
		return;
	task->starting_cold = starting;
	task->tasks->starting_cold += starting ? 1 : (size_t)-1;
}

static void
start_cold(struct task *task)
{
	struct sandbox_spec spec;

	make_spec(task->data, &spec);
	task->data->facts.warm = false;
	task_count_cold(task, true);
	task->sandbox = sandbox_new(
	    task->tasks->factory, &spec, &task_sandbox_events, task);
}

static void
updated(void *arg, const struct err *err)
{
	struct task *task = arg;

	if (err == NULL) {
		task_prepared(task);
		return;
	}
	log_failure(LOG_LEVEL_WARNING, "sandbox.not_updated", err, "task",
	    task->data->id, NULL);
	sandbox_destroy(take(task->sandbox));
	start_cold(task);
}

/* *ret_fits: it is as it has to be. */
static void
claim(struct task *task, bool *ret_fits)
{
	struct tasks *tasks = task->tasks;
	struct sandbox_spec spec;
	bool update = false;

	*ret_fits = false;
	if (tasks->pool == NULL)
		return;
	make_spec(task->data, &spec);
	task->sandbox = pool_claim(tasks->pool, &spec, &update);
	if (task->sandbox == NULL)
		return;
	task->data->facts.warm = true;
	sandbox_attach(task->sandbox, &task_sandbox_events, task);
	*ret_fits = !update;
}

static void
get_sandbox(struct task *task)
{
	bool fits = task->again;

	/* What it shows of the host was moved away since. */
	if (task->again && task->sandbox != NULL &&
	    !sandbox_is_current(task->sandbox)) {
		task_take_back_start(task);
		task_return_to_queue(task);
		tasks_dispatch(task->tasks);
		return;
	}
	/* It has one already: of an earlier life, or claimed as it came. */
	if (task->sandbox == NULL)
		claim(task, &fits);
	if (task->sandbox == NULL)
		start_cold(task);
	else if (fits)
		task_prepared(task);
	else
		sandbox_update(
		    task->sandbox, task->data->limits, updated, task);
}

static void
fail_inputs(struct task *task, const struct err *err)
{
	struct sandbox_end end = {
	    .how = SANDBOX_NOT_STARTED, .failure = SANDBOX_FAILURE_INPUT};

	snprintf(end.detail, sizeof(end.detail), "%.255s", err->detail);
	task_end(task, &end);
}

static void
take_inputs(struct task *task, const int *fds)
{
	size_t count = task->data->request.ninputs;

	task->inputs = alloc_zero(count, sizeof(*task->inputs));
	memcpy(task->inputs, fds, count * sizeof(*fds));
	task->ninputs = count;
	get_sandbox(task);
}

static void
inputs_found(void *arg, const struct err *err, const int *fds)
{
	struct task *task = arg;
	size_t count = err == NULL ? task->data->request.ninputs : 0;

	task->users--;
	/* Else it ended, or went back to the queue and may have had another
	 * turn meanwhile. */
	if (--task->finding == 0 && !task->ending && !task->forgotten &&
	    task->data->facts.state == TASK_STARTING) {
		if (err != NULL)
			fail_inputs(task, err);
		else
			take_inputs(task, fds);
		return;
	}
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
	task_free_if_unused(task);
}

void
task_find_inputs(struct task *task)
{
	const struct request *request = &task->data->request;

	if (!task_open_secrets(task))
		return;
	if (request->ninputs == 0) {
		get_sandbox(task);
		return;
	}
	task->users++;
	task->finding++;
	blobs_find(task->tasks->blobs, task->data->owner.subject,
	    request->inputs, request->ninputs, inputs_found, task);
}

/* -- its turn */

static bool
is_same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* The same program of the same image. */
static bool
is_same_launch(const json_t *was, const json_t *now)
{
	return was == NULL ? now == NULL : now != NULL && json_equal(was, now);
}

/* A rule that is gone may have granted more than the one that allows it now. */
static bool
is_within(const struct task_data *data, const struct policy_verdict *now)
{
	for (int i = 0; i < LIMIT_COUNT; i++) {
		if (data->limits[i] > now->limits[i])
			return false;
	}
	return data->uid == now->uid && data->gid == now->gid &&
	    is_same_text(data->network, now->network) &&
	    is_same_text(data->mounts, now->mounts) &&
	    is_same_text(data->secrets, now->secrets) &&
	    is_same_launch(data->launch, now->launch);
}

/* Whether whoever has to agree by this rule has, or is being waited for. */
static bool
is_agreed(const struct task *task, const char *rule)
{
	const struct policy *policy = task->tasks->policy;
	const struct task_approval *approval = task->data->approval;
	const char *roles[TOKEN_ROLES_MAX];
	struct policy_principal approver;
	struct allowances allowances;

	allowances_find(policy, rule, &allowances);
	if (!allowances.approval || task_awaits(task))
		return true;
	if (approval == NULL || approval->decision != DECISION_APPROVED)
		return false;
	task_owner_principal(&approval->by, roles, &approver);
	return allowances_name_approver(policy, rule, &approver);
}

char *
task_find_denial(const struct task *task, const char **ret_rule)
{
	const char *roles[TOKEN_ROLES_MAX];
	struct policy_principal principal;
	AUTO(policy_verdict_done) struct policy_verdict verdict = {0};
	const char *rule, *condition;
	struct err err;

	task_owner_principal(&task->data->owner, roles, &principal);
	policy_decide(task->tasks->policy, &principal, &task->data->request,
	    clock_wall_ms(), &verdict);
	if (!verdict.allowed) {
		policy_explain_to_caller(
		    &verdict, &task->data->request, &rule, &condition, &err);
		return alloc_string(err.detail);
	}
	*ret_rule = verdict.rule;
	if (!is_within(task->data, &verdict))
		return alloc_printf(
		    "rule %s does not give it what it was accepted with",
		    verdict.rule);
	return is_agreed(task, verdict.rule)
	    ? NULL
	    : alloc_printf("rule %s: approval: nobody who may has approved it",
		  verdict.rule);
}

const char *
task_rule(const struct task *task)
{
	const char *roles[TOKEN_ROLES_MAX];
	struct policy_principal principal;
	AUTO(policy_verdict_done) struct policy_verdict verdict = {0};

	if (task->tasks->policy == NULL)
		return task->data->rule;
	task_owner_principal(&task->data->owner, roles, &principal);
	policy_decide(task->tasks->policy, &principal, &task->data->request,
	    clock_wall_ms(), &verdict);
	return verdict.allowed ? verdict.rule : task->data->rule;
}

bool
task_ask_policy(struct task *task, const char **ret_rule)
{
	static const struct sandbox_end refused = {.how = SANDBOX_NOT_STARTED};
	auto_free char *denial = NULL;
	auto_free char *why = NULL;

	if (!task_ask_revocations(task))
		return false;
	denial = task_find_denial(task, ret_rule);
	if (denial == NULL)
		return true;
	why = alloc_printf(
	    "when its turn came, the policy did not allow it: %s", denial);
	task_set_cancelled(task, why);
	task_end(task, &refused);
	return false;
}

static void
begin_turn(struct task *task)
{
	task_step_to(task, TASK_EVENT_DISPATCHED);
	task->turn_us = clock_boot_us();
	task->data->facts.queued_us = task->turn_us - task->accepted_us;
}

static void
take_turn(struct task *task)
{
	const char *rule;

	task_wake(task);
	task_open_output(task);
	begin_turn(task);
	/* It waited; the policy may have changed meanwhile. */
	if (!task_ask_policy(task, &rule))
		return;
	/* Another rule than before lets it, and has as many that run. */
	if (!queue_count_under(&task->tasks->queue, &task->entry, rule))
		task_return_to_queue(task);
	else
		task_find_inputs(task);
}

bool
tasks_may_start(const struct tasks *tasks)
{
	return !tasks->stopping && !tasks->no_room && tasks->recovered &&
	    tasks->engine_reason == NULL && tasks->policy != NULL &&
	    store_reason(tasks->store) == NULL;
}

void
task_turn_at_once(struct task *task)
{
	struct tasks *tasks = task->tasks;
	bool fits;

	if (!tasks_may_start(tasks) ||
	    !queue_start_at_once(&tasks->queue, &task->entry, clock_boot_ms()))
		return;
	begin_turn(task);
	/* What it reads is looked for once it is accepted. */
	if (task->data->request.ninputs > 0 || task->data->secrets != NULL)
		return;
	claim(task, &fits);
	if (!fits)
		return;
	task_note_sandbox(task);
	task->recorded = true;
}

void
task_go(struct task *task)
{
	const struct tasks *tasks = task->tasks;

	/* It was claimed, and is gone already. */
	if (task->sandbox == NULL)
		task_take_back_start(task);
	if (!task->recorded && tasks->stopping)
		task_return_to_queue(task);
	else if (!task->recorded)
		task_find_inputs(task);
	else if (!tasks->handing_over)
		task_give_order(task);
}

void
tasks_tell_pool(struct tasks *tasks)
{
	const struct queue *queue = &tasks->queue;

	if (tasks->pool != NULL)
		pool_set_load(tasks->pool, queue->running_memory_bytes,
		    tasks->starting_cold);
}

void
tasks_dispatch(struct tasks *tasks)
{
	struct queue_entry *entry;

	/* What ends at once asks for the next: once is enough. */
	if (tasks->dispatching)
		return;
	tasks->dispatching = true;
	while (tasks_may_start(tasks) &&
	    (entry = queue_start(&tasks->queue, clock_boot_ms())) != NULL) {
		struct task *task = (struct task *)((char *)entry -
		    offsetof(struct task, entry));

		take_turn(task);
	}
	tasks->dispatching = false;
	tasks_tell_pool(tasks);
}
