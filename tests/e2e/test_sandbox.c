/*
 * The way of a task through a sandbox, against a real engine: what it prints,
 * how it ends, what it is told, and that nothing of it stays.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "tests/e2e/sandbox_site.h"

static void
test_a_task_runs_with_both_streams_and_its_exit_code(void **state)
{
	RECORD r = {0};

	(void)state;
	site_run_shell(&r, "echo out; echo err >&2; exit 7");
	assert_int_equal(r.end.how, SANDBOX_EXITED);
	assert_int_equal(r.end.exit_code, 7);
	assert_string_equal(site_text(&r, STREAM_STDOUT), "out\n");
	assert_string_equal(site_text(&r, STREAM_STDERR), "err\n");
	assert_int_equal(strlen(r.container), 64);
	assert_memory_equal(r.image_id, "sha256:", 7);
	assert_true(r.end.memory_peak_bytes > 0);
	assert_true(r.end.user_us + r.end.system_us > 0);
	assert_false(r.end.oom_killed);
}

static void
test_a_task_that_is_killed_by_a_signal_says_which(void **state)
{
	RECORD r = {0};

	(void)state;
	site_run_shell(&r, "kill -SEGV $$");
	assert_int_equal(r.end.how, SANDBOX_KILLED);
	assert_int_equal(r.end.signal, SIGSEGV);
}

static void
run_args(struct record *record, const char *const *args, size_t nargs)
{
	struct site_order order;

	site_default_order(&order);
	order.command.args = args;
	order.command.nargs = nargs;
	site_run(record, &order);
}

static void
assert_command_fails(const char *program, int errnum)
{
	RECORD r = {0};

	run_args(&r, &program, 1);
	assert_int_equal(r.end.how, SANDBOX_NOT_STARTED);
	assert_int_equal(r.end.failure, SANDBOX_FAILURE_COMMAND);
	assert_int_equal(r.end.errnum, errnum);
	assert_false(r.started);
}

static void
test_a_command_that_cannot_be_executed_says_why(void **state)
{
	(void)state;
	assert_command_fails("no-such-program", ENOENT);
	assert_command_fails("/bin/no-such-program", ENOENT);
	assert_command_fails("/etc/passwd", EACCES);
	assert_command_fails("/bin", EACCES);
	assert_command_fails("", ENOENT);
}

static void
test_without_args_the_image_s_own_command_runs(void **state)
{
	struct site_order order;
	RECORD r = {0};

	(void)state;
	/* /bin/sh with nothing to read. */
	site_default_order(&order);
	site_run(&r, &order);
	assert_int_equal(r.end.how, SANDBOX_EXITED);
	assert_int_equal(r.end.exit_code, 0);
}

static void
test_the_environment_is_the_image_s_and_the_request_s(void **state)
{
	static const char *const args[] = {"env"};
	static const struct request_env env[] = {
	    {"HOME", "/tmp"}, {"LANG", "C.UTF-8"}, {"SPACED", "a = b\nc"}};
	struct site_order order;
	RECORD r = {0};

	(void)state;
	site_default_order(&order);
	order.command.args = args;
	order.command.nargs = 1;
	order.command.env = env;
	order.command.nenv = COUNT(env);
	site_run(&r, &order);
	assert_string_equal(site_text(&r, STREAM_STDOUT),
	    "HOSTNAME=task\nPATH=/bin\nHOME=/tmp\nLANG=C.UTF-8\n"
	    "SPACED=a = b\nc\n");
}

static void
test_much_output_on_both_streams_arrives_whole_and_in_order(void **state)
{
	RECORD r = {0};
	char line[16];
	size_t at[STREAM_COUNT] = {0, 0};

	(void)state;
	site_run_shell(
	    &r, "seq 1000000 2000000 & seq 3000000 3900000 >&2; wait");
	assert_int_equal(r.end.exit_code, 0);
	assert_int_equal(r.end.written[STREAM_STDOUT], 1000001 * 8);
	for (int n = 1000000; n <= 2000000; n++) {
		int len = snprintf(line, sizeof(line), "%d\n", n);

		assert_memory_equal(
		    r.output[STREAM_STDOUT].data + at[STREAM_STDOUT], line,
		    (size_t)len);
		at[STREAM_STDOUT] += (size_t)len;
	}
	assert_int_equal(r.end.written[STREAM_STDERR], 900001 * 8);
	assert_memory_equal(
	    r.output[STREAM_STDERR].data + 900000 * 8, "3900000\n", 8);
}

