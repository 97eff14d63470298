/*
 * The life of a task as tables, and its end as a decision.
 */
#include "runner/task.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"

static const char *const states[] = {
#define STATE(name, text) [TASK_##name] = text,
#include "lib/task_states.def"
#undef STATE
};

static const char *const outcomes[] = {
    [OUTCOME_NONE] = "none",
#define OUTCOME(name, text) [OUTCOME_##name] = text,
#include "runner/tasks.def"
#undef OUTCOME
};

static const char *const decisions[] = {
    [DECISION_NONE] = "none",
#define DECISION(name, text) [DECISION_##name] = text,
#include "runner/tasks.def"
#undef DECISION
};

static const char *const reasons[] = {
#define REASON(name, text) [SANDBOX_FAILURE_##name] = text,
#include "runner/tasks.def"
#undef REASON
};
_Static_assert(COUNT(reasons) == SANDBOX_FAILURE_COUNT, "a word for each");

/* The state that follows, and 1 more, so that 0 is "refused". */
static const unsigned char steps[TASK_STATE_COUNT][TASK_EVENT_COUNT] = {
#define STEP(from, event, to) [TASK_##from][TASK_EVENT_##event] = TASK_##to + 1,
#include "runner/tasks.def"
#undef STEP
};

const char *
task_state_text(enum task_state state)
{
	return states[state];
}

bool
task_state_parse(const char *text, enum task_state *ret)
{
	for (size_t i = 0; i < COUNT(states); i++) {
		if (strcmp(states[i], text) != 0)
			continue;
		*ret = (enum task_state)i;
		return true;
	}
	return false;
}

const char *
task_outcome_text(enum task_outcome outcome)
{
	return outcomes[outcome];
}

const char *
task_decision_text(enum task_decision decision)
{
	return decisions[decision];
}

bool
task_decision_parse(const char *text, enum task_decision *ret)
{
	for (size_t i = DECISION_NONE + 1; i < COUNT(decisions); i++) {
		if (strcmp(decisions[i], text) != 0)
			continue;
		*ret = (enum task_decision)i;
		return true;
	}
	return false;
}

const char *
task_reason_find(const char *text)
{
	for (size_t i = 0; i < COUNT(reasons); i++) {
		if (strcmp(reasons[i], text) == 0)
			return reasons[i];
	}
	return NULL;
}

bool
task_step(enum task_state from, enum task_event event, enum task_state *ret_to)
{
	unsigned char to = steps[from][event];

	if (to == 0)
		return false;
	*ret_to = (enum task_state)(to - 1);
	return true;
}

void
task_owner_principal(const struct task_owner *owner,
    const char *roles[TOKEN_ROLES_MAX], struct policy_principal *ret)
{
	for (size_t i = 0; i < owner->nroles; i++)
		roles[i] = owner->roles[i];
	*ret = (struct policy_principal){
	    .subject = owner->subject,
	    .roles = roles,
	    .nroles = owner->nroles,
	};
}

struct task_approval *
task_approval_new(int64_t until_ms)
{
	struct task_approval *approval = alloc_zero(1, sizeof(*approval));

	approval->until_ms = until_ms;
	approval->decided_ms = TASK_UNKNOWN;
	return approval;
}

void
task_approval_free(struct task_approval *approval)
{
	if (approval != NULL)
		free(approval->by.address);
	free(approval);
}

void
task_data_init(struct task_data *data)
{
	*data = (struct task_data){.uid = -1, .gid = -1};
	data->facts = (struct task_facts){
	    .state = TASK_QUEUED,
	    .started_ms = TASK_UNKNOWN,
	    .finished_ms = TASK_UNKNOWN,
	    .deadline_ms = TASK_UNKNOWN,
	    .init_pid = TASK_UNKNOWN,
	    .container_age_ms = TASK_UNKNOWN,
	    .queued_us = TASK_UNKNOWN,
	    .starting_us = TASK_UNKNOWN,
	    .running_us = TASK_UNKNOWN,
	    .ending_us = TASK_UNKNOWN,
	    .exit_code = TASK_UNKNOWN,
	    .signal = TASK_UNKNOWN,
	    .errnum = TASK_UNKNOWN,
	    .user_us = TASK_UNKNOWN,
	    .system_us = TASK_UNKNOWN,
	    .memory_peak = TASK_UNKNOWN,
	};
}

void
task_data_done(struct task_data *data)
{
	free(data->owner.address);
	request_done(&data->request);
	free(data->rule);
	free(data->network);
	free(data->mounts);
	free(data->secrets);
	json_decref(data->launch);
	task_approval_free(data->approval);
	json_decref(data->facts.files);
	*data = (struct task_data){0};
}

