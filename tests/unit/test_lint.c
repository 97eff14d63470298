/* What is odd about policies: each kind of warning, and what it spares. */
#include "policy/lint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"
#include "tests/unit/folder.h"

DEFINE_CLEANUP(struct policy, policy_free);
#define auto_policy AUTO(policy_freep)

/* 2026-01-02T03:04:05Z */
#define NOW INT64_C(1767323045000)

/* The warnings of the rules a, b and so on. */
static json_t *
find(const char *const *rules, size_t count)
{
	auto_buffer text = BUFFER_INIT(65536);
	struct err err = {0};
	size_t k;

	buffer_printf(&text, "{\"version\":1,\"rules\":[");
	for (k = 0; k < count; k++)
		buffer_printf(&text, "%s{\"id\":\"%c\",%s}", k > 0 ? "," : "",
		    (int)('a' + k), rules[k]);
	buffer_printf(&text, "]}");
	auto_policy struct policy *policy =
	    policy_parse("rules", text.data, text.len, &err);

	if (policy == NULL)
		fail_msg("%s: %s", text.data, err.detail);
	return lint_find(policy, NOW);
}

/* "RULE.MEMBER RULE.MEMBER" */
static char *
name_all(const json_t *found)
{
	auto_buffer said = BUFFER_INIT(65536);
	size_t k;
	const json_t *warning;

	json_array_foreach(found, k, warning)
	    buffer_printf(&said, "%s%s.%s", k > 0 ? " " : "",
		json_string_value(json_object_get(warning, "rule")),
		json_string_value(json_object_get(warning, "member")));
	return said.data != NULL ? buffer_take(&said) : alloc_string("");
}

static void
expect(const char *wanted, const char *const *rules, size_t count)
{
	auto_json *found = find(rules, count);
	auto_free char *said = name_all(found);

	if (strcmp(said, wanted) != 0)
		fail_msg("%s: %s", rules[count - 1], said);
}

static void
expect_message(const char *rule, const char *member, const char *wanted)
{
	auto_json *found = find(&rule, 1);
	size_t k;
	const json_t *warning;

	json_array_foreach(found, k, warning)
	{
		if (strcmp(
			json_string_value(json_object_get(warning, "member")),
			member) != 0)
			continue;
		assert_string_equal(
		    json_string_value(json_object_get(warning, "message")),
		    wanted);
		return;
	}
	fail_msg("%s: nothing of %s", rule, member);
}

#define BY "\"subjects\":[\"alice\"],"
#define RULE(members) BY "\"image\":\"x\"" members
#define IMAGE(image) BY "\"image\":\"" image "\""
#define SUBJECT(subject) "\"subjects\":[" subject "],\"image\":\"x\""
#define ARGS(args) RULE(",\"args\":[" args "]")
#define REST(rest) "{\"rest\":{\"pattern\":\"" rest "\"}}"
#define MOUNT(source, read_only)                                          \
	RULE(",\"mounts\":[{\"source\":\"" source "\",\"target\":\"/in\"" \
	     ",\"read_only\":" read_only "}]")
#define SECRET "\"secrets\":{\"token\":\"api-token\"}"

static void
test_what_allows_much_is_named(void **state)
{
	static const struct {
		const char *rule, *wanted;
	} cases[] = {
	    {RULE(""), ""},
	    {RULE(",\"unsigned\":true"), "a.unsigned"},
	    {RULE(",\"stdin\":\"stream\""), "a.stdin"},
	    {RULE(",\"stdin\":\"inline\""), ""},
	    {RULE(",\"user\":{\"uid\":0,\"gid\":0}"), "a.user"},
	    {RULE(",\"user\":{\"uid\":5,\"gid\":0}"), "a.user"},
	    {RULE(",\"user\":{\"uid\":5,\"gid\":5}"), ""},
	    {SUBJECT("\"**\""), "a.subjects"},
	    {SUBJECT("\"bob\",\"*\""), "a.subjects"},
	    {SUBJECT("\"role:**\""), "a.subjects"},
	    {SUBJECT("\"ci-*\""), ""},
	    {IMAGE("**"), "a.image"},
	    {IMAGE("**:*"), "a.image"},
	    {IMAGE("sha256:*"), "a.image"},
	    {IMAGE("demo/**:*"), ""},
	    {ARGS(REST("**")), "a.args"},
	    {ARGS(REST("*")), "a.args"},
	    {ARGS("\"echo\"," REST("**")), ""},
	    {ARGS(REST("[a-z]*")), ""},
	    {MOUNT("/srv/in", "true"), ""},
	    {MOUNT("/srv/in", "false"), "a.mounts"},
	    {MOUNT("/srv", "true"), "a.mounts"},
	    {MOUNT("/home", "true"), "a.mounts"},
	    {MOUNT("/home/alice", "true"), "a.mounts"},
	    {MOUNT("/home/alice/in", "true"), ""},
	    {MOUNT("/homes/alice", "true"), ""},
	    {RULE("," SECRET), ""},
	    {SUBJECT("\"**\"") "," SECRET, "a.subjects a.secrets"},
	    {SUBJECT("\"role:*\"") "," SECRET, "a.subjects a.secrets"},
	    {ARGS(REST("**")) "," SECRET, "a.args a.secrets"},
	    {ARGS("\"x\"," REST("**")) "," SECRET, ""},
	};

	(void)state;
	for (size_t k = 0; k < COUNT(cases); k++)
		expect(cases[k].wanted, &cases[k].rule, 1);
}

