/*
 * A task: what was asked for and granted, where it stands, how it ended. Pure:
 * no I/O, no clock. Who moves it along is runner/tasks.h.
 */
#ifndef RUNNER_TASK_H
#define RUNNER_TASK_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "certs/principal.h"
#include "lib/clock.h"
#include "lib/digest.h"
#include "policy/approval.h"
#include "policy/policy.h"
#include "policy/request.h"
#include "runner/sandbox.h"

enum task_state {
#define STATE(name, text) TASK_##name,
#include "lib/task_states.def"
#undef STATE
	TASK_STATE_COUNT
};

enum task_outcome {
	OUTCOME_NONE, /* not finished */
#define OUTCOME(name, text) OUTCOME_##name,
#include "runner/tasks.def"
#undef OUTCOME
	OUTCOME_COUNT
};

enum task_decision {
	DECISION_NONE, /* it is waited for */
#define DECISION(name, text) DECISION_##name,
#include "runner/tasks.def"
#undef DECISION
	DECISION_COUNT
};

enum task_event {
	TASK_EVENT_APPROVED,
	TASK_EVENT_DISPATCHED,
	TASK_EVENT_RETURNED, /* not started after all: back to the queue */
	TASK_EVENT_STARTED,
	TASK_EVENT_SIGNALLED,
	TASK_EVENT_ENDED,
	TASK_EVENT_COUNT
};

const char *task_state_text(enum task_state state);
bool task_state_parse(const char *text, enum task_state *ret);
const char *task_outcome_text(enum task_outcome outcome);
const char *task_decision_text(enum task_decision decision);
bool task_decision_parse(const char *text, enum task_decision *ret);
/* Of what was not started: the static text, as the facts hold it; NULL: it is
 * none. */
const char *task_reason_find(const char *text);
/* False: this cannot happen in this state. */
bool
task_step(enum task_state from, enum task_event event, enum task_state *ret_to);

/* Whom a task belongs to: kept from its acceptance on. */
struct task_owner {
	char subject[SUBJECT_MAX + 1];
	char thumbprint[SHA256_BASE64URL];
	char token_id[TOKEN_ID_MAX + 1];
	char *address;
	char roles[TOKEN_ROLES_MAX][TOKEN_ROLE_MAX + 1];
	size_t nroles;
};

/* As the policy asks for it; `roles` is the room, and both are borrowed. */
void task_owner_principal(const struct task_owner *owner,
    const char *roles[TOKEN_ROLES_MAX], struct policy_principal *ret);

/* That somebody else has to agree, and what became of it. */
struct task_approval {
	int64_t until_ms; /* wall clock: it lapses */
	enum task_decision decision;
	int64_t decided_ms;
	struct task_owner by; /* empty where it lapsed */
	char reason[APPROVAL_REASON_MAX + 1]; /* "": none was given */
};

#define TASK_IMAGE_ID_MAX 80
#define TASK_UNKNOWN INT64_MIN

/* What became of its standard input; nothing where its request has none. */
struct task_stdin {
	int64_t received; /* bytes that were handed to task-init */
	bool ended; /* no more will come */
	int64_t taken; /* bytes that the task's pipe took */
	bool closed; /* by the task: what still comes is dropped */
};

