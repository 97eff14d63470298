/*
 * One sandbox's inside: sandbox.c makes and destroys it, sandbox_create.c
 * brings it up to waiting for its order, sandbox_run.c hears what becomes of
 * it. Each step is a callback of the engine's, the control socket's or the
 * timer's; nothing waits.
 */
#ifndef RUNNER_SANDBOX_STATE_H
#define RUNNER_SANDBOX_STATE_H

#include <stdbool.h>

#include "runner/engine.h"
#include "runner/sandbox.h"
#include "runner/sandbox_control.h"
#include "runner/sandbox_factory.h"
#include "runner/template.h"

enum sandbox_state {
	SANDBOX_CREATING, /* image, folder, create, inspect */
	SANDBOX_AWAITED, /* started; task-init has not said hello yet */
	SANDBOX_READY, /* waits for its order */
	SANDBOX_ORDERED, /* the order is sent */
	SANDBOX_RUNNING, /* the task's program runs */
	SANDBOX_GONE, /* task-init is; the engine is asked why */
	SANDBOX_ENDED /* `ended` was called, or is about to be */
};

struct sandbox {
	struct sandbox_factory *factory;
	struct sandbox *next, **link;
	struct sandbox_events events;
	void *arg;
	enum sandbox_state state;
	bool destroyed; /* no event any more */

	/* What was asked for. */
	char id[UUID_TEXT];
	char *image, *network;
	int64_t limits[LIMIT_COUNT];
	int64_t uid, gid;

	/* What came of it. */
	struct template_image found;
	json_t *body; /* until the engine's inspection is like it */
	json_t *mounts; /* of it, until hello */
	char *program; /* of the order: for messages */
	char *name; /* of the container; set when create is sent */
	char *container; /* its id */
	struct sandbox_ready ready; /* id is NULL before */
	int64_t made_ms; /* CLOCK_BOOTTIME, when it was created */
	struct sandbox_control *control;
	struct engine_call *call, *start_call;
	uv_timer_t timer;
	void (*expired)(struct sandbox *sandbox);
	bool kill_asked;
	int64_t deadline_ms; /* of SANDBOX_AWAITED, of SANDBOX_GONE */
	uint64_t received[STREAM_COUNT];
	struct sandbox_end end;
};

/* One timer: what happens unless something else does before. */
void sandbox_expect(struct sandbox *sandbox, uint64_t timeout_ms,
    void (*expired)(struct sandbox *sandbox));
/* Calls `ended`; the caller returns at once. */
void sandbox_finish(struct sandbox *sandbox);
/* The same with NOT_STARTED. */
void sandbox_fail(
    struct sandbox *sandbox, enum sandbox_failure failure, const char *detail);
/* The same with LOST. */
void sandbox_lose(struct sandbox *sandbox, const char *detail);

/* sandbox_create.c */
void sandbox_create_begin(struct sandbox *sandbox);
void sandbox_create_cancel(struct sandbox *sandbox);

/* sandbox_run.c */
int sandbox_run_frame(
    void *arg, const struct control_frame *frame, struct err *err);
void sandbox_run_closed(void *arg, const struct err *err);

#endif