static void
test_what_can_never_match_is_named(void **state)
{
	static const struct {
		const char *rule, *wanted;
	} cases[] = {
	    {RULE(",\"expires\":\"2026-01-02T03:04:05Z\""), "a.expires"},
	    {RULE(",\"expires\":\"2026-01-02T03:04:06Z\""), ""},
	    {ARGS("\"x\",{\"rest\":{\"pattern\":\"[a-z]*\"},\"min\":1024}"),
		"a.args"},
	    {ARGS("{\"rest\":{\"pattern\":\"[a-z]*\"},\"min\":1024}"), ""},
	};

	(void)state;
	for (size_t k = 0; k < COUNT(cases); k++)
		expect(cases[k].wanted, &cases[k].rule, 1);
}

#define WINDOW(tasks, per) "{\"tasks\":" tasks ",\"per\":\"" per "\"}"
#define RATE(windows) RULE(",\"rate\":[" windows "]")

#define RUNNING(members) RULE(",\"concurrency\":{" members "}")

static void
test_a_bound_of_subjects_that_bounds_nobody_is_named(void **state)
{
	static const struct {
		const char *rule, *wanted;
	} cases[] = {
	    {RUNNING("\"per_subject\":3"), ""},
	    {RUNNING("\"total\":1"), ""},
	    {RUNNING("\"per_subject\":2,\"total\":3"), ""},
	    {RUNNING("\"per_subject\":3,\"total\":3"), "a.concurrency"},
	    {RUNNING("\"per_subject\":4,\"total\":3"), "a.concurrency"},
	};

	(void)state;
	for (size_t k = 0; k < COUNT(cases); k++)
		expect(cases[k].wanted, &cases[k].rule, 1);
}

static void
test_a_window_that_bounds_nobody_is_named(void **state)
{
	static const struct {
		const char *rule, *wanted;
	} cases[] = {
	    {RATE(WINDOW("10", "1m")), ""},
	    /* Of a longer time: as much as the shorter lets through. */
	    {RATE(WINDOW("10", "1m") "," WINDOW("599", "1h")), ""},
	    {RATE(WINDOW("10", "1m") "," WINDOW("600", "1h")), "a.rate"},
	    {RATE(WINDOW("600", "1h") "," WINDOW("10", "1m")), "a.rate"},
	    /* What is no multiple lets one more through. */
	    {RATE(WINDOW("1", "7s") "," WINDOW("8", "1m")), ""},
	    {RATE(WINDOW("1", "7s") "," WINDOW("9", "1m")), "a.rate"},
	    /* Of a shorter time: the longer one's are all it could let. */
	    {RATE(WINDOW("10", "1m") "," WINDOW("10", "1h")), "a.rate"},
	    {RATE(WINDOW("9", "1m") "," WINDOW("10", "1h")), ""},
	    {RATE(WINDOW("5", "1s") "," WINDOW("100", "1m") "," WINDOW(
		 "500", "1h") "," WINDOW("500", "1d")),
		"a.rate"},
	};

	(void)state;
	for (size_t k = 0; k < COUNT(cases); k++)
		expect(cases[k].wanted, &cases[k].rule, 1);
}

