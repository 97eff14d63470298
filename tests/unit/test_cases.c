/* Cases for a policy: the file, and what comes of them. */
#include "admin/cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "tests/unit/corpus.h"

DEFINE_CLEANUP(struct policy, policy_free);
#define auto_policy AUTO(policy_freep)
#define auto_cases AUTO(cases_done) struct cases

static void
visit_accepted(const struct corpus_case *one)
{
	size_t len = 0;
	auto_free char *text = corpus_read(one, "cases.json", &len);
	auto_cases cases = {0};
	struct err err = {0};

	if (cases_parse("F", text, len, &cases, &err) != 0)
		fail_msg("%s: %s", one->name, err.detail);
	assert_true(cases.count > 0);
	for (size_t cut = 0; cut < len; cut++) {
		auto_free char *less = alloc_bytes(text, cut);
		auto_cases none = {0};

		if (cases_parse("F", less, cut, &none, &err) == 0)
			fail_msg("%s: accepted at byte %zu", one->name, cut);
	}
}

static void
visit_rejected(const struct corpus_case *one)
{
	size_t len = 0;
	auto_free char *text = corpus_read(one, "cases.json", &len);
	auto_free char *expected = corpus_read(one, "message", NULL);
	auto_cases cases = {0};
	struct err err = {0};

	expected[strcspn(expected, "\n")] = '\0';
	if (cases_parse("F", text, len, &cases, &err) == 0)
		fail_msg("%s: accepted", one->name);
	assert_int_equal(err.code, ERR_UNPROCESSABLE);
	if (strncmp(err.detail, expected, strlen(expected)) != 0)
		fail_msg("%s: %s", one->name, err.detail);
}

static void
test_the_corpus_is_read_or_refused_with_its_place(void **state)
{
	(void)state;
	corpus_each("cases", "accept", visit_accepted);
	corpus_each("cases", "reject", visit_rejected);
}

static const char rules[] =
    "{\"version\":1,\"rules\":[{\"id\":\"one\",\"subjects\":[\"role:dev\"],"
    "\"image\":\"x\",\"args\":[{\"enum\":[\"a\",\"b\"]}]},"
    "{\"id\":\"two\",\"subjects\":[\"bob\"],\"image\":\"x\","
    "\"unsigned\":true}]}";

static void
check(const char *one, bool passed, const char *condition)
{
	auto_free char *text = alloc_printf("{\"cases\":[%s]}", one);
	auto_cases cases = {0};
	AUTO(case_result_done) struct case_result result = {0};
	struct err err = {0};
	auto_policy struct policy *policy =
	    policy_parse("rules", rules, strlen(rules), &err);

	if (cases_parse("F", text, strlen(text), &cases, &err) != 0)
		fail_msg("%s: %s", one, err.detail);
	cases_try(policy, &cases.items[0], 0, &result);
	if (result.passed != passed)
		fail_msg("%s: passed is %d", one, result.passed);
	if (condition == NULL)
		assert_null(result.condition);
	else
		assert_string_equal(result.condition, condition);
}

#define DEV "\"subject\":\"alice\",\"roles\":[\"dev\"],"
#define ASK(args) "\"request\":{\"image\":\"x\",\"args\":[" args "]},"

static void
test_a_case_passes_where_all_that_it_says_comes_true(void **state)
{
	(void)state;
	check("{" DEV ASK("\"a\"") "\"allowed\":true}", true, NULL);
	check("{" DEV ASK("\"a\"") "\"allowed\":true,\"rule\":\"one\"}", true,
	    NULL);
	check("{" DEV ASK("\"a\"") "\"allowed\":true,\"rule\":\"two\"}", false,
	    NULL);
	check("{" DEV ASK("\"a\"") "\"allowed\":false}", false, NULL);
	check("{" DEV ASK("\"c\"") "\"allowed\":false,\"rule\":\"one\","
				   "\"condition\":\"args[0]\"}",
	    true, "args[0]");
	check("{" DEV ASK("\"c\"") "\"allowed\":false,\"condition\":\"env\"}",
	    false, "args[0]");
	check("{\"subject\":\"eve\"," ASK("\"a\"") "\"allowed\":false}", true,
	    NULL);
	check("{\"subject\":\"eve\"," ASK("\"a\"") "\"allowed\":false,"
						   "\"rule\":\"one\"}",
	    false, NULL);
}

static void
test_a_request_that_is_not_signed_is_allowed_where_the_rule_says_so(
    void **state)
{
	(void)state;
	check("{\"signed\":false," DEV ASK("\"a\"") "\"allowed\":false,"
						    "\"rule\":\"one\"}",
	    true, "signature");
	check("{\"signed\":false,\"subject\":\"bob\"," ASK(
		  "") "\"allowed\":true}",
	    true, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_corpus_is_read_or_refused_with_its_place),
	    cmocka_unit_test(
		test_a_case_passes_where_all_that_it_says_comes_true),
	    cmocka_unit_test(
		test_a_request_that_is_not_signed_is_allowed_where_the_rule_says_so),
	};

	return cmocka_run_group_tests_name("cases", tests, NULL, NULL);
}
