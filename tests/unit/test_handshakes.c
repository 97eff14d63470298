/* Handshakes under way: whose place is taken, and whose turn it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/handshakes.h"
#include "lib/cleanup.h"

#define PLACES 8

DEFINE_CLEANUP(struct handshakes, handshakes_free);
#define auto_handshakes AUTO(handshakes_freep)

static const struct limits_key mallory = {1, "m"}, alice = {1, "a"},
			       bob = {1, "b"};

static void
enter_freely(struct handshakes *handshakes, struct handshake *handshake,
    const struct limits_key *key)
{
	assert_null(handshakes_enter(handshakes, handshake, key));
}

static void
enter_many(struct handshakes *handshakes, struct handshake *all, size_t count,
    const struct limits_key *key)
{
	for (size_t i = 0; i < count; i++)
		enter_freely(handshakes, &all[i], key);
}

static void
want_many(struct handshakes *handshakes, struct handshake *all, size_t count)
{
	for (size_t i = 0; i < count; i++)
		handshakes_want_turn(handshakes, &all[i]);
}

static void
test_an_address_that_takes_all_places_loses_its_oldest(void **state)
{
	auto_handshakes struct handshakes *handshakes = handshakes_new(PLACES);
	struct handshake many[PLACES + 2] = {0}, hers = {0};

	(void)state;
	enter_many(handshakes, many, PLACES, &mallory);
	for (size_t i = 0; i < 2; i++)
		assert_ptr_equal(
		    handshakes_enter(handshakes, &many[PLACES + i], &mallory),
		    &many[i]);
	assert_ptr_equal(handshakes_enter(handshakes, &hers, &alice), &many[2]);
	assert_null(many[2].group);
	assert_int_equal(handshakes_count(handshakes), PLACES);
}

static void
test_who_has_few_keeps_them(void **state)
{
	auto_handshakes struct handshakes *handshakes = handshakes_new(PLACES);
	struct handshake hers = {0}, his = {0}, many[1000] = {0};

	(void)state;
	enter_freely(handshakes, &hers, &alice);
	enter_many(handshakes, many, PLACES - 2, &mallory);
	enter_freely(handshakes, &his, &bob);
	for (size_t i = PLACES - 2; i < COUNT(many); i++)
		assert_ptr_equal(
		    handshakes_enter(handshakes, &many[i], &mallory),
		    &many[i - (PLACES - 2)]);
	assert_non_null(hers.group);
	assert_non_null(his.group);
	assert_int_equal(handshakes_count(handshakes), PLACES);
}

static void
test_who_waits_for_us_loses_last(void **state)
{
	auto_handshakes struct handshakes *handshakes = handshakes_new(3);
	struct handshake many[3] = {0}, hers[3] = {0};

	(void)state;
	enter_many(handshakes, many, 3, &mallory);
	handshakes_want_turn(handshakes, &many[0]);
	assert_ptr_equal(
	    handshakes_enter(handshakes, &hers[0], &alice), &many[1]);
	handshakes_want_turn(handshakes, &many[2]);
	assert_ptr_equal(
	    handshakes_enter(handshakes, &hers[1], &alice), &many[0]);
	assert_int_equal(handshakes_due(handshakes), 1);
}

static void
test_turns_go_round_the_addresses(void **state)
{
	auto_handshakes struct handshakes *handshakes = handshakes_new(PLACES);
	struct handshake many[5] = {0}, hers[2] = {0}, his = {0};

	(void)state;
	enter_many(handshakes, many, 5, &mallory);
	want_many(handshakes, many, 5);
	assert_ptr_equal(handshakes_next(handshakes), &many[0]);
	enter_many(handshakes, hers, 2, &alice);
	want_many(handshakes, hers, 2);
	enter_freely(handshakes, &his, &bob);
	handshakes_want_turn(handshakes, &his);

	struct handshake *const order[] = {
	    &many[1], &hers[0], &his, &many[2], &hers[1], &many[3], &many[4]};

	for (size_t i = 0; i < COUNT(order); i++)
		assert_ptr_equal(handshakes_next(handshakes), order[i]);
	assert_null(handshakes_next(handshakes));
}

static void
test_a_turn_is_given_once_for_each_time_it_is_wanted(void **state)
{
	auto_handshakes struct handshakes *handshakes = handshakes_new(PLACES);
	struct handshake hers = {0};

	(void)state;
	enter_freely(handshakes, &hers, &alice);
	assert_null(handshakes_next(handshakes));
	handshakes_want_turn(handshakes, &hers);
	handshakes_want_turn(handshakes, &hers);
	assert_int_equal(handshakes_due(handshakes), 1);
	assert_ptr_equal(handshakes_next(handshakes), &hers);
	assert_null(handshakes_next(handshakes));
	assert_int_equal(handshakes_due(handshakes), 0);
}

static void
test_who_has_left_has_neither_place_nor_turn(void **state)
{
	auto_handshakes struct handshakes *handshakes = handshakes_new(1);
	struct handshake hers = {0}, his = {0};

	(void)state;
	handshakes_leave(handshakes, &hers);
	enter_freely(handshakes, &hers, &alice);
	handshakes_want_turn(handshakes, &hers);
	handshakes_leave(handshakes, &hers);
	handshakes_leave(handshakes, &hers);
	handshakes_want_turn(handshakes, &hers);
	assert_null(handshakes_next(handshakes));
	assert_int_equal(handshakes_count(handshakes), 0);
	enter_freely(handshakes, &his, &bob);
}

/* Whatever happens, no address that has less than its even share loses one. */
static void
test_nobody_loses_below_an_even_share(void **state)
{
	enum { ADDRESSES = 5, ALL = 400 };
	auto_handshakes struct handshakes *handshakes = handshakes_new(PLACES);
	struct handshake all[ALL] = {0};
	size_t owner[ALL], counts[ADDRESSES] = {0};
	uint32_t random = 1;

	(void)state;
	for (size_t i = 0; i < ALL; i++) {
		random = random * 1103515245 + 12345;
		/* The first address comes half of the time. */
		size_t who =
		    (random >> 20) % 2 == 0 ? 0 : (random >> 16) % ADDRESSES;
		struct limits_key key = {1, {(uint8_t)('0' + who)}};
		struct handshake *loser =
		    handshakes_enter(handshakes, &all[i], &key);

		owner[i] = who;
		counts[who]++;
		if ((random >> 24) % 2 == 0)
			handshakes_want_turn(handshakes, &all[i]);
		if (loser == NULL)
			continue;
		size_t lost = owner[loser - all];

		assert_ptr_not_equal(loser, &all[i]);
		for (size_t k = 0; k < ADDRESSES; k++)
			assert_true(counts[k] <= counts[lost]);
		counts[lost]--;
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		test_an_address_that_takes_all_places_loses_its_oldest),
	    cmocka_unit_test(test_who_has_few_keeps_them),
	    cmocka_unit_test(test_who_waits_for_us_loses_last),
	    cmocka_unit_test(test_turns_go_round_the_addresses),
	    cmocka_unit_test(
		test_a_turn_is_given_once_for_each_time_it_is_wanted),
	    cmocka_unit_test(test_who_has_left_has_neither_place_nor_turn),
	    cmocka_unit_test(test_nobody_loses_below_an_even_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
