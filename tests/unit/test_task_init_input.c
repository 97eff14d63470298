/* Standard input through task-init: streamed, held back, taken up again. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "tests/unit/init_site.h"

#define INPUT_SIZE ((size_t)3 * 1024 * 1024)
#define CUTS 20
#define PIPE_BYTES (64 * 1024)

static char *
make_input(void)
{
	char *input = alloc_zero(INPUT_SIZE, 1);
	uint64_t seed;

	assert_int_equal(getrandom(&seed, sizeof(seed), 0), sizeof(seed));
	seed |= 1;
	for (size_t i = 0; i < INPUT_SIZE; i++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		input[i] = (char)(uint8_t)seed;
	}
	return input;
}

static void
order_shell(struct init_site *site, const char *script)
{
	const char *args[] = {"sh", "-c", script, NULL};
	struct init_order order = {.args = args, .has_stdin = true};

	init_site_start(site);
	init_site_order(site, &order);
	init_site_until(site, CONTROL_STARTED);
	assert_int_equal(init_site_next(site), CONTROL_TAKEN);
	assert_int_equal(site->taken, 0);
	assert_false(site->closed);
}

/* It says by a line of errors that its trap is set. */
static void
await_ready(struct init_site *site)
{
	while (site->output[1].len < 1)
		init_site_next(site);
}

/* What may be sent now goes; false: nothing may. */
static bool
send_some(struct init_site *site, const char *input, size_t most, size_t *given)
{
	size_t room = CONTROL_INPUT_WINDOW - (size_t)(*given - site->taken);

	if (room > most)
		room = most;
	if (room > CONTROL_DATA_MAX)
		room = CONTROL_DATA_MAX;
	if (room > INPUT_SIZE - *given)
		room = INPUT_SIZE - *given;
	if (room == 0)
		return false;
	init_site_input(site, *given, input + *given, room);
	*given += room;
	return true;
}

static void
assert_came_back(const struct init_site *site, const char *input)
{
	assert_int_equal(site->output[0].len, INPUT_SIZE);
	assert_memory_equal(site->output[0].data, input, INPUT_SIZE);
}

static void
test_the_task_reads_what_is_sent(void **state)
{
	auto_free char *input = make_input();
	INIT_SITE site = {0};
	size_t given = 0;

	(void)state;
	order_shell(&site, "cat");
	/* Sizes that never fit the ring. */
	while (given < INPUT_SIZE) {
		if (!send_some(&site, input, 20011, &given))
			init_site_next(&site);
	}
	init_site_input_end(&site, given);
	init_site_until(&site, CONTROL_EXIT);
	assert_came_back(&site, input);
	assert_int_equal(site.taken, INPUT_SIZE);
	assert_false(site.closed);
}

static void
test_input_goes_on_after_runners_that_died(void **state)
{
	auto_free char *input = make_input();
	INIT_SITE site = {0};
	size_t given = 0;

	(void)state;
	order_shell(&site, "cat");
	for (size_t cut = 0; cut < CUTS; cut++) {
		while (given < INPUT_SIZE / CUTS * (cut + 1)) {
			if (!send_some(&site, input, 20011, &given))
				init_site_next(&site);
		}
		init_site_leave(&site);
		init_site_return(&site);
		init_site_accept(&site);
		/* What was on its way has come all the same. */
		assert_int_equal(site.hello.input, given);
		given = (size_t)site.hello.input;
		assert_false(site.hello.input_ended);
		init_site_resume(&site, site.output[0].len, site.output[1].len);
		/* How it stands is said without a change too. */
		init_site_until(&site, CONTROL_TAKEN);
	}
	while (given < INPUT_SIZE) {
		if (!send_some(&site, input, 20011, &given))
			init_site_next(&site);
	}
	init_site_input_end(&site, given);
	init_site_until(&site, CONTROL_EXIT);
	assert_came_back(&site, input);
}