static void
test_a_background_process_that_holds_the_streams_does_not_hold_the_end(
    void **state)
{
	RECORD r = {0};

	(void)state;
	site_run_shell(&r, "sleep 1000 & (yes >&2) & echo done; exit 3");
	assert_int_equal(r.end.how, SANDBOX_EXITED);
	assert_int_equal(r.end.exit_code, 3);
	assert_string_equal(site_text(&r, STREAM_STDOUT), "done\n");
}

static void
test_a_task_may_close_its_streams_and_go_on(void **state)
{
	RECORD r = {0};

	(void)state;
	site_run_shell(&r, "echo x; exec >&- 2>&-; /bin/true; exit 5");
	assert_int_equal(r.end.exit_code, 5);
	assert_string_equal(site_text(&r, STREAM_STDOUT), "x\n");
}

static void
signal_term(struct record *record)
{
	if (strcmp(site_text(record, STREAM_STDOUT), "set\n") == 0)
		sandbox_signal(record->sandbox, SIGTERM);
}

static void
test_a_signal_reaches_the_task_s_process_group(void **state)
{
	RECORD r = {.on_output = signal_term};

	(void)state;
	/* The child has no trap: TERM ends it, and the shell goes on. It says
	 * so itself: between fork and exec it still has its parent's. */
	site_run_shell(&r,
	    "trap 'echo caught' TERM; sh -c 'echo set; exec sleep 1000' & "
	    "wait; wait; exit 4");
	assert_int_equal(r.end.how, SANDBOX_EXITED);
	assert_int_equal(r.end.exit_code, 4);
	assert_string_equal(site_text(&r, STREAM_STDOUT), "set\ncaught\n");
}

static void
kill_now(struct record *record)
{
	sandbox_kill(record->sandbox);
}

static void
test_kill_ends_every_process_and_keeps_what_was_written(void **state)
{
	RECORD r = {.on_output = kill_now};

	(void)state;
	site_run_shell(&r,
	    "trap '' TERM HUP INT; setsid sleep 1000 & echo up; "
	    "while :; do sleep 1; done");
	assert_int_equal(r.end.how, SANDBOX_KILLED);
	assert_int_equal(r.end.signal, SIGKILL);
	assert_string_equal(site_text(&r, STREAM_STDOUT), "up\n");
	assert_true(r.end.memory_peak_bytes > 0);
}

static void
test_kill_before_the_order_means_not_started(void **state)
{
	RECORD r = {.on_ready = kill_now};

	(void)state;
	site_run_shell(&r, "echo never");
	assert_int_equal(r.end.how, SANDBOX_NOT_STARTED);
	assert_false(r.started);
}

static void
test_kill_at_once_leaves_nothing_behind(void **state)
{
	RECORD r = {0};

	(void)state;
	site_launch_shell(&r, "echo never");
	sandbox_kill(r.sandbox);
	UNTIL(r.ended);
	assert_int_equal(r.end.how, SANDBOX_NOT_STARTED);
	UNTIL(sandbox_factory_pending(site.factory) == 0);
	assert_int_equal(site_count_containers(), 0);
}

static void
destroy_now(struct record *record)
{
	sandbox_destroy(record->sandbox);
	record->sandbox = NULL;
	record->ended = true;
}

/* Lets a few turns of the loop pass, more each time, so that the end falls
 * into every step of the creation. */
static void
test_destroy_at_any_moment_leaves_nothing_behind(void **state)
{
	(void)state;
	for (int turns = 0; turns < 40; turns += 3) {
		RECORD r = {.on_started = destroy_now};

		site_launch_shell(&r, "sleep 1000");
		for (int i = 0; i < turns && !r.ended; i++)
			uv_run(&site.loop, UV_RUN_ONCE);
		if (!r.ended)
			destroy_now(&r);
		UNTIL(sandbox_factory_pending(site.factory) == 0);
		assert_int_equal(site_count_containers(), 0);
		assert_int_equal(site_count_folders(), 0);
	}
}

