/* Making, commanding and destroying sandboxes. */
#include "runner/sandbox.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/packet.h"
#include "runner/sandbox_state.h"

/* From the order to the program's start, on a machine that is busy. */
#define START_WITHIN_MS 30000
/* For task-init to kill everybody itself, which it can do at once. */
#define KILL_WITHIN_MS 2000
/* For the engine to do it then. */
#define KILL_BY_ENGINE_MS 30000

static void
on_timer(uv_timer_t *timer)
{
	struct sandbox *sandbox = timer->data;

	sandbox->expired(sandbox);
}

void
sandbox_expect(struct sandbox *sandbox, uint64_t timeout_ms,
    void (*expired)(struct sandbox *sandbox))
{
	sandbox->expired = expired;
	uv_timer_start(&sandbox->timer, on_timer, timeout_ms, 0);
}

void
sandbox_cancel_calls(struct sandbox *sandbox)
{
	if (sandbox->call != NULL)
		engine_cancel(sandbox->call);
	if (sandbox->start_call != NULL)
		engine_cancel(sandbox->start_call);
	sandbox->call = NULL;
	sandbox->start_call = NULL;
	sandbox_update_cancel(sandbox);
}

void
sandbox_finish(struct sandbox *sandbox)
{
	sandbox->state = SANDBOX_ENDED;
	uv_timer_stop(&sandbox->timer);
	sandbox_cancel_calls(sandbox);
	for (int i = 0; i < STREAM_COUNT; i++)
		sandbox->end.written[i] = sandbox->received[i];
	sandbox->events.ended(sandbox->arg, &sandbox->end);
}

void
sandbox_fail(
    struct sandbox *sandbox, enum sandbox_failure failure, const char *detail)
{
	sandbox->end.how = SANDBOX_NOT_STARTED;
	sandbox->end.failure = failure;
	snprintf(
	    sandbox->end.detail, sizeof(sandbox->end.detail), "%s", detail);
	sandbox_finish(sandbox);
}

void
sandbox_lose(struct sandbox *sandbox, const char *detail)
{
	sandbox->end.how = SANDBOX_LOST;
	snprintf(
	    sandbox->end.detail, sizeof(sandbox->end.detail), "%s", detail);
	sandbox_finish(sandbox);
}

static void
copy_spec(struct sandbox *sandbox, const struct sandbox_spec *spec)
{
	const struct sandbox_factory *factory = sandbox->factory;

	sandbox->image = alloc_string(spec->image);
	if (spec->network != NULL)
		sandbox->network = alloc_string(spec->network);
	if (spec->mounts != NULL)
		sandbox->mounts_text = alloc_string(spec->mounts);
	sandbox->has_secrets = spec->has_secrets;
	memcpy(sandbox->limits, spec->limits, sizeof(sandbox->limits));
	sandbox->uid = spec->uid >= 0 ? spec->uid : (int64_t)factory->uid;
	sandbox->gid = spec->gid >= 0 ? spec->gid : (int64_t)factory->gid;
}

static void
free_sandbox(uv_handle_t *handle)
{
	struct sandbox *sandbox = handle->data;

	free(sandbox->image);
	free(sandbox->network);
	free(sandbox->mounts_text);
	mounts_done(&sandbox->asked);
	sandbox_image_put(sandbox->found);
	json_decref(sandbox->body);
	json_decref(sandbox->mounts);
	sandbox_input_done(sandbox);
	free(sandbox->program);
	free(sandbox->name);
	free(sandbox->container);
	free(sandbox);
}

struct sandbox *
sandbox_allocate(struct sandbox_factory *factory,
    const struct sandbox_events *events, void *arg)
{
	struct sandbox *sandbox = alloc_zero(1, sizeof(*sandbox));

	sandbox->factory = factory;
	sandbox->events = *events;
	sandbox->arg = arg;
	sandbox->next = factory->sandboxes;
	sandbox->link = &factory->sandboxes;
	if (sandbox->next != NULL)
		sandbox->next->link = &sandbox->next;
	factory->sandboxes = sandbox;
	uv_timer_init(factory->loop, &sandbox->timer);
	sandbox->timer.data = sandbox;
	return sandbox;
}

