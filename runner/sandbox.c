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
sandbox_finish(struct sandbox *sandbox)
{
	sandbox->state = SANDBOX_ENDED;
	uv_timer_stop(&sandbox->timer);
	sandbox_create_cancel(sandbox);
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
	template_image_done(&sandbox->found);
	json_decref(sandbox->body);
	json_decref(sandbox->mounts);
	free(sandbox->program);
	free(sandbox->name);
	free(sandbox->container);
	free(sandbox);
}

struct sandbox *
sandbox_new(struct sandbox_factory *factory, const struct sandbox_spec *spec,
    const struct sandbox_events *events, void *arg)
{
	struct sandbox *sandbox = alloc_zero(1, sizeof(*sandbox));

	sandbox->factory = factory;
	sandbox->events = *events;
	sandbox->arg = arg;
	uuid_make(clock_wall_ms(), sandbox->id);
	copy_spec(sandbox, spec);
	sandbox->next = factory->sandboxes;
	sandbox->link = &factory->sandboxes;
	if (sandbox->next != NULL)
		sandbox->next->link = &sandbox->next;
	factory->sandboxes = sandbox;
	uv_timer_init(factory->loop, &sandbox->timer);
	sandbox->timer.data = sandbox;
	/* In the next turn: no event comes from within a call. */
	sandbox_expect(sandbox, 0, sandbox_create_begin);
	return sandbox;
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
	return sandbox->state == SANDBOX_READY;
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
	auto_buffer body = {0};

	if (template_order_encode(&sandbox->found, command, &body, err) != 0)
		return err_prefix(err, "image \"%s\"", sandbox->image);
	sandbox->program =
	    alloc_string(template_order_program(&sandbox->found, command));
	return packet_seal(body.data, body.len, ret, err);
}

int
sandbox_start(struct sandbox *sandbox, const struct sandbox_command *command,
    struct err *err)
{
	struct control_frame frame = {.type = CONTROL_ORDER};
	auto_fd int fd = -1;

	if (sandbox->state < SANDBOX_READY)
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
	frame.order.version = CONTROL_VERSION;
	sandbox_expect(sandbox, START_WITHIN_MS, lose_start);
	sandbox_control_send(sandbox->control, &frame, fd);
	return 0;
}

static void
send_signal(struct sandbox *sandbox, enum control_scope scope, int signal)
{
	struct control_frame frame = {.type = CONTROL_SIGNAL};

	frame.signal.scope = scope;
	frame.signal.number = (uint32_t)signal;
	sandbox_control_send(sandbox->control, &frame, -1);
}

void
sandbox_signal(struct sandbox *sandbox, int signal)
{
	if (sandbox->state == SANDBOX_ORDERED ||
	    sandbox->state == SANDBOX_RUNNING)
		send_signal(sandbox, CONTROL_GROUP, signal);
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

static void
kill_by_engine(struct sandbox *sandbox)
{
	struct engine_done done = {on_killed, sandbox};

	sandbox->call =
	    engine_kill(sandbox->factory->engine, sandbox->container, done);
	sandbox_expect(sandbox, KILL_BY_ENGINE_MS, lose_killed);
}

void
sandbox_kill(struct sandbox *sandbox)
{
	if (sandbox->state >= SANDBOX_GONE || sandbox->kill_asked)
		return;
	sandbox->kill_asked = true;
	if (sandbox->state < SANDBOX_ORDERED) {
		/* Whatever task-init says from now on is not heard. */
		sandbox->state = SANDBOX_GONE;
		sandbox_create_cancel(sandbox);
		sandbox_expect(sandbox, 0, fail_killed);
		return;
	}
	send_signal(sandbox, CONTROL_ALL, SIGKILL);
	sandbox_expect(sandbox, KILL_WITHIN_MS, kill_by_engine);
}

void
sandbox_destroy(struct sandbox *sandbox)
{
	struct sandbox_removals *removals = sandbox->factory->removals;

	if (sandbox->destroyed)
		return;
	sandbox->destroyed = true;
	sandbox_create_cancel(sandbox);
	sandbox_control_close(sandbox->control);
	*sandbox->link = sandbox->next;
	if (sandbox->next != NULL)
		sandbox->next->link = sandbox->link;
	/* By its name where no answer has given its id. */
	if (sandbox->container != NULL)
		sandbox_removals_add(
		    removals, sandbox->id, sandbox->container, false);
	else
		sandbox_removals_add(removals, sandbox->id, sandbox->name,
		    sandbox->name != NULL);
	uv_timer_stop(&sandbox->timer);
	uv_close((uv_handle_t *)&sandbox->timer, free_sandbox);
}

bool
sandbox_factory_knows(
    const struct sandbox_factory *factory, const char *sandbox)
{
	for (const struct sandbox *s = factory->sandboxes; s != NULL;
	     s = s->next) {
		if (strcmp(s->id, sandbox) == 0)
			return true;
	}
	for (const struct kept *kept = factory->kept; kept != NULL;
	     kept = kept->next) {
		if (strcmp(kept->id, sandbox) == 0)
			return true;
	}
	return sandbox_removals_has(factory->removals, sandbox);
}
