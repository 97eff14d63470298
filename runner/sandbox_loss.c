/*
 * What the engine says where task-init says nothing any more: it is never
 * guessed how a task ended.
 */
#include <signal.h>
#include <stdio.h>

#include "lib/clock.h"
#include "runner/sandbox_state.h"

/* The engine takes its time to notice that a container has ended (70 ms and
 * more), or is not there itself. */
#define WHY_EACH_MS 100
#define WHY_WITHIN_MS 10000

void
sandbox_loss_explain(struct sandbox *sandbox, const json_t *state)
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

static void ask(struct sandbox *sandbox);

static void
on_answer(void *arg, json_t *answer, const struct err *err)
{
	struct sandbox *sandbox = arg;
	const json_t *state = json_object_get(answer, "State");

	sandbox->call = NULL;
	if (json_is_false(json_object_get(state, "Running"))) {
		sandbox_loss_explain(sandbox, state);
	} else if (answer == NULL && err->code == ERR_NOT_FOUND) {
		sandbox_lose(
		    sandbox, "its container was removed by somebody else");
	} else if (clock_boot_ms() < sandbox->deadline_ms) {
		sandbox_expect(sandbox, WHY_EACH_MS, ask);
	} else if (answer == NULL) {
		sandbox_lose(sandbox, err->detail);
	} else {
		sandbox_lose(sandbox, "its control connection ended");
	}
}

static void
ask(struct sandbox *sandbox)
{
	struct engine_done done = {on_answer, sandbox};

	/* An adopted one, and no engine since we began. */
	if (!engine_is_agreed(sandbox->factory->engine)) {
		if (clock_boot_ms() < sandbox->deadline_ms)
			sandbox_expect(sandbox, WHY_EACH_MS, ask);
		else
			sandbox_lose(sandbox,
			    "its control connection ended, "
			    "and there is no engine to ask");
		return;
	}
	sandbox->call =
	    engine_inspect(sandbox->factory->engine, sandbox->container, done);
}

void
sandbox_loss_ask(struct sandbox *sandbox)
{
	sandbox->state = SANDBOX_GONE;
	uv_timer_stop(&sandbox->timer);
	sandbox->deadline_ms = clock_boot_ms() + WHY_WITHIN_MS;
	ask(sandbox);
}
