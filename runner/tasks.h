/*
 * The tasks that are not finished: from acceptance to a durable end. Each
 * change and its record are one transaction, and what starts or grants waits
 * for it; what only stops is done at once.
 */
#ifndef RUNNER_TASKS_H
#define RUNNER_TASKS_H

#include <uv.h>

#include "certs/revocations.h"
#include "policy/allowances.h"
#include "policy/policy.h"
#include "runner/arrears.h"
#include "runner/audit.h"
#include "runner/blobs.h"
#include "runner/files.h"
#include "runner/input.h"
#include "runner/output.h"
#include "runner/pool.h"
#include "runner/queue.h"
#include "runner/sandbox.h"
#include "runner/store.h"
#include "runner/task.h"
#include "runner/task_pack.h"
#include "runner/task_store.h"

/* Tasks that wait for an approval: they are not packed away. */
#define TASKS_AWAITING_MAX 10000
/* Requests that wait in memory, all together. */
#define TASKS_BYTES_MAX (INT64_C(256) * 1024 * 1024)

struct task_waiter;

/* One that waits rests: most of it is packed away soon, until task_wake(). */
struct task {
	char id[UUID_TEXT];
	struct task_data *data; /* facts as they may be told; NULL: it rests */
	/* the rest is runner/tasks*.c's: */
	struct task_pack *pack; /* of one that rests */
	struct task *next_tired, **tired_at; /* not in that list: NULL */
	struct tasks *tasks;
	struct task *older, *newer;
	struct queue_entry entry;
	struct sandbox *sandbox; /* until its end is durable */
	struct output *output;
	struct files *files; /* NULL: it is to leave none, or has no order */
	int *inputs; /* descriptors of what it reads, until the order */
	size_t ninputs;
	int *secrets; /* descriptors of what they hold, until the order */
	size_t nsecrets;
	unsigned finding; /* times they are being looked for */
	struct tasks_upload upload; /* where `uploading` */
	bool uploading, upload_finished;
	char *key; /* of its acceptance, while that is written; NULL */
	bool accepting; /* that is being written */
	bool recorded; /* its start is durable, or on its way there */
	bool writing; /* that is on its way */
	bool again; /* and on record since an earlier life */
	unsigned returned; /* times it went back for want of an engine */
	/* The record of that, while its row says that it runs; NULL: neither
	 * is to be written again. */
	struct audit_entry *unreturned;
	bool starting_cold; /* its container is being made */
	bool ordered; /* task-init has its order */
	bool adopting; /* of an earlier life, and not heard of yet */
	bool exited; /* its program; its files may follow */
	bool ending; /* how it ended is known, but not durable yet */
	bool held; /* the store refused the end: to be tried again */
	bool was_held; /* the log has it already */
	int digesting; /* what is still to be hashed before the end */
	struct task_facts *end; /* NULL: not known yet */
	bool deciding; /* that it was approved is being written */
	bool rejected; /* and ends, or has ended, for that */
	bool revoked; /* and ends, or has ended, for that */
	bool revoking; /* its container has been told to end */
	bool timed_out;
	bool overdue; /* it was, before it was heard of: KILL ended it then */
	uv_timer_t timer;
	int64_t deadline_ms, kill_ms; /* CLOCK_BOOTTIME; TASK_UNKNOWN */
	/* CLOCK_BOOTTIME, of its acceptance and so on. */
	int64_t accepted_us, turn_us, started_us, ended_us;
	unsigned users; /* changes under way */
	bool timer_closed;
	bool forgotten; /* ended, durable, told: goes with its last user */
	struct task_waiter *waiters;
};

struct tasks_counters {
	uint64_t accepted, repeated, denied, refused, started, warm, adopted;
	uint64_t finished[OUTCOME_COUNT];
	uint64_t output_bytes;
};

/* How many waited, and how many were starting or running. */
struct tasks_revoked {
	size_t queued, running;
};

struct tasks {
	uv_loop_t *loop;
	struct store *store;
	struct output_store *outputs;
	struct files_store *files;
	struct blobs *blobs;
	struct sandbox_factory *factory;
	struct pool *pool; /* NULL: every start is cold */
	const struct policy *policy; /* in force; tasks_set_policy() */
	const char *secret_folder; /* NULL: there is none */
	const struct revocations *revocations; /* likewise; NULL: none */
	void (*changed)(void *arg); /* numbers, or whether all is done */
	/* Once: these run since an earlier life, all else is to be removed. */
	void (*kept)(void *arg, const struct sandbox_saved *saved, size_t n);
	void *arg;
	const char *engine_reason; /* not NULL: nothing is started */
	bool stopping; /* nothing is started or accepted */
	bool handing_over; /* what runs is left to the next life */
	bool no_room; /* on the disk: nothing is started or accepted */
	bool dispatching;
	bool recovered, recovering; /* whether an earlier life's are known */
	size_t starting_cold; /* tasks whose containers are being made */
	struct queue queue;
	struct table by_id;
	struct table accepting; /* by subject and key */
	struct task *oldest, *newest;
	struct task *tired; /* wait, and do not rest yet */
	size_t count;
	size_t awaiting; /* of these, those that wait for an approval */
	int64_t lapse_ms; /* wall clock: no sooner does one of those lapse */
	size_t revoking; /* of these, revoked ones that still run */
	struct tasks_revoked found_revoked; /* as they were taken up */
	size_t held; /* of these, ends that the store refused */
	size_t unreturned; /* likewise, returns to the queue */
	uv_timer_t again; /* held ends, and a recovery that failed */
	struct arrears *arrears; /* what was done and is not on record yet */
	char last_id[UUID_TEXT];
	struct tasks_counters counters;
};

