/*
 * A sandbox of the runner's life before. task-init connects again by itself;
 * its socket is bound under another name and renamed into place, so that
 * there is one at every moment. Meanwhile the engine is asked whether the
 * container still runs.
 */
#include <stdio.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "runner/sandbox_folder.h"
#include "runner/sandbox_state.h"

/* It tries each 20 to 500 ms. */
#define BACK_WITHIN_MS 60000
/* Whether the container still runs. */
#define LOOK_EACH_MS 1000

static void look(struct sandbox *sandbox);

static void
give_up(struct sandbox *sandbox)
{
	sandbox_lose(sandbox, "task-init did not come back in time");
}

static void
on_looked(void *arg, json_t *answer, const struct err *err)
{
	struct sandbox *sandbox = arg;
	const json_t *state = json_object_get(answer, "State");

	sandbox->call = NULL;
	if (json_is_false(json_object_get(state, "Running")))
		sandbox_loss_explain(sandbox, state);
	else if (answer == NULL && err->code == ERR_NOT_FOUND)
		sandbox_lose(sandbox, "its container is gone");
	else
		sandbox_expect(sandbox, LOOK_EACH_MS, look);
}

static void
look(struct sandbox *sandbox)
{
	struct engine_done done = {on_looked, sandbox};

	if (clock_boot_ms() >= sandbox->deadline_ms) {
		give_up(sandbox);
		return;
	}
	/* Not before a version is agreed on. */
	if (!engine_is_agreed(sandbox->factory->engine)) {
		sandbox_expect(sandbox, LOOK_EACH_MS, look);
		return;
	}
	sandbox->call =
	    engine_inspect(sandbox->factory->engine, sandbox->container, done);
}

static void
lose_socket(struct sandbox *sandbox)
{
	char detail[sizeof(sandbox->end.detail)];

	memcpy(detail, sandbox->end.detail, sizeof(detail));
	sandbox_lose(sandbox, detail);
}

static void
copy_saved(struct sandbox *sandbox, const struct sandbox_saved *saved)
{
	snprintf(sandbox->id, sizeof(sandbox->id), "%s", saved->id);
	sandbox->container = alloc_string(saved->container);
	sandbox->image = alloc_string(saved->image_id);
	sandbox->uid =
	    saved->uid >= 0 ? saved->uid : (int64_t)sandbox->factory->uid;
	if (saved->mounts != NULL)
		sandbox->mounts_text = alloc_string(saved->mounts);
	sandbox->limits[LIMIT_TMP] = saved->tmp_bytes;
	for (int i = 0; i < STREAM_COUNT; i++)
		sandbox->received[i] = saved->received[i];
	sandbox->feed.wanted = saved->input_max > 0;
	sandbox->feed.most = (uint64_t)saved->input_max;
	sandbox->harvest.count = saved->noutputs;
	sandbox->harvest.index = saved->file_index;
	sandbox->harvest.offset = saved->file_offset;
	sandbox->harvest.file_max = (uint64_t)saved->tmp_bytes;
}

struct sandbox *
sandbox_adopt(struct sandbox_factory *factory,
    const struct sandbox_saved *saved, const struct sandbox_events *events,
    void *arg)
{
	struct sandbox *sandbox = sandbox_allocate(factory, events, arg);
	struct err err;
	int listener;

	copy_saved(sandbox, saved);
	sandbox_factory_drop(factory, saved->id);
	sandbox->state = SANDBOX_ADOPTED;
	sandbox->deadline_ms = clock_boot_ms() + BACK_WITHIN_MS;
	if (sandbox_folder_listen(
		factory->directory, sandbox->id, &listener, &err) != 0) {
		snprintf(sandbox->end.detail, sizeof(sandbox->end.detail),
		    "%.255s", err.detail);
		sandbox_expect(sandbox, 0, lose_socket);
		return sandbox;
	}
	sandbox_listen_take(sandbox, listener, (pid_t)saved->init_pid);
	sandbox_expect(sandbox, 0, look);
	return sandbox;
}

