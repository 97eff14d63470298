/*
 * The factory's inside, for the sandboxes it makes.
 */
#ifndef RUNNER_SANDBOX_FACTORY_H
#define RUNNER_SANDBOX_FACTORY_H

#include <stdbool.h>

#include "runner/engine.h"
#include "runner/mount_source.h"
#include "runner/sandbox.h"
#include "runner/sandbox_image.h"
#include "runner/sandbox_removal.h"

/* One that is not ours now and not to be removed: it runs for the next life
 * of the runner, or did for the one before. */
struct kept {
	struct kept *next;
	char id[UUID_TEXT];
};

struct sandbox_factory {
	uv_loop_t *loop;
	struct engine *engine;
	struct sandbox_removals *removals;
	struct sandbox *sandboxes; /* every one that is not destroyed */
	struct kept *kept;
	struct sandbox_image *images; /* those that are in use */
	uint8_t *packet; /* of the control sockets */
	char *runner_id;
	char *directory, *hosts_path, *init_path; /* resolved */
	char *seccomp; /* one line */
	const struct mount_guard *guard;
	uid_t uid;
	gid_t gid;
	int64_t processors;

	/* The engine's health. */
	uv_timer_t *timer;
	struct engine_call *call;
	void (*ready)(void *arg, const char *reason);
	void *arg;
	void (*watch)(void *arg, const char *reason);
	void *watch_arg;
	bool told; /* `ready` was called with `reason` */
	char reason[ERR_DETAIL_MAX]; /* empty: ready */
	uint64_t wait_ms;
	int64_t swept_ms; /* when containers were last listed */
};

void sandbox_factory_keep(struct sandbox_factory *factory, const char *sandbox);
void sandbox_factory_drop(struct sandbox_factory *factory, const char *sandbox);

/* Whether a sandbox of this id lives, is kept or is being removed. */
bool sandbox_factory_knows(
    const struct sandbox_factory *factory, const char *sandbox);

bool sandbox_factory_is_ready(const struct sandbox_factory *factory);
/* One more who is told what `ready` is; NULL: nobody. */
void sandbox_factory_watch(struct sandbox_factory *factory,
    void (*watch)(void *arg, const char *reason), void *arg);

/* A sandbox could not reach the engine: known from here on, and not only with
 * the next look, in which time a queue would be thrown at it. */
void
sandbox_factory_doubt(struct sandbox_factory *factory, const struct err *err);

#endif
