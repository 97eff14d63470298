/*
 * Rates of rules, as the runner counts them: by real packets, against a real
 * store. Tasks wait here, since there is no engine.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "tests/unit/folder.h"
#include "tests/unit/runner_site.h"

#define BODY "{\"image\":\"" SITE_RATED_IMAGE "\"}"
#define OTHERS "{\"image\":\"" SITE_IMAGE "\"}"

static json_t *
submission(struct runner_site *site, const char *subject, const char *key)
{
	json_t *members = runner_site_envelope(
	    site, subject, SCOPE_TASKS_RUN | SCOPE_TASKS_READ);

	json_object_set_new(members, "wait", json_integer(0));
	if (key != NULL)
		json_object_set_new(
		    members, "idempotency_key", json_string(key));
	return members;
}

/* The failure, which is the caller's. */
static struct message
refused(struct runner_site *site, const char *subject)
{
	auto_fd int fd = runner_site_body(BODY);

	runner_site_send_take(
	    site->gateway, MESSAGE_submit, submission(site, subject, NULL), fd);
	return runner_site_receive(site, site->gateway, MESSAGE_failure);
}

static const char *
text_of(const struct message *message, const char *name)
{
	const char *text =
	    json_string_value(json_object_get(message->members, name));

	return text != NULL ? text : "(none)";
}

static void
expect_over(struct runner_site *site, const char *subject)
{
	struct message failure = refused(site, subject);
	int64_t retry_s =
	    json_integer_value(json_object_get(failure.members, "retry_after"));

	assert_string_equal(text_of(&failure, "error"), "over-rate");
	assert_string_equal(text_of(&failure, "rule"), "rated");
	assert_string_equal(text_of(&failure, "condition"), "rate");
	assert_non_null(strstr(text_of(&failure, "detail"),
	    "rule rated: rate: you have had 2 tasks in 1d"));
	/* Nothing of this test takes longer than ten minutes. */
	assert_in_range(retry_s, 86400 - 600, 86400);
	message_done(&failure);
}

static void
test_who_is_over_the_rate_is_told_by_how_much_and_until_when(void **state)
{
	struct runner_site site;

	runner_site_open(&site, *state);
	for (int k = 0; k < 2; k++)
		free(runner_site_submit(&site, "alice", BODY));
	expect_over(&site, "alice");
	expect_over(&site, "alice");
	/* Another has places too, and other rules have. */
	free(runner_site_submit(&site, "bob", BODY));
	free(runner_site_submit(&site, "alice", OTHERS));
	assert_int_equal(site.runner.tasks.count, 4);
	assert_int_equal(site.runner.tasks.queue.admitted, 4);
	assert_int_equal(site.runner.tasks.counters.refused, 2);
	runner_site_close(&site);
}

static void
test_a_refusal_is_on_record_with_its_rule(void **state)
{
	struct runner_site site;
	size_t found = 0, i;
	const json_t *record;

	runner_site_open(&site, *state);
	for (int k = 0; k < 2; k++)
		free(runner_site_submit(&site, "alice", BODY));
	expect_over(&site, "alice");
	auto_json *records = runner_site_audit(&site);

	json_array_foreach(records, i, record)
	{
		const char *outcome =
		    json_string_value(json_object_get(record, "outcome"));

		if (outcome == NULL || strcmp(outcome, "over-rate") != 0)
			continue;
		found++;
		assert_string_equal(
		    json_string_value(json_object_get(record, "event")),
		    "request.refused");
		assert_string_equal(
		    json_string_value(json_object_get(record, "rule")),
		    "rated");
		assert_string_equal(
		    json_string_value(json_object_get(
			json_object_get(record, "object"), "condition")),
		    "rate");
	}
	assert_int_equal(found, 1);
	runner_site_close(&site);
}

