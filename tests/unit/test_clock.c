/* Time as we write it, and ids that sort by time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/clock.h"

static void
test_times_are_written_in_rfc3339(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} cases[] = {
	    {0, "1970-01-01T00:00:00.000Z"},
	    {-1, "1969-12-31T23:59:59.999Z"},
	    {INT64_C(1767323045678), "2026-01-02T03:04:05.678Z"},
	    {INT64_C(951782400000), "2000-02-29T00:00:00.000Z"},
	    {INT64_C(253402300799999), "9999-12-31T23:59:59.999Z"},
	    {INT64_MAX, "9999-12-31T23:59:59.999Z"},
	    {INT64_C(-62167219200000), "0000-01-01T00:00:00.000Z"},
	    {INT64_MIN, "0000-01-01T00:00:00.000Z"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[CLOCK_TEXT];

		clock_format(cases[i].ms, text);
		assert_string_equal(text, cases[i].text);
	}
}

static void
test_times_are_read_back(void **state)
{
	static const int64_t times[] = {0, -1, 1, 999, 1000,
	    INT64_C(1767323045678), INT64_C(253402300799999),
	    INT64_C(-62167219200000)};

	(void)state;
	for (size_t i = 0; i < COUNT(times); i++) {
		char text[CLOCK_TEXT];
		int64_t again = 7;

		clock_format(times[i], text);
		assert_true(clock_parse(text, &again));
		assert_int_equal(again, times[i]);
	}
}

static void
test_times_without_milliseconds_are_read(void **state)
{
	int64_t ms = 0;

	(void)state;
	assert_true(clock_parse("2026-01-02T03:04:05Z", &ms));
	assert_int_equal(ms, INT64_C(1767323045000));
}

static void
test_times_of_another_form_are_refused(void **state)
{
	static const char *const cases[] = {"", "2026", "2026-01-02",
	    "2026-01-02T03:04:05", "2026-01-02t03:04:05Z",
	    "2026-01-02 03:04:05Z", "2026-01-02T03:04:05z",
	    "2026-01-02T03:04:05+00:00", "2026-01-02T03:04:05.6Z",
	    "2026-01-02T03:04:05.6789Z", "2026-01-02T03:04:05.678Zx",
	    "2026-13-02T03:04:05Z", "2026-00-02T03:04:05Z",
	    "2026-02-29T00:00:00Z", "2026-01-32T03:04:05Z",
	    "2026-01-00T03:04:05Z", "2026-01-02T24:00:00Z",
	    "2026-01-02T03:60:05Z", "2026-01-02T03:04:60Z",
	    " 2026-01-02T03:04:05Z", "-026-01-02T03:04:05Z",
	    "2026-01-02T03:04:+5Z"};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t ms = 7;

		if (clock_parse(cases[i], &ms))
			fail_msg("\"%s\" was accepted", cases[i]);
		assert_int_equal(ms, 7);
	}
}

static void
test_every_truncation_of_a_time_is_refused(void **state)
{
	static const char whole[] = "2026-01-02T03:04:05.678Z";

	(void)state;
	for (size_t cut = 0; cut < sizeof(whole) - 1; cut++) {
		char text[sizeof(whole)] = {0};
		int64_t ms;

		memcpy(text, whole, cut);
		assert_false(clock_parse(text, &ms));
	}
}

static void
test_clocks_run(void **state)
{
	int64_t boot = clock_boot_ms();

	(void)state;
	/* Some time after this was written, and never backwards. */
	assert_true(clock_wall_ms() > INT64_C(1700000000000));
	assert_true(boot > 0);
	assert_true(clock_boot_ms() >= boot);
}

static void
test_uuids_are_of_version_7_and_carry_the_time(void **state)
{
	char text[UUID_TEXT];

	(void)state;
	/* RFC 9562, appendix A.6: 2022-02-22 19:22:22 UTC. */
	uuid_make(INT64_C(0x017F22E279B0), text);
	assert_int_equal(strlen(text), 36);
	assert_memory_equal(text, "017f22e2-79b0-7", 15);
	assert_true(uuid_is_valid(text));
}

static void
test_uuids_sort_by_time_and_differ(void **state)
{
	char early[UUID_TEXT], late[UUID_TEXT], other[UUID_TEXT];

	(void)state;
	for (int64_t ms = 1; ms < (INT64_C(1) << 47); ms *= 3) {
		uuid_make(ms, early);
		uuid_make(ms + 1, late);
		uuid_make(ms + 1, other);
		assert_true(strcmp(early, late) < 0);
		assert_string_not_equal(late, other);
		assert_true(uuid_is_valid(late));
	}
}

static void
test_uuids_of_another_form_are_refused(void **state)
{
	static const char *const cases[] = {"",
	    "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a1",
	    "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a111",
	    "01932F0E-6F0A-7C3E-8A55-3F1F0C1B2A11",
	    "01932f0e-6f0a-4c3e-8a55-3f1f0c1b2a11",
	    "01932f0e-6f0a-7c3e-ca55-3f1f0c1b2a11",
	    "01932f0e-6f0a-7c3e-7a55-3f1f0c1b2a11",
	    "01932f0e06f0a-7c3e-8a55-3f1f0c1b2a11",
	    "01932f0g-6f0a-7c3e-8a55-3f1f0c1b2a11",
	    "{01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a11}",
	    "../../../../../../../../etc/passwd.."};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		if (uuid_is_valid(cases[i]))
			fail_msg("\"%s\" was accepted", cases[i]);
	}
	assert_true(uuid_is_valid("01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a11"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_times_are_written_in_rfc3339),
	    cmocka_unit_test(test_times_are_read_back),
	    cmocka_unit_test(test_times_without_milliseconds_are_read),
	    cmocka_unit_test(test_times_of_another_form_are_refused),
	    cmocka_unit_test(test_every_truncation_of_a_time_is_refused),
	    cmocka_unit_test(test_clocks_run),
	    cmocka_unit_test(test_uuids_are_of_version_7_and_carry_the_time),
	    cmocka_unit_test(test_uuids_sort_by_time_and_differ),
	    cmocka_unit_test(test_uuids_of_another_form_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