static void
test_an_end_that_was_sent_is_remembered(void **state)
{
	INIT_SITE site = {0};

	(void)state;
	order_shell(&site,
	    "trap '' HUP; cat; trap 'exit 4' USR1; echo all\n"
	    "while :; do sleep 1000 & wait; done");
	init_site_input(&site, 0, "a\n", 2);
	init_site_input_end(&site, 2);
	while (site.output[0].data == NULL ||
	    strstr(site.output[0].data, "all\n") == NULL)
		init_site_next(&site);
	assert_string_equal(site.output[0].data, "a\nall\n");
	init_site_hang_up(&site);
	init_site_accept(&site);
	assert_int_equal(site.hello.input, 2);
	assert_true(site.hello.input_ended);
	init_site_resume(&site, site.output[0].len, 0);
	init_site_signal(&site, CONTROL_GROUP, SIGUSR1);
	init_site_until(&site, CONTROL_EXIT);
	assert_int_equal(site.exit.status, 4);
}

/* The window and what a pipe holds, and not a byte more: the last is taken
 * when the pipe is full, however long that takes. */
static size_t
fill_up(struct init_site *site, const char *input)
{
	size_t given = 0;

	while (given < PIPE_BYTES + CONTROL_INPUT_WINDOW) {
		if (!send_some(site, input, INPUT_SIZE, &given))
			init_site_next(site);
	}
	assert_int_equal(given, PIPE_BYTES + CONTROL_INPUT_WINDOW);
	assert_int_equal(site->taken, PIPE_BYTES);
	assert_false(init_site_hears(site, 200));
	return given;
}

static void
test_a_task_that_does_not_read_stops_its_feeder(void **state)
{
	auto_free char *input = make_input();
	INIT_SITE site = {0};
	size_t given;
	unsigned long before;

	(void)state;
	order_shell(&site,
	    "trap 'cat; exit' USR1; echo >&2\n"
	    "while :; do sleep 1000 & wait; done");
	await_ready(&site);
	before = init_site_memory(&site, "VmData");
	given = fill_up(&site, input);
	assert_int_equal(init_site_memory(&site, "VmData"), before);
	init_site_signal(&site, CONTROL_GROUP, SIGUSR1);
	while (given < INPUT_SIZE) {
		if (!send_some(&site, input, INPUT_SIZE, &given))
			init_site_next(&site);
	}
	init_site_input_end(&site, given);
	init_site_until(&site, CONTROL_EXIT);
	assert_came_back(&site, input);
}

static void
test_more_than_the_window_ends_the_connection_only(void **state)
{
	auto_free char *input = make_input();
	INIT_SITE site = {0};
	size_t given;

	(void)state;
	order_shell(&site,
	    "trap 'exit 9' USR1; echo >&2\n"
	    "while :; do sleep 1000 & wait; done");
	await_ready(&site);
	given = fill_up(&site, input);
	init_site_input(&site, given, "x", 1);
	init_site_expect_end_of_link(&site);
	init_site_accept(&site);
	assert_int_equal(site.hello.input, given);
	init_site_resume(&site, 0, 1);
	init_site_signal(&site, CONTROL_GROUP, SIGUSR1);
	init_site_until(&site, CONTROL_EXIT);
	assert_int_equal(site.exit.status, 9);
}

static void
test_what_comes_for_a_task_that_reads_no_more_is_dropped(void **state)
{
	auto_free char *input = make_input();
	INIT_SITE site = {0};
	size_t given = 0;

	(void)state;
	order_shell(&site,
	    "trap 'exit 3' USR1; exec <&-\n"
	    "while :; do sleep 1000 & wait; done");
	init_site_until(&site, CONTROL_TAKEN);
	assert_true(site.closed);
	while (given < INPUT_SIZE) {
		if (!send_some(&site, input, INPUT_SIZE, &given))
			init_site_next(&site);
	}
	while (site.taken < INPUT_SIZE)
		init_site_next(&site);
	init_site_input_end(&site, given);
	init_site_signal(&site, CONTROL_GROUP, SIGUSR1);
	init_site_until(&site, CONTROL_EXIT);
	assert_int_equal(site.exit.status, 3);
}

static void
test_a_task_may_end_before_its_input(void **state)
{
	INIT_SITE site = {0};

	(void)state;
	order_shell(&site, "head -n 1; exit 2");
	init_site_input(&site, 0, "one\ntwo\n", 8);
	init_site_until(&site, CONTROL_EXIT);
	assert_string_equal(site.output[0].data, "one\n");
	assert_int_equal(site.exit.status, 2);
	assert_true(site.closed);
	assert_int_equal(site.taken, 8);
}