static void
test_a_warning_says_no_more_than_is_so(void **state)
{
	static const struct {
		const char *rule, *member, *message;
	} cases[] = {
	    {SUBJECT("\"**\"") "," SECRET, "secrets",
		"everybody's tasks can read what they hold"},
	    {SUBJECT("\"role:*\"") "," SECRET, "secrets",
		"tasks of everybody who has a role can read what they hold"},
	    {SUBJECT("\"role:*\""), "subjects",
		"it is for everybody who has a role"},
	    /* Both are used up by the same task. */
	    {RATE(WINDOW("10", "1m") "," WINDOW("10", "1d")), "rate",
		"window 1 bounds nobody: window 2 lets no more through"},
	    {RATE(WINDOW("10", "1m") "," WINDOW("600", "1h")), "rate",
		"window 2 bounds nobody: window 1 lets no more through"},
	};

	(void)state;
	for (size_t k = 0; k < COUNT(cases); k++)
		expect_message(
		    cases[k].rule, cases[k].member, cases[k].message);
}

#define INTEGER(min, max) "{\"integer\":{\"min\":" min ",\"max\":" max "}}"

static void
test_a_rule_behind_one_that_allows_as_much_is_named(void **state)
{
	static const struct {
		const char *first, *second;
		bool covered;
	} cases[] = {
	    {RULE(""), RULE(""), true},
	    {RULE(""), IMAGE("y"), false},
	    {IMAGE("demo/*"), IMAGE("demo/x"), true},
	    {IMAGE("demo/*"), IMAGE("demo/*"), true},
	    {IMAGE("demo/x"), IMAGE("demo/*"), false},
	    {IMAGE("demo/*"), IMAGE("demo/x:1"), false},
	    {RULE(",\"digest_required\":true"), RULE(""), false},
	    {RULE(""), RULE(",\"digest_required\":true"), false},
	    {IMAGE("*") ",\"digest_required\":true", RULE(""), false},
	    {IMAGE("*"), RULE(",\"digest_required\":true"), false},
	    {IMAGE("*") ",\"digest_required\":true",
		RULE(",\"digest_required\":true"), true},
	    {SUBJECT("\"a*\""), SUBJECT("\"alice\""), true},
	    {SUBJECT("\"a*\""), SUBJECT("\"alice\",\"bob\""), false},
	    {SUBJECT("\"alice\""), SUBJECT("\"a*\""), false},
	    {SUBJECT("\"alice\""), SUBJECT("\"role:alice\""), false},
	    {SUBJECT("\"bob\",\"role:x\""), SUBJECT("\"role:x\""), true},
	    {ARGS("{\"enum\":[\"a\",\"b\"]}"), ARGS("\"a\""), true},
	    {ARGS("\"a\""), ARGS("{\"enum\":[\"a\",\"b\"]}"), false},
	    {ARGS(INTEGER("1", "9")), ARGS(INTEGER("2", "9")), true},
	    {ARGS(INTEGER("1", "9")), ARGS(INTEGER("0", "9")), false},
	    {ARGS("{\"pattern\":\"[0-9]\"}"), ARGS(INTEGER("0", "9")), true},
	    {ARGS("{\"pattern\":\"[0-9]\"}"), ARGS(INTEGER("0", "10")), false},
	    {ARGS(REST("[a-z]*")), ARGS("\"a\",\"b\""), true},
	    {ARGS(REST("[a-z]*")), ARGS("\"a\",\"2\""), false},
	    {ARGS("\"a\"," REST("[a-z]*")), ARGS("\"a\""), true},
	    {ARGS("\"a\"," REST("[a-z]*")), ARGS(""), false},
	    {ARGS("\"a\""), ARGS("\"a\"," REST("[a-z]*")), false},
	    {RULE(",\"env\":{\"A\":{\"pattern\":\"**\"},\"B\":\"1\"}"),
		RULE(",\"env\":{\"A\":{\"pattern\":\"x*\"}}"), true},
	    {RULE(""), RULE(",\"env\":{\"A\":\"1\"}"), false},
	    {RULE(",\"stdin\":\"inline\""), RULE(""), true},
	    {RULE(""), RULE(",\"stdin\":\"inline\""), false},
	    {RULE(""), RULE(",\"inputs\":1"), false},
	    {RULE(""), RULE(",\"outputs\":1"), false},
	    {RULE(",\"limits\":{\"pids\":{\"max\":100}}"), RULE(""), true},
	    {RULE(""), RULE(",\"limits\":{\"pids\":{\"max\":100}}"), false},
	    {RULE(",\"expires\":\"2027-01-01T00:00:00Z\""), RULE(""), false},
	    {RULE(""), RULE(",\"expires\":\"2027-01-01T00:00:00Z\""), true},
	    {RULE(",\"hours\":[{\"from\":\"08:00\",\"to\":\"18:00\"}]"),
		RULE(""), false},
	    {RULE(""),
		RULE(",\"hours\":[{\"from\":\"08:00\",\"to\":\"18:00\"}]"),
		true},
	    {RULE(",\"mode\":\"shadow\""), RULE(""), false},
	    {RULE(""), RULE(",\"mode\":\"shadow\""), false},
	};

	(void)state;
	for (size_t k = 0; k < COUNT(cases); k++) {
		const char *const rules[] = {cases[k].first, cases[k].second};
		auto_json *found = find(rules, 2);
		auto_free char *said = name_all(found);

		if ((strstr(said, "b.id") != NULL) != cases[k].covered)
			fail_msg("%s | %s: %s", rules[0], rules[1], said);
		assert_null(strstr(said, "a.id"));
	}
}

