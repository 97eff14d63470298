/*
 * One task for a person to read. Whatever the server said of it goes through
 * show_fact(), which neutralises it.
 */
#include "client/show_task.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/show.h"
#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/quantity.h"

static char *
describe_place(const struct task *task)
{
	if (task->waits_for != NULL)
		return alloc_printf("%s (waits for %s, %" PRId64 " before it)",
		    task->state, task->waits_for, task->place);
	if (task->estimate_s < 0)
		return alloc_printf(
		    "%s (%" PRId64 " before it)", task->state, task->place);
	return alloc_printf("%s (%" PRId64 " before it, about %" PRId64 " s)",
	    task->state, task->place, task->estimate_s);
}

char *
show_task_state(const struct task *task)
{
	if (!task_is_finished(task) && task->place >= 0)
		return describe_place(task);
	if (!task_is_finished(task) || task->outcome == NULL)
		return alloc_string(task->state);
	if (strcmp(task->outcome, "failed") == 0)
		return alloc_printf("failed (%" PRId64 ")", task->exit_code);
	if (task->signal != NULL)
		return alloc_printf("%s (%s)", task->outcome, task->signal);
	if (task->reason != NULL)
		return alloc_printf("%s (%s)", task->outcome, task->reason);
	return alloc_string(task->outcome);
}

char *
show_task_args(const json_t *document)
{
	struct buffer line = BUFFER_INIT(4096);
	const json_t *args = json_object_get(document, "args");
	const json_t *arg = NULL;
	char *text = NULL;
	size_t i;

	json_array_foreach(args, i, arg)
	{
		if (i > 0)
			buffer_append_string(&line, " ");
		buffer_append(
		    &line, json_string_value(arg), json_string_length(arg));
	}
	text = buffer_take(&line);
	/* Cut between characters, not within one. */
	if (strlen(text) > 40) {
		size_t end = 37;

		while (end > 0 && (text[end] & 0xc0) == 0x80)
			end--;
		strcpy(text + end, "...");
	}
	return text;
}

char *
show_limit(const char *name, const json_t *object, const char *member)
{
	static const struct {
		const char *name;
		void (*format)(int64_t, char *);
	} known[] = {
	    {"memory", quantity_format_size},
	    {"timeout", quantity_format_duration},
	    {"output", quantity_format_size},
	    {"tmp", quantity_format_size},
	    {"stdin", quantity_format_size},
	};
	const json_t *value = json_object_get(object, member);

	for (size_t i = 0; json_is_integer(value) && i < COUNT(known); i++) {
		char quantity[QUANTITY_TEXT];

		if (strcmp(known[i].name, name) != 0)
			continue;
		known[i].format(json_integer_value(value), quantity);
		return alloc_string(quantity);
	}
	return show_member_text(object, member);
}

void
show_limits(const json_t *document)
{
	static const char *const names[] = {
	    "cpus", "memory", "pids", "timeout", "output", "tmp"};
	const json_t *limits = json_object_get(document, "limits");
	struct buffer line = BUFFER_INIT(1024);
	auto_free char *text = NULL;

	if (!json_is_object(limits))
		return;
	for (size_t i = 0; i < COUNT(names); i++) {
		auto_free char *value = show_limit(names[i], limits, names[i]);

		if (value != NULL)
			buffer_printf(&line, "%s=%.32s ", names[i], value);
	}
	text = buffer_take(&line);
	show_fact("limits", text);
}

static char *
seconds(int64_t us)
{
	return alloc_printf(
	    "%" PRId64 ".%06" PRId64 " s", us / 1000000, us % 1000000);
}

static void
show_start(const json_t *document)
{
	int64_t age_ms = task_integer(document, "container_age_ms");
	auto_free char *start = show_member_text(document, "start");
	auto_free char *line = NULL;

	if (start == NULL)
		return;
	line = age_ms < 0
	    ? alloc_string(start)
	    : alloc_printf("%s, container %" PRId64 ".%03" PRId64 " s old",
		  start, age_ms / 1000, age_ms % 1000);
	show_fact("start", line);
}

