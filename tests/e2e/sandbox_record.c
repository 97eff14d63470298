/* What sandboxes do, noted down. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "tests/e2e/sandbox_site.h"

void
site_start(struct record *record)
{
	struct err err;

	if (sandbox_start(record->sandbox, &record->command, &err) != 0)
		print_message("%s\n", err.detail);
}

static void
on_ready(void *arg, const struct sandbox_ready *ready)
{
	struct record *record = arg;

	assert_false(record->ready || record->ended);
	record->ready = true;
	assert_true(sandbox_is_ready(record->sandbox));
	assert_ptr_equal(sandbox_ready(record->sandbox), ready);
	assert_true(ready->made_ms <= clock_boot_ms());
	snprintf(record->id, sizeof(record->id), "%s", ready->id);
	snprintf(record->container, sizeof(record->container), "%s",
	    ready->container);
	snprintf(
	    record->image_id, sizeof(record->image_id), "%s", ready->image_id);
	record->init_pid = ready->init_pid;
	if (record->on_ready != NULL)
		record->on_ready(record);
	else
		site_start(record);
}

/* As much as there is room for; then the end, unless more is to come. */
static void
feed(struct record *record)
{
	struct sandbox *sandbox = record->sandbox;
	size_t len;

	if (sandbox == NULL || !record->command.has_stdin)
		return;
	while ((len = sandbox_input_room(sandbox)) > 0 &&
	    record->input_at < record->input_len) {
		if (len > record->input_len - record->input_at)
			len = record->input_len - record->input_at;
		sandbox_input(sandbox, record->input + record->input_at, len);
		record->input_at += len;
		assert_int_equal(
		    sandbox_input_received(sandbox), record->input_at);
	}
	if (record->input_at == record->input_len && !record->input_open)
		sandbox_input_end(sandbox);
}

static void
on_started(void *arg, int64_t wall_ms)
{
	struct record *record = arg;

	assert_true(!record->started && wall_ms > 0);
	record->started = true;
	/* What comes is behind this. */
	for (int i = 0; i < STREAM_COUNT; i++)
		record->before[i] =
		    sandbox_output_received(record->sandbox, (enum stream)i);
	record->input_at = sandbox_input_received(record->sandbox);
	if (record->on_started != NULL)
		record->on_started(record);
	feed(record);
}

static void
on_output(void *arg, enum stream stream, const void *data, size_t len)
{
	struct record *record = arg;

	assert_true(record->started && !record->ended && len > 0);
	buffer_append(&record->output[stream], data, len);
	if (record->on_output != NULL)
		record->on_output(record);
}

static void
on_input_taken(void *arg, uint64_t offset, bool closed)
{
	struct record *record = arg;

	assert_true(record->started && !record->ended);
	assert_true(offset >= record->taken && offset <= record->input_at);
	record->taken = offset;
	record->input_closed = closed;
	feed(record);
}

static void
on_exited(void *arg)
{
	struct record *record = arg;

	assert_true(record->started && !record->exited);
	record->exited = true;
	if (record->on_exited != NULL)
		record->on_exited(record);
}

static void
on_file(
    void *arg, uint32_t index, uint64_t offset, const void *data, size_t len)
{
	struct record *record = arg;

	assert_true(record->exited && !record->ended);
	assert_int_equal(index, record->nfiles);
	assert_true(index < RECORD_FILES);
	assert_int_equal(offset, record->files[index].bytes.len);
	record->files[index].bytes.max = 64 << 20;
	buffer_append(&record->files[index].bytes, data, len);
}

static void
on_file_end(void *arg, uint32_t index, enum sandbox_file status, uint64_t size)
{
	struct record *record = arg;

	assert_true(record->exited && !record->ended);
	assert_int_equal(index, record->nfiles);
	assert_true(index < RECORD_FILES);
	record->files[index].status = status;
	record->files[index].size = size;
	record->nfiles++;
}

static void
on_ended(void *arg, const struct sandbox_end *end)
{
	struct record *record = arg;

	assert_false(record->ended);
	record->ended = true;
	record->end = *end;
	if (end->detail[0] != '\0')
		print_message("%s\n", end->detail);
	for (int i = 0; i < STREAM_COUNT; i++)
		assert_int_equal(
		    end->written[i], record->before[i] + record->output[i].len);
	sandbox_destroy(record->sandbox);
	record->sandbox = NULL;
}

