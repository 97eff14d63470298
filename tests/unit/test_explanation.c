/* What a caller is told of a decision, and what not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "policy/explanation.h"

DEFINE_CLEANUP(struct policy, policy_free);
#define auto_policy AUTO(policy_freep) struct policy

#define NOW_MS INT64_C(1767225600000)

static const char rules[] =
    "{\"version\": 1, \"rules\": ["
    "{\"id\": \"others\", \"subjects\": [\"bob\"], \"image\": \"x/y\"},"
    "{\"id\": \"strict\", \"subjects\": [\"alice\"], \"image\": \"x/y\","
    " \"args\": [{\"enum\": [\"a\", \"b\"]}]},"
    "{\"id\": \"wide\", \"subjects\": [\"al*\"], \"image\": \"x/y\","
    " \"args\": [{\"integer\": {\"min\": 1, \"max\": 9}}],"
    " \"limits\": {\"memory\": {\"default\": \"8MiB\", \"max\": \"1GiB\"}},"
    " \"user\": {\"uid\": 5, \"gid\": 6}, \"unsigned\": true,"
    " \"approval\": {}, \"concurrency\": {\"total\": 2}, \"rate\": ["
    "{\"tasks\": 5, \"per\": \"1m\"}, {\"per\": 90, \"tasks\": 6}]},"
    "{\"id\": \"named\", \"subjects\": [\"alice\"], \"task\": \"t\","
    " \"image\": \"x/z:1\", \"args\": [\"-n{n}\"],"
    " \"params\": {\"n\": {\"integer\": {\"min\": 1, \"max\": 9}}}}]}";

static json_t *
ask(const struct policy *policy, const char *subject, const char *body)
{
	const struct policy_principal principal = {.subject = subject};
	AUTO(request_done) struct request request = {0};
	struct err err;

	if (request_parse(body, strlen(body), &request, &err) != 0)
		fail_msg("%s", err.detail);
	return explanation_for_caller(&(struct explanation_question){
	    policy, &principal, &request, NOW_MS});
}

/* All that is told, but for the policy's hash, which is checked. */
static void
assert_told(const char *subject, const char *body, const char *expected)
{
	struct err err;
	auto_policy *policy = policy_parse("p", rules, strlen(rules), &err);
	auto_json *told = ask(policy, subject, body);

	assert_string_equal(
	    json_string_value(json_object_get(told, "policy_sha256")),
	    policy_sha256(policy));
	json_object_del(told, "policy_sha256");
	auto_free char *text = json_encode(told, NULL);

	assert_string_equal(text, expected);
}

static void
test_a_denial_says_of_each_rule_of_the_callers_what_would_pass(void **state)
{
	(void)state;
	assert_told("alice", "{\"image\": \"x/y\", \"args\": [\"c\"]}",
	    "{\"allowed\":false,\"rule\":\"strict\",\"condition\":\"args[0]\","
	    "\"detail\":\"rule strict: args[0]: \\\"c\\\" is not one of a, "
	    "b\",\"candidates\":[{\"rule\":\"strict\",\"allows\":false,"
	    "\"condition\":\"args[0]\",\"detail\":\"\\\"c\\\" is not one of "
	    "a, b\"},{\"rule\":\"wide\",\"allows\":false,\"condition\":"
	    "\"args[0]\",\"detail\":\"\\\"c\\\" is not an integer from 1 to "
	    "9\"}]}");
}

static void
test_whom_no_rule_names_is_told_of_none(void **state)
{
	static const char nothing[] =
	    "{\"allowed\":false,\"detail\":\"no rule lets you run the image "
	    "x/y:latest\",\"candidates\":[]}";

	(void)state;
	assert_told("carol", "{\"image\": \"x/y\"}", nothing);
}

static void
test_a_grant_says_by_which_rule_and_what_would_be_granted(void **state)
{
	(void)state;
	assert_told("alice",
	    "{\"image\": \"x/y\", \"args\": [\"7\"], "
	    "\"limits\": {\"memory\": \"1GiB\"}}",
	    "{\"allowed\":true,\"rule\":\"wide\",\"unsigned\":true,"
	    "\"approval\":true,\"rate\":[{\"tasks\":5,\"per\":60},"
	    "{\"tasks\":6,\"per\":90}],\"concurrency\":{\"total\":2},"
	    "\"limits\":"
	    "{\"memory\":1073741824,\"cpus\":\"1\",\"pids\":64,\"timeout\":60,"
	    "\"output\":10485760,\"tmp\":16777216,\"stdin\":10485760},"
	    "\"network\":\"none\",\"user\":{\"uid\":5,\"gid\":6},"
	    "\"candidates\":[{\"rule\":\"strict\",\"allows\":false,"
	    "\"condition\":\"args[0]\",\"detail\":\"\\\"7\\\" is not one of "
	    "a, b\"},{\"rule\":\"wide\",\"allows\":true}]}");
}

static void
test_of_a_named_task_it_is_told_what_would_run(void **state)
{
	(void)state;
	assert_told("alice", "{\"task\": \"t\", \"params\": {\"n\": 7}}",
	    "{\"allowed\":true,\"rule\":\"named\",\"image\":\"x/z:1\","
	    "\"args\":[\"-n7\"],\"unsigned\":false,"
	    "\"approval\":false,\"limits\":{\"memory\":"
	    "67108864,\"cpus\":\"1\",\"pids\":64,\"timeout\":60,\"output\":"
	    "10485760,\"tmp\":16777216,\"stdin\":10485760},\"network\":"
	    "\"none\",\"candidates\":[{\"rule\":\"named\",\"allows\":true}]}");
	assert_told("carol", "{\"task\": \"t\"}",
	    "{\"allowed\":false,\"detail\":\"no rule lets you run the task "
	    "t\",\"candidates\":[]}");
}

static void
test_more_candidates_than_fit_are_left_out_and_that_is_said(void **state)
{
	struct buffer text = BUFFER_INIT(1024 * 1024);
	auto_free char *many = NULL;
	struct err err;

	(void)state;
	buffer_append_string(&text, "{\"version\": 1, \"rules\": [");
	for (int i = 0; i <= EXPLANATION_CANDIDATES_MAX; i++)
		buffer_printf(&text,
		    "%s{\"id\": \"r%d\", \"subjects\": [\"alice\"], "
		    "\"image\": \"x/y\"}",
		    i > 0 ? "," : "", i);
	buffer_append_string(&text, "]}");
	many = buffer_take(&text);
	auto_policy *policy = policy_parse("p", many, strlen(many), &err);
	auto_json *told =
	    ask(policy, "alice", "{\"image\": \"x/y\", \"args\": [\"c\"]}");

	assert_int_equal(json_array_size(json_object_get(told, "candidates")),
	    EXPLANATION_CANDIDATES_MAX);
	assert_true(json_is_true(json_object_get(told, "more")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		test_a_denial_says_of_each_rule_of_the_callers_what_would_pass),
	    cmocka_unit_test(test_whom_no_rule_names_is_told_of_none),
	    cmocka_unit_test(
		test_a_grant_says_by_which_rule_and_what_would_be_granted),
	    cmocka_unit_test(test_of_a_named_task_it_is_told_what_would_run),
	    cmocka_unit_test(
		test_more_candidates_than_fit_are_left_out_and_that_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
