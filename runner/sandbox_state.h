/*
 * One sandbox's inside: sandbox.c makes, commands and destroys it,
 * sandbox_create.c brings it up to waiting for its order, sandbox_adopt.c
 * takes over one of a life before, sandbox_run.c hears what becomes of it,
 * sandbox_input.c feeds it, sandbox_files.c takes what it leaves and
 * sandbox_loss.c asks the engine where task-init is gone. Each step is a
 * callback of the engine's, the control socket's or the timer's; nothing
 * waits.
 */
#ifndef RUNNER_SANDBOX_STATE_H
#define RUNNER_SANDBOX_STATE_H

#include <stdbool.h>

#include "lib/buffer.h"
#include "policy/mount.h"
#include "runner/engine.h"
#include "runner/sandbox.h"
#include "runner/sandbox_control.h"
#include "runner/sandbox_factory.h"
#include "runner/template.h"

enum sandbox_state {
	SANDBOX_CREATING, /* image, folder, create, inspect */
	SANDBOX_AWAITED, /* started; task-init has not said hello yet */
	SANDBOX_ADOPTED, /* runs; task-init has not said hello again */
	SANDBOX_READY, /* waits for its order */
	SANDBOX_ORDERED, /* the order is sent */
	SANDBOX_RUNNING, /* the task's program runs */
	SANDBOX_LEAVING, /* it has ended; its files are taken */
	SANDBOX_GONE, /* task-init is; the engine is asked why */
	SANDBOX_ENDED /* `ended` was called, or is about to be */
};

/* Of standard input, by offsets. */
struct sandbox_feed {
	bool wanted; /* the order said so */
	uint64_t most; /* that a life before can have given */
	uint64_t given; /* by our caller */
	uint64_t sent; /* to task-init; the rest is `pending` */
	uint64_t taken; /* by the task */
	bool taken_known; /* it was said on this connection */
	bool closed; /* by the task */
	bool end_given, end_sent;
	struct buffer pending;
};

/* Of the outputs' files: the one that is being taken. */
struct sandbox_harvest {
	size_t count;
	uint32_t index;
	uint64_t offset;
	uint64_t file_max;
	uint64_t since; /* bytes since the timer was set */
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
	bool has_secrets;
	char *mounts_text; /* of the spec */
	struct mounts asked; /* the same, once it is read */
	struct control_inode sources[MOUNTS_MAX]; /* as task-init sees them */

	/* What came of it. */
	struct sandbox_image *found;
	json_t *body; /* until the engine's inspection is like it */
	json_t *mounts; /* of it, until hello */
	char *name; /* of the container; set when create is sent */
	char *container; /* its id */
	struct sandbox_ready ready; /* id is NULL before */
	int64_t made_ms; /* CLOCK_BOOTTIME, when it was created */
	struct sandbox_control *control;
	struct engine_call *call, *start_call;
	struct sandbox_change *change; /* of limits, under way */
	uv_timer_t timer;
	void (*expired)(struct sandbox *sandbox);
	void (*image_found)(struct sandbox *sandbox);
	int64_t deadline_ms; /* of AWAITED, ADOPTED, GONE */

	/* The task's. */
	char *program; /* of the order: for messages */
	bool kill_asked;
	bool mount_refused; /* why its hello was not accepted */
	bool greeted; /* an adopted one, by its hello */
	int signal_asked; /* of an adopted one, before its hello */
	uint64_t received[STREAM_COUNT];
	struct sandbox_feed feed;
	struct sandbox_harvest harvest;
	bool exit_known; /* `end` is what task-init said */
	struct sandbox_end end;
};

/* Known to the factory, with an id to be set, and no more. */
struct sandbox *sandbox_allocate(struct sandbox_factory *factory,
    const struct sandbox_events *events, void *arg);
/* Listens where task-init connects. */
void sandbox_listen_take(struct sandbox *sandbox, int listener, pid_t peer);
/* Fills `ready`; the event is the caller's. */
void sandbox_set_ready(struct sandbox *sandbox);
/* One timer: what happens unless something else does before. */
void sandbox_expect(struct sandbox *sandbox, uint64_t timeout_ms,
    void (*expired)(struct sandbox *sandbox));
/* No call to the engine is waited for any more. */
void sandbox_cancel_calls(struct sandbox *sandbox);
/* Calls `ended`; the caller returns at once. */
void sandbox_finish(struct sandbox *sandbox);
/* The same with NOT_STARTED. */
void sandbox_fail(
    struct sandbox *sandbox, enum sandbox_failure failure, const char *detail);
/* The same with LOST. */
void sandbox_lose(struct sandbox *sandbox, const char *detail);
/* A SIGNAL frame. */
void
sandbox_tell(struct sandbox *sandbox, enum control_scope scope, int number);
/* Every process is to end: by task-init, else by the engine. */
void sandbox_kill_all(struct sandbox *sandbox);
void sandbox_kill_by_engine(struct sandbox *sandbox);

/* sandbox_mounts.c */
/* Reads what is asked for and looks at each source; -1: the sandbox cannot be
 * made, and err is for whoever asked. */
int sandbox_mounts_open(struct sandbox *sandbox, struct err *err);
/* What task-init sees at the i-th is what stands at its source. */
int sandbox_mounts_check(struct sandbox *sandbox, size_t i,
    const struct control_inode *seen, struct err *err);
/* Of one of a life before: what task-init found is what it shows, and for
 * sandbox_is_current() to judge. */
int sandbox_mounts_adopt(struct sandbox *sandbox,
    const struct control_hello *hello, struct err *err);

/* sandbox_create.c */
void sandbox_create_begin(struct sandbox *sandbox);
/* The image by its id alone, for an order; then `found` is set or the sandbox
 * has ended. */
void sandbox_create_find_image(
    struct sandbox *sandbox, void (*found)(struct sandbox *sandbox));

/* sandbox_adopt.c */
int sandbox_adopt_hello(struct sandbox *sandbox,
    const struct control_hello *hello, struct err *err);

/* sandbox_run.c */
int sandbox_run_frame(
    void *arg, const struct control_frame *frame, struct err *err);
void sandbox_run_closed(void *arg, const struct err *err);

/* sandbox_input.c */
int sandbox_input_take(
    struct sandbox *sandbox, uint64_t offset, bool closed, struct err *err);
/* There is room for what is pending. */
void sandbox_input_flush(void *arg);
void sandbox_input_done(struct sandbox *sandbox);

/* sandbox_files.c: after the end of the program is known. */
void sandbox_files_begin(struct sandbox *sandbox);
int sandbox_files_take(
    struct sandbox *sandbox, const struct control_data *data, struct err *err);
int sandbox_files_take_end(struct sandbox *sandbox, uint32_t index,
    uint32_t status, uint64_t size, struct err *err);

/* sandbox_loss.c: what the engine says of a container's end. */
void sandbox_loss_ask(struct sandbox *sandbox);
void sandbox_loss_explain(struct sandbox *sandbox, const json_t *state);

/* sandbox_update.c */
void sandbox_update_cancel(struct sandbox *sandbox);

#endif
