/* Runners that come and go while a task runs: it notices nothing of it, and
 * no byte of its output is lost or comes twice. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/clock.h"
#include "tests/unit/init_site.h"

/* How often a runner is killed in one task. */
#define CUTS 25
#define LINES 1000000

static uint64_t
make_seed(void)
{
	uint64_t seed;

	assert_int_equal(getrandom(&seed, sizeof(seed), 0), sizeof(seed));
	print_message("seed %llu\n", (unsigned long long)seed);
	return seed | 1;
}

/* xorshift64: what went wrong can be done again. */
static uint64_t
pick(uint64_t *seed, uint64_t below)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed % below;
}

static void
assert_numbers(const struct buffer *output, int first, int last)
{
	auto_buffer expected = BUFFER_INIT(SIZE_MAX);

	for (int i = first; i <= last; i++)
		buffer_printf(&expected, "%d\n", i);
	assert_int_equal(output->len, expected.len);
	assert_memory_equal(output->data, expected.data, expected.len);
}

/* What the last runner has not stored is as if it had never come; what was
 * acknowledged it has. */
static void
forget_some(struct init_site *site, uint64_t *seed)
{
	for (size_t i = 0; i < CONTROL_STREAMS; i++) {
		struct buffer *output = &site->output[i];
		uint64_t least = site->hello.started[i];

		/* An acknowledgement that came to nothing. */
		assert_true(least <= site->acknowledged[i]);
		assert_true(output->len <= site->hello.written[i]);
		least = site->acknowledged[i];
		output->len = least + pick(seed, output->len - least + 1);
	}
}

static void
die_and_come_again(struct init_site *site, uint64_t *seed)
{
	uint64_t how = pick(seed, 3);

	if (how == 0) {
		init_site_hang_up(site);
	} else {
		init_site_leave(site);
		init_site_return(site);
	}
	init_site_accept(site);
	/* One that dies before it has said from where. */
	if (how == 1) {
		init_site_leave(site);
		init_site_return(site);
		init_site_accept(site);
	}
	forget_some(site, seed);
	init_site_resume(site, site->output[0].len, site->output[1].len);
}

/* A few frames, some of them acknowledged. */
static void
listen_for_a_while(struct init_site *site, uint64_t *seed)
{
	uint64_t frames = pick(seed, 8);

	for (uint64_t i = 0; i < frames && !site->exited; i++) {
		uint32_t stream = (uint32_t)pick(seed, CONTROL_STREAMS);
		uint64_t from = site->acknowledged[stream];

		/* Two full rings: no more will come. */
		if (!init_site_hears(site, 0) &&
		    site->output[0].len + site->output[1].len -
			    site->acknowledged[0] - site->acknowledged[1] >=
			CONTROL_OUTPUT_WINDOW)
			break;
		if (init_site_next(site) != CONTROL_OUTPUT)
			continue;
		init_site_acknowledge(site, stream,
		    from + pick(seed, site->output[stream].len - from + 1));
	}
}

static void
test_no_byte_is_lost_or_doubled_by_runners_that_die(void **state)
{
	INIT_SITE site = {.deaf = true};
	uint64_t seed = make_seed();
	auto_free char *script =
	    alloc_printf("seq 1 %d & seq %d %d >&2; wait; exit 4", LINES,
		LINES + 1, 2 * LINES);
	int cuts = 0;

	(void)state;
	init_site_start(&site);
	init_site_shell(&site, script);
	for (; cuts < CUTS; cuts++) {
		listen_for_a_while(&site, &seed);
		die_and_come_again(&site, &seed);
	}
	/* All that while there was more to come. */
	assert_false(site.exited);
	site.deaf = false;
	for (uint32_t i = 0; i < CONTROL_STREAMS; i++)
		init_site_acknowledge(&site, i, site.output[i].len);
	init_site_until(&site, CONTROL_EXIT);
	assert_numbers(&site.output[0], 1, LINES);
	assert_numbers(&site.output[1], LINES + 1, 2 * LINES);
	assert_int_equal(site.exit.status, 4);
}

static void
test_one_that_waits_connects_again(void **state)
{
	INIT_SITE site = {0};

	(void)state;
	init_site_start(&site);
	for (int i = 0; i < 3; i++) {
		init_site_leave(&site);
		init_site_return(&site);
		init_site_accept(&site);
		assert_int_equal(site.hello.state, CONTROL_WAITING);
	}
	init_site_shell(&site, "echo here");
	init_site_until(&site, CONTROL_EXIT);
	assert_string_equal(site.output[0].data, "here\n");
}

