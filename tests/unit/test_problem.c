/* Problem documents: what clients are told, and what they are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/headers.h"
#include "gateway/problem.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "policy/policy.h"

#define REQUEST_ID "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a11"

static struct problem
make(enum err_code code, const char *detail)
{
	struct problem problem = {0};

	err_set(&problem.err, code, "%s", detail);
	return problem;
}

static json_t *
body_of(const struct problem *problem)
{
	auto_free char *text = problem_body(problem, REQUEST_ID);
	struct err err;
	json_t *body = json_parse_strict(text, strlen(text), &err);

	if (body == NULL)
		fail_msg("%s: %s", err.detail, text);
	return body;
}

static const char *
text_of(const json_t *body, const char *name)
{
	const char *text = json_string_value(json_object_get(body, name));

	return text == NULL ? "(none)" : text;
}

static void
test_every_error_has_type_title_status_and_id(void **state)
{
	(void)state;
	for (int code = ERR_NONE + 1; code < ERR_COUNT_; code++) {
		struct problem problem = make((enum err_code)code, "why");
		auto_json *body = body_of(&problem);
		char type[64];

		snprintf(type, sizeof(type), "urn:taskgate:error:%s",
		    err_slug((enum err_code)code));
		assert_string_equal(text_of(body, "type"), type);
		assert_string_equal(
		    text_of(body, "title"), err_title((enum err_code)code));
		assert_int_equal(
		    json_integer_value(json_object_get(body, "status")),
		    err_status((enum err_code)code));
		assert_string_equal(text_of(body, "request_id"), REQUEST_ID);
	}
}

static void
test_an_internal_detail_stays_inside(void **state)
{
	struct problem problem =
	    make(ERR_INTERNAL, "open /etc/taskgate/x: Permission denied");
	auto_json *body = body_of(&problem);

	(void)state;
	assert_null(json_object_get(body, "detail"));
}

static void
test_a_denial_names_rule_and_condition(void **state)
{
	struct problem problem = make(ERR_DENIED, "rule demo: args[0]: \"rm\"");

	(void)state;
	problem.rule = "demo";
	problem.condition = "args[0]";
	auto_json *body = body_of(&problem);

	assert_string_equal(text_of(body, "rule"), "demo");
	assert_string_equal(text_of(body, "condition"), "args[0]");
	assert_string_equal(
	    text_of(body, "detail"), "rule demo: args[0]: \"rm\"");
}

static void
test_a_detail_that_is_not_utf8_is_left_out(void **state)
{
	struct problem problem = make(ERR_MALFORMED, "x");

	(void)state;
	strcpy(problem.err.detail, "\xff\xfe");
	auto_json *body = body_of(&problem);

	assert_null(json_object_get(body, "detail"));
	assert_string_equal(text_of(body, "request_id"), REQUEST_ID);
}

static void
assert_field(const struct problem *problem, const char *name, const char *value)
{
	struct problem_field fields[PROBLEM_FIELDS_MAX];

	problem_fields(problem, fields);
	for (size_t i = 0; i < COUNT(fields) && fields[i].name != NULL; i++)
		if (strcmp(fields[i].name, name) == 0) {
			assert_string_equal(fields[i].value, value);
			return;
		}
	fail_msg("no %s", name);
}

static void
test_fields_that_belong_to_an_error(void **state)
{
	struct problem problem = make(ERR_UNAUTHENTICATED, "");

	(void)state;
	assert_field(
	    &problem, "WWW-Authenticate", "Bearer error=\"invalid_token\"");
	problem = make(ERR_INSUFFICIENT_SCOPE, "");
	assert_field(&problem, "WWW-Authenticate",
	    "Bearer error=\"insufficient_scope\"");
	problem.scope = "tasks:run";
	assert_field(&problem, "WWW-Authenticate",
	    "Bearer error=\"insufficient_scope\", scope=\"tasks:run\"");
	problem = make(ERR_METHOD_NOT_ALLOWED, "");
	problem.allow = "GET, DELETE";
	assert_field(&problem, "Allow", "GET, DELETE");
	problem = make(ERR_UNAVAILABLE, "");
	assert_field(&problem, "Retry-After", "1");
	problem = make(ERR_BUSY, "");
	problem.retry_after_s = 17;
	assert_field(&problem, "Retry-After", "17");
}

static void
test_other_errors_have_no_fields_of_their_own(void **state)
{
	struct problem problem = make(ERR_NOT_FOUND, "");
	struct problem_field fields[PROBLEM_FIELDS_MAX];

	(void)state;
	problem.retry_after_s = 9;
	problem.allow = "GET";
	problem_fields(&problem, fields);
	assert_null(fields[0].name);
}

/* A whole response: one head, and exactly as many bytes as it announces. */
static void
test_a_response_of_the_connection_is_whole(void **state)
{
	(void)state;
	for (int code = ERR_NONE + 1; code < ERR_COUNT_; code++) {
		struct problem problem = make((enum err_code)code, "why");
		auto_free char *response =
		    problem_response(&problem, REQUEST_ID);
		const char *end = strstr(response, "\r\n\r\n");
		const char *length = strstr(response, "\r\nContent-Length: ");
		char status[32];

		assert_non_null(end);
		assert_non_null(length);
		assert_true(length < end);
		assert_int_equal(
		    strtoul(length + strlen("\r\nContent-Length: "), NULL, 10),
		    strlen(end + 4));
		snprintf(status, sizeof(status), "HTTP/1.1 %d ",
		    err_status((enum err_code)code));
		assert_memory_equal(response, status, strlen(status));
		assert_non_null(strstr(response, "\r\nConnection: close\r\n"));
		assert_non_null(
		    strstr(response, "\r\nX-Request-Id: " REQUEST_ID "\r\n"));
		for (size_t i = 0; i < HEADERS_COUNT; i++)
			assert_non_null(
			    strstr(response, headers_security[i].name));
	}
}

/* Whatever the runner may say of a failure. */
static void
test_the_largest_response_of_the_connection_is_whole(void **state)
{
	char detail[ERR_DETAIL_MAX], rule[RULE_ID_MAX + 1], condition[129];

	(void)state;
	memset(detail, '"', sizeof(detail));
	memset(rule, 1, sizeof(rule));
	memset(condition, 1, sizeof(condition));
	detail[sizeof(detail) - 1] = '\0';
	rule[sizeof(rule) - 1] = '\0';
	condition[sizeof(condition) - 1] = '\0';
	struct problem problem = make(ERR_DENIED, detail);

	problem.rule = rule;
	problem.condition = condition;
	auto_free char *response = problem_response(&problem, REQUEST_ID);

	assert_string_equal(response + strlen(response) - 1, "}");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_error_has_type_title_status_and_id),
	    cmocka_unit_test(test_an_internal_detail_stays_inside),
	    cmocka_unit_test(test_a_denial_names_rule_and_condition),
	    cmocka_unit_test(test_a_detail_that_is_not_utf8_is_left_out),
	    cmocka_unit_test(test_fields_that_belong_to_an_error),
	    cmocka_unit_test(test_other_errors_have_no_fields_of_their_own),
	    cmocka_unit_test(test_a_response_of_the_connection_is_whole),
	    cmocka_unit_test(
		test_the_largest_response_of_the_connection_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
