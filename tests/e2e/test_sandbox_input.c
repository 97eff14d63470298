/*
 * Standard input on its way into a task: all of it and in order, never more
 * than the window beyond what the task took, until one of the two closes it.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "runner/control.h"
#include "tests/e2e/sandbox_site.h"

/* What a pipe holds, besides task-init's window. */
#define PIPE_BYTES (64 * 1024)

static void
launch_reader(struct record *record, const char *script)
{
	const char *args[] = {"sh", "-c", script};
	struct site_order order;

	site_default_order(&order);
	order.command.args = args;
	order.command.nargs = 3;
	order.command.has_stdin = true;
	site_launch(record, &order);
}

static void
run_reader(struct record *record, const char *script)
{
	launch_reader(record, script);
	UNTIL(record->ended);
}

static void
test_a_task_reads_exactly_what_it_is_given(void **state)
{
	RECORD r = {.input = "one\0two\n", .input_len = 8};

	(void)state;
	run_reader(&r, "cat; echo .");
	assert_int_equal(r.end.exit_code, 0);
	assert_int_equal(r.output[STREAM_STDOUT].len, 10);
	assert_memory_equal(r.output[STREAM_STDOUT].data, "one\0two\n.\n", 10);
	assert_int_equal(r.taken, 8);
}

static void
test_an_input_of_no_bytes_ends_at_once(void **state)
{
	RECORD r = {.input_len = 0};

	(void)state;
	run_reader(&r, "wc -c");
	assert_string_equal(site_text(&r, STREAM_STDOUT), "0\n");
}

static void
test_without_an_input_there_is_none_to_be_given(void **state)
{
	RECORD r = {0};

	(void)state;
	site_launch_shell(&r, "cat; exec sleep 1000");
	UNTIL(r.started);
	assert_int_equal(sandbox_input_room(r.sandbox), 0);
	sandbox_input_end(r.sandbox);
	sandbox_kill(r.sandbox);
	UNTIL(r.ended);
	assert_int_equal(r.end.how, SANDBOX_KILLED);
}

static char *
make_lines(size_t count, size_t *ret_len)
{
	char *lines = alloc_zero(count, 8);
	char line[24];

	for (size_t i = 0; i < count; i++) {
		snprintf(line, sizeof(line), "%07zu\n", i);
		memcpy(lines + 8 * i, line, 8);
	}
	*ret_len = 8 * count;
	return lines;
}

static void
test_megabytes_pass_whole_and_in_order(void **state)
{
	RECORD r = {0};
	auto_free char *lines = make_lines(1000000, &r.input_len);

	(void)state;
	r.input = lines;
	run_reader(&r, "exec cat");
	assert_int_equal(r.end.exit_code, 0);
	assert_int_equal(r.output[STREAM_STDOUT].len, r.input_len);
	assert_memory_equal(r.output[STREAM_STDOUT].data, lines, r.input_len);
	assert_int_equal(r.taken, r.input_len);
}

static void
test_bytes_given_singly_arrive_as_well(void **state)
{
	RECORD r = {.input_open = true};

	(void)state;
	launch_reader(&r, "exec wc -c");
	UNTIL(r.started);
	for (int i = 0; i < 200000; i++) {
		UNTIL(sandbox_input_room(r.sandbox) > 0);
		sandbox_input(r.sandbox, "x", 1);
		r.input_at++;
	}
	sandbox_input_end(r.sandbox);
	UNTIL(r.ended);
	assert_string_equal(site_text(&r, STREAM_STDOUT), "200000\n");
}

/* It says when it begins to read. */
static void
test_a_task_that_does_not_read_holds_its_feeder(void **state)
{
	RECORD r = {0};
	auto_free char *lines = make_lines(100000, &r.input_len);

	(void)state;
	r.input = lines;
	launch_reader(&r,
	    "trap 'go=1' USR1; echo up; "
	    "while [ -z \"$go\" ]; do sleep 0.1; done; wc -c");
	UNTIL(r.output[STREAM_STDOUT].len == 3);
	UNTIL(r.taken == PIPE_BYTES);
	UNTIL(r.input_at == PIPE_BYTES + CONTROL_INPUT_WINDOW);
	assert_int_equal(sandbox_input_room(r.sandbox), 0);
	sandbox_signal(r.sandbox, SIGUSR1);
	UNTIL(r.ended);
	assert_string_equal(site_text(&r, STREAM_STDOUT), "up\n800000\n");
}

static void
test_a_task_that_closes_its_input_is_heard_and_goes_on(void **state)
{
	RECORD r = {0};
	auto_free char *lines = make_lines(100000, &r.input_len);

	(void)state;
	r.input = lines;
	launch_reader(&r,
	    "trap 'exit 4' USR1; read line; exec <&-; echo $line; "
	    "while :; do sleep 0.1; done");
	UNTIL(r.input_closed);
	/* Only afterwards it speaks. */
	UNTIL(r.output[STREAM_STDOUT].len == 8);
	/* What comes afterwards is dropped, and counts as taken. */
	UNTIL(r.input_at == r.input_len && r.taken == r.input_len);
	assert_false(r.ended);
	sandbox_signal(r.sandbox, SIGUSR1);
	UNTIL(r.ended);
	assert_int_equal(r.end.how, SANDBOX_EXITED);
	assert_int_equal(r.end.exit_code, 4);
	assert_string_equal(site_text(&r, STREAM_STDOUT), "0000000\n");
}

static void
test_a_task_may_end_before_its_input(void **state)
{
	RECORD r = {0};
	auto_free char *lines = make_lines(100000, &r.input_len);

	(void)state;
	r.input = lines;
	run_reader(&r, "exit 6");
	assert_int_equal(r.end.how, SANDBOX_EXITED);
	assert_int_equal(r.end.exit_code, 6);
}

static void
test_an_input_left_open_does_not_hold_the_end(void **state)
{
	RECORD r = {.input = "x", .input_len = 1, .input_open = true};

	(void)state;
	run_reader(&r, "head -c 1; exit 3");
	assert_int_equal(r.end.exit_code, 3);
	assert_string_equal(site_text(&r, STREAM_STDOUT), "x");
}

static void
test_kill_ends_a_task_that_waits_for_input(void **state)
{
	RECORD r = {.input_open = true};

	(void)state;
	launch_reader(&r, "echo up; exec cat");
	UNTIL(r.output[STREAM_STDOUT].len == 3);
	sandbox_kill(r.sandbox);
	UNTIL(r.ended);
	assert_int_equal(r.end.how, SANDBOX_KILLED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_task_reads_exactly_what_it_is_given),
	    cmocka_unit_test(test_an_input_of_no_bytes_ends_at_once),
	    cmocka_unit_test(test_without_an_input_there_is_none_to_be_given),
	    cmocka_unit_test(test_megabytes_pass_whole_and_in_order),
	    cmocka_unit_test(test_bytes_given_singly_arrive_as_well),
	    cmocka_unit_test(test_a_task_that_does_not_read_holds_its_feeder),
	    cmocka_unit_test(
		test_a_task_that_closes_its_input_is_heard_and_goes_on),
	    cmocka_unit_test(test_a_task_may_end_before_its_input),
	    cmocka_unit_test(test_an_input_left_open_does_not_hold_the_end),
	    cmocka_unit_test(test_kill_ends_a_task_that_waits_for_input),
	};

	return cmocka_run_group_tests(tests, site_set_up, site_tear_down);
}
