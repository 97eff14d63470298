/* Query parameters: bytes that may be anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/query.h"
#include "lib/cleanup.h"
#include "policy/policy.h"

static const char *const words[] = {"queued", "running", NULL};

enum {
	WAIT,
	FOLLOW,
	BEFORE,
	STATE,
	SUBJECT,
	OFFSET,
	AFTER,
	TEXT,
	SINCE,
	SPECS
};

static const struct query_spec specs[SPECS] = {
    [WAIT] = {.name = "wait", .kind = QUERY_INTEGER, .max = 60},
    [FOLLOW] = {.name = "follow", .kind = QUERY_FLAG},
    [BEFORE] = {.name = "before", .kind = QUERY_ID},
    [STATE] = {.name = "state", .kind = QUERY_WORD, .words = words},
    [SUBJECT] = {.name = "subject", .kind = QUERY_SUBJECT},
    [OFFSET] = {.name = "offset", .kind = QUERY_INTEGER, .max = INT64_MAX},
    [AFTER] = {.name = "after", .kind = QUERY_RULE},
    [TEXT] = {.name = "text", .kind = QUERY_TEXT},
    [SINCE] = {.name = "since", .kind = QUERY_TIME},
};

static int
set_bytes(struct query_value *values, const char *name, const char *value,
    size_t len, struct err *err)
{
	const struct query_table table = {specs, values, SPECS};

	return query_set(&table, (struct query_text){name, strlen(name)},
	    (struct query_text){value, len}, err);
}

static void
assert_refused(const char *name, const char *value, const char *why)
{
	struct query_value values[SPECS] = {0};
	struct err err = {0};

	if (set_bytes(values, name, value, value == NULL ? 0 : strlen(value),
		&err) != -1)
		fail_msg("%s=%s was accepted", name, value);
	assert_int_equal(err.code, ERR_UNPROCESSABLE);
	if (strstr(err.detail, why) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.detail, why);
	for (size_t i = 0; i < SPECS; i++)
		assert_false(values[i].given);
}

static void
test_values_that_fit_are_taken(void **state)
{
	static const char *const pairs[][2] = {{"wait", "0"}, {"wait", "60"},
	    {"wait", "007"}, {"follow", "1"}, {"follow", "0"},
	    {"before", "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a11"},
	    {"state", "running"}, {"subject", "alice.b-c_d"},
	    {"offset", "999999999999999999"}, {"after", "0-a.b_c"}};

	(void)state;
	for (size_t i = 0; i < COUNT(pairs); i++) {
		struct query_value values[SPECS] = {0};
		struct err err = {0};

		if (set_bytes(values, pairs[i][0], pairs[i][1],
			strlen(pairs[i][1]), &err) != 0)
			fail_msg("%s", err.detail);
	}
}

static void
test_integers_are_digits_within_bounds(void **state)
{
	static const char *const texts[] = {"", "61", "-1", "+1", " 1", "1 ",
	    "1.0", "0x1", "1e1", "99999999999999999999",
	    "18446744073709551616"};
	struct query_value values[SPECS] = {0};
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		assert_refused("wait", texts[i], "wait");
	assert_int_equal(set_bytes(values, "wait", "42", 2, &err), 0);
	assert_int_equal(values[WAIT].integer, 42);
}

static void
test_other_kinds_are_compared_exactly(void **state)
{
	(void)state;
	assert_refused("follow", "2", "follow");
	assert_refused("follow", "true", "follow");
	assert_refused("before", "1", "before");
	assert_refused("state", "finished", "state: not one of queued running");
	assert_refused("state", "Running", "state");
	assert_refused("state", "", "state");
	assert_refused("subject", "Alice", "subject");
	assert_refused("subject", "a/b", "subject");
	assert_refused("subject", "", "subject");
	assert_refused("after", "A", "after");
	assert_refused("after", "a b", "after");
	assert_refused("after", "", "after");
}

static void
test_the_id_of_a_rule_has_the_length_of_one(void **state)
{
	struct query_value values[SPECS] = {0};
	char id[256];
	struct err err;

	(void)state;
	memset(id, 'a', sizeof(id));
	id[255] = '\0';
	assert_refused("after", id, "after");
	id[RULE_ID_MAX + 1] = '\0';
	assert_refused("after", id, "after");
	assert_int_equal(set_bytes(values, "after", id, RULE_ID_MAX, &err), 0);
}

static void
test_unknown_and_empty_names_are_refused(void **state)
{
	(void)state;
	assert_refused("", "1", "not known");
	assert_refused("waits", "1", "not known");
	assert_refused("wai", "1", "not known");
	assert_refused("Wait", "1", "not known");
	assert_refused("wait", NULL, "no value");
}

static void
test_a_name_with_a_nul_in_it_is_not_that_name(void **state)
{
	struct query_value values[SPECS] = {0};
	const struct query_table table = {specs, values, SPECS};
	struct err err;

	(void)state;
	assert_int_equal(query_set(&table, (struct query_text){"wait\0x", 6},
			     (struct query_text){"1", 1}, &err),
	    -1);
	assert_false(values[WAIT].given);
}

static void
test_a_value_with_a_nul_in_it_is_refused(void **state)
{
	struct query_value values[SPECS] = {0};
	struct err err;

	(void)state;
	assert_int_equal(set_bytes(values, "wait", "1\0", 2, &err), -1);
	assert_int_equal(set_bytes(values, "state", "running\0x", 9, &err), -1);
	assert_false(values[STATE].given);
}

static void
test_a_parameter_may_come_once(void **state)
{
	struct query_value values[SPECS] = {0};
	struct err err;

	(void)state;
	assert_int_equal(set_bytes(values, "wait", "1", 1, &err), 0);
	assert_int_equal(set_bytes(values, "wait", "1", 1, &err), -1);
	assert_string_equal(err.detail, "wait: came twice");
}

static void
test_a_value_of_the_longest_and_one_more(void **state)
{
	char text[QUERY_VALUE_MAX + 1];
	struct query_value values[SPECS] = {0};
	struct err err;

	(void)state;
	memset(text, 'a', sizeof(text));
	assert_int_equal(
	    set_bytes(values, "text", text, QUERY_VALUE_MAX - 1, &err), 0);
	values[TEXT].given = false;
	assert_int_equal(
	    set_bytes(values, "text", text, QUERY_VALUE_MAX, &err), -1);
}

static void
test_a_text_is_any_utf8_and_is_written_as_a_uri_has_it(void **state)
{
	static const char odd[] = "a b&c=\xc3\xa9%\n";
	struct query_value values[SPECS] = {0};
	auto_buffer link = BUFFER_INIT(1024);
	struct err err;

	(void)state;
	assert_int_equal(
	    set_bytes(values, "text", odd, sizeof(odd) - 1, &err), 0);
	assert_string_equal(values[TEXT].text, odd);
	query_write(&link, &specs[TEXT], &values[TEXT]);
	assert_string_equal(link.data, "text=a%20b%26c%3D%C3%A9%25%0A&");
	assert_refused("text", "", "text: empty, or not UTF-8");
	assert_refused("text", "\xff", "text: empty, or not UTF-8");
}

static void
test_a_time_is_read_as_milliseconds(void **state)
{
	struct query_value values[SPECS] = {0};
	static const char time[] = "2026-01-02T03:04:05Z";
	struct err err;

	(void)state;
	assert_int_equal(
	    set_bytes(values, "since", time, sizeof(time) - 1, &err), 0);
	assert_int_equal(values[SINCE].integer, INT64_C(1767323045000));
	assert_refused("since", "2026-01-02",
	    "since: not a time such as 2026-01-02T03:04:05Z");
	assert_refused("since", "1970-01-01T00:00:00Z",
	    "since: not a time such as 2026-01-02T03:04:05Z");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_values_that_fit_are_taken),
	    cmocka_unit_test(test_integers_are_digits_within_bounds),
	    cmocka_unit_test(test_other_kinds_are_compared_exactly),
	    cmocka_unit_test(test_the_id_of_a_rule_has_the_length_of_one),
	    cmocka_unit_test(test_unknown_and_empty_names_are_refused),
	    cmocka_unit_test(test_a_name_with_a_nul_in_it_is_not_that_name),
	    cmocka_unit_test(test_a_value_with_a_nul_in_it_is_refused),
	    cmocka_unit_test(test_a_parameter_may_come_once),
	    cmocka_unit_test(test_a_value_of_the_longest_and_one_more),
	    cmocka_unit_test(
		test_a_text_is_any_utf8_and_is_written_as_a_uri_has_it),
	    cmocka_unit_test(test_a_time_is_read_as_milliseconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
