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
	/* The rule's stand behind those that every container has. */
	size_t own = json_array_size(mounts) - sandbox->asked.count;

	if (hello->nmounts != json_array_size(mounts))
		return err_set(err, ERR_CONFLICT,
		    "task-init sees %u mounts and not %zu",
		    (unsigned)hello->nmounts, json_array_size(mounts));
	for (uint32_t i = 0; i < hello->nmounts; i++) {
		const char *source = json_string_value(
		    json_object_get(json_array_get(mounts, i), "Source"));
		struct control_inode ours = {0, 0};

		if (i >= own) {
			if (sandbox_mounts_check(
				sandbox, i - own, &hello->mounts[i], err) != 0)
				return -1;
			continue;
		}
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
	if (sandbox->state != SANDBOX_AWAITED &&
	    sandbox->state != SANDBOX_ADOPTED)
		return err_set(err, ERR_MALFORMED, "an unexpected hello");
	if (hello->version != CONTROL_VERSION)
		return err_set(err, ERR_CONFLICT,
		    "task-init speaks version %u of the control protocol and "
		    "not %d: is it of another release?",
		    (unsigned)hello->version, CONTROL_VERSION);
	if (sandbox->state == SANDBOX_ADOPTED)
		return sandbox_adopt_hello(sandbox, hello, err);
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
	sandbox_set_ready(sandbox);
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
	static const struct {
		const char *text;
		enum sandbox_failure failure;
	} stages[] = {
	    [CONTROL_AT_ORDER] = {"the order was not understood",
		SANDBOX_FAILURE_ENGINE},
	    [CONTROL_AT_FORK] = {"no process could be made for it",
		SANDBOX_FAILURE_ENGINE},
	    [CONTROL_AT_FOLDER] = {"its working directory cannot be entered",
		SANDBOX_FAILURE_COMMAND},
	    [CONTROL_AT_EXEC] = {"cannot be executed", SANDBOX_FAILURE_COMMAND},
	    [CONTROL_AT_INPUT] = {"an input could not be placed into /tmp",
		SANDBOX_FAILURE_INPUT},
	    [CONTROL_AT_SECRET] = {"a secret could not be placed into "
				   "/run/secrets",
		SANDBOX_FAILURE_SECRET},
	};
	struct sandbox_end *end = &sandbox->end;
	const char *program = sandbox->program != NULL ? sandbox->program : "";
	struct err text;

	if (sandbox->state != SANDBOX_ORDERED)
		return err_set(err, ERR_MALFORMED, "an unexpected failure");
	end->how = SANDBOX_NOT_STARTED;
	end->failure = stages[stage].failure;
	end->errnum = (int)errnum;
	/* err_set() makes the stranger's bytes one line of UTF-8; so many of
	 * them fit into the detail whatever they are. */
	if (stage == CONTROL_AT_EXEC)
		err_set(&text, ERR_UNPROCESSABLE, "\"%.40s\" %s: %s", program,
		    stages[stage].text, strerror((int)errnum));
	else
		err_set(&text, ERR_UNPROCESSABLE, "%s: %s", stages[stage].text,
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
	sandbox_files_begin(sandbox);
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
	case CONTROL_TAKEN:
		return sandbox_input_take(
		    sandbox, frame->taken.offset, frame->taken.closed, err);
	case CONTROL_EXIT:
		return take_exit(sandbox, &frame->exit, err);
	case CONTROL_FILE:
		return sandbox_files_take(sandbox, &frame->file, err);
	case CONTROL_FILE_END:
		return sandbox_files_take_end(sandbox, frame->file_end.index,
		    frame->file_end.status, frame->file_end.size, err);
	default:
		return err_set(err, ERR_MALFORMED, "a frame of ours");
	}
}

void
sandbox_run_closed(void *arg, const struct err *err)
{
	struct sandbox *sandbox = arg;
	bool ordered = sandbox->state == SANDBOX_ADOPTED ||
	    sandbox->state >= SANDBOX_ORDERED;

	if (sandbox->state >= SANDBOX_GONE)
		return;
	sandbox_cancel_calls(sandbox);
	if (!ordered) {
		sandbox->end.retry = err->code == ERR_NONE;
		sandbox_fail(sandbox,
		    sandbox->mount_refused ? SANDBOX_FAILURE_MOUNT
					   : SANDBOX_FAILURE_ENGINE,
		    err->code != ERR_NONE
			? err->detail
			: "task-init ended before it had an order");
		return;
	}
	/* Dropped by us: there is nothing to ask, it is removed. What it said
	 * of the end is believed no more than the rest. */
	if (err->code != ERR_NONE) {
		memset(&sandbox->end, 0, sizeof(sandbox->end));
		sandbox->exit_known = false;
		sandbox_lose(sandbox, err->detail);
		return;
	}
	/* It said how the task ended, and had no time for its files. */
	if (sandbox->exit_known)
		sandbox_finish(sandbox);
	else
		sandbox_loss_ask(sandbox);
}
