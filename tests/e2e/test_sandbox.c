/*
 * Sandboxes against a real engine, below everything else of the runner: the
 * engine that TASKGATE_TEST_ENGINE names, an image of busybox and our own
 * probe, real containers.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "runner/sandbox.h"

#define IMAGE "taskgate-test/sandbox"
#define TASK_UID 61234
#define DEADLINE_MS 60000

static struct site {
	uv_loop_t loop;
	uv_timer_t alarm;
	char *folder;
	char *runner_id;
	struct sandbox_factory *factory;
	bool ready;
	char reason[ERR_DETAIL_MAX];
} site;

/* What one sandbox did. */
struct record {
	struct sandbox *sandbox;
	bool ready, started, ended;
	char container[65];
	char image_id[80];
	struct buffer output[STREAM_COUNT];
	struct sandbox_end end;
	/* Called on the event, for tests that act then. */
	void (*on_ready)(struct record *record);
	void (*on_started)(struct record *record);
	void (*on_output)(struct record *record);
};

static void
on_alarm(uv_timer_t *timer)
{
	(void)timer;
	fail_msg("not within %d ms", DEADLINE_MS);
}

/* Turns the loop until the condition holds. */
#define UNTIL(condition)                                               \
	do {                                                           \
		uv_timer_start(&site.alarm, on_alarm, DEADLINE_MS, 0); \
		while (!(condition))                                   \
			uv_run(&site.loop, UV_RUN_ONCE);               \
		uv_timer_stop(&site.alarm);                            \
	} while (0)

static void
on_ready(void *arg, const char *container, const char *image_id)
{
	struct record *record = arg;

	assert_false(record->ready || record->ended);
	record->ready = true;
	snprintf(record->container, sizeof(record->container), "%s", container);
	snprintf(record->image_id, sizeof(record->image_id), "%s", image_id);
	if (record->on_ready != NULL)
		record->on_ready(record);
	else
		sandbox_start(record->sandbox);
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

static const struct sandbox_events EVENTS = {
    on_ready, on_started, on_output, on_ended};

static void
default_order(struct sandbox_order *ret)
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
	ret->task = "0190c5a2-5e1f-7c3e-8a55-3f1f0c1b2a11";
	ret->image = IMAGE;
	ret->uid = ret->gid = -1;
	memcpy(ret->limits, limits, sizeof(limits));
}

static void
launch(struct record *record, const struct sandbox_order *order)
{
	for (int i = 0; i < STREAM_COUNT; i++)
		record->output[i].max = 64 << 20;
	record->sandbox = sandbox_new(site.factory, order, &EVENTS, record);
}

static void
launch_shell(struct record *record, const char *script)
{
	const char *args[] = {"sh", "-c", script};
	struct sandbox_order order;

	default_order(&order);
	order.args = args;
	order.nargs = 3;
	launch(record, &order);
}

static void
finish(struct record *record)
{
	for (int i = 0; i < STREAM_COUNT; i++)
		buffer_done(&record->output[i]);
}

static void
run_shell(struct record *record, const char *script)
{
	launch_shell(record, script);
	UNTIL(record->ended);
}

static const char *
text(const struct record *record, enum stream stream)
{
	return record->output[stream].data != NULL ? record->output[stream].data
						   : "";
}

#define RECORD       \
	AUTO(finish) \
	struct record

static void
test_a_task_runs_with_both_streams_and_its_exit_code(void **state)
{
	RECORD r = {0};

	(void)state;
	run_shell(&r, "echo out; echo err >&2; exit 7");
	assert_int_equal(r.end.how, SANDBOX_EXITED);
	assert_int_equal(r.end.exit_code, 7);
	assert_string_equal(text(&r, STREAM_STDOUT), "out\n");
	assert_string_equal(text(&r, STREAM_STDERR), "err\n");
	assert_int_equal(strlen(r.container), 64);
	assert_memory_equal(r.image_id, "sha256:", 7);
	assert_true(r.end.memory_peak_bytes > 0);
	assert_true(r.end.user_us + r.end.system_us > 0);
	assert_false(r.end.oom_killed);
}

static void
note_engine(void *arg, const char *reason)
{
	(void)arg;
	site.ready = reason == NULL;
	snprintf(site.reason, sizeof(site.reason), "%s",
	    reason != NULL ? reason : "");
}

static char *
make_path(const char *name)
{
	return alloc_printf("%s/%s", site.folder, name);
}

/* Into a folder that only we can change, as an installation is. */
static void
install(const char *from, const char *name, mode_t mode)
{
	auto_free char *to = make_path(name);
	struct err err;
	size_t len;
	auto_free char *data = file_read(from, 64 << 20, &len, &err);

	if (data == NULL)
		fail_msg("%s", err.detail);
	if (file_write(to, data, len, mode, &err) != 0)
		fail_msg("%s", err.detail);
}

static void
import_image(const char *engine)
{
	auto_free char *command =
	    alloc_printf("'%s/tests/engine.sh' import '%s' %s '%s/tests/probe'",
		SOURCE_DIR, engine + strlen("unix://"), IMAGE, BINARY_DIR);

	if (system(command) != 0)
		fail_msg("the image cannot be imported: %s", command);
}

static void
make_factory(void)
{
	auto_free char *directory = make_path("sandboxes");
	auto_free char *init = make_path("task-init");
	auto_free char *seccomp = make_path("seccomp.json");
	struct sandbox_configuration configuration = {
	    .engine = getenv("TASKGATE_TEST_ENGINE"),
	    .runner_id = site.runner_id,
	    .directory = directory,
	    .init_path = init,
	    .seccomp_path = seccomp,
	    .uid = TASK_UID,
	    .gid = TASK_UID,
	};
	struct err err;

	site.ready = false;
	site.factory = sandbox_factory_new(&site.loop, &configuration, &err);
	if (site.factory == NULL)
		fail_msg("%s", err.detail);
	sandbox_factory_start(site.factory, note_engine, NULL);
	UNTIL(site.ready);
}

static int
set_up(void **state)
{
	char template[] = "/tmp/taskgate-sandbox-XXXXXX";
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
	site.folder = alloc_string(mkdtemp(template));
	uv_loop_init(&site.loop);
	uv_timer_init(&site.loop, &site.alarm);
	import_image(engine);
	install(BINARY_DIR "/bin/task-init", "task-init", 0755);
	install(SOURCE_DIR "/runner/seccomp.json", "seccomp.json", 0644);
	make_factory();
	return 0;
}

static void
remove_folder(void)
{
	auto_free char *command = alloc_printf("rm -rf '%s'", site.folder);

	if (system(command) != 0)
		fail_msg("%s", command);
}

static int
tear_down(void **state)
{
	(void)state;
	UNTIL(sandbox_factory_pending(site.factory) == 0);
	sandbox_factory_free(site.factory);
	uv_close((uv_handle_t *)&site.alarm, NULL);
	uv_run(&site.loop, UV_RUN_DEFAULT);
	if (uv_loop_close(&site.loop) != 0)
		return -1;
	remove_folder();
	free(site.folder);
	free(site.runner_id);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		test_a_task_runs_with_both_streams_and_its_exit_code),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
