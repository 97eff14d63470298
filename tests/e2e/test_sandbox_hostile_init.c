/*
 * A task-init that lies. It never does; but the runner does not rely on it:
 * whatever comes over the control socket harms one task at most.
 */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "tests/e2e/false_init.h"
#include "tests/e2e/sandbox_site.h"

static void
wait_for_it(struct record *record)
{
	/* No order: what comes next comes without one. */
	(void)record;
}

static void
compose(struct site_order *order, enum false_init_lie lie)
{
	static const char *const args[] = {"true"};
	static const char *const outputs[] = {"a", "b"};

	site_default_order(order);
	order->command.args = args;
	order->command.nargs = 1;
	order->spec.limits[LIMIT_TMP] = (lie + 1) * sysconf(_SC_PAGESIZE);
	order->command.has_stdin =
	    lie >= LIE_TAKEN_BEYOND && lie < LIE_TAKEN_OF_NOBODY;
	if (lie >= LIE_FILE_EARLY && lie < LIE_RETURN_NONE) {
		order->command.outputs = outputs;
		order->command.noutputs = COUNT(outputs);
	}
}

static void
check_nothing_is_left(void)
{
	UNTIL(sandbox_factory_pending(site.factory) == 0);
	assert_int_equal(site_count_containers(), 0);
	assert_int_equal(site_count_folders(), 0);
}

static void
run_lie(struct record *record, enum false_init_lie lie)
{
	struct site_order order;

	compose(&order, lie);
	record->input = "0123456789";
	record->input_len = FALSE_INIT_INPUT;
	if (lie == LIE_EXIT_BEFORE_ORDER || lie == LIE_HELLO_TWICE)
		record->on_ready = wait_for_it;
	site_run(record, &order);
	check_nothing_is_left();
}

static void
check_is_lost(const struct record *record, const char *reason)
{
	assert_int_equal(record->end.how, SANDBOX_LOST);
	if (strstr(record->end.detail, reason) == NULL)
		fail_msg("\"%s\" is not \"%s\"", record->end.detail, reason);
}

static void
lose_by(enum false_init_lie lie, const char *reason)
{
	RECORD r = {0};

	run_lie(&r, lie);
	check_is_lost(&r, reason);
}

/* The runner's first life goes, and what lies meets its next. */
static void
return_with(struct record *second, enum false_init_lie lie)
{
	struct site_order order;
	struct sandbox_saved saved;
	RECORD first = {0};

	compose(&order, lie);
	site_launch(&first, &order);
	UNTIL(first.output[STREAM_STDOUT].len == FALSE_INIT_TEXT_LEN);
	site_save(&first, &saved);
	if (lie == LIE_RETURN_MORE_INPUT)
		saved.input_max = FALSE_INIT_INPUT;
	if (lie == LIE_RETURN_LESS_OF_ONE)
		saved.received[STREAM_STDERR] = 1;
	sandbox_abandon(first.sandbox);
	for (int i = 0; i < STREAM_COUNT; i++)
		second->before[i] = saved.received[i];
	site_adopt(second, &saved);
	UNTIL(second->ended);
	check_nothing_is_left();
}

static void
lose_on_return_by(enum false_init_lie lie, const char *reason)
{
	RECORD second = {0};

	return_with(&second, lie);
	check_is_lost(&second, reason);
	assert_int_equal(second.output[STREAM_STDOUT].len, 0);
}

static void
test_the_truth_is_believed(void **state)
{
	RECORD r = {0};

	(void)state;
	run_lie(&r, LIE_NONE);
	assert_int_equal(r.end.how, SANDBOX_EXITED);
}

static void
test_a_lie_before_the_order_means_not_started(void **state)
{
	(void)state;
	for (enum false_init_lie lie = LIE_VERSION; lie <= LIE_SILENT_END;
	     lie++) {
		RECORD r = {0};

		run_lie(&r, lie);
		if (r.end.how != SANDBOX_NOT_STARTED ||
		    r.end.failure != SANDBOX_FAILURE_ENGINE || r.started)
			fail_msg("lie %d ends as %d", lie, r.end.how);
	}
}

static void
test_a_lie_after_the_order_means_lost(void **state)
{
	(void)state;
	for (enum false_init_lie lie = LIE_OUTPUT_BEFORE_START;
	     lie <= LIE_HELLO_LATE; lie++) {
		RECORD r = {0};

		run_lie(&r, lie);
		if (r.end.how != SANDBOX_LOST)
			fail_msg("lie %d ends as %d", lie, r.end.how);
	}
}

