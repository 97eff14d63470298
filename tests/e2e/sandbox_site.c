/* The place where sandboxes are tried. */
#include "tests/e2e/sandbox_site.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/file.h"

struct site site;

void
site_alarm(uv_timer_t *timer)
{
	(void)timer;
	fail_msg("not within %d ms", DEADLINE_MS);
}

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

static void
on_started(void *arg, int64_t wall_ms)
{
	struct record *record = arg;

	assert_true(record->ready && !record->started && wall_ms > 0);
	record->started = true;
	if (record->on_started != NULL)
		record->on_started(record);
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
on_ended(void *arg, const struct sandbox_end *end)
{
	struct record *record = arg;

	assert_false(record->ended);
	record->ended = true;
	record->end = *end;
	if (end->detail[0] != '\0')
		print_message("%s\n", end->detail);
	for (int i = 0; i < STREAM_COUNT; i++)
		assert_int_equal(end->written[i], record->output[i].len);
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

static const struct sandbox_events events = {
    .ready = on_ready,
    .started = on_started,
    .output = on_output,
    .ended = on_ended,
};

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
	    sandbox_new(site.factory, &order->spec, &events, record);
}

void
site_take(struct record *record, struct sandbox *sandbox,
    const struct site_order *order)
{
	prepare(record, order);
	record->sandbox = sandbox;
	sandbox_attach(sandbox, &events, record);
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
	free_command(&record->command);
}

const char *
site_text(const struct record *record, enum stream stream)
{
	return record->output[stream].data != NULL ? record->output[stream].data
						   : "";
}

char *
site_path(const char *name)
{
	return alloc_printf("%s/%s", site.folder, name);
}

static char *
run_command(const char *command)
{
	auto_buffer output = BUFFER_INIT(1 << 20);
	FILE *pipe = popen(command, "re");
	char piece[4096];
	size_t n;

	assert_non_null(pipe);
	while ((n = fread(piece, 1, sizeof(piece), pipe)) > 0)
		buffer_append(&output, piece, n);
	if (pclose(pipe) != 0)
		fail_msg("failed: %s", command);
	return buffer_take(&output);
}

char *
site_command_output(const char *format, ...)
{
	char command[4096];
	va_list ap;

	va_start(ap, format);
	vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	return run_command(command);
}

void
site_command(const char *format, ...)
{
	char command[4096];
	va_list ap;

	va_start(ap, format);
	vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	free(run_command(command));
}

size_t
site_count_containers(void)
{
	auto_free char *list = site_command_output(
	    "curl -sSf --unix-socket '%s' -G http://engine/containers/json "
	    "-d all=1 --data-urlencode "
	    "'filters={\"label\":[\"taskgate.runner=%s\"]}'",
	    site.engine + strlen("unix://"), site.runner_id);
	size_t count = 0;

	for (const char *at = list; (at = strstr(at, "\"Id\":")) != NULL; at++)
		count++;
	return count;
}

size_t
site_count_folders(void)
{
	auto_free char *path = site_path("sandboxes");
	DIR *dir = opendir(path);
	const struct dirent *entry;
	size_t count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		count += uuid_is_valid(entry->d_name) ? 1 : 0;
	closedir(dir);
	return count;
}

static void
note_engine(void *arg, const char *reason)
{
	(void)arg;
	site.ready = reason == NULL;
	snprintf(site.reason, sizeof(site.reason), "%s",
	    reason != NULL ? reason : "");
}

void
site_make_factory(const char *engine)
{
	auto_free char *directory = site_path("sandboxes");
	auto_free char *init = site_path("task-init");
	auto_free char *seccomp = site_path("seccomp.json");
	struct sandbox_configuration configuration = {
	    .engine = engine,
	    .runner_id = site.runner_id,
	    .directory = directory,
	    .init_path = init,
	    .seccomp_path = seccomp,
	    .uid = TASK_UID,
	    .gid = TASK_UID,
	};
	struct err err;

	site.ready = false;
	site.reason[0] = '\0';
	site.factory = sandbox_factory_new(&site.loop, &configuration, &err);
	if (site.factory == NULL)
		fail_msg("%s", err.detail);
	sandbox_factory_start(site.factory, NULL, 0, note_engine, NULL);
}

int
site_set_up(void **state)
{
	char folder[] = "/tmp/taskgate-sandbox-XXXXXX";
	char id[UUID_TEXT];
	const char *engine = getenv("TASKGATE_TEST_ENGINE");

	(void)state;
	if (engine == NULL || strncmp(engine, "unix://", 7) != 0) {
		print_error("TASKGATE_TEST_ENGINE names no engine\n");
		return -1;
	}
	signal(SIGPIPE, SIG_IGN);
	uuid_make(clock_wall_ms(), id);
	site.runner_id = alloc_string(id);
	site.engine = alloc_string(engine);
	site.folder = alloc_string(mkdtemp(folder));
	uv_loop_init(&site.loop);
	uv_timer_init(&site.loop, &site.alarm);
	site_command("'%s/tests/engine.sh' import '%s' %s '%s/tests/probe' "
		     "'%s/tests/intruder'",
	    SOURCE_DIR, engine + strlen("unix://"), IMAGE, BINARY_DIR,
	    BINARY_DIR);
	/* Where only we can change it, as in an installation. */
	site_command("install -m 0755 '%s/bin/task-init' '%s/task-init'",
	    BINARY_DIR, site.folder);
	site_command("install -m 0644 '%s/runner/seccomp.json' "
		     "'%s/seccomp.json'",
	    SOURCE_DIR, site.folder);
	site_make_factory(engine);
	UNTIL(site.ready);
	return 0;
}

int
site_tear_down(void **state)
{
	(void)state;
	if (site.factory == NULL)
		return -1;
	UNTIL(sandbox_factory_pending(site.factory) == 0);
	assert_int_equal(site_count_containers(), 0);
	assert_int_equal(site_count_folders(), 0);
	sandbox_factory_free(site.factory);
	uv_close((uv_handle_t *)&site.alarm, NULL);
	uv_run(&site.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&site.loop), 0);
	site_command("rm -rf '%s'", site.folder);
	free(site.folder);
	free(site.engine);
	free(site.runner_id);
	return 0;
}
