/* Named tasks: which params pass, and what becomes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "policy/launch.h"
#include "policy/policy.h"

DEFINE_CLEANUP(struct policy, policy_free);
#define auto_policy AUTO(policy_freep)

static const char text[] =
    "{\"version\": 1, \"rules\": ["
    "{\"id\": \"image\", \"subjects\": [\"*\"], \"image\": \"resize\","
    " \"args\": [\"from an image\"]},"
    "{\"id\": \"others\", \"subjects\": [\"bob\"], \"task\": \"resize\","
    " \"image\": \"tools/other:2\"},"
    "{\"id\": \"resize\", \"subjects\": [\"alice\"], \"task\": \"resize\","
    " \"image\": \"tools/resize\", \"params\": {"
    "  \"width\": {\"integer\": {\"min\": 16, \"max\": 4096}},"
    "  \"mode\": {\"enum\": [\"fit\", \"-crop\"], \"default\": \"fit\"},"
    "  \"name\": {\"string\": {\"max\": 12}, \"default\": \"a\"},"
    "  \"path\": {\"string\": {\"pattern\": \"in/**\","
    "    \"allow\": [\"slash\", \"blank\"]}, \"default\": \"in/x\"},"
    "  \"any\": {\"string\": {\"min\": 0, \"allow\": [\"dash\", \"slash\","
    "    \"blank\", \"punctuation\", \"lines\", \"utf8\"]},"
    "    \"default\": \"\"}},"
    " \"args\": [\"--size={width}x{width}\", \"{mode}\", \"{{{name}}}\","
    "  \"{path}\", \"--\", \"{any}\"]},"
    "{\"id\": \"plain\", \"subjects\": [\"alice\"], \"task\": \"plain\","
    " \"image\": \"tools/resize\"}"
    "]}";

/* The launch as canonical JSON, or what the caller is told. */
static char *
ask(const char *params)
{
	struct err err = {0};
	auto_policy struct policy *policy =
	    policy_parse("table", text, strlen(text), &err);
	auto_free char *body =
	    alloc_printf("{\"task\":\"resize\",\"params\":{%s}}", params);
	const struct policy_principal alice = {.subject = "alice"};
	AUTO(request_done) struct request request = {0};
	AUTO(policy_verdict_done) struct policy_verdict verdict = {0};
	const char *rule, *condition;

	if (policy == NULL ||
	    request_parse(body, strlen(body), &request, &err) != 0)
		return alloc_string(err.detail);
	policy_decide(policy, &alice, &request, 0, &verdict);
	if (verdict.allowed) {
		assert_string_equal(verdict.rule, "resize");
		assert_true(launch_is_valid(verdict.launch));
		assert_string_equal(launch_image(verdict.launch, &request),
		    "tools/resize:latest");
		return json_encode_canonical(
		    json_object_get(verdict.launch, "args"), NULL);
	}
	policy_explain_to_caller(&verdict, &request, &rule, &condition, &err);
	assert_string_equal(rule, "resize");
	return alloc_string(err.detail);
}

static void
expect(const char *params, const char *expected)
{
	auto_free char *answer = ask(params);

	if (strcmp(answer, expected) != 0)
		fail_msg("%s: %s", params, answer);
}

static void
test_params_are_filled_in_within_one_argument(void **state)
{
	(void)state;
	expect("\"width\":300",
	    "[\"--size=300x300\",\"fit\",\"{a}\",\"in/x\",\"--\",\"\"]");
	expect("\"width\":\"16\",\"mode\":\"-crop\",\"name\":\"B_c.9-d\","
	       "\"path\":\"in/a b/c\",\"any\":\"-$(x) {width} \\u00e9\\n\"",
	    "[\"--size=16x16\",\"-crop\",\"{B_c.9-d}\",\"in/a b/c\",\"--\","
	    "\"-$(x) {width} \303\251\\n\"]");
}

static void
test_params_that_fail_are_named_with_what_would_pass(void **state)
{
	static const struct {
		const char *params, *told;
	} cases[] = {
	    {"", "width: must be given: an integer from 16 to 4096"},
	    {"\"width\":15", "width: \"15\" is not an integer from 16 to 4096"},
	    {"\"width\":\"016\"",
		"width: \"016\" is not an integer from 16 to 4096"},
	    {"\"width\":16,\"mode\":\"crop\"",
		"mode: \"crop\" is not one of fit, -crop"},
	    {"\"width\":16,\"height\":1",
		"height: is none of the params any, mode, name, path, width"},
	    {"\"width\":16,\"name\":\"\"",
		"name: \"\" is shorter than 1 bytes"},
	    {"\"width\":16,\"name\":\"0123456789abc\"",
		"name: \"0123456789abc\" is longer than 12 bytes"},
	    {"\"width\":16,\"path\":\"out/x\"",
		"path: \"out/x\" does not match the pattern \"in/**\""},
	    {"\"width\":16,\"path\":\"in/../etc\"",
		"path: \"in/../etc\" has a part that is \".\" or \"..\""},
	    {"\"width\":16,\"any\":\"..\"",
		"any: \"..\" has a part that is \".\" or \"..\""},
	    {"\"width\":16,\"any\":\"a\\u0007\"",
		"any: \"a\\x07\" has other bytes than letters, digits, "
		"\".\", \"_\", \"-\", /, blanks, punctuation, tabs and line "
		"feeds, bytes above ASCII"},
	};

	(void)state;
	for (size_t k = 0; k < COUNT(cases); k++) {
		auto_free char *told =
		    alloc_printf("rule resize: params.%s", cases[k].told);

		expect(cases[k].params, told);
	}
}

