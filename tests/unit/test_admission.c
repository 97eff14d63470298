/* Places in a rule's windows: exact, for good, and under a clock that jumps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "runner/admission.h"
#include "tests/unit/folder.h"

#define NOW INT64_C(1767323045000)
#define MINUTE_MS INT64_C(60000)
#define DAY_MS INT64_C(86400000)

static const struct allowances three_a_minute = {
    .rate = {{3, 60}},
    .nwindows = 1,
};

static void
open_database(const char *folder, struct database *ret)
{
	auto_free char *path = folder_path(folder, "store.db");
	struct err err;

	*ret = (struct database){0};
	if (database_open(path, ret, &err) != 0)
		fail_msg("%s", err.detail);
}

/* 0: a place was taken; else when there is one. */
static int64_t
admit(struct database *database, const char *rule, const char *subject,
    const struct allowances *allowances, int64_t now_ms)
{
	struct admission_refusal refusal = {.free_ms = -1};
	struct err err;
	int result = admission_take(
	    database, rule, subject, allowances, now_ms, &refusal, &err);

	if (result < 0)
		fail_msg("%s", err.detail);
	if (result > 0)
		return 0;
	assert_true(refusal.free_ms > now_ms);
	return refusal.free_ms;
}

static int64_t
admit_of_three(struct database *database, int64_t now_ms)
{
	return admit(database, "r", "alice", &three_a_minute, now_ms);
}

static int64_t
count(struct database *database)
{
	int64_t found = -1;
	struct err err;

	if (database_query(
		database, "SELECT count(*) FROM admission", &found, &err) != 0)
		fail_msg("%s", err.detail);
	return found;
}

static void
test_a_window_slides(void **state)
{
	struct database database;

	open_database(*state, &database);
	assert_int_equal(admit_of_three(&database, NOW), 0);
	assert_int_equal(admit_of_three(&database, NOW + 10), 0);
	assert_int_equal(admit_of_three(&database, NOW + 20000), 0);
	/* Full, until the first leaves it, and not a millisecond sooner. */
	for (int64_t after = 20001; after < MINUTE_MS; after += 7777)
		assert_int_equal(
		    admit_of_three(&database, NOW + after), NOW + MINUTE_MS);
	assert_int_equal(
	    admit_of_three(&database, NOW + MINUTE_MS - 1), NOW + MINUTE_MS);
	assert_int_equal(admit_of_three(&database, NOW + MINUTE_MS), 0);
	assert_int_equal(
	    admit_of_three(&database, NOW + MINUTE_MS), NOW + MINUTE_MS + 10);
	assert_int_equal(admit_of_three(&database, NOW + MINUTE_MS + 10), 0);
	/* The third is still in it. */
	assert_int_equal(admit_of_three(&database, NOW + MINUTE_MS + 10),
	    NOW + MINUTE_MS + 20000);
	database_close(&database);
}

static void
test_subjects_and_rules_have_places_of_their_own(void **state)
{
	static const char *const pairs[][2] = {
	    {"r", "alice"}, {"r", "bob"}, {"r2", "alice"}};
	struct database database;

	open_database(*state, &database);
	for (size_t i = 0; i < COUNT(pairs); i++) {
		for (int k = 0; k < 3; k++)
			assert_int_equal(admit(&database, pairs[i][0],
					     pairs[i][1], &three_a_minute, NOW),
			    0);
		assert_int_equal(admit(&database, pairs[i][0], pairs[i][1],
				     &three_a_minute, NOW),
		    NOW + MINUTE_MS);
	}
	database_close(&database);
}

