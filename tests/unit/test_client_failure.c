/* Failures, findings and what is shown: sentences for people, documents for
 * programs, nothing that steers a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/advice.h"
#include "client/doctor.h"
#include "client/failure.h"
#include "client/show.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "tests/unit/capture.h"

#define DENIED                                                                \
	"{\"type\":\"urn:taskgate:error:denied\",\"title\":\"Not allowed\","  \
	"\"status\":403,\"detail\":\"rule demo: args[0]\",\"rule\":\"demo\"," \
	"\"condition\":\"args[0]\",\"request_id\":\"r1\"}"

static void
read_reply(struct failure *failure, int status, const char *body)
{
	assert_int_equal(
	    failure_from_reply(failure, status, body, strlen(body)), -1);
}

static void
test_a_problem_document_is_read(void **state)
{
	auto_failure failure = FAILURE_INIT;

	(void)state;
	read_reply(&failure, 403, DENIED);
	assert_string_equal(failure.slug, "denied");
	assert_string_equal(failure.rule, "demo");
	assert_string_equal(failure.condition, "args[0]");
	assert_string_equal(failure.request_id, "r1");
	assert_int_equal(failure.status, 403);
}

static void
test_what_is_no_problem_document_is_told_as_such(void **state)
{
	static const char *const bodies[] = {"", "<html>502</html>", "{}", "[]",
	    "{\"type\":7}", "{\"type\":\"about:blank\"}",
	    "{\"type\":\"urn:taskgate:error:\xff\"}", "{\"type\":"};

	(void)state;
	for (size_t i = 0; i < COUNT(bodies); i++) {
		auto_failure failure = FAILURE_INIT;

		read_reply(&failure, 502, bodies[i]);
		assert_string_equal(failure.slug, "reply");
		assert_non_null(strstr(failure.detail, "502"));
		assert_int_equal(failure.status, 502);
	}
}

static int
print_failure(void *arg)
{
	failure_print(arg);
	return 0;
}

static void
test_a_person_sees_what_why_rule_condition_and_help(void **state)
{
	auto_failure failure = FAILURE_INIT;
	struct capture capture;

	(void)state;
	read_reply(&failure, 403, DENIED);
	failure_hint(&failure, "ask %s", "somebody");
	capture = capture_run(print_failure, &failure);
	assert_string_equal(capture.out, "");
	assert_string_equal(capture.err,
	    "taskgate: Not allowed\n"
	    "  why:       rule demo: args[0]\n"
	    "  rule:      demo\n"
	    "  condition: args[0]\n"
	    "  try:       ask somebody\n");
	capture_done(&capture);
}

static void
test_a_server_cannot_steer_the_terminal(void **state)
{
	auto_failure failure = FAILURE_INIT;
	struct capture capture;

	(void)state;
	read_reply(&failure, 403,
	    "{\"type\":\"urn:taskgate:error:denied\","
	    "\"title\":\"\\u001b]0;owned\\u0007\","
	    "\"detail\":\"a\\u009b31mb\\u202ec\\r\\nd\","
	    "\"rule\":\"\\u001b[2J\"}");
	capture = capture_run(print_failure, &failure);
	for (const char *at = capture.err; *at != '\0'; at++)
		assert_true(*at == '\n' || (*at >= ' ' && *at != 0x7f));
	assert_null(strstr(capture.err, "\xc2\x9b"));
	assert_null(strstr(capture.err, "\xe2\x80\xae"));
	capture_done(&capture);
}

static void
test_a_long_text_of_a_server_is_cut(void **state)
{
	auto_failure failure = FAILURE_INIT;
	auto_free char *body = malloc(200000);
	int len;

	(void)state;
	assert_non_null(body);
	len = sprintf(
	    body, "{\"type\":\"urn:taskgate:error:denied\",\"detail\":\"");
	memset(body + len, 'x', 100000);
	strcpy(body + len + 100000, "\"}");
	read_reply(&failure, 403, body);
	assert_int_equal(strlen(failure.detail), 4096);
}

static void
test_a_program_gets_a_document_of_the_same(void **state)
{
	auto_failure failure = FAILURE_INIT;
	auto_json *document = NULL;
	auto_free char *text = NULL;

	(void)state;
	failure_set(&failure, "usage", "a \xff byte");
	failure_hint(&failure, "help");
	document = failure_document(&failure, 125);
	text = json_encode_canonical(document, NULL);
	assert_string_equal(text,
	    "{\"client_exit_code\":125,\"detail\":\"a \\\\xff byte\","
	    "\"hint\":\"help\",\"type\":\"urn:taskgate:error:usage\"}");
}

static void
test_each_refusal_comes_with_what_helps(void **state)
{
	static const struct {
		const char *slug, *words;
	} cases[] = {
	    {"denied", "ask the operator"},
	    {"insufficient-scope", "--scope tasks:run"},
	    {"unreachable", "taskgate doctor"},
	    {"not-found", "taskgate ps"},
	    {"busy", "in 7 s"},
	    {"over-rate", "in 7 s"},
	    {"unavailable", "taskgate status"},
	};
	const struct context context = {.subject = (char *)"alice"};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		auto_failure failure = FAILURE_INIT;

		failure_set(&failure, cases[i].slug, "x");
		failure.retry_after_s = 7;
		failure.scope = strdup("tasks:run");
		advice_for_reply(&context, 0, &failure);
		if (failure.hint == NULL ||
		    strstr(failure.hint, cases[i].words) == NULL)
			fail_msg("%s: \"%s\"", cases[i].slug,
			    failure.hint != NULL ? failure.hint : "");
	}
}

static void
test_a_long_wait_is_told_in_longer_units(void **state)
{
	static const struct {
		int seconds;
		const char *words;
	} cases[] = {
	    {119, "in 119 s"},
	    {120, "in 2 minutes"},
	    {121, "in 3 minutes"},
	    {7199, "in 120 minutes"},
	    {7201, "in 3 hours"},
	    {172800, "in 2 days"},
	    {2678400, "in 31 days"},
	};
	const struct context context = {.subject = (char *)"alice"};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		auto_failure failure = FAILURE_INIT;

		failure_set(&failure, "over-rate", "x");
		failure.retry_after_s = cases[i].seconds;
		advice_for_reply(&context, 0, &failure);
		assert_non_null(strstr(failure.hint, cases[i].words));
	}
}

#define DAY INT64_C(86400)
#define NOW INT64_C(1800000000)

static enum finding_grade
judge_certificate(int64_t from_s, int64_t to_s)
{
	const struct certificate_facts facts = {
	    .not_before_s = from_s, .not_after_s = to_s};
	struct findings findings = {0};
	enum finding_grade grade;

	doctor_judge_certificate(&findings, "certificate", &facts, NOW, "x");
	assert_int_equal(findings.count, 1);
	grade = findings.list[0].grade;
	/* What is not good comes with what helps. */
	assert_int_equal(findings.list[0].help != NULL, grade != FINDING_GOOD);
	findings_done(&findings);
	return grade;
}