/* Microseconds of `object`, each as seconds under its own name. */
static void
show_durations(const char *label, const json_t *object,
    const char *const (*names)[2], size_t count)
{
	struct buffer line = BUFFER_INIT(1024);
	auto_free char *text = NULL;

	for (size_t i = 0; i < count; i++) {
		int64_t us = task_integer(object, names[i][0]);
		auto_free char *duration = us >= 0 ? seconds(us) : NULL;

		if (duration != NULL)
			buffer_printf(&line, "%s%s %s",
			    line.len > 0 ? ", " : "", names[i][1], duration);
	}
	if (line.len > 0) {
		text = buffer_take(&line);
		show_fact(label, text);
	}
	buffer_done(&line);
}

static void
show_resources(const json_t *document)
{
	static const char *const stages[][2] = {{"queued_us", "queued"},
	    {"starting_us", "starting"}, {"running_us", "running"}};
	static const char *const cpu[][2] = {
	    {"user_us", "user"}, {"system_us", "system"}};
	const json_t *resources = json_object_get(document, "resources");
	int64_t peak = task_integer(resources, "memory_peak");
	bool killed = json_is_true(json_object_get(resources, "oom_killed"));
	auto_free char *memory = peak < 0
	    ? NULL
	    : alloc_printf("at most %" PRId64 " bytes%s", peak,
		  killed ? "; a process was killed for want of more" : "");

	show_durations("stages", json_object_get(document, "stages"), stages,
	    COUNT(stages));
	show_durations("cpu", resources, cpu, COUNT(cpu));
	show_fact("memory", memory);
}

static void
show_stdin(const json_t *document)
{
	const json_t *input = json_object_get(document, "stdin");
	auto_free char *mode = show_member_text(input, "mode");
	int64_t received = task_integer(input, "received");
	int64_t taken = task_integer(input, "taken");
	auto_free char *line = NULL;

	if (mode == NULL)
		return;
	line = alloc_printf("%s, %" PRId64
			    " bytes, of which the task took %" PRId64 "%s%s",
	    mode, received < 0 ? 0 : received, taken < 0 ? 0 : taken,
	    json_is_true(json_object_get(input, "ended")) ? ", ended" : "",
	    json_is_true(json_object_get(input, "closed"))
		? ", closed by the task"
		: "");
	show_fact("stdin", line);
}

static void
show_outputs(const json_t *document)
{
	const json_t *list = json_object_get(document, "outputs");
	const json_t *file = NULL;
	size_t i;

	json_array_foreach(list, i, file)
	{
		auto_free char *name = show_member_text(file, "name");
		auto_free char *status = show_member_text(file, "status");
		auto_free char *digest = show_member_text(file, "sha256");
		int64_t size = task_integer(file, "size");
		auto_free char *line = NULL;

		if (name == NULL || status == NULL)
			continue;
		line = digest != NULL && size >= 0
		    ? alloc_printf("%s: %s, %" PRId64 " bytes, sha256 %s", name,
			  status, size, digest)
		    : alloc_printf("%s: %s", name, status);
		show_fact("file", line);
	}
}

static void
show_approval(const json_t *document)
{
	const json_t *approval = json_object_get(document, "approval");

	show_member("approval", approval, "decision");
	show_member("  by", approval, "decided_by");
	show_member("  at", approval, "decided_at");
	show_member("  reason", approval, "reason");
	if (json_object_get(approval, "decision") == NULL)
		show_member("lapses", approval, "expires_at");
}

void
show_task(const json_t *document, const struct task *task)
{
	auto_free char *state = show_task_state(task);
	auto_free char *args = show_task_args(document);
	auto_free char *output = task->stdout_bytes >= 0
	    ? alloc_printf("%" PRId64 " bytes, %" PRId64 " of stderr%s",
		  task->stdout_bytes, task->stderr_bytes,
		  task->truncated ? ", truncated" : "")
	    : NULL;

	show_fact("id", task->id);
	show_fact("state", state);
	show_fact("detail", task->detail);
	show_fact("subject", task->subject);
	show_fact("image", task->image);
	show_member("image id", document, "image_id");
	show_fact("command", args);
	show_list("environment", document, "env");
	show_fact("rule", task->rule);
	show_approval(document);
	show_limits(document);
	show_fact("created", task->created_at);
	show_fact("started", task->started_at);
	show_fact("finished", task->finished_at);
	show_start(document);
	show_resources(document);
	show_stdin(document);
	show_list("inputs", document, "inputs");
	show_fact("output", output);
	show_outputs(document);
}
