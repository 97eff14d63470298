/* Token buckets and counts by key, in a table that cannot be made to grow. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/limits.h"
#include "lib/cleanup.h"

#define A_SECOND 60 /* rates are tokens a minute */

DEFINE_CLEANUP(struct limits, limits_free);
#define auto_limits AUTO(limits_freep)

static struct limits_key
key_of(const char *address)
{
	struct sockaddr_in four = {.sin_family = AF_INET};
	struct sockaddr_in6 six = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, address, &four.sin_addr) == 1)
		return limits_key_of_address((const struct sockaddr *)&four);
	assert_int_equal(inet_pton(AF_INET6, address, &six.sin6_addr), 1);
	return limits_key_of_address((const struct sockaddr *)&six);
}

static bool
are_same(const char *a, const char *b)
{
	struct limits_key one = key_of(a), other = key_of(b);

	return one.len == other.len &&
	    memcmp(one.bytes, other.bytes, one.len) == 0;
}

static struct limits_key
numbered(unsigned number)
{
	char subject[32];

	snprintf(subject, sizeof(subject), "subject-%u", number);
	return limits_key_of_subject(subject);
}

static void
test_address_keys_aggregate_an_ipv6_network(void **state)
{
	(void)state;
	assert_true(are_same("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"));
	assert_false(are_same("2001:db8:1:2::1", "2001:db8:1:3::1"));
	assert_true(are_same("192.0.2.1", "192.0.2.1"));
	assert_false(are_same("192.0.2.1", "192.0.2.2"));
}

static void
test_mapped_address_is_the_ipv4_address(void **state)
{
	(void)state;
	assert_true(are_same("::ffff:192.0.2.1", "192.0.2.1"));
	assert_false(are_same("::ffff:192.0.2.1", "::ffff:192.0.2.2"));
	assert_false(are_same("::1", "0.0.0.1"));
}

static void
test_unknown_family_is_one_key(void **state)
{
	struct sockaddr unix_socket = {.sa_family = AF_UNIX};
	struct limits_key key = limits_key_of_address(&unix_socket);

	(void)state;
	assert_int_equal(key.len, 1);
	assert_int_equal(key.bytes[0], 0);
}

static void
test_subject_keys_hold_the_longest_subject(void **state)
{
	char text[LIMITS_KEY_MAX + 8];

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(limits_key_of_subject(text).len, LIMITS_KEY_MAX);
	assert_int_equal(limits_key_of_subject("alice").len, 5);
	assert_int_equal(limits_key_of_subject("").len, 0);
}

static void
test_bucket_gives_its_burst_and_then_its_rate(void **state)
{
	const struct limits_spec spec = {
	    .entries = 8, .rate = 10 * A_SECOND, .burst = 20};
	auto_limits struct limits *limits = limits_new(&spec);
	struct limits_key alice = limits_key_of_subject("alice");
	int64_t wait_ms = 0;

	(void)state;
	for (int k = 0; k < 20; k++)
		assert_true(limits_take(limits, &alice, 1000, NULL));
	assert_false(limits_take(limits, &alice, 1000, &wait_ms));
	assert_int_equal(wait_ms, 100);
	assert_false(limits_take(limits, &alice, 1099, &wait_ms));
	assert_int_equal(wait_ms, 1);
	assert_true(limits_take(limits, &alice, 1100, NULL));
	assert_false(limits_take(limits, &alice, 1100, NULL));
}

static void
test_bucket_is_never_fuller_than_its_burst(void **state)
{
	const struct limits_spec spec = {
	    .entries = 8, .rate = 10 * A_SECOND, .burst = 2};
	auto_limits struct limits *limits = limits_new(&spec);
	struct limits_key alice = limits_key_of_subject("alice");

	(void)state;
	assert_true(limits_take(limits, &alice, 0, NULL));
	assert_true(limits_take(limits, &alice, INT64_MAX, NULL));
	assert_true(limits_take(limits, &alice, INT64_MAX, NULL));
	assert_false(limits_take(limits, &alice, INT64_MAX, NULL));
}

static void
test_slow_rate_waits_for_whole_tokens(void **state)
{
	const struct limits_spec spec = {
	    .entries = 8, .rate = 3 * A_SECOND, .burst = 1};
	auto_limits struct limits *limits = limits_new(&spec);
	struct limits_key alice = limits_key_of_subject("alice");
	int64_t wait_ms = 0;

	(void)state;
	assert_true(limits_take(limits, &alice, 0, NULL));
	assert_false(limits_take(limits, &alice, 0, &wait_ms));
	assert_int_equal(wait_ms, 334);
	assert_false(limits_take(limits, &alice, wait_ms - 1, NULL));
	assert_true(limits_take(limits, &alice, wait_ms, NULL));
}

