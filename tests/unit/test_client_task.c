/* A task's document: read leniently, its output taken out and put in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/output.h"
#include "client/task.h"
#include "lib/cleanup.h"
#include "lib/json.h"

#define ID "\"id\":\"01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a11\""

static json_t *
parse(const char *text)
{
	struct err err;
	json_t *json = json_parse_strict(text, strlen(text), &err);

	if (json == NULL)
		fail_msg("%s: %s", text, err.detail);
	return json;
}

static void
test_a_finished_task_is_read_whole(void **state)
{
	auto_json *document = parse(
	    "{" ID
	    ",\"state\":\"finished\",\"outcome\":\"failed\",\"exit_code\":7,"
	    "\"rule\":\"demo\",\"output\":{\"stdout\":4,\"stderr\":0,"
	    "\"truncated\":true},\"future\":[1]}");
	struct task task;
	struct err err;

	(void)state;
	assert_int_equal(task_read(document, &task, &err), 0);
	assert_true(task_is_finished(&task));
	assert_string_equal(task.outcome, "failed");
	assert_int_equal(task.exit_code, 7);
	assert_int_equal(task.stdout_bytes, 4);
	assert_int_equal(task.stderr_bytes, 0);
	assert_true(task.truncated);
	assert_string_equal(task.rule, "demo");
	assert_null(task.signal);
	assert_int_equal(task.place, -1);
}

static void
test_members_of_the_wrong_type_count_as_absent(void **state)
{
	auto_json *document = parse(
	    "{" ID ",\"state\":\"running\",\"outcome\":7,\"exit_code\":\"7\","
	    "\"output\":[],\"place\":1.5,\"detail\":null}");
	struct task task;
	struct err err;

	(void)state;
	assert_int_equal(task_read(document, &task, &err), 0);
	assert_null(task.outcome);
	assert_int_equal(task.exit_code, -1);
	assert_int_equal(task.stdout_bytes, -1);
	assert_int_equal(task.place, -1);
	assert_null(task.detail);
}

static void
test_what_is_no_task_is_refused(void **state)
{
	static const char *const bad[] = {"{}", "[]", "{" ID "}",
	    "{\"state\":\"running\"}", "{\"id\":7,\"state\":\"running\"}",
	    "{\"id\":\"../../x\",\"state\":\"running\"}",
	    "{" ID ",\"state\":null}"};
	struct task task;
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		auto_json *document = parse(bad[i]);

		if (task_read(document, &task, &err) == 0)
			fail_msg("%s was accepted", bad[i]);
	}
	assert_int_equal(task_read(NULL, &task, &err), -1);
}

static void
test_inline_output_is_text_or_base64(void **state)
{
	auto_json *document =
	    parse("{\"stdout\":\"a\\nb\",\"stderr_base64\":\"AP/+\"}");
	auto_free char *out = NULL;
	auto_free char *err_text = NULL;
	size_t len = 0;
	struct err err;

	(void)state;
	assert_int_equal(
	    task_inline_output(document, "stdout", &out, &len, &err), 1);
	assert_int_equal(len, 3);
	assert_memory_equal(out, "a\nb", 3);
	assert_int_equal(
	    task_inline_output(document, "stderr", &err_text, &len, &err), 1);
	assert_int_equal(len, 3);
	assert_memory_equal(err_text, "\0\xff\xfe", 3);
}

static void
test_inline_output_may_be_absent_and_must_not_be_wrong(void **state)
{
	auto_json *none = parse("{}");
	auto_json *wrong = parse("{\"stdout_base64\":\"A\"}");
	char *data = NULL;
	size_t len = 0;
	struct err err;

	(void)state;
	assert_int_equal(
	    task_inline_output(none, "stdout", &data, &len, &err), 0);
	assert_int_equal(
	    task_inline_output(wrong, "stdout", &data, &len, &err), -1);
}

/* The member that `data` becomes. */
static json_t *
add(const char *data, size_t len, size_t max)
{
	json_t *document =
	    parse("{\"stdout\":\"old\",\"stdout_base64\":\"o\"}");
	struct sink sink;

	sink_init_memory(&sink, max);
	assert_true(sink_write(&sink, data, len));
	output_add(document, "stdout", &sink);
	sink_done(&sink);
	return document;
}

static void
test_output_becomes_text_where_it_is_and_base64_where_not(void **state)
{
	auto_json *text = add("\xc3\xa9\n\x1b[31m", 8, 64);
	auto_json *binary = add("a\xff", 2, 64);
	auto_json *with_nul = add("a\0b", 3, 64);
	auto_json *empty = add("", 0, 64);
	auto_json *cut = add("abcdef", 6, 4);

	(void)state;
	assert_string_equal(json_string_value(json_object_get(text, "stdout")),
	    "\xc3\xa9\n\x1b[31m");
	assert_null(json_object_get(text, "stdout_base64"));
	assert_null(json_object_get(text, "stdout_cut"));
	assert_null(json_object_get(binary, "stdout"));
	assert_string_equal(
	    json_string_value(json_object_get(binary, "stdout_base64")),
	    "Yf8=");
	assert_string_equal(
	    json_string_value(json_object_get(with_nul, "stdout_base64")),
	    "YQBi");
	assert_string_equal(
	    json_string_value(json_object_get(empty, "stdout")), "");
	assert_string_equal(
	    json_string_value(json_object_get(cut, "stdout")), "abcd");
	assert_true(json_is_true(json_object_get(cut, "stdout_cut")));
}

static void
test_ends_that_an_exit_code_does_not_tell_are_said(void **state)
{
	static const struct {
		struct task task;
		const char *words; /* NULL: nothing is said */
	} cases[] = {
	    {{.outcome = "succeeded"}, NULL},
	    {{.outcome = "failed", .exit_code = 7}, NULL},
	    {{.outcome = "killed", .signal = "KILL"}, NULL},
	    {{.outcome = NULL}, NULL},
	    {{.outcome = "timed_out"}, "timed out"},
	    {{.outcome = "out_of_memory"}, "out of memory"},
	    {{.outcome = "cancelled"}, "cancelled"},
	    {{.outcome = "not_started", .detail = "no such image"},
		"not started: no such image"},
	    {{.outcome = "not_started", .errno_name = "ENOENT"}, "ENOENT"},
	    {{.outcome = "not_started"}, "no reason given"},
	    {{.outcome = "lost", .detail = "the engine restarted"},
		"lost: the engine restarted"},
	    {{.outcome = "revoked", .detail = "by carol"}, "revoked: by carol"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		auto_free char *text = task_describe_end(&cases[i].task);

		if (cases[i].words == NULL)
			assert_null(text);
		else if (text == NULL || strstr(text, cases[i].words) == NULL)
			fail_msg("%s: \"%s\"", cases[i].task.outcome,
			    text != NULL ? text : "");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_finished_task_is_read_whole),
	    cmocka_unit_test(test_members_of_the_wrong_type_count_as_absent),
	    cmocka_unit_test(test_what_is_no_task_is_refused),
	    cmocka_unit_test(test_inline_output_is_text_or_base64),
	    cmocka_unit_test(
		test_inline_output_may_be_absent_and_must_not_be_wrong),
	    cmocka_unit_test(
		test_output_becomes_text_where_it_is_and_base64_where_not),
	    cmocka_unit_test(
		test_ends_that_an_exit_code_does_not_tell_are_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