static void
test_input_taken_beyond_what_was_sent_means_lost(void **state)
{
	(void)state;
	lose_by(LIE_TAKEN_BEYOND, "more input is taken than was sent");
}

static void
test_input_taken_and_given_back_means_lost(void **state)
{
	(void)state;
	lose_by(LIE_TAKEN_BACK, "input is given back");
}

static void
test_the_same_input_taken_twice_means_lost(void **state)
{
	(void)state;
	lose_by(LIE_TAKEN_AGAIN, "the same input is taken again");
}

static void
test_input_that_is_opened_again_means_lost(void **state)
{
	(void)state;
	lose_by(LIE_TAKEN_REOPENED, "input is given back");
}

static void
test_input_taken_where_there_is_none_means_lost(void **state)
{
	(void)state;
	lose_by(LIE_TAKEN_OF_NOBODY, "input is taken by nobody");
}

static void
test_a_file_before_the_end_means_lost(void **state)
{
	(void)state;
	lose_by(LIE_FILE_EARLY, "an unexpected file");
}

static void
test_a_file_out_of_its_turn_means_lost(void **state)
{
	(void)state;
	lose_by(LIE_FILE_OTHER, "a file out of its turn");
}

static void
test_a_file_with_a_gap_means_lost(void **state)
{
	(void)state;
	lose_by(LIE_FILE_GAP, "does not go on where it stood");
}

static void
test_a_piece_of_a_file_sent_twice_means_lost(void **state)
{
	(void)state;
	lose_by(LIE_FILE_AGAIN, "does not go on where it stood");
}

static void
test_a_files_end_before_the_tasks_means_lost(void **state)
{
	(void)state;
	lose_by(LIE_FILE_END_EARLY, "an unexpected file");
}

static void
test_a_file_of_another_size_than_it_is_said_means_lost(void **state)
{
	(void)state;
	lose_by(LIE_FILE_END_SIZE, "shorter than it is said to be");
}

static void
test_a_files_end_out_of_its_turn_means_lost(void **state)
{
	(void)state;
	lose_by(LIE_FILE_END_OTHER, "a file out of its turn");
}

static void
test_a_files_end_sent_twice_means_lost(void **state)
{
	(void)state;
	lose_by(LIE_FILE_END_TWICE, "a file out of its turn");
}

static void
test_a_second_exit_means_lost(void **state)
{
	RECORD r = {0};

	(void)state;
	run_lie(&r, LIE_EXIT_TWICE);
	check_is_lost(&r, "an unexpected end");
	/* What the first said is not believed either. */
	assert_false(r.end.oom_killed);
}

static void
test_output_after_the_exit_means_lost(void **state)
{
	(void)state;
	lose_by(LIE_OUTPUT_AFTER_EXIT, "unexpected output");
}

static void
test_a_file_larger_than_it_may_be_means_lost(void **state)
{
	RECORD r = {0};

	(void)state;
	run_lie(&r, LIE_FILE_LARGE);
	check_is_lost(&r, "larger than it may be");
	assert_int_equal(
	    r.files[0].bytes.len, (LIE_FILE_LARGE + 1) * sysconf(_SC_PAGESIZE));
	assert_int_equal(r.nfiles, 0);
}

static void
test_a_file_without_end_means_lost(void **state)
{
	RECORD r = {0};
	size_t most = (size_t)((LIE_FILE_ENDLESS + 1) * sysconf(_SC_PAGESIZE));

	(void)state;
	run_lie(&r, LIE_FILE_ENDLESS);
	check_is_lost(&r, "larger than it may be");
	assert_in_range(r.files[0].bytes.len, most - FALSE_INIT_TEXT_LEN, most);
	assert_int_equal(r.nfiles, 0);
}

static void
test_the_truth_is_believed_on_return(void **state)
{
	RECORD second = {0};

	(void)state;
	return_with(&second, LIE_RETURN_NONE);
	assert_int_equal(second.end.how, SANDBOX_EXITED);
	assert_int_equal(
	    second.end.written[STREAM_STDOUT], FALSE_INIT_TEXT_LEN);
}

static void
test_another_version_on_return_means_lost(void **state)
{
	(void)state;
	lose_on_return_by(LIE_RETURN_VERSION, "of the control protocol");
}

static void
test_less_written_than_acknowledged_on_return_means_lost(void **state)
{
	(void)state;
	lose_on_return_by(LIE_RETURN_WRITTEN_BEFORE_STARTED, "none of its own");
}

