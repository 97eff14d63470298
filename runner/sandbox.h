/*
 * A sandbox: one fresh container of one task, with task-init as its PID 1.
 *
 * It is made from a spec alone, and nothing of a task is in it before the
 * order: the runner's core, or a pool that keeps some ready, asks for one and
 * hears that it is ready (task-init has said hello over the control socket
 * and waits). Whoever has the task attaches itself, makes the record durable,
 * gives the order, and hears what becomes of it. What comes from the control
 * socket is hostile input. Everything is called on the runner's loop.
 *
 *	sandbox_new -> ready -> sandbox_start -> started -> output...
 *	            \-> ended (not started: why)      -> exited -> file...
 *	                                              -> ended
 *
 * A used sandbox is destroyed, never handed on. One whose task runs when the
 * runner ends is adopted by the runner's next life.
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

struct mount_guard;

struct sandbox_configuration {
	const char *engine; /* "unix:///run/docker.sock" */
	const char *runner_id; /* label of every container of this runner */
	const char *directory; /* control folders: STATE/sandboxes, 0700 */
	const char *init_path; /* task-init on the host */
	const char *seccomp_path; /* runner/seccomp.json as installed */
	uid_t uid, gid; /* the default pair of a task */
	const struct mount_guard *guard; /* outlives the factory; NULL: none */
};

/* Loads and checks; talks to nobody yet. */
struct sandbox_factory *sandbox_factory_new(uv_loop_t *loop,
    const struct sandbox_configuration *configuration, struct err *err);
void sandbox_factory_free(struct sandbox_factory *factory);

/* What has to be known of a sandbox to find it again: stored before the
 * order is given. */
#define SANDBOX_NAME_SIZE 80
struct sandbox_saved {
	char id[UUID_TEXT];
	char container[SANDBOX_NAME_SIZE], image_id[SANDBOX_NAME_SIZE];
	int64_t init_pid, uid; /* uid -1: the default */
	int64_t tmp_bytes; /* its limit `tmp` */
	/* The most of stdin that it can have been given; 0 where the order
	 * had none. */
	int64_t input_max;
	const char *mounts; /* of its spec; borrowed; NULL: none */
	size_t noutputs;
	/* Output that has been kept, from its beginning on, by stream. */
	uint64_t received[STREAM_COUNT];
	/* Of the outputs' files: where to go on. */
	uint32_t file_index;
	uint64_t file_offset;
};

/* Negotiates the API version, removes every container of this runner and
 * every control folder that stood before, but for those in `keep` (which stay
 * until they are adopted and destroyed); then watches the engine and tries
 * again by itself. `ready` is called whenever that changes; reason is NULL or
 * says what is wrong in one line. `keep` is borrowed during the call only. */
void sandbox_factory_start(struct sandbox_factory *factory,
    const struct sandbox_saved *keep, size_t nkeep,
    void (*ready)(void *arg, const char *reason), void *arg);

/* What the container is made of: borrowed during the call only. */
struct sandbox_spec {
	const char *image; /* name[:tag] or name@sha256:... or an image id */
	int64_t limits[LIMIT_COUNT]; /* all set */
	int64_t uid, gid; /* -1: the default */
	const char *network; /* NULL: none */
	const char *mounts; /* policy/mount.h; NULL: none */
	bool has_secrets; /* a place for them */
};

/* An input file or a secret of the task: a regular file, open for reading. */
struct sandbox_input {
	const char *name; /* becomes /tmp/NAME, /run/secrets/NAME */
	int fd; /* the caller's */
};

/* What runs in it: borrowed during the call only. */
struct sandbox_command {
	/* Replaces the image's ENTRYPOINT and CMD; NULL: the image's. */
	const char *const *entrypoint;
	size_t nentrypoint;
	const char *const *args; /* replace the image's CMD; none: the CMD */
	size_t nargs;
	const struct request_env *env; /* added to the image's */
	size_t nenv;
	bool has_stdin; /* else it reads /dev/null */
	const struct sandbox_input *inputs;
	size_t ninputs;
	const char *const *outputs; /* taken from /tmp/NAME */
	size_t noutputs;
	const struct sandbox_input *secrets; /* where the spec has a place */
	size_t nsecrets;
	int64_t timeout_s; /* task-init's, while no runner is there */
};

