/*
 * What the gateways are told of the runner: at once when it becomes ready or
 * no longer is, soon when numbers change.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/process.h"
#include "runner/peers.h"

#define SOON_MS 50
#define EACH_MS 1000

static void
add_reason(json_t *reasons, const char *part, const char *reason)
{
	auto_free char *text = NULL;

	if (reason == NULL)
		return;
	text = alloc_printf("%s: %s", part, reason);
	json_array_append_new(reasons, audit_text(text));
}

json_t *
runner_reasons(const struct runner *runner)
{
	json_t *reasons = json_array();

	if (runner->engine_reason != NULL)
		json_array_append_new(
		    reasons, audit_text(runner->engine_reason));
	add_reason(reasons, "store and audit log", store_reason(runner->store));
	if (runner->tasks.no_room)
		add_reason(reasons, "store and audit log",
		    "too little room is left on the disk of the state");
	if (!runner->tasks.recovered)
		add_reason(reasons, "store and audit log",
		    "what an earlier life left is not read yet");
	if (policy_rule_count(runner->policy) == 0)
		add_reason(reasons, "policy", "it has no rule");
	if (runner->stopping)
		add_reason(reasons, "runner", "it is being stopped");
	return reasons;
}

static void
set_count(json_t *counters, const char *name, uint64_t value)
{
	json_object_set_new(counters, name, json_integer((json_int_t)value));
}

static void
add_pool(json_t *counters, const struct pool_counters *pool)
{
	set_count(counters, "warm_made", pool->made);
	set_count(counters, "warm_failed", pool->failed);
	set_count(counters, "warm_claimed", pool->claimed);
	for (int i = 0; i < POOL_DROP_COUNT; i++) {
		auto_free char *name = alloc_printf(
		    "warm_dropped_%s", pool_drop_text((enum pool_drop)i));

		set_count(counters, name, pool->dropped[i]);
	}
}

static void
add_copy(json_t *counters, const char *kind, const struct copy *copy)
{
	auto_free char *records = alloc_printf("audit_copied_%s", kind);
	auto_free char *stalled = alloc_printf("audit_copy_stalled_%s", kind);

	if (copy == NULL)
		return;
	set_count(counters, records, copy_counters(copy)->records);
	set_count(counters, stalled, copy_counters(copy)->stalled);
}

static json_t *
render_counters(const struct runner *runner)
{
	const struct tasks_counters *tasks = &runner->tasks.counters;
	json_t *counters = json_object();

	set_count(counters, "tasks_accepted", tasks->accepted);
	set_count(counters, "tasks_repeated", tasks->repeated);
	set_count(counters, "tasks_denied", tasks->denied);
	set_count(counters, "tasks_turned_away", tasks->refused);
	set_count(counters, "tasks_started", tasks->started);
	set_count(counters, "tasks_started_warm", tasks->warm);
	set_count(counters, "tasks_adopted", tasks->adopted);
	for (int i = OUTCOME_NONE + 1; i < OUTCOME_COUNT; i++) {
		auto_free char *name = alloc_printf(
		    "tasks_ended_%s", task_outcome_text((enum task_outcome)i));

		set_count(counters, name, tasks->finished[i]);
	}
	set_count(counters, "output_bytes", tasks->output_bytes);
	set_count(counters, "store_commits", store_commits(runner->store));
	set_count(counters, "store_operations", store_written(runner->store));
	for (int i = FAULT_NONE + 1; i < FAULT_COUNT; i++) {
		auto_free char *name =
		    alloc_printf("store_failed_%s", fault_slug((enum fault)i));

		set_count(
		    counters, name, store_faults(runner->store, (enum fault)i));
	}
	add_copy(counters, "file", runner->copy);
	add_copy(counters, "stdout", runner->copy_stdout);
	if (runner->publish != NULL) {
		set_count(counters, "checkpoints_published",
		    publish_counters(runner->publish)->written);
		set_count(counters, "checkpoints_failed",
		    publish_counters(runner->publish)->failed);
	}
	if (runner->pool != NULL)
		add_pool(counters, pool_counters(runner->pool));
	return counters;
}

json_t *
runner_state(const struct runner *runner)
{
	json_t *reasons = runner_reasons(runner);
	bool ready = json_array_size(reasons) == 0;
	const struct pool *pool = runner->pool;

	return json_pack("{s:b, s:o, s:I, s:I, s:I, s:I, s:I, s:o}", "ready",
	    ready, "reasons", reasons, "queued",
	    (json_int_t)runner->tasks.queue.length, "running",
	    (json_int_t)runner->tasks.queue.running, "capacity",
	    (json_int_t)runner->config.running_max, "warm",
	    (json_int_t)(pool != NULL ? pool_ready(pool) : 0), "warming",
	    (json_int_t)(pool != NULL ? pool_creating(pool) : 0), "counters",
	    render_counters(runner));
}

static void
push(struct runner *runner)
{
	auto_json *state = runner_state(runner);
	auto_free char *text = json_dumps(state, JSON_COMPACT | JSON_SORT_KEYS);

	runner->push_soon = false;
	if (runner->pushed != NULL && strcmp(runner->pushed, text) == 0)
		return;
	free(runner->pushed);
	runner->pushed = take(text);
	peers_tell(runner, MESSAGE_state, state);
}

static void
on_push(uv_timer_t *timer)
{
	struct runner *runner = timer->data;

	runner_look_at_room(runner);
	runner_look_at_clock(runner);
	push(runner);
	uv_timer_start(&runner->push, on_push, EACH_MS, 0);
}

void
runner_state_open(struct runner *runner)
{
	if (uv_timer_init(&runner->loop, &runner->push) != 0)
		die("uv_timer_init");
	runner->push.data = runner;
	uv_timer_start(&runner->push, on_push, EACH_MS, 0);
}

void
runner_state_changed(struct runner *runner)
{
	if (runner->push_soon || uv_is_closing((uv_handle_t *)&runner->push))
		return;
	runner->push_soon = true;
	uv_timer_start(&runner->push, on_push, SOON_MS, 0);
}