/* Every rule for another subject: each has to be compared with all before. */
static void
test_very_many_rules_for_one_image_are_not_all_compared(void **state)
{
	enum { MANY = 4000 };
	auto_buffer text = BUFFER_INIT(8 * 1024 * 1024);
	struct err err = {0};

	(void)state;
	buffer_printf(&text, "{\"version\":1,\"rules\":[");
	for (int k = 0; k < MANY; k++)
		buffer_printf(&text,
		    "%s{\"id\":\"r%d\",\"subjects\":[\"u%d\"],"
		    "\"image\":\"x\"}",
		    k > 0 ? "," : "", k, k);
	buffer_printf(&text, "]}");
	auto_policy struct policy *policy =
	    policy_parse("rules", text.data, text.len, &err);
	auto_json *found = lint_find(policy, NOW);

	assert_int_equal(json_array_size(found), 1);
	assert_non_null(strstr(json_string_value(json_object_get(
				   json_array_get(found, 0), "message")),
	    "too many"));
}

/* In a folder too, where the second file's rules are counted from 0. */
static void
test_a_warning_says_file_line_and_column(void **state)
{
	static const char text[] =
	    "{\"version\": 1,\n"
	    " \"rules\": [{\"id\": \"a\", \"subjects\": [\"bob\"], "
	    "\"image\": \"x\"},\n"
	    "  {\"id\": \"b\", \"image\": \"x\",\n"
	    "   \"//\": \"]}\", \"subjects\": [\"*\"],\n"
	    "\t\"unsigned\": true}]}";
	static const struct {
		const char *file, *member;
		int line, column;
	} wanted[] = {
	    {"a.json", "unsigned", 5, 14},
	    {"a.json", "subjects", 4, 28},
	    {"b.json", "user", 1, 40},
	};
	const char *folder = *state;
	auto_free char *a = folder_path(folder, "a.json");
	auto_free char *b = folder_path(folder, "b.json");
	static const char other[] =
	    "{\"rules\":[{\"id\":\"c\",\"image\":\"y\",\"user\":"
	    "{\"uid\":0,\"gid\":0},\"subjects\":[\"eve\"]}],\"version\":1}";
	struct err err = {0};

	assert_int_equal(file_write(a, text, strlen(text), 0600, &err), 0);
	assert_int_equal(file_write(b, other, strlen(other), 0600, &err), 0);
	auto_policy struct policy *policy = policy_load(folder, &err);

	if (policy == NULL)
		fail_msg("%s", err.detail);
	auto_json *found = lint_find(policy, NOW);

	assert_int_equal(json_array_size(found), COUNT(wanted));
	for (size_t k = 0; k < COUNT(wanted); k++) {
		const json_t *one = json_array_get(found, k);
		auto_free char *path = folder_path(folder, wanted[k].file);

		assert_string_equal(
		    json_string_value(json_object_get(one, "file")), path);
		assert_string_equal(
		    json_string_value(json_object_get(one, "member")),
		    wanted[k].member);
		assert_int_equal(
		    json_integer_value(json_object_get(one, "line")),
		    wanted[k].line);
		assert_int_equal(
		    json_integer_value(json_object_get(one, "column")),
		    wanted[k].column);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_allows_much_is_named),
	    cmocka_unit_test(test_what_can_never_match_is_named),
	    cmocka_unit_test(test_a_window_that_bounds_nobody_is_named),
	    cmocka_unit_test(
		test_a_bound_of_subjects_that_bounds_nobody_is_named),
	    cmocka_unit_test(test_a_warning_says_no_more_than_is_so),
	    cmocka_unit_test(
		test_a_rule_behind_one_that_allows_as_much_is_named),
	    cmocka_unit_test(
		test_very_many_rules_for_one_image_are_not_all_compared),
	    cmocka_unit_test_setup_teardown(
		test_a_warning_says_file_line_and_column, folder_make,
		folder_remove),
	};

	return cmocka_run_group_tests_name("lint", tests, NULL, NULL);
}
