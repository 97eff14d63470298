/*
 * An orderly stop: tasks may end, then are ended, then we go. Or they are
 * handed over to the next life, and only what is being written is waited for.
 * No step is waited for without end.
 */
#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/process.h"
#include "runner/peers.h"

#define LOOK_MS 20

struct stop_step {
	bool (*is_done)(const struct runner *runner);
	int64_t within_ms;
	void (*then)(struct runner *runner);
	const struct stop_step *next; /* NULL: it was the last */
};

static bool
is_idle(const struct runner *runner)
{
	return tasks_busy(&runner->tasks) == 0;
}

/* Ended tasks that cannot be written are left: the next life hears of their
 * ends once more. */
static bool
is_written(const struct runner *runner)
{
	return tasks_ending(&runner->tasks) == 0 &&
	    store_pending(runner->store) == 0;
}

static bool
is_removed(const struct runner *runner)
{
	return sandbox_factory_pending(runner->factory) == 0 &&
	    store_pending(runner->store) == 0;
}

static void
end_tasks(struct runner *runner)
{
	tasks_end_all(&runner->tasks, "the runner stopped");
}

static void
leave_tasks(struct runner *runner)
{
	if (is_idle(runner))
		return;
	log_error("runner.tasks_left", NULL);
	runner->exit_code = 1;
}

static const struct stop_step removing = {
    is_removed, 15000, runner_close, NULL};
static const struct stop_step writing = {is_written, 10000, NULL, &removing};
static const struct stop_step killing = {
    is_idle, 20000, leave_tasks, &removing};
static const struct stop_step waiting = {is_idle, 10000, end_tasks, &killing};

static void
begin_step(struct runner_stop *stop, const struct stop_step *step)
{
	stop->step = step;
	stop->late_ms = clock_boot_ms() + step->within_ms;
}

static void
on_timer(uv_timer_t *timer)
{
	struct runner *runner = timer->data;
	struct runner_stop *stop = &runner->stop;
	const struct stop_step *step = stop->step;

	if (!step->is_done(runner) && clock_boot_ms() < stop->late_ms)
		return;
	if (step->next != NULL)
		begin_step(stop, step->next);
	if (step->then != NULL)
		step->then(runner);
}

void
runner_stop_open(struct runner *runner)
{
	if (uv_timer_init(&runner->loop, &runner->stop.timer) != 0)
		die("uv_timer_init");
	runner->stop.timer.data = runner;
}

/* What is ready for tasks goes in any case: the next life may be of another
 * release. */
void
runner_stop(struct runner *runner, bool hand_over)
{
	struct runner_stop *stop = &runner->stop;

	if (runner->stopping) {
		/* Asked again: in a hurry. */
		stop->late_ms = clock_boot_ms();
		return;
	}
	log_info(
	    "runner.stopping", "tasks", hand_over ? "kept" : "ended", NULL);
	process_notify("STOPPING=1");
	runner->stopping = true;
	runner->tasks.stopping = true;
	/* Who is connected still hears how things end. */
	peers_close_listeners(runner);
	runner_state_changed(runner);
	runner_close_pool(runner);
	if (hand_over)
		tasks_hand_over(&runner->tasks);
	begin_step(stop, hand_over ? &writing : &waiting);
	uv_timer_start(&stop->timer, on_timer, 0, LOOK_MS);
}