static void
test_more_output_than_the_window_on_return_means_lost(void **state)
{
	(void)state;
	lose_on_return_by(LIE_RETURN_MORE_THAN_THE_WINDOW, "none of its own");
}

static void
test_less_output_than_is_kept_on_return_means_lost(void **state)
{
	(void)state;
	lose_on_return_by(LIE_RETURN_LESS_THAN_IS_KEPT,
	    "more output is kept than was written");
}

/* What it is refused for leaves no trace in what is known of the other. */
static void
test_less_output_of_one_stream_on_return_means_lost(void **state)
{
	(void)state;
	lose_on_return_by(
	    LIE_RETURN_LESS_OF_ONE, "more output is kept than was written");
}

static void
test_more_input_than_was_sent_on_return_means_lost(void **state)
{
	(void)state;
	lose_on_return_by(
	    LIE_RETURN_MORE_INPUT, "more input has come than was sent");
}

static void
test_no_order_where_there_was_output_on_return_means_lost(void **state)
{
	(void)state;
	lose_on_return_by(
	    LIE_RETURN_WAITING, "no order where there was output");
}

static void
test_a_second_hello_on_return_means_lost(void **state)
{
	(void)state;
	lose_on_return_by(LIE_RETURN_HELLO_TWICE, "an unexpected hello");
}

static void
test_output_before_its_hello_on_return_means_lost(void **state)
{
	(void)state;
	lose_on_return_by(LIE_RETURN_NO_HELLO, "unexpected output");
}

static void
test_output_that_is_kept_already_on_return_means_lost(void **state)
{
	(void)state;
	lose_on_return_by(
	    LIE_RETURN_OUTPUT_AGAIN, "does not begin where the last ended");
}

static int
set_up(void **state)
{
	if (site_set_up(state) != 0)
		return -1;
	site_command("install -m 0755 '%s/tests/false_init' '%s/task-init'",
	    BINARY_DIR, site.folder);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_truth_is_believed),
	    cmocka_unit_test(test_a_lie_before_the_order_means_not_started),
	    cmocka_unit_test(test_a_lie_after_the_order_means_lost),
	    cmocka_unit_test(test_input_taken_beyond_what_was_sent_means_lost),
	    cmocka_unit_test(test_input_taken_and_given_back_means_lost),
	    cmocka_unit_test(test_the_same_input_taken_twice_means_lost),
	    cmocka_unit_test(test_input_that_is_opened_again_means_lost),
	    cmocka_unit_test(test_input_taken_where_there_is_none_means_lost),
	    cmocka_unit_test(test_a_file_before_the_end_means_lost),
	    cmocka_unit_test(test_a_file_out_of_its_turn_means_lost),
	    cmocka_unit_test(test_a_file_with_a_gap_means_lost),
	    cmocka_unit_test(test_a_piece_of_a_file_sent_twice_means_lost),
	    cmocka_unit_test(test_a_files_end_before_the_tasks_means_lost),
	    cmocka_unit_test(
		test_a_file_of_another_size_than_it_is_said_means_lost),
	    cmocka_unit_test(test_a_files_end_out_of_its_turn_means_lost),
	    cmocka_unit_test(test_a_files_end_sent_twice_means_lost),
	    cmocka_unit_test(test_a_second_exit_means_lost),
	    cmocka_unit_test(test_output_after_the_exit_means_lost),
	    cmocka_unit_test(test_a_file_larger_than_it_may_be_means_lost),
	    cmocka_unit_test(test_a_file_without_end_means_lost),
	    cmocka_unit_test(test_the_truth_is_believed_on_return),
	    cmocka_unit_test(test_another_version_on_return_means_lost),
	    cmocka_unit_test(
		test_less_written_than_acknowledged_on_return_means_lost),
	    cmocka_unit_test(
		test_more_output_than_the_window_on_return_means_lost),
	    cmocka_unit_test(
		test_less_output_than_is_kept_on_return_means_lost),
	    cmocka_unit_test(
		test_less_output_of_one_stream_on_return_means_lost),
	    cmocka_unit_test(
		test_more_input_than_was_sent_on_return_means_lost),
	    cmocka_unit_test(
		test_no_order_where_there_was_output_on_return_means_lost),
	    cmocka_unit_test(test_a_second_hello_on_return_means_lost),
	    cmocka_unit_test(test_output_before_its_hello_on_return_means_lost),
	    cmocka_unit_test(
		test_output_that_is_kept_already_on_return_means_lost),
	};

	return cmocka_run_group_tests(tests, set_up, site_tear_down);
}