static void
test_a_task_ends_without_a_runner_and_its_report_waits(void **state)
{
	INIT_SITE site = {0};

	(void)state;
	init_site_start(&site);
	init_site_shell(&site, "echo before; sleep 0.1; echo after; exit 6");
	init_site_until(&site, CONTROL_STARTED);
	init_site_leave(&site);
	/* Its end is seen from outside. */
	while (init_site_has_processes(&site))
		poll(NULL, 0, 1);
	for (int i = 0; i < 2; i++) {
		init_site_return(&site);
		init_site_accept(&site);
		assert_int_equal(site.hello.state, CONTROL_ENDED);
		assert_int_equal(site.hello.written[0], 13);
		init_site_resume(&site, site.output[0].len, site.output[1].len);
		init_site_until(&site, CONTROL_EXIT);
		assert_string_equal(site.output[0].data, "before\nafter\n");
		assert_int_equal(site.exit.status, 6);
		init_site_leave(&site);
	}
}

static void
test_nothing_is_said_before_it_is_known_from_where(void **state)
{
	INIT_SITE site = {0};

	(void)state;
	init_site_start(&site);
	init_site_shell(&site, "echo out");
	init_site_until(&site, CONTROL_EXIT);
	init_site_hang_up(&site);
	init_site_accept(&site);
	/* All that there is to say has been known for long. */
	assert_false(init_site_hears(&site, 200));
	site.output[0].len = 0;
	site.deaf = true;
	init_site_resume(&site, site.hello.started[0], 0);
	site.output[0].len = site.hello.started[0];
	init_site_until(&site, CONTROL_EXIT);
}

static void
test_an_order_whose_answer_was_lost_is_obeyed_once(void **state)
{
	INIT_SITE site = {0};

	(void)state;
	init_site_start(&site);
	init_site_shell(&site, "echo once; exit 2");
	assert_true(init_site_hears(&site, INIT_SITE_WITHIN_MS));
	init_site_hang_up(&site);
	init_site_accept(&site);
	assert_int_not_equal(site.hello.state, CONTROL_WAITING);
	init_site_resume(&site, 0, 0);
	init_site_until(&site, CONTROL_EXIT);
	assert_false(site.started);
	assert_string_equal(site.output[0].data, "once\n");
	assert_int_equal(site.exit.status, 2);
}

static void
test_a_failed_start_whose_answer_was_lost_is_said_again(void **state)
{
	static const char *const args[] = {"no-such-program", NULL};
	struct init_order order = {.args = args};
	INIT_SITE site = {0};

	(void)state;
	init_site_start(&site);
	init_site_order(&site, &order);
	assert_true(init_site_hears(&site, INIT_SITE_WITHIN_MS));
	init_site_hang_up(&site);
	init_site_accept(&site);
	assert_int_equal(site.hello.state, CONTROL_WAITING);
	init_site_order(&site, &order);
	init_site_until(&site, CONTROL_START_FAILED);
	assert_int_equal(site.failure.stage, CONTROL_AT_EXEC);
	assert_int_equal(site.failure.errnum, ENOENT);
}

static void
test_a_place_that_is_not_there_ends_the_connection_only(void **state)
{
	INIT_SITE site = {0};

	(void)state;
	init_site_start(&site);
	init_site_shell(&site,
	    "trap 'exit 3' USR1; echo 12345\n"
	    "while :; do sleep 1000 & wait; done");
	while (site.output[0].len < 6)
		init_site_next(&site);
	for (uint64_t i = 0; i < 4; i++) {
		static const uint64_t places[] = {5, 7, 0, INT64_MAX};

		init_site_hang_up(&site);
		init_site_accept(&site);
		/* Another try, until the acknowledgement has come. */
		if (site.hello.started[0] != 6) {
			init_site_resume(&site, 6, 0);
			init_site_acknowledge(&site, 0, 6);
			i--;
			continue;
		}
		init_site_resume(&site, places[i], 0);
		init_site_expect_end_of_link(&site);
		init_site_accept(&site);
	}
	init_site_resume(&site, 6, 0);
	init_site_signal(&site, CONTROL_GROUP, SIGUSR1);
	init_site_until(&site, CONTROL_EXIT);
	assert_int_equal(site.exit.status, 3);
}

static const struct control_frame NONSENSE[] = {
    {.type = CONTROL_RESUME},
    {.type = CONTROL_ACK, .ack = {.stream = 0, .offset = 1 << 20}},
    {.type = CONTROL_INPUT_END},
    {.type = CONTROL_COLLECT},
    {.type = CONTROL_ORDER, .order = {.version = CONTROL_VERSION}},
    /* These are its own. */
    {.type = CONTROL_STARTED},
    {.type = CONTROL_EXIT},
};

