/*
 * What task-init says, and what its silence means. Its frames are hostile
 * input: each is accepted only in the state that it belongs to, and its
 * numbers are compared with what is known here.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "runner/sandbox_folder.h"
#include "runner/sandbox_state.h"

/* The engine takes its time to notice that a container has ended (70 ms and
 * more), or is not there itself. */
#define WHY_EACH_MS 100
#define WHY_WITHIN_MS 10000

static int
find_inode(const char *path, struct control_inode *ret, struct err *err)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return err_errno(err, "stat %s", path);
	ret->device = st.st_dev;
	ret->inode = st.st_ino;
	return 0;
}

static bool
is_same(const struct control_inode *a, const struct control_inode *b)
{
	return a->device == b->device && a->inode == b->inode;
}

/* The paths that task-init was given, as they are on this side. */
static int
check_mounts(
    struct sandbox *sandbox, const struct control_hello *hello, struct err *err)
{
	const json_t *mounts = sandbox->mounts;

	if (hello->nmounts != json_array_size(mounts))
		return err_set(err, ERR_CONFLICT,
		    "task-init sees %u mounts and not %zu",
		    (unsigned)hello->nmounts, json_array_size(mounts));
	for (uint32_t i = 0; i < hello->nmounts; i++) {
		const char *source = json_string_value(
		    json_object_get(json_array_get(mounts, i), "Source"));
		struct control_inode ours = {0, 0};

		if (find_inode(source, &ours, err) != 0)
			return -1;
		if (!is_same(&ours, &hello->mounts[i]))
			return err_set(err, ERR_CONFLICT,
			    "what is mounted into the container is not %s",
			    source);
	}
	return 0;
}

/* Not ours, and not the first process's where we may look. */
static int
check_network(const struct control_hello *hello, struct err *err)
{
	static const char *const spaces[] = {
	    "/proc/self/ns/net", "/proc/1/ns/net"};

	for (size_t i = 0; i < COUNT(spaces); i++) {
		struct control_inode host = {0, 0};
		struct err ignored;

		if (find_inode(spaces[i], &host, i == 0 ? err : &ignored) !=
		    0) {
			if (i == 0)
				return -1;
			continue;
		}
		if (hello->netns.inode == 0 || is_same(&host, &hello->netns))
			return err_set(err, ERR_CONFLICT,
			    "the container is in the host's network");
	}
	return 0;
}

static int
take_hello(
    struct sandbox *sandbox, const struct control_hello *hello, struct err *err)
{
	if (sandbox->state != SANDBOX_AWAITED)
		return err_set(err, ERR_MALFORMED, "an unexpected hello");
	if (hello->version != CONTROL_VERSION)
		return err_set(err, ERR_CONFLICT,
		    "task-init speaks version %u of the control protocol and "
		    "not %d: is it of another release?",
		    (unsigned)hello->version, CONTROL_VERSION);
	if (hello->state != CONTROL_WAITING)
		return err_set(err, ERR_MALFORMED,
		    "a hello of one that has had its order");
	if (check_network(hello, err) != 0 ||
	    check_mounts(sandbox, hello, err) != 0)
		return -1;
	uv_timer_stop(&sandbox->timer);
	if (sandbox->call != NULL)
		engine_cancel(sandbox->call);
	sandbox->call = NULL;
	json_decref(take(sandbox->mounts));
	sandbox->state = SANDBOX_READY;
	sandbox->ready = (struct sandbox_ready){
	    .id = sandbox->id,
	    .container = sandbox->container,
	    .image_id = sandbox->found.id,
	    .init_pid = sandbox_control_peer(sandbox->control),
	    .made_ms = sandbox->made_ms,
	};
	sandbox->events.ready(sandbox->arg, &sandbox->ready);
	return 0;
}

static int
take_started(struct sandbox *sandbox, struct err *err)
{
	if (sandbox->state != SANDBOX_ORDERED)
		return err_set(err, ERR_MALFORMED, "an unexpected start");
	sandbox->state = SANDBOX_RUNNING;
	if (!sandbox->kill_asked)
		uv_timer_stop(&sandbox->timer);
	sandbox->events.started(sandbox->arg, clock_wall_ms());
	return 0;
}

static int
take_start_failed(
    struct sandbox *sandbox, uint32_t stage, uint32_t errnum, struct err *err)
{
	static const char *const stages[] = {
	    [CONTROL_AT_ORDER] = "the order was not understood",
	    [CONTROL_AT_FORK] = "no process could be made for it",
	    [CONTROL_AT_FOLDER] = "its working directory cannot be entered",
	    [CONTROL_AT_EXEC] = "cannot be executed",
	    [CONTROL_AT_INPUT] = "an input could not be placed",
	};
	struct sandbox_end *end = &sandbox->end;
	struct err text;

	if (sandbox->state != SANDBOX_ORDERED)
		return err_set(err, ERR_MALFORMED, "an unexpected failure");
	end->how = SANDBOX_NOT_STARTED;
	end->failure = stage == CONTROL_AT_EXEC || stage == CONTROL_AT_FOLDER
	    ? SANDBOX_FAILURE_COMMAND
	    : SANDBOX_FAILURE_ENGINE;
	end->errnum = (int)errnum;
	/* err_set() makes the stranger's bytes one line of UTF-8; so many of
	 * them fit into the detail whatever they are. */
	if (stage == CONTROL_AT_EXEC)
		err_set(&text, ERR_UNPROCESSABLE, "\"%.40s\" %s: %s",
		    sandbox->program, stages[stage], strerror((int)errnum));
	else
		err_set(&text, ERR_UNPROCESSABLE, "%s: %s", stages[stage],
		    strerror((int)errnum));
	snprintf(end->detail, sizeof(end->detail), "%.255s", text.detail);
	sandbox_finish(sandbox);
	return 0;
}