static void
test_no_byte_at_all_is_an_end_as_well(void **state)
{
	INIT_SITE site = {0};

	(void)state;
	order_shell(&site, "cat; echo end");
	init_site_input_end(&site, 0);
	init_site_until(&site, CONTROL_EXIT);
	assert_string_equal(site.output[0].data, "end\n");
	assert_false(site.closed);
}

static void
test_without_input_the_task_reads_an_end(void **state)
{
	INIT_SITE site = {0};

	(void)state;
	init_site_start(&site);
	init_site_shell(&site, "cat; readlink /proc/self/fd/0");
	init_site_until(&site, CONTROL_EXIT);
	assert_string_equal(site.output[0].data, "/dev/null\n");
	assert_int_equal(site.times_taken, 0);
}

static void
test_input_may_follow_the_order_at_once(void **state)
{
	static const char *const args[] = {"cat", NULL};
	struct init_order order = {.args = args, .has_stdin = true};
	INIT_SITE site = {0};

	(void)state;
	init_site_start(&site);
	init_site_order(&site, &order);
	init_site_input(&site, 0, "early", 5);
	init_site_input_end(&site, 5);
	init_site_until(&site, CONTROL_EXIT);
	assert_string_equal(site.output[0].data, "early");
}

/* Nor does it end task-init, which is asked for its failure still. */
static void
test_input_of_a_task_that_could_not_start_is_dropped(void **state)
{
	static const char *const args[] = {"no-such-program", NULL};
	struct init_order order = {.args = args, .has_stdin = true};
	struct control_frame done = {.type = CONTROL_DONE};
	INIT_SITE site = {0};

	(void)state;
	init_site_start(&site);
	init_site_order(&site, &order);
	init_site_input(&site, 0, "early", 5);
	init_site_input_end(&site, 5);
	init_site_until(&site, CONTROL_START_FAILED);
	init_site_send(&site, &done, NULL, 0);
	assert_int_equal(init_site_wait(&site), 0);
}

static void
test_input_out_of_place_ends_the_connection_only(void **state)
{
	INIT_SITE site = {0};

	(void)state;
	order_shell(&site, "cat; exit 6");
	init_site_input(&site, 0, "ab", 2);
	init_site_input(&site, 3, "d", 1);
	init_site_expect_end_of_link(&site);
	init_site_accept(&site);
	init_site_resume(&site, site.output[0].len, 0);
	init_site_input(&site, 1, "b", 1);
	init_site_expect_end_of_link(&site);
	init_site_accept(&site);
	init_site_resume(&site, site.output[0].len, 0);
	init_site_input_end(&site, 3);
	init_site_expect_end_of_link(&site);
	init_site_accept(&site);
	init_site_resume(&site, site.output[0].len, 0);
	init_site_input_end(&site, 2);
	init_site_input(&site, 2, "c", 1);
	init_site_expect_end_of_link(&site);
	init_site_accept(&site);
	assert_true(site.hello.input_ended);
	init_site_resume(&site, 0, 0);
	init_site_until(&site, CONTROL_EXIT);
	assert_int_equal(site.exit.status, 6);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_task_reads_what_is_sent),
	    cmocka_unit_test(test_input_goes_on_after_runners_that_died),
	    cmocka_unit_test(test_an_end_that_was_sent_is_remembered),
	    cmocka_unit_test(test_a_task_that_does_not_read_stops_its_feeder),
	    cmocka_unit_test(
		test_more_than_the_window_ends_the_connection_only),
	    cmocka_unit_test(
		test_what_comes_for_a_task_that_reads_no_more_is_dropped),
	    cmocka_unit_test(test_a_task_may_end_before_its_input),
	    cmocka_unit_test(test_no_byte_at_all_is_an_end_as_well),
	    cmocka_unit_test(test_without_input_the_task_reads_an_end),
	    cmocka_unit_test(test_input_may_follow_the_order_at_once),
	    cmocka_unit_test(
		test_input_of_a_task_that_could_not_start_is_dropped),
	    cmocka_unit_test(test_input_out_of_place_ends_the_connection_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