static void
test_all_windows_must_have_room_and_the_last_is_named(void **state)
{
	static const struct allowances both = {
	    .rate = {{4, 86400}, {2, 60}},
	    .nwindows = 2,
	};
	struct admission_refusal refusal;
	struct database database;
	struct err err;

	open_database(*state, &database);
	for (int64_t k = 0; k < 4; k++) {
		int64_t now_ms = NOW + k / 2 * MINUTE_MS;

		assert_int_equal(
		    admit(&database, "r", "alice", &both, now_ms), 0);
		if (k == 1) {
			assert_int_equal(admission_take(&database, "r", "alice",
					     &both, now_ms, &refusal, &err),
			    0);
			assert_int_equal(refusal.window.per_s, 60);
			assert_int_equal(refusal.free_ms, NOW + MINUTE_MS);
		}
	}
	/* Both are used up: the day's has room last. */
	assert_int_equal(admission_take(&database, "r", "alice", &both,
			     NOW + MINUTE_MS, &refusal, &err),
	    0);
	assert_int_equal(refusal.window.tasks, 4);
	assert_int_equal(refusal.window.per_s, 86400);
	assert_int_equal(refusal.free_ms, NOW + DAY_MS);
	assert_int_equal(
	    admit(&database, "r", "alice", &both, NOW + DAY_MS), 0);
	database_close(&database);
}

static void
test_places_outlive_the_process(void **state)
{
	struct database database;

	for (int64_t k = 0; k < 3; k++) {
		open_database(*state, &database);
		assert_int_equal(admit_of_three(&database, NOW + k), 0);
		database_close(&database);
	}
	open_database(*state, &database);
	assert_int_equal(admit_of_three(&database, NOW + 3), NOW + MINUTE_MS);
	database_close(&database);
}

static void
test_a_reload_changes_bounds_and_no_counts(void **state)
{
	struct allowances changed = three_a_minute;
	struct database database;

	open_database(*state, &database);
	for (int64_t k = 0; k < 3; k++)
		assert_int_equal(admit_of_three(&database, NOW + 1000 * k), 0);
	/* Lower: the last but one of what was taken must leave. */
	changed.rate[0].tasks = 2;
	assert_int_equal(
	    admit(&database, "r", "alice", &changed, NOW + MINUTE_MS),
	    NOW + MINUTE_MS + 1000);
	changed.rate[0].tasks = 1;
	assert_int_equal(
	    admit(&database, "r", "alice", &changed, NOW + MINUTE_MS),
	    NOW + MINUTE_MS + 2000);
	changed.rate[0].tasks = 4;
	assert_int_equal(
	    admit(&database, "r", "alice", &changed, NOW + 3000), 0);
	/* Longer: what is there counts. */
	changed.rate[0].per_s = 3600;
	assert_int_equal(admit(&database, "r", "alice", &changed, NOW + 4000),
	    NOW + 60 * MINUTE_MS);
	database_close(&database);
}

/* What was accepted under a longer window may outlive what came later. */
static void
test_a_row_that_was_dropped_in_between_frees_no_place(void **state)
{
	const struct allowances longer = {.rate = {{3, 3600}}, .nwindows = 1};
	struct database database;

	open_database(*state, &database);
	assert_int_equal(admit(&database, "r", "alice", &longer, NOW), 0);
	assert_int_equal(admit_of_three(&database, NOW + 1), 0);
	assert_int_equal(admit(&database, "r", "alice", &longer, NOW + 2), 0);
	/* Somebody else's acceptance drops the second. */
	assert_int_equal(
	    admit(&database, "r", "bob", &longer, NOW + DAY_MS / 36), 0);
	assert_int_equal(count(&database), 3);
	assert_int_equal(
	    admit(&database, "r", "alice", &longer, NOW + DAY_MS / 36),
	    NOW + 60 * MINUTE_MS);
	database_close(&database);
}

static void
test_what_is_past_is_dropped(void **state)
{
	struct database database;

	open_database(*state, &database);
	for (int64_t k = 0; k < 300; k++)
		assert_int_equal(
		    admit_of_three(&database, NOW + k * MINUTE_MS / 3), 0);
	assert_in_range(count(&database), 3, 4);
	/* Also of those who do not come again, by those who do. */
	assert_int_equal(
	    admit(&database, "other", "bob", &three_a_minute, NOW + DAY_MS), 0);
	assert_int_equal(count(&database), 1);
	database_close(&database);
}