static void
test_rates_of_a_few_a_minute_are_exact(void **state)
{
	const struct limits_spec spec = {.entries = 8, .rate = 7, .burst = 3};
	auto_limits struct limits *limits = limits_new(&spec);
	struct limits_key alice = limits_key_of_subject("alice");
	int taken = 0;

	(void)state;
	for (int64_t now_ms = 0; now_ms <= 600000; now_ms++)
		taken += limits_take(limits, &alice, now_ms, NULL);
	assert_int_equal(taken, 3 + 10 * 7);
}

static void
test_clock_that_goes_back_gives_nothing(void **state)
{
	const struct limits_spec spec = {
	    .entries = 8, .rate = 10 * A_SECOND, .burst = 1};
	auto_limits struct limits *limits = limits_new(&spec);
	struct limits_key alice = limits_key_of_subject("alice");

	(void)state;
	assert_true(limits_take(limits, &alice, 5000, NULL));
	assert_false(limits_take(limits, &alice, 100, NULL));
	assert_false(limits_take(limits, &alice, 5099, NULL));
	assert_true(limits_take(limits, &alice, 5100, NULL));
}

static void
test_keys_do_not_share_a_bucket(void **state)
{
	const struct limits_spec spec = {
	    .entries = 8, .rate = 1 * A_SECOND, .burst = 1};
	auto_limits struct limits *limits = limits_new(&spec);
	struct limits_key alice = limits_key_of_subject("alice");
	struct limits_key bob = limits_key_of_subject("bob");

	(void)state;
	assert_true(limits_take(limits, &alice, 0, NULL));
	assert_false(limits_take(limits, &alice, 0, NULL));
	assert_true(limits_take(limits, &bob, 0, NULL));
}

static void
test_asking_takes_nothing_and_makes_no_entry(void **state)
{
	const struct limits_spec spec = {
	    .entries = 8, .rate = 1 * A_SECOND, .burst = 1};
	auto_limits struct limits *limits = limits_new(&spec);
	struct limits_key alice = limits_key_of_subject("alice");
	int64_t wait_ms = 0;

	(void)state;
	for (int k = 0; k < 5; k++)
		assert_true(limits_has(limits, &alice, 0, NULL));
	assert_int_equal(limits_count(limits), 0);
	assert_true(limits_take(limits, &alice, 0, NULL));
	assert_false(limits_has(limits, &alice, 0, &wait_ms));
	assert_int_equal(wait_ms, 1000);
	assert_true(limits_has(limits, &alice, 1000, NULL));
}

static void
test_rate_of_zero_is_no_limit(void **state)
{
	const struct limits_spec spec = {.entries = 1, .active_max = 1};
	auto_limits struct limits *limits = limits_new(&spec);

	(void)state;
	for (unsigned k = 0; k < 100; k++) {
		struct limits_key key = numbered(k);

		assert_true(limits_take(limits, &key, 0, NULL));
		assert_true(limits_has(limits, &key, 0, NULL));
	}
}

static void
test_so_many_are_open_and_no_more(void **state)
{
	const struct limits_spec spec = {.entries = 8, .active_max = 2};
	auto_limits struct limits *limits = limits_new(&spec);
	struct limits_key one = key_of("192.0.2.1");
	struct limits_key other = key_of("192.0.2.2");

	(void)state;
	assert_true(limits_enter(limits, &one, 0));
	assert_true(limits_enter(limits, &one, 0));
	assert_false(limits_enter(limits, &one, 0));
	assert_true(limits_enter(limits, &other, 0));
	limits_leave(limits, &one);
	assert_true(limits_enter(limits, &one, 0));
	assert_false(limits_enter(limits, &one, 0));
}

static void
test_table_never_grows_and_forgets_the_oldest(void **state)
{
	const struct limits_spec spec = {
	    .entries = 16, .rate = 1 * A_SECOND, .burst = 1};
	auto_limits struct limits *limits = limits_new(&spec);

	(void)state;
	for (unsigned k = 0; k < 10000; k++) {
		struct limits_key key = numbered(k);

		assert_true(limits_take(limits, &key, 0, NULL));
		assert_true(limits_count(limits) <= spec.entries);
	}
	for (unsigned k = 10000 - 16; k < 10000; k++) {
		struct limits_key key = numbered(k);

		assert_false(limits_take(limits, &key, 0, NULL));
	}
}