static void
test_what_makes_no_sense_ends_the_connection_only(void **state)
{
	INIT_SITE site = {0};

	(void)state;
	init_site_start(&site);
	init_site_shell(&site,
	    "trap 'exit 3' USR1; echo\n"
	    "while :; do sleep 1000 & wait; done");
	while (site.output[0].len < 1)
		init_site_next(&site);
	for (size_t i = 0; i < COUNT(NONSENSE); i++) {
		init_site_send(&site, &NONSENSE[i], NULL, 0);
		init_site_expect_end_of_link(&site);
		init_site_accept(&site);
		assert_int_equal(site.hello.state, CONTROL_RUNNING);
		init_site_resume(&site, 1, 0);
	}
	assert_int_equal(send(site.link, "\xff\xff\xff\xff", 4, 0), 4);
	init_site_expect_end_of_link(&site);
	init_site_accept(&site);
	/* Before RESUME nothing else is heard. */
	init_site_signal(&site, CONTROL_GROUP, SIGKILL);
	init_site_expect_end_of_link(&site);
	init_site_accept(&site);
	init_site_resume(&site, 1, 0);
	init_site_signal(&site, CONTROL_GROUP, SIGUSR1);
	init_site_until(&site, CONTROL_EXIT);
	assert_int_equal(site.exit.status, 3);
}

static void
test_what_makes_no_sense_before_the_order_ends_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(NONSENSE); i++) {
		INIT_SITE site = {0};
		int status;

		init_site_start(&site);
		init_site_send(&site, &NONSENSE[i], NULL, 0);
		status = init_site_wait(&site);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 2);
	}
}

static void
test_without_a_runner_the_task_ends_at_its_time(void **state)
{
	static const char *const args[] = {
	    "sh", "-c", "trap '' TERM HUP; sleep 1000", NULL};
	struct init_order order = {.args = args, .deadline_s = 1};
	INIT_SITE site = {0};
	int64_t until;

	(void)state;
	init_site_start(&site);
	init_site_order(&site, &order);
	init_site_until(&site, CONTROL_STARTED);
	init_site_leave(&site);
	until = clock_boot_ms() + INIT_SITE_WITHIN_MS;
	while (init_site_has_processes(&site)) {
		assert_true(clock_boot_ms() < until);
		poll(NULL, 0, 5);
	}
	init_site_return(&site);
	init_site_accept(&site);
	init_site_resume(&site, 0, 0);
	init_site_until(&site, CONTROL_EXIT);
	assert_true(site.exit.killed);
	assert_int_equal(site.exit.status, SIGKILL);
}

/* One that listens and never says from where holds nobody to anything. */
static void
test_a_runner_that_hangs_is_none(void **state)
{
	static const char *const args[] = {"sleep", "1000", NULL};
	struct init_order order = {.args = args, .deadline_s = 1};
	INIT_SITE site = {0};
	int64_t until;

	(void)state;
	init_site_start(&site);
	init_site_order(&site, &order);
	init_site_until(&site, CONTROL_STARTED);
	init_site_hang_up(&site);
	init_site_accept(&site);
	until = clock_boot_ms() + INIT_SITE_WITHIN_MS;
	while (init_site_has_processes(&site)) {
		assert_true(clock_boot_ms() < until);
		poll(NULL, 0, 5);
	}
	init_site_resume(&site, 0, 0);
	init_site_until(&site, CONTROL_EXIT);
	assert_true(site.exit.killed);
}

/* Its time is then the runner's affair. */
static void
test_with_a_runner_the_task_runs_on(void **state)
{
	static const char *const args[] = {
	    "sh", "-c", "sleep 1.2; echo still here", NULL};
	struct init_order order = {.args = args, .deadline_s = 1};
	INIT_SITE site = {0};

	(void)state;
	init_site_start(&site);
	init_site_order(&site, &order);
	init_site_until(&site, CONTROL_EXIT);
	assert_false(site.exit.killed);
	assert_string_equal(site.output[0].data, "still here\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		test_no_byte_is_lost_or_doubled_by_runners_that_die),
	    cmocka_unit_test(test_one_that_waits_connects_again),
	    cmocka_unit_test(
		test_a_task_ends_without_a_runner_and_its_report_waits),
	    cmocka_unit_test(
		test_nothing_is_said_before_it_is_known_from_where),
	    cmocka_unit_test(
		test_an_order_whose_answer_was_lost_is_obeyed_once),
	    cmocka_unit_test(
		test_a_failed_start_whose_answer_was_lost_is_said_again),
	    cmocka_unit_test(
		test_a_place_that_is_not_there_ends_the_connection_only),
	    cmocka_unit_test(test_what_makes_no_sense_ends_the_connection_only),
	    cmocka_unit_test(test_what_makes_no_sense_before_the_order_ends_it),
	    cmocka_unit_test(test_without_a_runner_the_task_ends_at_its_time),
	    cmocka_unit_test(test_a_runner_that_hangs_is_none),
	    cmocka_unit_test(test_with_a_runner_the_task_runs_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
