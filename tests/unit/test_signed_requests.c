/*
 * What the runner makes of signatures, whoever passes them on: by real
 * packets. The rule of SITE_SIGNED_IMAGE wants one, that of SITE_IMAGE does
 * not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "tests/unit/folder.h"
#include "tests/unit/runner_site.h"

#define BODY "{\"image\":\"" SITE_SIGNED_IMAGE "\"}"
#define OTHER "{\"image\":\"" SITE_SIGNED_IMAGE "\" }"
#define UNSIGNED "{\"image\":\"" SITE_IMAGE "\"}"

static json_t *
envelope(struct runner_site *site, const char *subject)
{
	json_t *members = runner_site_envelope(site, subject, SCOPE_TASKS_RUN);

	json_object_set_new(members, "wait", json_integer(0));
	return members;
}

static json_t *
signed_envelope(struct runner_site *site, const char *key, const char *body)
{
	json_t *members = envelope(site, "alice");

	runner_site_sign(site, members, key, body);
	return members;
}

/* The same members once more, under a number of their own. */
static json_t *
again(struct runner_site *site, const json_t *members)
{
	json_t *copy = json_copy((json_t *)members);

	json_object_set_new(
	    copy, "request", json_integer((json_int_t)++site->last_request));
	return copy;
}

static void
expect_unauthenticated(
    struct runner_site *site, json_t *members_take, const char *body)
{
	auto_fd int fd = runner_site_body(body);

	runner_site_expect_failure_take(
	    site, MESSAGE_submit, members_take, fd, ERR_UNAUTHENTICATED);
	assert_int_equal(site->runner.tasks.count, 0);
}

/* The id; the caller frees. */
static char *
submit_take(
    struct runner_site *site, json_t *members, const char *body, int status)
{
	auto_fd int fd = runner_site_body(body);
	int found = 0;
	auto_json *task =
	    runner_site_ask_take(site, MESSAGE_submit, members, fd, &found);

	assert_int_equal(found, status);
	return alloc_string(json_string_value(json_object_get(task, "id")));
}

static void
test_a_rule_wants_a_signature_unless_it_says_otherwise(void **state)
{
	struct runner_site site;
	json_t *with_key;

	runner_site_open(&site, *state);
	expect_unauthenticated(&site, envelope(&site, "alice"), BODY);
	with_key = envelope(&site, "alice");
	json_object_set_new(with_key, "idempotency_key", json_string("k"));
	expect_unauthenticated(&site, with_key, BODY);
	assert_int_equal(runner_site_count_events(&site, "request.refused"), 2);
	free(submit_take(&site, signed_envelope(&site, "k", BODY), BODY, 201));
	free(submit_take(&site, envelope(&site, "alice"), UNSIGNED, 201));
	runner_site_close(&site);
}

static void
test_a_signature_that_is_there_must_hold_whatever_the_rule_says(void **state)
{
	struct runner_site site;
	json_t *members;

	runner_site_open(&site, *state);
	expect_unauthenticated(
	    &site, signed_envelope(&site, "k", BODY), UNSIGNED);
	for (int k = 0; k < 3; k++) {
		static const char *const parts[] = {
		    "signature", "signature_input", "idempotency_key"};

		members = signed_envelope(&site, "k", UNSIGNED);
		json_object_del(members, parts[k]);
		expect_unauthenticated(&site, members, UNSIGNED);
		members = signed_envelope(&site, "k", UNSIGNED);
		json_object_set_new(members, parts[k], json_string("x"));
		expect_unauthenticated(&site, members, UNSIGNED);
	}
	free(submit_take(
	    &site, signed_envelope(&site, "k", UNSIGNED), UNSIGNED, 201));
	runner_site_close(&site);
}

