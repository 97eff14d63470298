/* When to try again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "client/retry.h"
#include "lib/cleanup.h"

static bool
decide(const struct retry_policy *policy, enum retry_cause cause)
{
	struct retry retry = {0};
	int64_t delay = -1;

	return retry_decide(policy, &retry, cause, -1, 1000, 0, &delay);
}

static void
test_each_policy_knows_its_causes(void **state)
{
	(void)state;
	assert_false(decide(&retry_call, RETRY_NOT_CONNECTED));
	assert_true(decide(&retry_call, RETRY_LOST));
	assert_true(decide(&retry_call, RETRY_PUT_OFF));
	assert_false(decide(&retry_call, RETRY_NEVER));
	assert_false(decide(&retry_once, RETRY_NOT_CONNECTED));
	assert_false(decide(&retry_once, RETRY_LOST));
	assert_true(decide(&retry_once, RETRY_PUT_OFF));
	assert_false(decide(&retry_once, RETRY_NEVER));
	assert_true(decide(&retry_stream, RETRY_NOT_CONNECTED));
	assert_true(decide(&retry_stream, RETRY_LOST));
	assert_true(decide(&retry_stream, RETRY_PUT_OFF));
	assert_false(decide(&retry_stream, RETRY_NEVER));
}

static void
test_delays_grow_within_their_bounds(void **state)
{
	static const int64_t most[] = {
	    100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000};
	static const uint32_t dice[] = {0, 1, 12345, UINT32_MAX};

	(void)state;
	for (size_t k = 0; k < COUNT(dice); k++) {
		struct retry retry = {0};

		for (size_t i = 0; i < COUNT(most); i++) {
			int64_t delay = -1;

			assert_true(retry_decide(&retry_stream, &retry,
			    RETRY_LOST, -1, 1000, dice[k], &delay));
			assert_in_range(delay, most[i] / 2, most[i]);
		}
	}
}

static void
test_the_budget_ends_it(void **state)
{
	struct retry retry = {0};
	int64_t now = 5000;
	int64_t delay = 0;
	unsigned tries = 0;

	(void)state;
	while (
	    retry_decide(&retry_call, &retry, RETRY_LOST, -1, now, 7, &delay)) {
		now += delay;
		assert_true(++tries < 1000);
	}
	assert_in_range(now, 5000, 5000 + retry_call.budget_ms);
	assert_in_range(tries, 4, 40);
}

static void
test_what_the_server_asks_for_is_honoured(void **state)
{
	struct retry retry = {0};
	int64_t delay = 0;

	(void)state;
	assert_true(retry_decide(
	    &retry_call, &retry, RETRY_PUT_OFF, 3, 1000, 9, &delay));
	assert_int_equal(delay, 3000);
}

static void
test_waiting_longer_than_the_budget_is_not_begun(void **state)
{
	struct retry retry = {0};
	int64_t delay = 77;

	(void)state;
	assert_false(retry_decide(
	    &retry_call, &retry, RETRY_PUT_OFF, 3600, 1000, 9, &delay));
	assert_int_equal(delay, 77);
	assert_int_equal(retry.attempts, 0);
}

static void
test_retry_after_zero_is_no_tight_loop(void **state)
{
	struct retry retry = {0};
	int64_t now = 1;
	int64_t delay = 0;
	unsigned tries = 0;

	(void)state;
	while (retry_decide(
	    &retry_call, &retry, RETRY_PUT_OFF, 0, now, 0, &delay)) {
		assert_true(delay >= 50);
		now += delay;
		tries++;
	}
	assert_in_range(tries, 1, 200);
}

static void
test_a_server_that_was_there_is_waited_for(void **state)
{
	struct retry retry = {0};
	int64_t delay = 0;

	(void)state;
	assert_true(
	    retry_decide(&retry_call, &retry, RETRY_LOST, -1, 1000, 0, &delay));
	assert_true(retry_decide(
	    &retry_call, &retry, RETRY_NOT_CONNECTED, -1, 2000, 0, &delay));
	assert_false(retry_decide(
	    &retry_call, &retry, RETRY_NOT_CONNECTED, -1, 20000, 0, &delay));
}

static void
test_success_gives_a_new_budget(void **state)
{
	struct retry retry = {0};
	int64_t delay = 0;

	(void)state;
	assert_true(
	    retry_decide(&retry_call, &retry, RETRY_LOST, -1, 1000, 0, &delay));
	assert_false(retry_decide(
	    &retry_call, &retry, RETRY_LOST, -1, 20000, 0, &delay));
	retry_reset(&retry);
	assert_true(retry_decide(
	    &retry_call, &retry, RETRY_LOST, -1, 20000, 0, &delay));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_each_policy_knows_its_causes),
	    cmocka_unit_test(test_delays_grow_within_their_bounds),
	    cmocka_unit_test(test_the_budget_ends_it),
	    cmocka_unit_test(test_what_the_server_asks_for_is_honoured),
	    cmocka_unit_test(test_waiting_longer_than_the_budget_is_not_begun),
	    cmocka_unit_test(test_retry_after_zero_is_no_tight_loop),
	    cmocka_unit_test(test_a_server_that_was_there_is_waited_for),
	    cmocka_unit_test(test_success_gives_a_new_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