void
site_default_order(struct site_order *ret)
{
	static const int64_t limits[LIMIT_COUNT] = {
	    [LIMIT_MEMORY] = 64 << 20,
	    [LIMIT_CPUS] = 1000,
	    [LIMIT_PIDS] = 32,
	    [LIMIT_TIMEOUT] = 60,
	    [LIMIT_OUTPUT] = 1 << 20,
	    [LIMIT_TMP] = 1 << 20,
	};

	memset(ret, 0, sizeof(*ret));
	ret->spec.image = IMAGE;
	ret->spec.uid = ret->spec.gid = -1;
	memcpy(ret->spec.limits, limits, sizeof(limits));
	ret->command.timeout_s = limits[LIMIT_TIMEOUT];
}

static void
copy_command(struct record *record, const struct sandbox_command *command)
{
	char **args = alloc_zero(command->nargs + 1, sizeof(*args));
	struct request_env *env = alloc_zero(command->nenv + 1, sizeof(*env));

	for (size_t i = 0; i < command->nargs; i++)
		args[i] = alloc_string(command->args[i]);
	for (size_t i = 0; i < command->nenv; i++) {
		env[i].name = alloc_string(command->env[i].name);
		env[i].value = alloc_string(command->env[i].value);
	}
	record->command = *command;
	record->command.args = (const char *const *)args;
	record->command.env = env;
}

static void
free_command(struct sandbox_command *command)
{
	for (size_t i = 0; i < command->nargs; i++)
		free((char *)(uintptr_t)command->args[i]);
	for (size_t i = 0; i < command->nenv; i++) {
		free((char *)(uintptr_t)command->env[i].name);
		free((char *)(uintptr_t)command->env[i].value);
	}
	free((void *)(uintptr_t)command->args);
	free((void *)(uintptr_t)command->env);
}

const struct sandbox_events record_events = {
    .ready = on_ready,
    .started = on_started,
    .output = on_output,
    .input_taken = on_input_taken,
    .exited = on_exited,
    .file = on_file,
    .file_end = on_file_end,
    .ended = on_ended,
};

void
site_adopt(struct record *record, const struct sandbox_saved *saved)
{
	for (int i = 0; i < STREAM_COUNT; i++)
		record->output[i].max = 64 << 20;
	record->sandbox =
	    sandbox_adopt(site.factory, saved, &record_events, record);
}

void
site_save(const struct record *record, struct sandbox_saved *ret)
{
	memset(ret, 0, sizeof(*ret));
	snprintf(ret->id, sizeof(ret->id), "%s", record->id);
	snprintf(
	    ret->container, sizeof(ret->container), "%s", record->container);
	snprintf(ret->image_id, sizeof(ret->image_id), "%s", record->image_id);
	ret->init_pid = record->init_pid;
	ret->uid = -1;
	ret->tmp_bytes = 1 << 20;
	ret->input_max = record->command.has_stdin ? 1 << 30 : 0;
	ret->noutputs = record->command.noutputs;
	for (int i = 0; i < STREAM_COUNT; i++)
		ret->received[i] = record->before[i] + record->output[i].len;
}

static void
prepare(struct record *record, const struct site_order *order)
{
	for (int i = 0; i < STREAM_COUNT; i++)
		record->output[i].max = 64 << 20;
	copy_command(record, &order->command);
}

void
site_launch(struct record *record, const struct site_order *order)
{
	prepare(record, order);
	record->sandbox =
	    sandbox_new(site.factory, &order->spec, &record_events, record);
}

void
site_take(struct record *record, struct sandbox *sandbox,
    const struct site_order *order)
{
	prepare(record, order);
	record->sandbox = sandbox;
	sandbox_attach(sandbox, &record_events, record);
	on_ready(record, sandbox_ready(sandbox));
}

void
site_run(struct record *record, const struct site_order *order)
{
	site_launch(record, order);
	UNTIL(record->ended);
}

void
site_launch_shell(struct record *record, const char *script)
{
	const char *args[] = {"sh", "-c", script};
	struct site_order order;

	site_default_order(&order);
	order.command.args = args;
	order.command.nargs = 3;
	site_launch(record, &order);
}

void
site_run_shell(struct record *record, const char *script)
{
	site_launch_shell(record, script);
	UNTIL(record->ended);
}

void
site_finish(struct record *record)
{
	for (int i = 0; i < STREAM_COUNT; i++)
		buffer_done(&record->output[i]);
	for (int i = 0; i < RECORD_FILES; i++)
		buffer_done(&record->files[i].bytes);
	free_command(&record->command);
}

const char *
site_text(const struct record *record, enum stream stream)
{
	return record->output[stream].data != NULL ? record->output[stream].data
						   : "";
}