static void
test_nothing_that_was_signed_can_be_exchanged(void **state)
{
	struct runner_site site;
	json_t *members;
	auto_json *other = NULL;

	runner_site_open(&site, *state);
	/* The body, even in what means the same. */
	expect_unauthenticated(&site, signed_envelope(&site, "k", BODY), OTHER);
	/* The key. */
	members = signed_envelope(&site, "k", BODY);
	json_object_set_new(members, "idempotency_key", json_string("l"));
	expect_unauthenticated(&site, members, BODY);
	/* Certificate and token, of the same subject and of another. */
	other = envelope(&site, "alice");
	members = signed_envelope(&site, "k", BODY);
	json_object_set(
	    members, "certificate", json_object_get(other, "certificate"));
	json_object_set(members, "token", json_object_get(other, "token"));
	expect_unauthenticated(&site, members, BODY);
	json_decref(other);
	other = envelope(&site, "bob");
	members = signed_envelope(&site, "k", BODY);
	json_object_set(
	    members, "certificate", json_object_get(other, "certificate"));
	json_object_set(members, "token", json_object_get(other, "token"));
	expect_unauthenticated(&site, members, BODY);
	assert_int_equal(runner_site_count_events(&site, "request.refused"), 4);
	runner_site_close(&site);
}

static void
test_the_same_request_again_is_the_same_task(void **state)
{
	struct runner_site site;
	auto_free char *first = NULL;
	auto_free char *second = NULL;
	auto_free char *third = NULL;
	auto_json *members = NULL;

	runner_site_open(&site, *state);
	members = signed_envelope(&site, "k", BODY);
	first = submit_take(&site, json_incref(members), BODY, 201);
	second = submit_take(&site, again(&site, members), BODY, 200);
	assert_string_equal(first, second);
	runner_site_restart(&site);
	third = submit_take(&site, again(&site, members), BODY, 200);
	assert_string_equal(first, third);
	assert_int_equal(site.runner.tasks.count, 1);
	assert_int_equal(runner_site_count_events(&site, "task.accepted"), 1);
	runner_site_close(&site);
}

static void
test_an_unsigned_one_does_not_get_the_task_of_a_signed_one(void **state)
{
	struct runner_site site;
	auto_fd int fd = runner_site_body(BODY);
	json_t *members;

	runner_site_open(&site, *state);
	free(submit_take(&site, signed_envelope(&site, "k", BODY), BODY, 201));
	members = envelope(&site, "alice");
	json_object_set_new(members, "idempotency_key", json_string("k"));
	runner_site_expect_failure_take(
	    &site, MESSAGE_submit, members, fd, ERR_UNAUTHENTICATED);
	runner_site_close(&site);
}

static void
test_another_body_under_a_signed_key_is_a_conflict(void **state)
{
	struct runner_site site;
	auto_fd int fd = runner_site_body(OTHER);

	runner_site_open(&site, *state);
	free(submit_take(&site, signed_envelope(&site, "k", BODY), BODY, 201));
	runner_site_expect_failure_take(&site, MESSAGE_submit,
	    signed_envelope(&site, "k", OTHER), fd, ERR_CONFLICT);
	runner_site_close(&site);
}

static void
test_what_was_verified_can_be_forgotten(void **state)
{
	struct runner_site site;
	auto_json *members = NULL;

	runner_site_open(&site, *state);
	members = signed_envelope(&site, "k", BODY);
	free(submit_take(&site, json_incref(members), BODY, 201));
	runner_forget_verified(&site.runner);
	free(submit_take(&site, again(&site, members), BODY, 200));
	runner_site_close(&site);
}

int
main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
	    TEST(test_a_rule_wants_a_signature_unless_it_says_otherwise),
	    TEST(
		test_a_signature_that_is_there_must_hold_whatever_the_rule_says),
	    TEST(test_nothing_that_was_signed_can_be_exchanged),
	    TEST(test_the_same_request_again_is_the_same_task),
	    TEST(test_an_unsigned_one_does_not_get_the_task_of_a_signed_one),
	    TEST(test_another_body_under_a_signed_key_is_a_conflict),
	    TEST(test_what_was_verified_can_be_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