static void
test_the_doctor_looks_at_both_ends_of_a_certificate(void **state)
{
	(void)state;
	assert_int_equal(
	    judge_certificate(NOW - 1, NOW + 8 * DAY), FINDING_GOOD);
	assert_int_equal(
	    judge_certificate(NOW - 1, NOW + 6 * DAY), FINDING_WARNING);
	assert_int_equal(judge_certificate(NOW - 9, NOW - 1), FINDING_BAD);
	assert_int_equal(
	    judge_certificate(NOW + 1, NOW + 9 * DAY), FINDING_BAD);
}

static enum finding_grade
judge_token(int64_t from_s, int64_t to_s, const char *thumbprint)
{
	struct token_facts token = {.not_before_s = from_s, .expires_s = to_s};
	struct certificate_facts certificate = {.thumbprint = "mine"};
	struct findings findings = {0};
	enum finding_grade grade;

	strcpy(token.thumbprint, thumbprint);
	doctor_judge_token(&findings, &token, &certificate, NOW, "x");
	grade = findings.list[0].grade;
	assert_int_equal(findings.list[0].help != NULL, grade != FINDING_GOOD);
	findings_done(&findings);
	return grade;
}

static void
test_the_doctor_looks_at_a_tokens_times_and_binding(void **state)
{
	(void)state;
	assert_int_equal(judge_token(NOW, NOW + 3600, "mine"), FINDING_GOOD);
	assert_int_equal(judge_token(NOW, NOW + 60, "mine"), FINDING_WARNING);
	assert_int_equal(judge_token(NOW - 9, NOW, "mine"), FINDING_BAD);
	assert_int_equal(judge_token(NOW + 1, NOW + 9, "mine"), FINDING_BAD);
	assert_int_equal(judge_token(NOW, NOW + 3600, "its"), FINDING_BAD);
}