/* All in one turn of the loop, so in one transaction. */
static void
test_of_many_at_once_only_so_many_get_a_place(void **state)
{
	struct runner_site site;
	auto_fd int fd = runner_site_body(BODY);
	int made = 0, over = 0;

	runner_site_open(&site, *state);
	site.runner.tasks.queue.bounds.queued_per_subject = 100;
	for (int i = 0; i < 30; i++)
		runner_site_send_take(site.gateway, MESSAGE_submit,
		    submission(&site, "alice", NULL), fd);
	while (made + over < 30) {
		struct message reply =
		    runner_site_receive_any(&site, site.gateway);

		if (reply.type == MESSAGE_failure) {
			assert_string_equal(
			    text_of(&reply, "error"), "over-rate");
			over++;
		} else if (reply.type == MESSAGE_reply) {
			made++;
		}
		message_done(&reply);
	}
	assert_int_equal(made, 2);
	assert_int_equal(site.runner.tasks.count, 2);
	/* What was admitted in vain was given back. */
	assert_int_equal(site.runner.tasks.queue.admitted, 2);
	runner_site_close(&site);
}

static void
ask_again(struct runner_site *site, const char *key, int expected)
{
	auto_fd int fd = runner_site_body(BODY);
	int status = 0;

	json_decref(runner_site_ask_take(
	    site, MESSAGE_submit, submission(site, "alice", key), fd, &status));
	assert_int_equal(status, expected);
}

static void
test_the_same_request_again_takes_no_second_place(void **state)
{
	struct runner_site site;
	auto_fd int fd = runner_site_body(BODY);
	int answered = 0;

	runner_site_open(&site, *state);
	site.runner.tasks.queue.bounds.queued_per_subject = 100;
	/* At once, and after the first was answered. */
	for (int i = 0; i < 10; i++)
		runner_site_send_take(site.gateway, MESSAGE_submit,
		    submission(&site, "alice", "k"), fd);
	for (; answered < 10; answered++) {
		struct message reply =
		    runner_site_receive_any(&site, site.gateway);

		assert_int_equal(reply.type, MESSAGE_reply);
		message_done(&reply);
	}
	ask_again(&site, "k", 200);
	ask_again(&site, "second", 201);
	expect_over(&site, "alice");
	/* Who has a task gets it also where there is no place for another. */
	ask_again(&site, "k", 200);
	ask_again(&site, "second", 200);
	assert_int_equal(site.runner.tasks.count, 2);
	runner_site_close(&site);
}

static void
test_places_are_taken_also_after_a_restart_and_an_end(void **state)
{
	struct runner_site site;
	auto_free char *id = NULL;
	json_t *members;

	runner_site_open(&site, *state);
	id = runner_site_submit(&site, "alice", BODY);
	runner_site_restart(&site);
	free(runner_site_submit(&site, "alice", BODY));
	members = runner_site_envelope(&site, "alice", SCOPE_TASKS_CANCEL);
	json_object_set_new(members, "task", json_string(id));
	json_object_set_new(members, "grace", json_integer(0));
	json_decref(
	    runner_site_ask_take(&site, MESSAGE_cancel, members, -1, NULL));
	expect_over(&site, "alice");
	runner_site_restart(&site);
	expect_over(&site, "alice");
	free(runner_site_submit(&site, "bob", BODY));
	runner_site_close(&site);
}

/* What a submission is refused for otherwise costs no place. */
static void
test_what_is_refused_takes_no_place(void **state)
{
	struct runner_site site;
	auto_fd int fd = runner_site_body(BODY);

	runner_site_open(&site, *state);
	site.runner.tasks.queue.bounds.queued_per_subject = 1;
	free(runner_site_submit(&site, "bob", OTHERS));
	for (int k = 0; k < 3; k++)
		runner_site_expect_failure_take(&site, MESSAGE_submit,
		    submission(&site, "bob", NULL), fd, ERR_BUSY);
	site.runner.tasks.queue.bounds.queued_per_subject = 100;
	for (int k = 0; k < 2; k++)
		free(runner_site_submit(&site, "bob", BODY));
	expect_over(&site, "bob");
	runner_site_close(&site);
}

#define IN_FOLDER(test) \
	cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_FOLDER(
		test_who_is_over_the_rate_is_told_by_how_much_and_until_when),
	    IN_FOLDER(test_a_refusal_is_on_record_with_its_rule),
	    IN_FOLDER(test_of_many_at_once_only_so_many_get_a_place),
	    IN_FOLDER(test_the_same_request_again_takes_no_second_place),
	    IN_FOLDER(test_places_are_taken_also_after_a_restart_and_an_end),
	    IN_FOLDER(test_what_is_refused_takes_no_place),
	};

	return cmocka_run_group_tests_name("rates", tests, NULL, NULL);
}
