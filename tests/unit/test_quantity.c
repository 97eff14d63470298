/* Sizes, durations and processor shares, as people write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/quantity.h"

struct good {
	const char *text;
	int64_t value;
};

static void
expect_good(bool (*parse)(const char *, int64_t *), const struct good *cases,
    size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int64_t value = -1;

		if (!parse(cases[i].text, &value))
			fail_msg("\"%s\" was refused", cases[i].text);
		assert_int_equal(value, cases[i].value);
	}
}

static void
expect_bad(bool (*parse)(const char *, int64_t *), const char *const *cases,
    size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int64_t value = -7;

		if (parse(cases[i], &value))
			fail_msg("\"%s\" was accepted", cases[i]);
		assert_int_equal(value, -7);
	}
}

static void
test_sizes_are_read(void **state)
{
	static const struct good cases[] = {{"0", 0}, {"1048576", 1048576},
	    {"12B", 12}, {"1KiB", 1024}, {"64MiB", 67108864},
	    {"2GiB", INT64_C(2) << 30}, {"3TiB", INT64_C(3) << 40},
	    {"9223372036854775807", INT64_MAX},
	    {"8388607TiB", INT64_C(8388607) << 40}};

	(void)state;
	expect_good(quantity_parse_size, cases, COUNT(cases));
}

static void
test_sizes_that_say_something_else_are_refused(void **state)
{
	static const char *const cases[] = {"", "B", "MiB", "-1", "+1", " 1",
	    "1 ", "1 MiB", "1M", "1MB", "1mib", "1.5MiB", "0x10", "1MiBx",
	    "1MiB ", "1e3", "9223372036854775808", "99999999999999999999999",
	    "8388608TiB", "1s"};

	(void)state;
	expect_bad(quantity_parse_size, cases, COUNT(cases));
}

static void
test_durations_are_read(void **state)
{
	static const struct good cases[] = {{"30", 30}, {"30s", 30},
	    {"5m", 300}, {"1h", 3600}, {"1d", 86400}, {"007s", 7}};

	(void)state;
	expect_good(quantity_parse_duration, cases, COUNT(cases));
}

static void
test_durations_that_say_something_else_are_refused(void **state)
{
	static const char *const cases[] = {"", "s", "-5s", "5 s", "5S",
	    "1h30m", "1.5h", "1w", "1ms", "106751991167301d"};

	(void)state;
	expect_bad(quantity_parse_duration, cases, COUNT(cases));
}

static void
test_cpus_are_read_in_thousandths(void **state)
{
	static const struct good cases[] = {{"1", 1000}, {"0.5", 500},
	    {"0.25", 250}, {"1.125", 1125}, {"0", 0}, {"0.001", 1},
	    {"16.0", 16000}};

	(void)state;
	expect_good(quantity_parse_cpus, cases, COUNT(cases));
}

static void
test_cpus_that_say_something_else_are_refused(void **state)
{
	static const char *const cases[] = {"", ".5", "1.", "0.1234", "1,5",
	    "-1", "1e1", "1.5x", "1..5", "0.5 ", "9223372036854775807",
	    "9223372036854775.999"};

	(void)state;
	expect_bad(quantity_parse_cpus, cases, COUNT(cases));
}

static void
test_json_integers_and_strings_are_read(void **state)
{
	auto_json *integer = json_integer(2);
	auto_json *text = json_string("2KiB");
	auto_json *seconds = json_string("2m");
	int64_t value = 0;

	(void)state;
	assert_true(quantity_read_size(integer, &value));
	assert_int_equal(value, 2);
	assert_true(quantity_read_size(text, &value));
	assert_int_equal(value, 2048);
	assert_true(quantity_read_duration(integer, &value));
	assert_int_equal(value, 2);
	assert_true(quantity_read_duration(seconds, &value));
	assert_int_equal(value, 120);
	assert_true(quantity_read_cpus(integer, &value));
	assert_int_equal(value, 2000);
}

static void
test_json_of_other_kinds_is_refused(void **state)
{
	json_t *cases[] = {json_integer(-1), json_real(1.5), json_true(),
	    json_null(), json_array(), json_object(), json_stringn("1\0MiB", 5),
	    NULL};
	int64_t value = -7;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_false(quantity_read_size(cases[i], &value));
		assert_false(quantity_read_duration(cases[i], &value));
		assert_false(quantity_read_cpus(cases[i], &value));
		json_decref(cases[i]);
	}
	assert_int_equal(value, -7);
}

static void
test_json_processors_do_not_overflow(void **state)
{
	auto_json *huge = json_integer(INT64_MAX / 1000 + 1);
	auto_json *largest = json_integer(INT64_MAX / 1000);
	int64_t value = -7;

	(void)state;
	assert_false(quantity_read_cpus(huge, &value));
	assert_true(quantity_read_cpus(largest, &value));
}

static void
test_formats_are_exact(void **state)
{
	char text[QUANTITY_TEXT];

	(void)state;
	quantity_format_size(67108864, text);
	assert_string_equal(text, "64MiB");
	quantity_format_size(1000, text);
	assert_string_equal(text, "1000B");
	quantity_format_size(0, text);
	assert_string_equal(text, "0B");
	quantity_format_duration(90, text);
	assert_string_equal(text, "90s");
	quantity_format_duration(7200, text);
	assert_string_equal(text, "2h");
	quantity_format_cpus(500, text);
	assert_string_equal(text, "0.5");
	quantity_format_cpus(1000, text);
	assert_string_equal(text, "1");
	quantity_format_cpus(10000, text);
	assert_string_equal(text, "10");
	quantity_format_cpus(1, text);
	assert_string_equal(text, "0.001");
	quantity_format_cpus(INT64_MAX, text);
	assert_string_equal(text, "9223372036854775.807");
}

static void
test_what_is_written_is_read_back(void **state)
{
	static const int64_t values[] = {0, 1, 59, 60, 61, 999, 1000, 1023,
	    1024, 3600, 86400, 1048576, 1048577, INT64_C(1) << 50, INT64_MAX};

	(void)state;
	for (size_t i = 0; i < COUNT(values); i++) {
		char text[QUANTITY_TEXT];
		int64_t value = -1;

		quantity_format_size(values[i], text);
		assert_true(quantity_parse_size(text, &value));
		assert_int_equal(value, values[i]);
		quantity_format_duration(values[i], text);
		assert_true(quantity_parse_duration(text, &value));
		assert_int_equal(value, values[i]);
		quantity_format_cpus(values[i], text);
		assert_true(quantity_parse_cpus(text, &value));
		assert_int_equal(value, values[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sizes_are_read),
	    cmocka_unit_test(test_sizes_that_say_something_else_are_refused),
	    cmocka_unit_test(test_durations_are_read),
	    cmocka_unit_test(
		test_durations_that_say_something_else_are_refused),
	    cmocka_unit_test(test_cpus_are_read_in_thousandths),
	    cmocka_unit_test(test_cpus_that_say_something_else_are_refused),
	    cmocka_unit_test(test_json_integers_and_strings_are_read),
	    cmocka_unit_test(test_json_of_other_kinds_is_refused),
	    cmocka_unit_test(test_json_processors_do_not_overflow),
	    cmocka_unit_test(test_formats_are_exact),
	    cmocka_unit_test(test_what_is_written_is_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