int
task_check_kept(const struct task_data *data, struct err *err)
{
	if (data->facts.discarded)
		return err_set(err, ERR_NOT_FOUND,
		    "output and files of this task were discarded to make "
		    "room");
	return 0;
}

static enum task_outcome
outcome_of_exit(const struct sandbox_end *end)
{
	return end->exit_code == 0 ? OUTCOME_SUCCEEDED : OUTCOME_FAILED;
}

static enum task_outcome
outcome_of_kill(const struct sandbox_end *end)
{
	/* Docker says so too when only a child of the task was killed: the
	 * task's own end decides. */
	if (end->oom_killed && end->signal == SIGKILL)
		return OUTCOME_OUT_OF_MEMORY;
	return OUTCOME_KILLED;
}

/* Who took its end into their hands; OUTCOME_NONE: nobody. */
static enum task_outcome
outcome_of_order(const struct task_end_context *context)
{
	return context->revoked  ? OUTCOME_REVOKED
	    : context->rejected  ? OUTCOME_REJECTED
	    : context->cancelled ? OUTCOME_CANCELLED
				 : OUTCOME_NONE;
}

static void
end_not_started(struct task_facts *facts, const struct sandbox_end *end,
    const struct task_end_context *context)
{
	enum task_outcome ordered = outcome_of_order(context);

	facts->started_ms = TASK_UNKNOWN;
	facts->starting_us = TASK_UNKNOWN;
	snprintf(facts->detail, sizeof(facts->detail), "%s",
	    ordered != OUTCOME_NONE && context->detail != NULL ? context->detail
							       : end->detail);
	if (ordered != OUTCOME_NONE) {
		facts->outcome = ordered;
		return;
	}
	facts->outcome = OUTCOME_NOT_STARTED;
	facts->reason = reasons[end->failure];
	if ((end->failure == SANDBOX_FAILURE_COMMAND ||
		end->failure == SANDBOX_FAILURE_INPUT ||
		end->failure == SANDBOX_FAILURE_SECRET) &&
	    end->errnum > 0)
		facts->errnum = end->errnum;
}

static void
end_lost(struct task_facts *facts, const struct sandbox_end *end,
    const struct task_end_context *context)
{
	enum task_outcome ordered = outcome_of_order(context);

	/* What we ended ourselves is not lost when only its report is. */
	facts->outcome = ordered != OUTCOME_NONE ? ordered
	    : context->timed_out                 ? OUTCOME_TIMED_OUT
	    : context->overdue                   ? OUTCOME_TIMED_OUT
	    : end->oom_killed                    ? OUTCOME_OUT_OF_MEMORY
						 : OUTCOME_LOST;
	snprintf(facts->detail, sizeof(facts->detail), "%s",
	    context->detail != NULL ? context->detail : end->detail);
}

static void
end_process(struct task_facts *facts, const struct sandbox_end *end,
    const struct task_end_context *context)
{
	enum task_outcome ordered = outcome_of_order(context);

	if (end->how == SANDBOX_EXITED) {
		facts->exit_code = end->exit_code;
		facts->outcome = outcome_of_exit(end);
	} else {
		facts->signal = end->signal;
		facts->outcome = outcome_of_kill(end);
	}
	/* One that was told to end may tidy up and exit with any code, also
	 * with 0: that is still why it ended, as timeout(1) has it. */
	if (ordered != OUTCOME_NONE)
		facts->outcome = ordered;
	else if (context->timed_out ||
	    (context->overdue && end->how == SANDBOX_KILLED &&
		end->signal == SIGKILL))
		facts->outcome = OUTCOME_TIMED_OUT;
	if (ordered != OUTCOME_NONE && context->detail != NULL)
		snprintf(facts->detail, sizeof(facts->detail), "%s",
		    context->detail);
	facts->user_us = end->user_us;
	facts->system_us = end->system_us;
	facts->memory_peak = end->memory_peak_bytes;
	facts->oom_killed = end->oom_killed;
}

void
task_facts_end(struct task_facts *facts, const struct sandbox_end *end,
    const struct task_end_context *context, int64_t now_ms)
{
	facts->state = TASK_FINISHED;
	facts->finished_ms = now_ms;
	switch (end->how) {
	case SANDBOX_EXITED:
	case SANDBOX_KILLED:
		end_process(facts, end, context);
		return;
	case SANDBOX_NOT_STARTED:
		end_not_started(facts, end, context);
		return;
	case SANDBOX_LOST:
		end_lost(facts, end, context);
		return;
	}
	die("an end of unknown kind: %d", (int)end->how);
}