struct sandbox *
sandbox_new(struct sandbox_factory *factory, const struct sandbox_spec *spec,
    const struct sandbox_events *events, void *arg)
{
	struct sandbox *sandbox = sandbox_allocate(factory, events, arg);

	uuid_make(clock_wall_ms(), sandbox->id);
	copy_spec(sandbox, spec);
	/* In the next turn: no event comes from within a call. */
	sandbox_expect(sandbox, 0, sandbox_create_begin);
	return sandbox;
}

void
sandbox_listen_take(struct sandbox *sandbox, int listener, pid_t peer)
{
	static const struct sandbox_control_events events = {
	    sandbox_run_frame, sandbox_run_closed, sandbox_input_flush};
	struct sandbox_control_peer expected = {(uid_t)sandbox->uid, peer};

	sandbox->control = sandbox_control_open_take(sandbox->factory->loop,
	    listener, &expected, sandbox->factory->packet, &events, sandbox);
}

void
sandbox_set_ready(struct sandbox *sandbox)
{
	sandbox->state = SANDBOX_READY;
	sandbox->ready = (struct sandbox_ready){
	    .id = sandbox->id,
	    .container = sandbox->container,
	    .image_id = sandbox->found->image.id,
	    .init_pid = sandbox_control_peer(sandbox->control),
	    .made_ms = sandbox->made_ms,
	};
}

void
sandbox_attach(
    struct sandbox *sandbox, const struct sandbox_events *events, void *arg)
{
	sandbox->events = *events;
	sandbox->arg = arg;
}

bool
sandbox_is_ready(const struct sandbox *sandbox)
{
	return sandbox->state == SANDBOX_READY && sandbox->change == NULL;
}

const struct sandbox_ready *
sandbox_ready(const struct sandbox *sandbox)
{
	return sandbox->ready.id != NULL ? &sandbox->ready : NULL;
}

static void
lose_start(struct sandbox *sandbox)
{
	sandbox_lose(sandbox, "task-init did not answer to its order in time");
}

static void
fail_order(struct sandbox *sandbox)
{
	sandbox->end.how = SANDBOX_NOT_STARTED;
	sandbox->end.failure = SANDBOX_FAILURE_IMAGE;
	sandbox_finish(sandbox);
}

static int
seal_order(struct sandbox *sandbox, const struct sandbox_command *command,
    int *ret, struct err *err)
{
	const struct template_image *image = &sandbox->found->image;
	uint64_t file_max = (uint64_t)sandbox->limits[LIMIT_TMP];
	auto_buffer body = {0};

	if (template_order_encode(image, command, file_max, &body, err) != 0)
		return err_prefix(err, "image \"%s\"", sandbox->image);
	sandbox->program = alloc_string(template_order_program(image, command));
	sandbox->feed.wanted = command->has_stdin;
	sandbox->harvest.count = command->noutputs;
	sandbox->harvest.file_max = file_max;
	return packet_seal(body.data, body.len, ret, err);
}

static void
send_order(
    struct sandbox *sandbox, const struct sandbox_command *command, int body)
{
	struct control_frame frame = {.type = CONTROL_ORDER};
	int fds[CONTROL_DESCRIPTORS_MAX] = {body};
	size_t nfds = 1;

	frame.order.version = CONTROL_VERSION;
	for (size_t i = 0; i < command->ninputs; i++)
		fds[nfds++] = command->inputs[i].fd;
	for (size_t i = 0; i < command->nsecrets; i++)
		fds[nfds++] = command->secrets[i].fd;
	sandbox_control_send(sandbox->control, &frame, fds, nfds);
}

int
sandbox_start(struct sandbox *sandbox, const struct sandbox_command *command,
    struct err *err)
{
	auto_fd int fd = -1;

	if (sandbox->state < SANDBOX_READY || sandbox->change != NULL)
		die("sandbox_start: a sandbox that is not ready");
	/* It was ended while its record was on the way to the disk. */
	if (sandbox->state > SANDBOX_READY)
		return 0;
	sandbox->state = SANDBOX_ORDERED;
	if (seal_order(sandbox, command, &fd, err) != 0) {
		snprintf(sandbox->end.detail, sizeof(sandbox->end.detail),
		    "%.255s", err->detail);
		sandbox_expect(sandbox, 0, fail_order);
		return -1;
	}
	sandbox_expect(sandbox, START_WITHIN_MS, lose_start);
	send_order(sandbox, command, fd);
	return 0;
}

void
sandbox_tell(struct sandbox *sandbox, enum control_scope scope, int number)
{
	struct control_frame frame = {.type = CONTROL_SIGNAL};

	frame.signal.scope = scope;
	frame.signal.number = (uint32_t)number;
	sandbox_control_send(sandbox->control, &frame, NULL, 0);
}