static void
test_the_doctor_compares_clocks(void **state)
{
	static const struct {
		int64_t skew_s;
		enum finding_grade grade;
		const char *words;
	} cases[] = {
	    {0, FINDING_GOOD, "agrees"},
	    {-5, FINDING_GOOD, "agrees"},
	    {6, FINDING_WARNING, "6 s ahead"},
	    {-6, FINDING_WARNING, "6 s behind"},
	    {61, FINDING_BAD, "61 s ahead"},
	    {-3600, FINDING_BAD, "3600 s behind"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct findings findings = {0};

		doctor_judge_clock(&findings, cases[i].skew_s);
		assert_int_equal(findings.list[0].grade, cases[i].grade);
		assert_non_null(strstr(findings.list[0].text, cases[i].words));
		assert_int_equal(findings_are_good(&findings),
		    cases[i].grade != FINDING_BAD);
		findings_done(&findings);
	}
}

static int
print_findings(void *arg)
{
	findings_print(arg);
	return 0;
}

static void
test_findings_are_lines_and_a_document(void **state)
{
	struct findings findings = {0};
	struct capture capture;
	auto_json *document = NULL;
	auto_free char *text = NULL;

	(void)state;
	findings_add_take(
	    &findings, "server", FINDING_GOOD, strdup("answers"), NULL);
	findings_add_take(&findings, "token", FINDING_BAD,
	    strdup("gone\x1b[2J"), strdup("get one"));
	capture = capture_run(print_findings, &findings);
	assert_string_equal(capture.out,
	    "ok       server       answers\n"
	    "bad      token        gone\\x1b[2J\n"
	    "                      try: get one\n");
	capture_done(&capture);
	document = findings_document(&findings);
	text = json_encode_canonical(document, NULL);
	assert_string_equal(text,
	    "{\"checks\":[{\"check\":\"server\",\"detail\":\"answers\","
	    "\"result\":\"ok\"},{\"check\":\"token\",\"detail\":"
	    "\"gone\\\\x1b[2J\",\"help\":\"get one\",\"result\":\"bad\"}],"
	    "\"ok\":false}");
	findings_done(&findings);
}

static int
print_lines(void *arg)
{
	show_lines(SHOW_ID, arg);
	show_lines(SHOW_JSONL, arg);
	show_document(SHOW_JSON, json_array_get(arg, 0));
	show_fact("name", "a\x1b[1mb");
	show_fact("nothing", NULL);
	return 0;
}

static void
test_results_are_shown_in_each_format(void **state)
{
	auto_json *documents =
	    json_pack("[{s:s}, {s:s}, {}]", "id", "one", "id", "\x1b[2Jtwo");
	struct capture capture = capture_run(print_lines, documents);

	(void)state;
	assert_string_equal(capture.out,
	    "one\n\\x1b[2Jtwo\n\n"
	    "{\"id\":\"one\"}\n{\"id\":\"\\u001B[2Jtwo\"}\n{}\n"
	    "{\n  \"id\": \"one\"\n}\n"
	    "name           a\\x1b[1mb\n");
	capture_done(&capture);
}

static void
test_stamps_become_readable(void **state)
{
	auto_free char *good = show_time("2026-01-02T03:04:05.678Z");
	auto_free char *none = show_time(NULL);
	auto_free char *odd = show_time("yesterday");

	(void)state;
	assert_string_equal(good, "2026-01-02 03:04:05");
	assert_string_equal(none, "");
	assert_string_equal(odd, "yesterday");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_problem_document_is_read),
	    cmocka_unit_test(test_what_is_no_problem_document_is_told_as_such),
	    cmocka_unit_test(
		test_a_person_sees_what_why_rule_condition_and_help),
	    cmocka_unit_test(test_a_server_cannot_steer_the_terminal),
	    cmocka_unit_test(test_a_long_text_of_a_server_is_cut),
	    cmocka_unit_test(test_a_program_gets_a_document_of_the_same),
	    cmocka_unit_test(test_each_refusal_comes_with_what_helps),
	    cmocka_unit_test(test_a_long_wait_is_told_in_longer_units),
	    cmocka_unit_test(
		test_the_doctor_looks_at_both_ends_of_a_certificate),
	    cmocka_unit_test(
		test_the_doctor_looks_at_a_tokens_times_and_binding),
	    cmocka_unit_test(test_the_doctor_compares_clocks),
	    cmocka_unit_test(test_findings_are_lines_and_a_document),
	    cmocka_unit_test(test_results_are_shown_in_each_format),
	    cmocka_unit_test(test_stamps_become_readable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
