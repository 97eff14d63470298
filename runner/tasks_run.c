/*
 * What the sandbox says, from being ready to its end: the record of the start,
 * the order, output, files.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "policy/launch.h"
#include "policy/secret.h"
#include "runner/tasks_change.h"

/* Each takes an engine that went away or ended a container that waited. */
#define RETURNS_MAX 10

void
task_step_to(struct task *task, enum task_event event)
{
	struct task_facts *facts = &task->data->facts;

	if (!task_step(facts->state, event, &facts->state))
		die("task %s: event %d in state %s", task->data->id, (int)event,
		    task_state_text(facts->state));
}

static void
copy_name(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from);
}

/* -- the order */

/* The names are borrowed from *ret. */
static void
name_secrets(const struct task *task, struct secrets *ret,
    struct sandbox_input list[SECRETS_MAX])
{
	struct err err;

	if (secrets_parse(task->data->secrets, ret, &err) != 0)
		die("task %s: its secrets were read and are none", task->id);
	for (size_t i = 0; i < task->nsecrets; i++)
		list[i] =
		    (struct sandbox_input){ret->list[i].name, task->secrets[i]};
}

static void
name_inputs(const struct task *task, struct sandbox_input *ret)
{
	for (size_t i = 0; i < task->ninputs; i++)
		ret[i] = (struct sandbox_input){
		    .name = task->data->request.inputs[i].name,
		    .fd = task->inputs[i],
		};
}

void
task_give_order(struct task *task)
{
	const struct request *request = &task->data->request;
	struct sandbox_input inputs[REQUEST_FILES_MAX], secrets[SECRETS_MAX];
	struct secrets names;
	const json_t *launch = task->data->launch;
	size_t nargs;
	auto_free const char **args = launch_args(launch, request, &nargs);
	size_t nentrypoint;
	auto_free const char **entrypoint =
	    launch_entrypoint(launch, &nentrypoint);
	const struct sandbox_command command = {
	    .entrypoint = entrypoint,
	    .nentrypoint = nentrypoint,
	    .args = args,
	    .nargs = nargs,
	    .env = request->env,
	    .nenv = request->nenv,
	    .has_stdin = request->stdin_mode != REQUEST_STDIN_NONE,
	    .inputs = inputs,
	    .ninputs = task->ninputs,
	    .outputs = request->outputs,
	    .noutputs = request->noutputs,
	    .secrets = secrets,
	    .nsecrets = task->nsecrets,
	    .timeout_s = task->data->limits[LIMIT_TIMEOUT],
	};
	struct err err;

	name_inputs(task, inputs);
	name_secrets(task, &names, secrets);
	if (request->noutputs > 0)
		task->files = files_new(task->tasks->files, task->data->id,
		    request->outputs, request->noutputs);
	task->ordered = true;
	task->deadline_ms = clock_boot_ms() + 1000 * command.timeout_s;
	/* What cannot be ordered ends by itself, and says why. */
	sandbox_start(task->sandbox, &command, &err);
	secrets_done(&names);
	task_close_inputs(task);
	task_arm_timer(task);
}

static void
forget_sandbox(struct task_facts *facts)
{
	facts->image_id[0] = '\0';
	facts->container[0] = '\0';
	facts->sandbox[0] = '\0';
	facts->init_pid = TASK_UNKNOWN;
	facts->container_age_ms = TASK_UNKNOWN;
	facts->queued_us = TASK_UNKNOWN;
	facts->warm = false;
}

void
task_return_to_queue(struct task *task)
{
	task_close_inputs(task);
	if (task->sandbox != NULL)
		sandbox_destroy(take(task->sandbox));
	task_count_cold(task, false);
	task->recorded = false;
	forget_sandbox(&task->data->facts);
	task_step_to(task, TASK_EVENT_RETURNED);
	queue_return(&task->tasks->queue, &task->entry);
	task_tire(task);
}

void
task_take_back_start(struct task *task)
{
	if (!task->recorded && !task->again)
		return;
	task->recorded = false;
	task->again = false;
	tasks_change_return(task);
}

static void
give_back(struct task *task)
{
	task_take_back_start(task);
	task_return_to_queue(task);
	tasks_dispatch(task->tasks);
}

static void
start_written(struct task *task, const struct err *err)
{
	task->writing = false;
	/* It was cancelled while its start was being written. */
	if (task->ending)
		return;
	if (err != NULL) {
		log_failure(LOG_LEVEL_ERROR, "task.not_started", err, "task",
		    task->data->id, NULL);
		/* No record, no action: it waits for better times. */
		task->recorded = false;
		task_take_back_start(task);
		task_return_to_queue(task);
		return;
	}
	/* Its sandbox went meanwhile. */
	if (task->sandbox == NULL)
		give_back(task);
	/* Else the next life gives it. */
	else if (!task->tasks->handing_over)
		task_give_order(task);
}