static void
test_a_clock_that_is_set_back_gives_no_place_and_takes_none_for_long(
    void **state)
{
	struct database database;
	int64_t back_ms = NOW - 10 * DAY_MS;

	open_database(*state, &database);
	for (int64_t k = 0; k < 3; k++)
		assert_int_equal(admit_of_three(&database, NOW + k), 0);
	/* As if all had come now, once: asking again puts nothing off. */
	assert_int_equal(
	    admit_of_three(&database, back_ms), back_ms + MINUTE_MS);
	assert_int_equal(
	    admit_of_three(&database, back_ms + 1000), back_ms + MINUTE_MS);
	assert_int_equal(admit_of_three(&database, back_ms + MINUTE_MS - 1),
	    back_ms + MINUTE_MS);
	for (int64_t k = 0; k < 3; k++)
		assert_int_equal(
		    admit_of_three(&database, back_ms + MINUTE_MS), 0);
	assert_int_equal(admit_of_three(&database, back_ms + MINUTE_MS),
	    back_ms + 2 * MINUTE_MS);
	/* What was moved is dropped with the rest. */
	assert_int_equal(admit_of_three(&database, back_ms + DAY_MS), 0);
	assert_int_equal(count(&database), 1);
	database_close(&database);
}

static void
test_a_clock_that_is_set_forward_and_back_ends_as_it_was(void **state)
{
	struct database database;

	open_database(*state, &database);
	for (int64_t k = 0; k < 3; k++)
		assert_int_equal(
		    admit_of_three(&database, NOW + 3650 * DAY_MS), 0);
	assert_int_equal(admit_of_three(&database, NOW), NOW + MINUTE_MS);
	assert_int_equal(admit_of_three(&database, NOW + MINUTE_MS), 0);
	database_close(&database);
}

static void
test_the_longest_window_has_all_its_places(void **state)
{
	const struct allowances most = {
	    .rate = {{ALLOWANCE_TASKS_MAX, ALLOWANCE_PERIOD_MAX_S}},
	    .nwindows = 1,
	};
	struct database database;
	struct err err;

	open_database(*state, &database);
	assert_int_equal(database_run(&database, STATEMENT_BEGIN, &err, ""), 0);
	for (int64_t k = 0; k < ALLOWANCE_TASKS_MAX; k++)
		assert_int_equal(
		    admit(&database, "r", "alice", &most, NOW + k), 0);
	assert_int_equal(
	    database_run(&database, STATEMENT_COMMIT, &err, ""), 0);
	assert_int_equal(
	    admit(&database, "r", "alice", &most, NOW + ALLOWANCE_TASKS_MAX),
	    NOW + 1000 * ALLOWANCE_PERIOD_MAX_S);
	database_close(&database);
}

#define IN_FOLDER(test) \
	cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_FOLDER(test_a_window_slides),
	    IN_FOLDER(test_subjects_and_rules_have_places_of_their_own),
	    IN_FOLDER(test_all_windows_must_have_room_and_the_last_is_named),
	    IN_FOLDER(test_places_outlive_the_process),
	    IN_FOLDER(test_a_reload_changes_bounds_and_no_counts),
	    IN_FOLDER(test_a_row_that_was_dropped_in_between_frees_no_place),
	    IN_FOLDER(test_what_is_past_is_dropped),
	    IN_FOLDER(
		test_a_clock_that_is_set_back_gives_no_place_and_takes_none_for_long),
	    IN_FOLDER(test_a_clock_that_is_set_forward_and_back_ends_as_it_was),
	    IN_FOLDER(test_the_longest_window_has_all_its_places),
	};

	return cmocka_run_group_tests_name("admission", tests, NULL, NULL);
}