/* The order never reached it, and may be given again. */
static void
wait_again(struct sandbox *sandbox)
{
	if (sandbox->kill_asked) {
		sandbox_fail(sandbox, SANDBOX_FAILURE_ENGINE,
		    "it was ended before it was started");
		return;
	}
	sandbox_set_ready(sandbox);
	sandbox->events.ready(sandbox->arg, &sandbox->ready);
}

static void
find_image(struct sandbox *sandbox)
{
	if (engine_is_agreed(sandbox->factory->engine))
		sandbox_create_find_image(sandbox, wait_again);
	else if (clock_boot_ms() < sandbox->deadline_ms)
		sandbox_expect(sandbox, LOOK_EACH_MS, find_image);
	else
		give_up(sandbox);
}

static int
await_image(
    struct sandbox *sandbox, const struct control_hello *hello, struct err *err)
{
	for (int i = 0; i < STREAM_COUNT; i++) {
		if (sandbox->received[i] > 0)
			return err_set(err, ERR_MALFORMED,
			    "no order where there was output");
	}
	if (sandbox_mounts_adopt(sandbox, hello, err) != 0)
		return -1;
	memset(&sandbox->feed, 0, sizeof(sandbox->feed));
	find_image(sandbox);
	return 0;
}

/* What is kept here must be of what the task wrote; and of what is not kept
 * here, task-init may have less than all. How its offsets go together is
 * checked where the frame is decoded. */
static int
resume_output(
    struct sandbox *sandbox, const struct control_hello *hello, struct err *err)
{
	struct control_frame frame = {.type = CONTROL_RESUME};

	for (int i = 0; i < STREAM_COUNT; i++) {
		if (sandbox->received[i] > hello->written[i])
			return err_set(err, ERR_MALFORMED,
			    "more output is kept than was written");
	}
	for (int i = 0; i < STREAM_COUNT; i++) {
		if (sandbox->received[i] < hello->started[i])
			sandbox->received[i] = hello->started[i];
		frame.resume.received[i] = sandbox->received[i];
	}
	sandbox_control_send(sandbox->control, &frame, NULL, 0);
	return 0;
}

static int
resume_input(
    struct sandbox *sandbox, const struct control_hello *hello, struct err *err)
{
	struct sandbox_feed *feed = &sandbox->feed;

	/* Of a life before it is only known how much it can be. */
	if (hello->input > feed->most ||
	    (!feed->wanted && (hello->input > 0 || hello->input_ended)))
		return err_set(
		    err, ERR_MALFORMED, "more input has come than was sent");
	feed->given = feed->sent = hello->input;
	feed->taken = hello->input > CONTROL_INPUT_WINDOW
	    ? hello->input - CONTROL_INPUT_WINDOW
	    : 0;
	feed->end_given = feed->end_sent = hello->input_ended;
	return 0;
}

int
sandbox_adopt_hello(
    struct sandbox *sandbox, const struct control_hello *hello, struct err *err)
{
	if (sandbox->greeted)
		return err_set(err, ERR_MALFORMED, "a second hello");
	sandbox->greeted = true;
	uv_timer_stop(&sandbox->timer);
	sandbox_cancel_calls(sandbox);
	if (hello->state == CONTROL_WAITING)
		return await_image(sandbox, hello, err);
	if (resume_input(sandbox, hello, err) != 0 ||
	    resume_output(sandbox, hello, err) != 0)
		return -1;
	sandbox->state = SANDBOX_RUNNING;
	if (sandbox->kill_asked)
		sandbox_kill_all(sandbox);
	else if (sandbox->signal_asked != 0)
		sandbox_tell(sandbox, CONTROL_GROUP, sandbox->signal_asked);
	sandbox->events.started(sandbox->arg, clock_wall_ms());
	return 0;
}

uint64_t
sandbox_output_received(const struct sandbox *sandbox, enum stream stream)
{
	return sandbox->received[stream];
}
