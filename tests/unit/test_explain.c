/* `explain` and `catalog` at the runner's socket: a gateway that was taken over
 * learns by them what the caller whose credentials it has may know, no more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "policy/catalog.h"
#include "policy/policy.h"
#include "tests/unit/folder.h"
#include "tests/unit/runner_site.h"

#define HELLO "{\"type\":\"hello\",\"version\":1,\"role\":\"gateway\"}"
#define BODY "{\"image\":\"" SITE_IMAGE "\",\"args\":[\"true\"]}"

static json_t *
runs_tasks(struct runner_site *site)
{
	return runner_site_envelope(site, SITE_SUBJECT, SCOPE_TASKS_RUN);
}

static json_t *
with_limit(json_t *members, json_int_t limit)
{
	json_object_set_new(members, "limit", json_integer(limit));
	return members;
}

static json_t *
explain(struct runner_site *site, const char *body)
{
	auto_fd int fd = runner_site_body(body);

	return runner_site_ask_take(
	    site, MESSAGE_explain, runs_tasks(site), fd, NULL);
}

static void
explain_failing(struct runner_site *site, const char *body, enum err_code code)
{
	auto_fd int fd = runner_site_body(body);

	runner_site_expect_failure_take(
	    site, MESSAGE_explain, runs_tasks(site), fd, code);
}

static void
test_an_explanation_makes_no_task_and_no_record(void **state)
{
	struct runner_site site;

	runner_site_open(&site, *state);
	auto_json *before = runner_site_audit(&site);
	auto_json *yes = explain(&site, BODY);
	auto_json *no = explain(&site, "{\"image\":\"other/image\"}");

	assert_true(json_is_true(json_object_get(yes, "allowed")));
	assert_string_equal(
	    json_string_value(json_object_get(yes, "policy_sha256")),
	    policy_sha256(site.runner.policy));
	assert_true(json_is_false(json_object_get(no, "allowed")));
	assert_int_equal(site.runner.tasks.count, 0);
	auto_json *after = runner_site_audit(&site);

	assert_int_equal(json_array_size(after), json_array_size(before));
	runner_site_close(&site);
}

static void
test_what_is_no_request_is_refused(void **state)
{
	struct runner_site site;

	runner_site_open(&site, *state);
	explain_failing(&site, "", ERR_MALFORMED);
	explain_failing(&site, "{", ERR_MALFORMED);
	explain_failing(&site, "{}", ERR_UNPROCESSABLE);
	explain_failing(
	    &site, "{\"image\":\"" SITE_IMAGE "\",\"x\":1}", ERR_UNPROCESSABLE);
	runner_site_close(&site);
}

static void
test_both_want_a_token_that_may_run_tasks(void **state)
{
	struct runner_site site;

	runner_site_open(&site, *state);
	auto_fd int fd = runner_site_body(BODY);

	runner_site_expect_failure_take(&site, MESSAGE_explain,
	    runner_site_envelope(&site, SITE_SUBJECT, SCOPE_TASKS_READ), fd,
	    ERR_INSUFFICIENT_SCOPE);
	runner_site_expect_failure_take(&site, MESSAGE_catalog,
	    with_limit(
		runner_site_envelope(&site, SITE_SUBJECT, SCOPE_TASKS_READ),
		10),
	    -1, ERR_INSUFFICIENT_SCOPE);
	runner_site_close(&site);
}

static void
test_a_catalog_is_the_callers_and_bounded(void **state)
{
	struct runner_site site;

	runner_site_open(&site, *state);
	auto_json *first = runner_site_ask_take(
	    &site, MESSAGE_catalog, with_limit(runs_tasks(&site), 1), -1, NULL);
	const json_t *rules = json_object_get(first, "rules");
	const char *next = json_string_value(json_object_get(first, "next"));
	json_t *members = with_limit(runs_tasks(&site), 1);

	assert_int_equal(json_array_size(rules), 1);
	assert_string_equal(json_string_value(json_object_get(
				json_array_get(rules, 0), "rule")),
	    next);
	json_object_set_new(members, "after", json_string(next));
	auto_json *second =
	    runner_site_ask_take(&site, MESSAGE_catalog, members, -1, NULL);

	assert_int_equal(json_array_size(json_object_get(second, "rules")), 1);
	members = with_limit(runs_tasks(&site), 1);
	json_object_set_new(members, "after", json_string("nothing"));
	runner_site_expect_failure_take(
	    &site, MESSAGE_catalog, members, -1, ERR_UNPROCESSABLE);
	runner_site_close(&site);
}

/* On a connection of its own, which it ends. */
static void
assert_dropped(
    struct runner_site *site, enum message_type type, json_t *members)
{
	auto_fd int sock = runner_site_connect(site, "gateway");
	struct message welcome;

	runner_site_send_raw(sock, HELLO, strlen(HELLO), -1);
	welcome = runner_site_receive(site, sock, MESSAGE_welcome);
	message_done(&welcome);
	runner_site_send_take(sock, type, members, -1);
	runner_site_wait_dropped(site, sock);
}

static void
test_bad_messages_drop_the_peer(void **state)
{
	static const json_int_t limits[] = {0, -1, CATALOG_LIMIT_MAX + 1};
	struct runner_site site;

	runner_site_open(&site, *state);
	for (size_t i = 0; i < COUNT(limits); i++)
		assert_dropped(&site, MESSAGE_catalog,
		    with_limit(runs_tasks(&site), limits[i]));
	/* Without its body. */
	assert_dropped(&site, MESSAGE_explain, runs_tasks(&site));
	runner_site_close(&site);
}

int
main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
	    TEST(test_an_explanation_makes_no_task_and_no_record),
	    TEST(test_what_is_no_request_is_refused),
	    TEST(test_both_want_a_token_that_may_run_tasks),
	    TEST(test_a_catalog_is_the_callers_and_bounded),
	    TEST(test_bad_messages_drop_the_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