static void
test_used_entry_outlives_those_not_used_since(void **state)
{
	const struct limits_spec spec = {
	    .entries = 4, .rate = 1 * A_SECOND, .burst = 1};
	auto_limits struct limits *limits = limits_new(&spec);
	struct limits_key loud = limits_key_of_subject("loud");

	(void)state;
	assert_true(limits_take(limits, &loud, 0, NULL));
	for (unsigned k = 0; k < 1000; k++) {
		struct limits_key key = numbered(k);

		assert_true(limits_take(limits, &key, 0, NULL));
		assert_false(limits_take(limits, &loud, 0, NULL));
	}
}

static void
test_what_is_open_is_never_forgotten(void **state)
{
	const struct limits_spec spec = {
	    .entries = 4, .rate = 1 * A_SECOND, .burst = 1, .active_max = 1};
	auto_limits struct limits *limits = limits_new(&spec);
	struct limits_key open = limits_key_of_subject("open");

	(void)state;
	assert_true(limits_enter(limits, &open, 0));
	for (unsigned k = 0; k < 1000; k++) {
		struct limits_key key = numbered(k);

		assert_true(limits_take(limits, &key, 0, NULL));
	}
	assert_false(limits_enter(limits, &open, 0));
	limits_leave(limits, &open);
	assert_true(limits_enter(limits, &open, 0));
}

static void
test_table_that_is_all_open_lets_nobody_else_in(void **state)
{
	const struct limits_spec spec = {
	    .entries = 4, .rate = 1 * A_SECOND, .burst = 1};
	auto_limits struct limits *limits = limits_new(&spec);
	struct limits_key late = limits_key_of_subject("late");
	struct limits_key first = numbered(0);
	int64_t wait_ms = 0;

	(void)state;
	for (unsigned k = 0; k < 4; k++) {
		struct limits_key key = numbered(k);

		assert_true(limits_enter(limits, &key, 0));
	}
	assert_false(limits_enter(limits, &late, 0));
	assert_false(limits_take(limits, &late, 0, &wait_ms));
	assert_int_equal(wait_ms, 1000);
	limits_leave(limits, &first);
	assert_true(limits_enter(limits, &late, 0));
}

/* Against a plain model: random entering, leaving and taking. */
static void
test_counts_agree_with_a_plain_model(void **state)
{
	enum { KEYS = 24, ROUNDS = 200000 };
	const struct limits_spec spec = {
	    .entries = 32, .rate = 5 * A_SECOND, .burst = 3, .active_max = 3};
	auto_limits struct limits *limits = limits_new(&spec);
	unsigned open[KEYS] = {0};
	uint32_t random = 12345;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		random = random * 1664525 + 1013904223;
		unsigned k = (random >> 8) % KEYS;
		struct limits_key key = numbered(k);

		if ((random >> 16) % 3 == 0) {
			(void)limits_take(limits, &key, round, NULL);
		} else if ((random >> 16) % 3 == 1 && open[k] > 0) {
			limits_leave(limits, &key);
			open[k]--;
		} else {
			bool entered = limits_enter(limits, &key, round);

			assert_int_equal(entered, open[k] < 3);
			open[k] += entered ? 1 : 0;
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_address_keys_aggregate_an_ipv6_network),
	    cmocka_unit_test(test_mapped_address_is_the_ipv4_address),
	    cmocka_unit_test(test_unknown_family_is_one_key),
	    cmocka_unit_test(test_subject_keys_hold_the_longest_subject),
	    cmocka_unit_test(test_bucket_gives_its_burst_and_then_its_rate),
	    cmocka_unit_test(test_bucket_is_never_fuller_than_its_burst),
	    cmocka_unit_test(test_slow_rate_waits_for_whole_tokens),
	    cmocka_unit_test(test_rates_of_a_few_a_minute_are_exact),
	    cmocka_unit_test(test_clock_that_goes_back_gives_nothing),
	    cmocka_unit_test(test_keys_do_not_share_a_bucket),
	    cmocka_unit_test(test_asking_takes_nothing_and_makes_no_entry),
	    cmocka_unit_test(test_rate_of_zero_is_no_limit),
	    cmocka_unit_test(test_so_many_are_open_and_no_more),
	    cmocka_unit_test(test_table_never_grows_and_forgets_the_oldest),
	    cmocka_unit_test(test_used_entry_outlives_those_not_used_since),
	    cmocka_unit_test(test_what_is_open_is_never_forgotten),
	    cmocka_unit_test(test_table_that_is_all_open_lets_nobody_else_in),
	    cmocka_unit_test(test_counts_agree_with_a_plain_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