/* Of *tasks, what stands before `queue` is the caller's to fill. Without
 * tasks_recover() there is no earlier life. */
void tasks_open(struct tasks *tasks, const struct queue_bounds *bounds);
/* Reads what is not finished: takes up what waits, says by kept() what runs
 * and adopts it. */
void tasks_recover(struct tasks *tasks);
/* Nothing may be under way any more but waiting tasks. */
void tasks_close(struct tasks *tasks);

/* Another is in force, which is the caller's; also before tasks_open(). What
 * waited for what a rule lets run at a time may start by it: tasks_dispatch(),
 * once it is on its way to the record which policy that is. */
void tasks_set_policy(struct tasks *tasks, const struct policy *policy);
/* Starts what can be started now. */
void tasks_dispatch(struct tasks *tasks);
/* Ends whatever was revoked, or whose image was: at once, without a record of
 * its own but that of the end. What was running has ended when tasks->revoking
 * is 0. Those of an earlier life are known, and ended, once tasks->recovered.
 */
void tasks_revoke(struct tasks *tasks, struct tasks_revoked *ret);
/* Ends everything that runs, as cancelled. */
void tasks_end_all(struct tasks *tasks, const char *why);
/* What has not started waits again; what runs is left as it is by
 * tasks_close(), for the next life to adopt. */
void tasks_hand_over(struct tasks *tasks);
/* Tasks that run, or whose end is not durable. */
size_t tasks_busy(const struct tasks *tasks);
/* Those whose end is not durable alone. */
size_t tasks_ending(const struct tasks *tasks);
/* Awake. */
struct task *tasks_find(struct tasks *tasks, const char *id);
/* Its data is there until control is back in the loop. */
void task_wake(struct task *task);
/* Also of one that rests. */
enum task_state task_state(const struct task *task);
const char *task_subject(const struct task *task);
/* A pipe's reading end, also of what did not start yet; as output_follow(). */
int task_follow(struct task *task, enum stream stream, int64_t offset,
    int *ret_fd, struct err *err);

/* Later than every id before. */
void tasks_make_id(struct tasks *tasks, int64_t now_ms, char ret[UUID_TEXT]);

struct task_submission {
	const char *key; /* NULL: none; borrowed during the call */
	int64_t request_bytes;
	json_t *untrusted; /* for the record; borrowed */
	bool is_signed; /* likewise */
	json_t *shadows; /* likewise; NULL: none */
	/* NULL err: accepted (existing is NULL), or `existing` is the id of
	 * the task that this key stands for. ERR_CONFLICT: for another
	 * request. ERR_OVER_RATE: its rule has no room for one more of the
	 * subject's now. */
	void (*done)(void *arg, const struct err *err, struct task *task,
	    const char *existing);
	void *arg;
};

/* Takes *data over in every case. -1: not admitted, done() is not called. */
int tasks_submit_take(struct tasks *tasks, struct task_data *data,
    const struct task_submission *submission, struct err *err);

/*
 * Whether the policy in force lets a task that waits for approval run, and this
 * principal approve it. ERR_DENIED; where it is the task that is not let any
 * more, it ends.
 */
int tasks_may_approve(struct task *task,
    const struct policy_principal *approver, struct err *err);

/* What somebody else decides about a task that waits for it; all borrowed. */
struct tasks_decision {
	bool approves;
	const char *reason; /* NULL: none is given */
	const struct task_owner *by;
};
/* An approval counts when it is durable, a denial at once, and where it could
 * not be written it is as soon as that can be. done() then; ERR_CONFLICT: it
 * does not wait for it (any more). The task may be gone by then. */
void tasks_decide(struct task *task, const struct tasks_decision *decision,
    void (*done)(void *arg, const struct err *err), void *arg);

/* TERM, and KILL after the grace; asked again, the shorter grace counts. Who
 * asks goes into the record (borrowed). done() when that it was asked for is
 * durable, or could not be written; the task may be gone by then. */
void tasks_cancel(struct task *task, int64_t grace_s, json_t *principal,
    void (*done)(void *arg, const struct err *err), void *arg);
/* The record, then the signal, then done(); what only ends it, as a cancel
 * does, does not wait for the record. ERR_CONFLICT: it does not run. */
void tasks_signal(struct task *task, int signal, json_t *principal,
    void (*done)(void *arg, const struct err *err), void *arg);

/*
 * `done` is called once: when the end is durable, or after wait_ms. The data
 * is borrowed. tasks_unwait(): it will not be called.
 */
struct task_waiter *tasks_wait(struct task *task, uint64_t wait_ms,
    void (*done)(void *arg, const struct task_data *data), void *arg);
void tasks_unwait(struct task_waiter *waiter);
/* Where it stands; NULL, unless it waits. */
const struct task_standing *
tasks_standing(const struct task *task, struct task_standing *ret);

/* A record of what was done already; takes the entry. What cannot be written
 * now is written late. */
void tasks_record_take(struct tasks *tasks, struct audit_entry *entry);
/* The same; done() when it is durable, or is to be late. */
void tasks_record_done_take(struct tasks *tasks, struct audit_entry *entry,
    void (*done)(void *arg, const struct err *err), void *arg);
/* Writes what is late, and what of it is in a task's row. */
void tasks_settle_arrears(struct tasks *tasks);
/* A record of what waits for it; done() when it is durable or could not be
 * written, and then is not to be done. */
void tasks_record_then_take(struct tasks *tasks, struct audit_entry *entry,
    void (*done)(void *arg, const struct err *err), void *arg);
/* An entry with the policy in force. */
struct audit_entry *tasks_entry(const struct tasks *tasks, enum event event);

#endif