void
sandbox_signal(struct sandbox *sandbox, int signal)
{
	if (sandbox->state == SANDBOX_ORDERED ||
	    sandbox->state == SANDBOX_RUNNING)
		sandbox_tell(sandbox, CONTROL_GROUP, signal);
	else if (sandbox->state == SANDBOX_ADOPTED)
		sandbox->signal_asked = signal;
}

static void
fail_killed(struct sandbox *sandbox)
{
	sandbox_fail(sandbox, SANDBOX_FAILURE_ENGINE,
	    "it was ended before it was started");
}

static void
lose_killed(struct sandbox *sandbox)
{
	sandbox_lose(
	    sandbox, "neither task-init nor the engine could end it in time");
}

static void
on_killed(void *arg, json_t *answer, const struct err *err)
{
	struct sandbox *sandbox = arg;

	/* The end of the control connection tells, or the timer. */
	(void)answer;
	(void)err;
	sandbox->call = NULL;
}

void
sandbox_kill_by_engine(struct sandbox *sandbox)
{
	struct engine_done done = {on_killed, sandbox};

	sandbox_cancel_calls(sandbox);
	if (engine_is_agreed(sandbox->factory->engine))
		sandbox->call = engine_kill(
		    sandbox->factory->engine, sandbox->container, done);
	sandbox_expect(sandbox, KILL_BY_ENGINE_MS, lose_killed);
}

void
sandbox_kill_all(struct sandbox *sandbox)
{
	sandbox_tell(sandbox, CONTROL_ALL, SIGKILL);
	sandbox_expect(sandbox, KILL_WITHIN_MS, sandbox_kill_by_engine);
}

void
sandbox_kill(struct sandbox *sandbox)
{
	if (sandbox->state >= SANDBOX_GONE)
		return;
	/* Nothing runs any more: its files are not waited for. */
	if (sandbox->state == SANDBOX_LEAVING) {
		sandbox->state = SANDBOX_GONE;
		sandbox_expect(sandbox, 0, sandbox_finish);
		return;
	}
	if (sandbox->kill_asked)
		return;
	sandbox->kill_asked = true;
	/* Told with its hello; and it is waited for by a deadline anyway. */
	if (sandbox->state == SANDBOX_ADOPTED)
		return;
	if (sandbox->state >= SANDBOX_ORDERED) {
		sandbox_kill_all(sandbox);
		return;
	}
	/* Whatever task-init says from now on is not heard. */
	sandbox->state = SANDBOX_GONE;
	sandbox_cancel_calls(sandbox);
	sandbox_expect(sandbox, 0, fail_killed);
}

/* Neither the factory nor the loop knows it any more. */
static void
forget(struct sandbox *sandbox)
{
	sandbox->destroyed = true;
	sandbox_cancel_calls(sandbox);
	sandbox_control_close(sandbox->control);
	*sandbox->link = sandbox->next;
	if (sandbox->next != NULL)
		sandbox->next->link = sandbox->link;
	uv_timer_stop(&sandbox->timer);
	uv_close((uv_handle_t *)&sandbox->timer, free_sandbox);
}

void
sandbox_destroy(struct sandbox *sandbox)
{
	struct sandbox_removals *removals = sandbox->factory->removals;

	struct control_frame done = {.type = CONTROL_DONE};
	bool empty = sandbox->exit_known;

	if (sandbox->destroyed)
		return;
	/* Whatever runs ends now, also where the engine is slow. */
	if (!empty && sandbox->control != NULL)
		sandbox_control_send(sandbox->control, &done, NULL, 0);
	forget(sandbox);
	/* By its name where no answer has given its id. */
	if (sandbox->container != NULL)
		sandbox_removals_add(removals, sandbox->id, sandbox->container,
		    empty ? SANDBOX_REMOVAL_LATER : SANDBOX_REMOVAL_NOW);
	else
		sandbox_removals_add(removals, sandbox->id, sandbox->name,
		    sandbox->name != NULL ? SANDBOX_REMOVAL_IN_DOUBT
					  : SANDBOX_REMOVAL_NOW);
}

void
sandbox_abandon(struct sandbox *sandbox)
{
	if (sandbox->destroyed)
		return;
	sandbox_factory_keep(sandbox->factory, sandbox->id);
	forget(sandbox);
}
