/*
 * A clock that is set while the runner runs is on record, once, whichever way;
 * one that is slewed is not. clock_wall_ms() is ours here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "tests/unit/folder.h"
#include "tests/unit/runner_site.h"

#define HOUR_MS INT64_C(3600000)

static int64_t set_by_ms;

/* As the linker's --wrap names them. NOLINTBEGIN(cert-dcl51-cpp) */
int64_t __real_clock_wall_ms(void);
int64_t __wrap_clock_wall_ms(void);
/* NOLINTEND(cert-dcl51-cpp) */

int64_t
__wrap_clock_wall_ms(void)
{
	return __real_clock_wall_ms() + set_by_ms;
}

static int
open_site(void **state)
{
	struct runner_site *site = alloc_zero(1, sizeof(*site));
	void *folder = NULL;

	if (folder_make(&folder) != 0)
		return -1;
	set_by_ms = 0;
	runner_site_open(site, folder);
	*state = site;
	return 0;
}

static int
close_site(void **state)
{
	struct runner_site *site = *state;
	void *folder = (void *)(uintptr_t)site->folder;

	runner_site_close(site);
	free(site);
	return folder_remove(&folder);
}

static size_t
count_jumps(struct runner_site *site)
{
	runner_look_at_clock(&site->runner);
	runner_site_settle(site);
	return runner_site_count_events(site, "clock.jumped");
}

/* The newest that is about it. */
static json_t *
find_jump(struct runner_site *site)
{
	auto_json *records = runner_site_audit(site);
	json_t *record, *found = NULL;
	size_t i;

	json_array_foreach(records, i, record)
	{
		if (strcmp(json_string_value(json_object_get(record, "event")),
			"clock.jumped") == 0)
			found = record;
	}
	assert_non_null(found);
	return json_incref(found);
}

static void
assert_jumped_by(struct runner_site *site, int64_t expected_ms)
{
	auto_json *record = find_jump(site);
	json_t *object = json_object_get(record, "object");
	int64_t by_ms = json_integer_value(json_object_get(object, "by_ms"));
	int64_t time_ms, instead_ms;

	assert_in_range(by_ms - expected_ms + 1000, 0, 2000);
	assert_true(clock_parse(
	    json_string_value(json_object_get(record, "time")), &time_ms));
	assert_true(clock_parse(
	    json_string_value(json_object_get(object, "instead_of")),
	    &instead_ms));
	assert_int_equal(time_ms - instead_ms, by_ms);
	assert_non_null(
	    strstr(json_string_value(json_object_get(record, "message")),
		expected_ms > 0 ? "set forward by" : "set back by"));
}

static void
test_a_clock_that_is_set_is_on_record_once(void **state)
{
	struct runner_site *site = *state;

	assert_int_equal(count_jumps(site), 0);
	set_by_ms += HOUR_MS;
	assert_int_equal(count_jumps(site), 1);
	assert_jumped_by(site, HOUR_MS);
	assert_int_equal(count_jumps(site), 1);
	set_by_ms -= 3 * HOUR_MS;
	assert_int_equal(count_jumps(site), 2);
	assert_jumped_by(site, -3 * HOUR_MS);
	assert_int_equal(count_jumps(site), 2);
}

static void
test_a_clock_that_is_slewed_is_not(void **state)
{
	struct runner_site *site = *state;

	for (int i = 0; i < 20; i++) {
		set_by_ms += 500;
		assert_int_equal(count_jumps(site), 0);
	}
}

/* Each second. */
static void
test_the_runner_looks_by_itself(void **state)
{
	struct runner_site *site = *state;

	assert_int_equal(count_jumps(site), 0);
	set_by_ms += HOUR_MS;
	while (runner_site_count_events(site, "clock.jumped") == 0)
		uv_run(&site->runner.loop, UV_RUN_ONCE);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_site, close_site)
	const struct CMUnitTest tests[] = {
	    TEST(test_a_clock_that_is_set_is_on_record_once),
	    TEST(test_a_clock_that_is_slewed_is_not),
	    TEST(test_the_runner_looks_by_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