static int
take_output(
    struct sandbox *sandbox, const struct control_frame *frame, struct err *err)
{
	uint32_t stream = frame->output.index;

	if (sandbox->state != SANDBOX_RUNNING)
		return err_set(err, ERR_MALFORMED, "unexpected output");
	if (frame->output.offset != sandbox->received[stream])
		return err_set(err, ERR_MALFORMED,
		    "output that does not begin where the last ended");
	sandbox->received[stream] += frame->output.len;
	sandbox_control_acknowledge(
	    sandbox->control, stream, sandbox->received[stream]);
	sandbox->events.output(sandbox->arg, (enum stream)stream,
	    frame->output.data, frame->output.len);
	return 0;
}

static int
take_exit(
    struct sandbox *sandbox, const struct control_exit *report, struct err *err)
{
	struct control_frame done = {.type = CONTROL_DONE};
	struct sandbox_end *end = &sandbox->end;

	if (sandbox->state != SANDBOX_RUNNING)
		return err_set(err, ERR_MALFORMED, "an unexpected end");
	for (int i = 0; i < STREAM_COUNT; i++) {
		if (report->written[i] != sandbox->received[i])
			return err_set(err, ERR_MALFORMED,
			    "an end that leaves output out");
	}
	end->how = report->killed ? SANDBOX_KILLED : SANDBOX_EXITED;
	end->exit_code = report->killed ? 0 : (int)report->status;
	end->signal = report->killed ? (int)report->status : 0;
	end->user_us = (int64_t)report->user_us;
	end->system_us = (int64_t)report->system_us;
	end->memory_peak_bytes = (int64_t)report->memory_peak;
	end->oom_killed = report->oom_kills > 0;
	/* The rest of the container ends behind the caller's back. */
	sandbox_control_send(sandbox->control, &done, -1);
	sandbox_finish(sandbox);
	return 0;
}

int
sandbox_run_frame(void *arg, const struct control_frame *frame, struct err *err)
{
	struct sandbox *sandbox = arg;

	switch (frame->type) {
	case CONTROL_HELLO:
		return take_hello(sandbox, &frame->hello, err);
	case CONTROL_STARTED:
		return take_started(sandbox, err);
	case CONTROL_START_FAILED:
		return take_start_failed(sandbox, frame->start_failed.stage,
		    frame->start_failed.errnum, err);
	case CONTROL_OUTPUT:
		return take_output(sandbox, frame, err);
	case CONTROL_EXIT:
		return take_exit(sandbox, &frame->exit, err);
	default:
		return err_set(err, ERR_MALFORMED, "a frame of ours");
	}
}

static void ask_why(struct sandbox *sandbox);

/* The container has ended, and task-init had no time to say how. */
static void
explain_death(struct sandbox *sandbox, const json_t *state)
{
	long long code = json_integer_value(json_object_get(state, "ExitCode"));
	char detail[sizeof(sandbox->end.detail)];

	sandbox->end.oom_killed =
	    json_is_true(json_object_get(state, "OOMKilled"));
	if (sandbox->kill_asked) {
		sandbox->end.how = SANDBOX_KILLED;
		sandbox->end.signal = SIGKILL;
		sandbox_finish(sandbox);
		return;
	}
	snprintf(detail, sizeof(detail),
	    "its container ended without a report (exit status %lld%s)", code,
	    sandbox->end.oom_killed ? ", out of memory" : "");
	sandbox_lose(sandbox, detail);
}

static void
on_why(void *arg, json_t *answer, const struct err *err)
{
	struct sandbox *sandbox = arg;
	const json_t *state = json_object_get(answer, "State");

	sandbox->call = NULL;
	if (json_is_false(json_object_get(state, "Running"))) {
		explain_death(sandbox, state);
	} else if (answer == NULL && err->code == ERR_NOT_FOUND) {
		sandbox_lose(
		    sandbox, "its container was removed by somebody else");
	} else if (clock_boot_ms() < sandbox->deadline_ms) {
		sandbox_expect(sandbox, WHY_EACH_MS, ask_why);
	} else if (answer == NULL) {
		sandbox_lose(sandbox, err->detail);
	} else {
		sandbox_lose(sandbox, "its control connection ended");
	}
}

static void
ask_why(struct sandbox *sandbox)
{
	struct engine_done done = {on_why, sandbox};

	sandbox->call =
	    engine_inspect(sandbox->factory->engine, sandbox->container, done);
}

void
sandbox_run_closed(void *arg, const struct err *err)
{
	struct sandbox *sandbox = arg;
	bool ordered = sandbox->state >= SANDBOX_ORDERED;

	if (sandbox->state >= SANDBOX_GONE)
		return;
	sandbox_create_cancel(sandbox);
	if (!ordered) {
		sandbox_fail(sandbox, SANDBOX_FAILURE_ENGINE,
		    err->code != ERR_NONE
			? err->detail
			: "task-init ended before it had an order");
		return;
	}
	/* Dropped by us: there is nothing to ask, it is removed. */
	if (err->code != ERR_NONE) {
		sandbox_lose(sandbox, err->detail);
		return;
	}
	sandbox->state = SANDBOX_GONE;
	uv_timer_stop(&sandbox->timer);
	sandbox->deadline_ms = clock_boot_ms() + WHY_WITHIN_MS;
	ask_why(sandbox);
}
