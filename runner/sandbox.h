/*
 * A sandbox: one fresh container of one task, with task-init as its PID 1.
 *
 * The runner's core asks for one, waits until it is ready (task-init has said
 * hello over the control socket and waits for its order), makes the record
 * durable, gives the order, and hears what becomes of it. What comes from the
 * control socket is hostile input. Everything is called on the runner's loop.
 *
 *	sandbox_new -> ready -> sandbox_order -> started -> output... -> ended
 *	            \-> failed               \-> ended (not started: why)
 *
 * A used sandbox is destroyed, never handed on.
 */
#ifndef RUNNER_SANDBOX_H
#define RUNNER_SANDBOX_H

#include <uv.h>

#include "lib/clock.h"
#include "lib/err.h"
#include "policy/request.h"

enum stream { STREAM_STDOUT, STREAM_STDERR, STREAM_COUNT };

/* The engine, and all that is the same for every sandbox. */
struct sandbox_factory;

struct sandbox_configuration {
	const char *engine; /* "unix:///run/docker.sock" */
	const char *runner_id; /* label of every container of this runner */
	const char *directory; /* control folders: STATE/sandboxes, 0700 */
	const char *init_path; /* task-init on the host */
	const char *seccomp_path; /* runner/seccomp.json as installed */
	uid_t uid, gid; /* the default pair of a task */
};

/* Loads and checks; talks to nobody yet. */
struct sandbox_factory *sandbox_factory_new(uv_loop_t *loop,
    const struct sandbox_configuration *configuration, struct err *err);
void sandbox_factory_free(struct sandbox_factory *factory);

/* Negotiates the API version, removes every container of this runner and
 * every control folder that stood before; then watches the engine and tries
 * again by itself. `ready` is called whenever that changes; reason is NULL or
 * says what is wrong in one line. */
void sandbox_factory_start(struct sandbox_factory *factory,
    void (*ready)(void *arg, const char *reason), void *arg);

/* What is asked for: borrowed during the call only. */
struct sandbox_order {
	const char *task; /* id, for the label */
	const char *image; /* name[:tag] or name@sha256:... or an image id */
	const char *const *args; /* replace the image's CMD; none: the CMD */
	size_t nargs;
	const struct request_env *env; /* added to the image's */
	size_t nenv;
	int64_t limits[LIMIT_COUNT]; /* all set */
	int64_t uid, gid; /* -1: the default */
	const char *network; /* NULL: none */
};

/* Why a task did not start: the `not_started` outcome's reason. */
enum sandbox_failure {
	SANDBOX_FAILURE_IMAGE, /* not there, or not usable */
	SANDBOX_FAILURE_COMMAND, /* execve failed: errnum says why */
	SANDBOX_FAILURE_ENGINE /* the engine refused or could not be reached */
};

struct sandbox_end {
	enum {
		SANDBOX_EXITED,
		SANDBOX_KILLED,
		SANDBOX_NOT_STARTED,
		SANDBOX_LOST
	} how;
	int exit_code; /* EXITED */
	int signal; /* KILLED */
	enum sandbox_failure failure; /* NOT_STARTED */
	int errnum; /* NOT_STARTED by command: ENOENT, EACCES, ... */
	char detail[256]; /* NOT_STARTED, LOST: for people */
	/* Processes were killed for lack of memory: the container's cgroup
	 * counts them; of LOST, the engine's inspection says so. */
	bool oom_killed;
	int64_t user_us, system_us, memory_peak_bytes;
	/* Bytes that the task wrote, by stream: all of them have been given
	 * to output() before. */
	uint64_t written[STREAM_COUNT];
};

struct sandbox_events {
	/* Waiting for the order. image_id is "sha256:..."; container its id.*/
	void (*ready)(void *arg, const char *container, const char *image_id);
	void (*started)(void *arg, int64_t wall_ms);
	/* Bytes in order; the callee has them when it returns. */
	void (*output)(
	    void *arg, enum stream stream, const void *data, size_t len);
	/* The last event, also when it never became ready. */
	void (*ended)(void *arg, const struct sandbox_end *end);
};

struct sandbox;

struct sandbox *
sandbox_new(struct sandbox_factory *factory, const struct sandbox_order *order,
    const struct sandbox_events *events, void *arg);
/* After `ready`: task-init starts the argv given to sandbox_new(). Nothing
 * where the sandbox has ended, or is being ended, in the meantime. */
void sandbox_start(struct sandbox *sandbox);
/* To the task's process group. */
void sandbox_signal(struct sandbox *sandbox, int signal);
/* Every process in the container, at once; `ended` follows. */
void sandbox_kill(struct sandbox *sandbox);
/* No event comes after this. Container and control folder are removed behind
 * the caller's back, and tried again until they are gone. */
void sandbox_destroy(struct sandbox *sandbox);
/* Containers that are not yet removed: for an orderly stop and for tests. */
size_t sandbox_factory_pending(const struct sandbox_factory *factory);

#endif