/* Why a task did not start: the `not_started` outcome's reason. */
enum sandbox_failure {
	SANDBOX_FAILURE_IMAGE, /* not there, or not usable */
	SANDBOX_FAILURE_COMMAND, /* execve failed: errnum says why */
	SANDBOX_FAILURE_ENGINE, /* the engine refused or is not there */
	SANDBOX_FAILURE_INPUT, /* an input could not be placed: errnum */
	SANDBOX_FAILURE_SECRET, /* the same, of a secret */
	SANDBOX_FAILURE_MOUNT, /* what a mount is to show must not be */
	SANDBOX_FAILURE_NETWORK, /* not there, or not one for tasks */
	SANDBOX_FAILURE_COUNT
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
	/* NOT_STARTED by the engine: it was gone, or ended the container that
	 * waited. Nothing ran, and another may come up. */
	bool retry;
	int errnum; /* NOT_STARTED by command: ENOENT, EACCES, ... */
	char detail[256]; /* NOT_STARTED, LOST: for people */
	/* Processes were killed for lack of memory: the container's cgroup
	 * counts them; of LOST, the engine's inspection says so. */
	bool oom_killed;
	int64_t user_us, system_us, memory_peak_bytes;
	/* Bytes that the task wrote, by stream: all of them have been given
	 * to output(), in this life or in one before. */
	uint64_t written[STREAM_COUNT];
};

/* Borrowed; it holds as long as the sandbox. */
struct sandbox_ready {
	const char *id;
	const char *container;
	const char *image_id; /* "sha256:..." */
	pid_t init_pid; /* as this process sees it */
	int64_t made_ms; /* CLOCK_BOOTTIME; 0: in a life before */
};

/* What became of one of the outputs. */
enum sandbox_file {
	SANDBOX_FILE_KEPT,
	SANDBOX_FILE_MISSING,
	SANDBOX_FILE_LINK,
	SANDBOX_FILE_NOT_REGULAR,
	SANDBOX_FILE_TOO_LARGE,
	SANDBOX_FILE_UNREADABLE
};

/* None comes from within a call of the sandbox's. Before sandbox_start() only
 * the first and the last come; those that have nothing to come may be NULL. */
struct sandbox_events {
	/* Waiting for the order. */
	void (*ready)(void *arg, const struct sandbox_ready *ready);
	/* Of an adopted one again. */
	void (*started)(void *arg, int64_t wall_ms);
	/* Bytes in order; the callee has them when it returns. */
	void (*output)(
	    void *arg, enum stream stream, const void *data, size_t len);
	/* Of stdin, the task has taken all before the offset: there is room
	 * for more. closed: it reads no more, and what comes is dropped. */
	void (*input_taken)(void *arg, uint64_t offset, bool closed);
	/* The task's program has ended; its files follow. */
	void (*exited)(void *arg);
	/* Bytes of the outputs' files, in their order. */
	void (*file)(void *arg, uint32_t index, uint64_t offset,
	    const void *data, size_t len);
	void (*file_end)(
	    void *arg, uint32_t index, enum sandbox_file status, uint64_t size);
	/* The last event, also when it never became ready. */
	void (*ended)(void *arg, const struct sandbox_end *end);
};

struct sandbox;

struct sandbox *
sandbox_new(struct sandbox_factory *factory, const struct sandbox_spec *spec,
    const struct sandbox_events *events, void *arg);
/* Whom its events go to from now on. */
void sandbox_attach(
    struct sandbox *sandbox, const struct sandbox_events *events, void *arg);
/* Whether its mounts still show what stands at their sources. */
bool sandbox_is_current(const struct sandbox *sandbox);
/* It waits for its order. */
bool sandbox_is_ready(const struct sandbox *sandbox);
/* NULL before it was ready once. */
const struct sandbox_ready *sandbox_ready(const struct sandbox *sandbox);
/* Gives one that is ready other limits of memory, cpus and pids; done with
 * NULL, or with why not: it is fit for nothing then. It is not called where
 * the sandbox is destroyed first. */
void sandbox_update(struct sandbox *sandbox, const int64_t limits[LIMIT_COUNT],
    void (*done)(void *arg, const struct err *err), void *arg);
/* The order, after `ready`. -1: it cannot be composed, and the sandbox ends as
 * not started. Nothing where it has ended, or is being ended, meanwhile. */
int sandbox_start(struct sandbox *sandbox,
    const struct sandbox_command *command, struct err *err);

/* Bytes of stdin that can be given now; none before `started`. */
size_t sandbox_input_room(const struct sandbox *sandbox);
/* len is at most that room. */
void sandbox_input(struct sandbox *sandbox, const void *data, size_t len);
void sandbox_input_end(struct sandbox *sandbox);
/* Bytes that task-init has: after an adoption, those that it says. */
uint64_t sandbox_input_received(const struct sandbox *sandbox);
bool sandbox_input_has_ended(const struct sandbox *sandbox);

/* One of the runner's life before: task-init connects to its socket, which is
 * bound anew. `ready` follows where the order never reached it; else `started`
 * and the rest, output from received[] on (from where task-init still has it:
 * `written` says what is left out). What no longer runs ends as lost. */
struct sandbox *sandbox_adopt(struct sandbox_factory *factory,
    const struct sandbox_saved *saved, const struct sandbox_events *events,
    void *arg);
/* Output that has come, from its beginning on: what of it is not kept has not
 * been given to output(). */
uint64_t
sandbox_output_received(const struct sandbox *sandbox, enum stream stream);
/* Lets go of it, without end or removal, for the next life to adopt. */
void sandbox_abandon(struct sandbox *sandbox);

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
