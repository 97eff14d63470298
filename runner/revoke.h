/*
 * Revocation: the list, and what it does. What withdraws is in force when the
 * call returns and recorded as soon as possible; what gives back is recorded
 * first. The list is read before anybody is heard, and lives in the store.
 */
#ifndef RUNNER_REVOKE_H
#define RUNNER_REVOKE_H

#include <jansson.h>
#include <uv.h>

#include "certs/revocations.h"
#include "runner/tasks.h"

/* What a command waits for before it answers. */
#define REVOKE_WAIT_MS 10000

struct change;
struct effect;
struct peer;
struct runner;

/* The runner's; all but `set` is runner/revoke*.c's. */
struct revoke_list {
	struct revocations set;
	uint64_t change; /* number of the last one */
	uv_timer_t timer;
	bool failing; /* the log has it that one cannot be recorded */
	/* What could not be recorded, the oldest first: tried again each
	 * second. What has been put again or has left the list since goes to
	 * the tasks' arrears then, which are bounded. */
	struct change *late, *latest;
	struct effect *effects; /* that commands wait for */
};

/* Blocks until the list is read. */
int revoke_open(struct runner *runner, struct err *err);
/* While the store can still be written, which is to be drained then. */
void revoke_close(struct runner *runner);
/* Once nothing of it is under way. */
void revoke_list_done(struct revoke_list *list);

struct revoke_order {
	enum revocation_kind kind;
	const char *value, *reason; /* reason: NULL where none was given */
	int64_t uid; /* who wants it */
	int64_t until_ms; /* 0: for ever */
};

struct revoke_report {
	size_t connections; /* that the gateways closed */
	/* Where an earlier life's were not known as it began: with all of those
	 * that were found revoked, by this or by anything else on the list. */
	struct tasks_revoked tasks;
	size_t warm; /* sandboxes removed */
	size_t still_running; /* after the time that was waited */
	/* Whether tasks of an earlier life are in these numbers; else those
	 * that it revokes end as soon as they are known. */
	bool known;
	size_t gateways, confirmed; /* their connections */
	bool recorded;
	int64_t took_ms;
};

typedef void revoke_done(void *arg, const struct revoke_report *report);

/* In force when this returns. done() is called once, later: when all that it
 * ends has ended, all gateways have confirmed and it is recorded, or could not
 * be, or after REVOKE_WAIT_MS. ERR_BUSY: the list is full; nothing was done. */
int revoke_put(struct runner *runner, const struct revoke_order *order,
    revoke_done *done, void *arg, struct err *err);
/* done(): it is recorded and in force no longer; or *err says why it stays.
 * -1, and done() is not called: ERR_NOT_FOUND, it is not on the list;
 * ERR_UNAVAILABLE, it is not on record yet. */
int revoke_lift(struct runner *runner, enum revocation_kind kind,
    const char *value, int64_t uid,
    void (*done)(void *arg, const struct err *err), void *arg, struct err *err);
/* pool_set_judge(): the runner is `arg`. */
bool revoke_may_use(void *arg, const char *image);
json_t *revoke_render(const struct revocation *revocation);

/* A gateway has come: all of the list, before it serves anybody. */
int revoke_tell_all(struct peer *peer, struct err *err);
/* Something may have come about that a command waits for. */
void revoke_settle(struct runner *runner);

/* -- among the files of revoke */

/* revoke_effect.c: ends what is not to go on, and begins to wait. */
void effect_begin(struct runner *runner, const struct revocation *revocation,
    revoke_done *done, void *arg);
/* A gateway has closed so many connections for this change. */
void effect_confirm(struct runner *runner, uint64_t change, size_t closed);
/* Those that have waited long enough; `all`: every one. */
void effect_finish_late(struct runner *runner, bool all);

#endif