/* How it went; copied as it is. TASK_UNKNOWN, "" and NULL: not known. */
struct task_facts {
	enum task_state state;
	enum task_outcome outcome;
	int64_t started_ms, finished_ms; /* TASK_UNKNOWN */
	int64_t deadline_ms; /* of a running one, by the wall clock */
	bool cancelled; /* its end was asked for; `detail` may say why */
	char image_id[TASK_IMAGE_ID_MAX]; /* "" */
	char container[TASK_IMAGE_ID_MAX];
	char sandbox[UUID_TEXT];
	int64_t init_pid; /* of its task-init, as the runner sees it */
	bool warm; /* its container was ready before its turn */
	int64_t container_age_ms; /* when the order was given */
	/* From acceptance to its turn, to the program's start, to its end. */
	int64_t queued_us, starting_us, running_us;
	int64_t ending_us; /* until its end was durable; never stored */
	struct task_stdin input;
	int64_t exit_code, signal; /* TASK_UNKNOWN */
	const char *reason; /* static; NULL */
	int64_t errnum; /* TASK_UNKNOWN */
	char detail[256];
	int64_t kept[STREAM_COUNT]; /* bytes of output */
	char output_sha256[STREAM_COUNT][SHA256_HEX]; /* of what was kept */
	bool truncated;
	/* Output and files were removed to make room for others'. */
	bool discarded;
	/* What became of the files it was to leave, as docs/api.md shows it.
	 * Owned by the task_data that these facts are part of; borrowed in a
	 * copy. */
	json_t *files;
	int64_t user_us, system_us, memory_peak; /* TASK_UNKNOWN */
	bool oom_killed;
};

struct task_data {
	/* never changed after it is made: */
	char id[UUID_TEXT];
	struct task_owner owner;
	struct request request;
	char request_sha256[SHA256_HEX];
	char *rule;
	char policy_sha256[SHA256_HEX];
	int64_t limits[LIMIT_COUNT];
	int64_t uid, gid;
	char *network; /* NULL: none */
	char *mounts; /* policy/mount.h; NULL: none */
	char *secrets; /* names alone: policy/secret.h; NULL: none */
	json_t *launch; /* policy/launch.h; NULL: all is in the request */
	int64_t created_ms;
	/* what becomes of it: */
	struct task_approval *approval; /* owned; NULL: it needs none */
	struct task_facts facts;
};

void task_data_init(struct task_data *data);
void task_data_done(struct task_data *data);
struct task_approval *task_approval_new(int64_t until_ms);
void task_approval_free(struct task_approval *approval);

/* ERR_NOT_FOUND: its output and files were discarded. */
int task_check_kept(const struct task_data *data, struct err *err);

/* The outcome and everything that goes with it, from what the sandbox says. */
struct task_end_context {
	bool cancelled; /* someone asked for its end */
	bool revoked; /* who it belongs to, or its image, was */
	bool rejected; /* nobody agreed */
	bool timed_out; /* its deadline did */
	/* Its deadline had passed before it was heard of again, and KILL is
	 * what ends a task then. */
	bool overdue;
	const char
	    *detail; /* why it was cancelled or revoked; NULL: not said */
};
void task_facts_end(struct task_facts *facts, const struct sandbox_end *end,
    const struct task_end_context *context, int64_t now_ms);

/* Where a task stands that waits. */
struct task_standing {
	int64_t place; /* how many are started before it */
	int64_t estimate_s; /* until its turn; TASK_UNKNOWN */
	/* The rule of which as many run as may; borrowed. NULL: it waits for
	 * its turn alone. */
	const char *held_by;
};

/* A task as docs/api.md shows it. NULL standing: it does not wait. */
json_t *
task_render(const struct task_data *data, const struct task_standing *standing);

/* What somebody who approves is shown, and repeats: equal means the same. */
json_t *task_render_request(const struct task_data *data);

/* JSON for the store and the records. */
json_t *task_limits_write(const int64_t limits[LIMIT_COUNT]);
bool task_limits_read(const json_t *json, int64_t ret[LIMIT_COUNT]);
json_t *task_roles_write(const struct task_owner *owner);
json_t *task_owner_write(const struct task_owner *owner);
bool task_owner_read(const json_t *json, struct task_owner *ret);
json_t *task_approval_write(const struct task_approval *approval);
/* NULL: it is damaged. */
struct task_approval *task_approval_read(const json_t *json);

/* The request without values of the environment and without its standard
 * input. The caller frees. */
char *task_request_scrub(const struct request *request);

#endif