void
task_note_sandbox(struct task *task)
{
	const struct sandbox_ready *ready = sandbox_ready(task->sandbox);
	struct task_facts *facts = &task->data->facts;

	copy_name(facts->sandbox, sizeof(facts->sandbox), ready->id);
	copy_name(facts->container, sizeof(facts->container), ready->container);
	copy_name(facts->image_id, sizeof(facts->image_id), ready->image_id);
	facts->init_pid = ready->init_pid;
	if (ready->made_ms > 0)
		facts->container_age_ms = clock_boot_ms() - ready->made_ms;
}

/* Its sandbox waits, and so does all that it reads. */
void
task_prepared(struct task *task)
{
	task_count_cold(task, false);
	task_note_sandbox(task);
	/* What its name means is known only now. */
	if (!task_ask_revocations(task))
		return;
	task->recorded = true;
	task->writing = true;
	tasks_change_start(task, task->again, start_written);
}

/* -- its output */

void
task_open_output(struct task *task)
{
	if (task->output != NULL)
		return;
	task->output = output_new(task->tasks->outputs, task->data->id,
	    task->data->limits[LIMIT_OUTPUT]);
}

int
task_follow(struct task *task, enum stream stream, int64_t offset, int *ret_fd,
    struct err *err)
{
	task_open_output(task);
	return output_follow(task->output, stream, offset, ret_fd, err);
}

/* -- what the sandbox says */

static void
on_ready(void *arg, const struct sandbox_ready *ready)
{
	struct task *task = arg;

	(void)ready;
	if (task->adopting)
		task_start_again(task);
	else
		task_prepared(task);
}

static void
on_started(void *arg, int64_t wall_ms)
{
	struct task *task = arg;
	struct task_facts *facts = &task->data->facts;

	task->started_us = clock_boot_us();
	if (task->adopting) {
		task_go_on(task);
	} else {
		task_step_to(task, TASK_EVENT_STARTED);
		facts->started_ms = wall_ms;
		facts->starting_us = task->started_us - task->turn_us;
		task->tasks->counters.started++;
		task->tasks->counters.warm += facts->warm;
		log_info("task.started", "task", task->data->id, "subject",
		    task->data->owner.subject, NULL);
	}
	input_feed(task);
	task->tasks->changed(task->tasks->arg);
}

static void
on_output(void *arg, enum stream stream, const void *data, size_t len)
{
	struct task *task = arg;
	struct task_facts *facts = &task->data->facts;
	int64_t before = facts->kept[stream];

	output_write(task->output, stream, data, len);
	facts->kept[stream] = output_kept(task->output, stream);
	facts->truncated = output_is_truncated(task->output);
	task->tasks->counters.output_bytes +=
	    (uint64_t)(facts->kept[stream] - before);
}

static void
on_input_taken(void *arg, uint64_t offset, bool closed)
{
	struct task *task = arg;

	task->data->facts.input.taken = (int64_t)offset;
	task->data->facts.input.closed = closed;
	input_feed(task);
}

/* Its time is over from here on; what follows are its files. */
static void
on_exited(void *arg)
{
	struct task *task = arg;

	task_note_exit(task);
	task->deadline_ms = TASK_UNKNOWN;
	task_arm_timer(task);
}

static void
on_file(
    void *arg, uint32_t index, uint64_t offset, const void *data, size_t len)
{
	struct task *task = arg;

	files_write(task->files, index, offset, data, len);
}

static void
on_file_end(void *arg, uint32_t index, enum sandbox_file status, uint64_t size)
{
	struct task *task = arg;

	files_end(task->files, index, (enum control_file)status, size);
}

/* The engine, not the task, was in the way. Should that go on, the task is
 * told of it in the end. */
static bool
may_return(const struct task *task, const struct sandbox_end *end)
{
	return end->how == SANDBOX_NOT_STARTED && end->retry &&
	    !task->ordered && !task->ending && !task->tasks->stopping &&
	    task->data->facts.state == TASK_STARTING &&
	    task->returned < RETURNS_MAX;
}

static void
on_ended(void *arg, const struct sandbox_end *end)
{
	struct task *task = arg;

	if (task->accepting) {
		/* It was ready, and is gone before anybody has heard of the
		 * task; that it is about to start is on its way to the disk:
		 * task_go(). */
		sandbox_destroy(take(task->sandbox));
	} else if (may_return(task, end)) {
		log_warning("task.returned", "task", task->data->id, "reason",
		    end->detail, NULL);
		task->returned++;
		if (task->writing)
			sandbox_destroy(take(task->sandbox));
		else
			give_back(task);
	} else {
		task_end(task, end);
	}
}

const struct sandbox_events task_sandbox_events = {
    .ready = on_ready,
    .started = on_started,
    .output = on_output,
    .input_taken = on_input_taken,
    .exited = on_exited,
    .file = on_file,
    .file_end = on_file_end,
    .ended = on_ended,
};