/* Separators, controls, options and letters that only look like ours. */
static void
test_strings_have_plain_bytes_alone_unless_the_rule_says_so(void **state)
{
	static const char *const values[] = {
	    "-rf", "--x", "a/b", "/", "a b", "a\\tb", "a\\nb", "a\\rb",
	    "a\\u007fb", "a\\u0001b", "a;b", "a,b", "a:b", "a|b", "a&b", "$a",
	    "`a`", "a'b", "a\\\"b", "a\\\\b", "a=b", "a*", "~", "..", ".",
	    "\\u0430dmin", /* Cyrillic a */
	    "\\uff0fetc", /* full-width slash */
	    "a\\u2024b", /* one dot leader */
	    "\\u2212rf", /* minus sign */
	    "a\\u200bb", /* zero width */
	};

	(void)state;
	for (size_t k = 0; k < COUNT(values); k++) {
		auto_free char *params =
		    alloc_printf("\"width\":16,\"name\":\"%s\"", values[k]);
		auto_free char *answer = ask(params);

		if (strncmp(answer, "rule resize: params.name: ", 26) != 0)
			fail_msg("%s: %s", values[k], answer);
	}
}

static const char *
decide(const char *subject, const char *body)
{
	static char answer[1024];
	struct err err = {0};
	auto_policy struct policy *policy =
	    policy_parse("table", text, strlen(text), &err);
	const struct policy_principal principal = {.subject = subject};
	AUTO(request_done) struct request request = {0};
	AUTO(policy_verdict_done) struct policy_verdict verdict = {0};
	const char *rule, *condition;

	assert_int_equal(request_parse(body, strlen(body), &request, &err), 0);
	policy_decide(policy, &principal, &request, 0, &verdict);
	if (verdict.allowed) {
		snprintf(answer, sizeof(answer), "%s %s", verdict.rule,
		    launch_image(verdict.launch, &request));
		return answer;
	}
	policy_explain_to_caller(&verdict, &request, &rule, &condition, &err);
	snprintf(answer, sizeof(answer), "%s", err.detail);
	return answer;
}

static void
test_a_task_and_an_image_of_one_name_are_two_things(void **state)
{
	(void)state;
	assert_string_equal(
	    decide("bob", "{\"task\":\"resize\"}"), "others tools/other:2");
	assert_string_equal(
	    decide(
		"bob", "{\"image\":\"resize\",\"args\":[\"from an image\"]}"),
	    "image resize:latest");
	assert_string_equal(decide("bob",
				"{\"task\":\"resize\",\"params\":{"
				"\"width\":1}}"),
	    "rule others: params.width: the task has no params");
	/* The image of a task is nobody's to name. */
	assert_string_equal(decide("alice", "{\"image\":\"tools/resize\"}"),
	    "no rule lets you run the image tools/resize:latest");
	assert_string_equal(decide("carol", "{\"task\":\"resize\"}"),
	    "no rule lets you run the task resize");
	assert_string_equal(decide("alice", "{\"task\":\"resiz\"}"),
	    "no rule lets you run the task resiz");
	assert_string_equal(decide("alice", "{\"task\":\"plain\"}"),
	    "plain tools/resize:latest");
}

static void
test_what_is_no_launch_is_not_read_back(void **state)
{
	static const char *const broken[] = {"{\"image\":1}", "{\"args\":[1]}",
	    "{\"args\":\"a\"}", "{\"entrypoint\":[null]}", "{\"other\":[]}",
	    "{\"image\":\"\"}", "[]"};
	struct err err = {0};

	(void)state;
	for (size_t k = 0; k < COUNT(broken); k++) {
		auto_json *json =
		    json_parse_strict(broken[k], strlen(broken[k]), &err);

		assert_non_null(json);
		if (launch_is_valid(json))
			fail_msg("%s", broken[k]);
	}
	assert_false(launch_is_valid(NULL));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_params_are_filled_in_within_one_argument),
	    cmocka_unit_test(
		test_params_that_fail_are_named_with_what_would_pass),
	    cmocka_unit_test(
		test_strings_have_plain_bytes_alone_unless_the_rule_says_so),
	    cmocka_unit_test(
		test_a_task_and_an_image_of_one_name_are_two_things),
	    cmocka_unit_test(test_what_is_no_launch_is_not_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