static void
test_many_at_once_each_have_their_own_output(void **state)
{
	struct record records[16] = {{0}};

	(void)state;
	for (size_t i = 0; i < COUNT(records); i++) {
		auto_free char *script =
		    alloc_printf("echo task-%zu; exit %zu", i, i);

		site_launch_shell(&records[i], script);
	}
	for (size_t i = 0; i < COUNT(records); i++) {
		char expected[32];

		UNTIL(records[i].ended);
		snprintf(expected, sizeof(expected), "task-%zu\n", i);
		assert_int_equal(records[i].end.exit_code, i);
		assert_string_equal(
		    site_text(&records[i], STREAM_STDOUT), expected);
		site_finish(&records[i]);
	}
}

static void
test_an_order_of_a_megabyte_is_handed_over(void **state)
{
	static char big[100001];
	static const char *args[12] = {
	    "sh", "-c", "echo ${#0} ${#9} $#; printf %s \"$BIG\" | wc -c"};
	struct request_env env = {"BIG", big};
	struct site_order order;
	RECORD r = {0};

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	for (size_t i = 3; i < COUNT(args); i++)
		args[i] = big;
	site_default_order(&order);
	order.command.args = args;
	order.command.nargs = COUNT(args);
	order.command.env = &env;
	order.command.nenv = 1;
	site_run(&r, &order);
	assert_string_equal(
	    site_text(&r, STREAM_STDOUT), "100000 0 8\n100000\n");
}

static void
test_a_task_out_of_memory_is_reported_by_task_init(void **state)
{
	RECORD r = {0};

	(void)state;
	site_run_shell(&r, "tail /dev/zero");
	assert_true(r.end.oom_killed);
	assert_true(r.end.how == SANDBOX_KILLED
		? r.end.signal == SIGKILL
		: r.end.how == SANDBOX_EXITED && r.end.exit_code == 137);
}

static void
test_a_child_out_of_memory_shows_though_the_task_succeeds(void **state)
{
	RECORD r = {0};

	(void)state;
	site_run_shell(&r, "sh -c 'tail /dev/zero' 2>/dev/null; exit 0");
	assert_int_equal(r.end.how, SANDBOX_EXITED);
	assert_int_equal(r.end.exit_code, 0);
	assert_true(r.end.oom_killed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		test_a_task_runs_with_both_streams_and_its_exit_code),
	    cmocka_unit_test(test_a_task_that_is_killed_by_a_signal_says_which),
	    cmocka_unit_test(test_a_command_that_cannot_be_executed_says_why),
	    cmocka_unit_test(test_without_args_the_image_s_own_command_runs),
	    cmocka_unit_test(
		test_the_environment_is_the_image_s_and_the_request_s),
	    cmocka_unit_test(
		test_much_output_on_both_streams_arrives_whole_and_in_order),
	    cmocka_unit_test(
		test_a_background_process_that_holds_the_streams_does_not_hold_the_end),
	    cmocka_unit_test(test_a_task_may_close_its_streams_and_go_on),
	    cmocka_unit_test(test_a_signal_reaches_the_task_s_process_group),
	    cmocka_unit_test(
		test_kill_ends_every_process_and_keeps_what_was_written),
	    cmocka_unit_test(test_kill_before_the_order_means_not_started),
	    cmocka_unit_test(test_kill_at_once_leaves_nothing_behind),
	    cmocka_unit_test(test_destroy_at_any_moment_leaves_nothing_behind),
	    cmocka_unit_test(test_many_at_once_each_have_their_own_output),
	    cmocka_unit_test(test_an_order_of_a_megabyte_is_handed_over),
	    cmocka_unit_test(
		test_a_task_out_of_memory_is_reported_by_task_init),
	    cmocka_unit_test(
		test_a_child_out_of_memory_shows_though_the_task_succeeds),
	};

	return cmocka_run_group_tests(tests, site_set_up, site_tear_down);
}
