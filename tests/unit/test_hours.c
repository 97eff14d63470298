/* Hours and the end of a rule: the clock is a parameter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "policy/policy.h"

DEFINE_CLEANUP(struct policy, policy_free);
#define auto_policy AUTO(policy_freep)

/* "allowed", or what the caller is told. */
static char *
ask(const char *members, const char *time)
{
	auto_free char *text = alloc_printf(
	    "{\"version\": 1, \"rules\": [{\"id\": \"r\", \"subjects\": "
	    "[\"*\"], \"image\": \"x/y\", %s}]}",
	    members);
	static const char body[] = "{\"image\":\"x/y\"}";
	const struct policy_principal alice = {.subject = "alice"};
	struct err err = {0};
	auto_policy struct policy *policy =
	    policy_parse("test", text, strlen(text), &err);
	AUTO(request_done) struct request request = {0};
	AUTO(policy_verdict_done) struct policy_verdict verdict = {0};
	const char *rule, *condition;
	int64_t now_ms;

	if (policy == NULL)
		fail_msg("%s", err.detail);
	assert_true(clock_parse(time, &now_ms));
	assert_int_equal(request_parse(body, strlen(body), &request, &err), 0);
	policy_decide(policy, &alice, &request, now_ms, &verdict);
	if (verdict.allowed)
		return alloc_string("allowed");
	policy_explain_to_caller(&verdict, &request, &rule, &condition, &err);
	return alloc_string(err.detail);
}

static void
expect(const char *members, const char *time, const char *expected)
{
	auto_free char *answer = ask(members, time);

	if (strcmp(answer, expected) != 0)
		fail_msg("%s at %s: %s", members, time, answer);
}

#define OFFICE                                                             \
	"\"hours\": [{\"days\": [\"mon\", \"fri\"], \"from\": \"08:00\", " \
	"\"to\": \"18:00\"}]"
#define NIGHT                                                             \
	"\"hours\": [{\"days\": [\"sun\"], \"from\": \"22:30\", \"to\": " \
	"\"06:00\"}]"
#define TOLD(when, hours) \
	"rule r: hours: it is " when " UTC, but the hours are " hours

/* 2026-11-27 is a Friday. */
static void
test_a_window_begins_on_its_days_and_ends_before_its_end(void **state)
{
	(void)state;
	expect(OFFICE, "2026-11-27T07:59:59.999Z",
	    TOLD("fri 07:59", "mon,fri 08:00-18:00"));
	expect(OFFICE, "2026-11-27T08:00:00Z", "allowed");
	expect(OFFICE, "2026-11-27T17:59:59.999Z", "allowed");
	expect(OFFICE, "2026-11-27T18:00:00Z",
	    TOLD("fri 18:00", "mon,fri 08:00-18:00"));
	expect(OFFICE, "2026-11-28T12:00:00Z",
	    TOLD("sat 12:00", "mon,fri 08:00-18:00"));
	expect(OFFICE, "2026-11-30T12:00:00Z", "allowed");
}

static void
test_a_window_over_midnight_belongs_to_the_day_it_begins_on(void **state)
{
	(void)state;
	expect(NIGHT, "2026-11-29T22:29:59Z",
	    TOLD("sun 22:29", "sun 22:30-06:00"));
	expect(NIGHT, "2026-11-29T22:30:00Z", "allowed");
	expect(NIGHT, "2026-11-30T00:00:00Z", "allowed");
	expect(NIGHT, "2026-11-30T05:59:59Z", "allowed");
	expect(NIGHT, "2026-11-30T06:00:00Z",
	    TOLD("mon 06:00", "sun 22:30-06:00"));
	expect(NIGHT, "2026-11-29T03:00:00Z",
	    TOLD("sun 03:00", "sun 22:30-06:00"));
	expect(NIGHT, "2026-11-30T23:00:00Z",
	    TOLD("mon 23:00", "sun 22:30-06:00"));
}

static void
test_any_of_several_windows_will_do(void **state)
{
	static const char both[] =
	    "\"hours\": [{\"from\": \"10:00\", \"to\": \"11:00\"},"
	    " {\"days\": [\"wed\"], \"from\": \"00:00\", \"to\": \"24:00\"}]";

	(void)state;
	expect(both, "2026-11-27T10:30:00Z", "allowed");
	expect(both, "2026-12-02T00:00:00Z", "allowed");
	expect(both, "2026-12-02T23:59:59.999Z", "allowed");
	expect(both, "2026-12-03T00:00:00Z",
	    TOLD("thu 00:00", "10:00-11:00, wed 00:00-24:00"));
}

/* The epoch was a Thursday, and a leap day is one like others. */
static void
test_days_are_those_of_the_calendar(void **state)
{
	static const struct {
		const char *time, *day;
	} days[] = {
	    {"1970-01-01T00:00:00Z", "thu"},
	    {"2000-02-29T12:00:00Z", "tue"},
	    {"2024-02-29T12:00:00Z", "thu"},
	    {"2024-12-31T23:59:59Z", "tue"},
	    {"2100-03-01T00:00:00Z", "mon"},
	};

	(void)state;
	for (size_t k = 0; k < COUNT(days); k++) {
		auto_free char *on = alloc_printf(
		    "\"hours\": [{\"days\": [\"%s\"], \"from\": \"00:00\", "
		    "\"to\": \"24:00\"}]",
		    days[k].day);

		expect(on, days[k].time, "allowed");
	}
}

static void
test_a_rule_allows_nothing_from_its_end_on(void **state)
{
	static const char end[] = "\"expires\": \"2026-11-27T12:00:00Z\"";

	(void)state;
	expect(end, "2026-11-27T11:59:59.999Z", "allowed");
	expect(end, "2026-11-27T12:00:00Z",
	    "rule r: expires: the rule ended at 2026-11-27T12:00:00.000Z");
	expect(end, "2030-01-01T00:00:00Z",
	    "rule r: expires: the rule ended at 2026-11-27T12:00:00.000Z");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		test_a_window_begins_on_its_days_and_ends_before_its_end),
	    cmocka_unit_test(
		test_a_window_over_midnight_belongs_to_the_day_it_begins_on),
	    cmocka_unit_test(test_any_of_several_windows_will_do),
	    cmocka_unit_test(test_days_are_those_of_the_calendar),
	    cmocka_unit_test(test_a_rule_allows_nothing_from_its_end_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
