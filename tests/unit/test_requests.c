/*
 * Requests of clients as the runner serves them: by real packets, against a
 * real store. Tasks wait here, since there is no engine; that they run is for
 * tests/e2e.
 */
#include <fcntl.h>
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
#include "lib/file.h"
#include "lib/json.h"
#include "policy/recorded.h"
#include "runner/tasks_change.h"
#include "tests/unit/folder.h"
#include "tests/unit/runner_site.h"

#define BODY "{\"image\":\"" SITE_IMAGE "\",\"args\":[\"true\"]}"
#define OTHER "{\"image\":\"" SITE_IMAGE "\",\"args\":[\"false\"]}"
#define NOWHERE "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a11"
#define ALL_SCOPES (SCOPE_TASKS_RUN | SCOPE_TASKS_READ | SCOPE_TASKS_CANCEL)

static const char *
text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "(none)";
}

static json_t *
of_task(struct runner_site *site, const char *subject, unsigned scopes,
    const char *task)
{
	json_t *members = runner_site_envelope(site, subject, scopes);

	json_object_set_new(members, "task", json_string(task));
	return members;
}

static json_t *
with_wait(json_t *members, int wait_s)
{
	json_object_set_new(members, "wait", json_integer(wait_s));
	return members;
}

static json_t *
get(struct runner_site *site, const char *subject, const char *task)
{
	return runner_site_ask_take(site, MESSAGE_get,
	    with_wait(of_task(site, subject, SCOPE_TASKS_READ, task), 0), -1,
	    NULL);
}

/* -- acceptance */

static void
test_a_task_is_accepted_recorded_and_waits(void **state)
{
	struct runner_site site;
	auto_free char *id = NULL;
	auto_json *task = NULL;

	runner_site_open(&site, *state);
	id = runner_site_submit(&site, "alice", BODY);
	task = get(&site, "alice", id);
	assert_string_equal(text_of(task, "state"), "queued");
	assert_string_equal(text_of(task, "subject"), "alice");
	assert_string_equal(text_of(task, "rule"), "test");
	assert_int_equal(json_integer_value(json_object_get(task, "place")), 0);
	assert_int_equal(runner_site_count_events(&site, "task.accepted"), 1);
	runner_site_close(&site);
}

static void
submit_failing(struct runner_site *site, const char *body, enum err_code code)
{
	auto_fd int fd = runner_site_body(body);

	runner_site_expect_failure_take(site, MESSAGE_submit,
	    with_wait(runner_site_envelope(site, "alice", SCOPE_TASKS_RUN), 0),
	    fd, code);
}

static void
test_what_the_gateway_should_have_refused_is_refused_here(void **state)
{
	struct runner_site site;

	runner_site_open(&site, *state);
	submit_failing(&site, "", ERR_MALFORMED);
	submit_failing(&site, "{", ERR_MALFORMED);
	submit_failing(&site, "{}", ERR_UNPROCESSABLE);
	submit_failing(
	    &site, "{\"image\":\"x\",\"image\":\"x\"}", ERR_UNPROCESSABLE);
	submit_failing(&site,
	    "{\"image\":\"" SITE_IMAGE "\",\"HostConfig\":{}}",
	    ERR_UNPROCESSABLE);
	submit_failing(&site, "{\"image\":\"other/image\"}", ERR_DENIED);
	submit_failing(&site,
	    "{\"image\":\"" SITE_IMAGE "\",\"env\":{\"LD_PRELOAD\":\"x\"}}",
	    ERR_DENIED);
	submit_failing(&site,
	    "{\"image\":\"" SITE_IMAGE "\",\"limits\":{\"memory\":\"1TiB\"}}",
	    ERR_DENIED);
	assert_int_equal(site.runner.tasks.count, 0);
	assert_int_equal(runner_site_count_events(&site, "task.denied"), 3);
	assert_int_equal(runner_site_count_events(&site, "request.refused"), 5);
	runner_site_close(&site);
}

static void
test_who_asks_is_verified_here_again(void **state)
{
	struct runner_site site;
	json_t *members, *other;
	const char *token;

	runner_site_open(&site, *state);
	/* Scope. */
	auto_fd int fd = runner_site_body(BODY);

	runner_site_expect_failure_take(&site, MESSAGE_submit,
	    with_wait(
		runner_site_envelope(&site, "alice", SCOPE_TASKS_READ), 0),
	    fd, ERR_INSUFFICIENT_SCOPE);
	/* Another's token with this certificate. */
	members =
	    with_wait(runner_site_envelope(&site, "alice", SCOPE_TASKS_RUN), 0);
	other = runner_site_envelope(&site, "bob", SCOPE_TASKS_RUN);
	json_object_set(members, "token", json_object_get(other, "token"));
	json_decref(other);
	runner_site_expect_failure_take(
	    &site, MESSAGE_submit, members, fd, ERR_UNAUTHENTICATED);
	/* The same subject's, bound to another certificate. */
	members =
	    with_wait(runner_site_envelope(&site, "alice", SCOPE_TASKS_RUN), 0);
	other = runner_site_envelope(&site, "alice", SCOPE_TASKS_RUN);
	json_object_set(members, "token", json_object_get(other, "token"));
	json_decref(other);
	runner_site_expect_failure_take(
	    &site, MESSAGE_submit, members, fd, ERR_UNAUTHENTICATED);
	/* One byte of the signature. */
	members =
	    with_wait(runner_site_envelope(&site, "alice", SCOPE_TASKS_RUN), 0);
	token = text_of(members, "token");
	auto_free char *bent = alloc_string(token);

	bent[strlen(bent) - 10] = bent[strlen(bent) - 10] == 'A' ? 'B' : 'A';
	json_object_set_new(members, "token", json_string(bent));
	runner_site_expect_failure_take(
	    &site, MESSAGE_submit, members, fd, ERR_UNAUTHENTICATED);
	/* No certificate at all. */
	members =
	    with_wait(runner_site_envelope(&site, "alice", SCOPE_TASKS_RUN), 0);
	json_object_set_new(members, "certificate", json_string("AAAA"));
	runner_site_expect_failure_take(
	    &site, MESSAGE_submit, members, fd, ERR_UNAUTHENTICATED);
	assert_int_equal(site.runner.tasks.count, 0);
	assert_int_equal(runner_site_count_events(&site, "request.refused"), 5);
	runner_site_close(&site);
}

static void
test_no_token_and_no_value_of_the_environment_is_on_record(void **state)
{
	struct runner_site site;
	auto_free char *id = NULL;
	auto_free char *text = NULL;
	auto_json *records = NULL;

	runner_site_open(&site, *state);
	id = runner_site_submit(&site, "alice",
	    "{\"image\":\"" SITE_IMAGE
	    "\",\"env\":{\"SECRET\":\"swordfish\"}}");
	records = runner_site_audit(&site);
	text = json_encode_canonical(records, NULL);
	assert_non_null(strstr(text, "SECRET"));
	assert_null(strstr(text, "swordfish"));
	/* Every compact token begins so. */
	assert_null(strstr(text, "eyJ"));
	runner_site_close(&site);
}

static void
test_each_subject_has_its_bound(void **state)
{
	struct runner_site site;

	runner_site_open(&site, *state);
	for (int i = 0; i < 5; i++)
		free(runner_site_submit(&site, "alice", BODY));
	submit_failing(&site, BODY, ERR_BUSY);
	free(runner_site_submit(&site, "bob", BODY));
	assert_int_equal(site.runner.tasks.count, 6);
	runner_site_close(&site);
}

/* -- idempotency */

static json_t *
with_key(struct runner_site *site, const char *subject, const char *key)
{
	json_t *members =
	    with_wait(runner_site_envelope(site, subject, ALL_SCOPES), 0);

	json_object_set_new(members, "idempotency_key", json_string(key));
	return members;
}

static void
test_a_key_makes_one_task(void **state)
{
	struct runner_site site;
	auto_fd int fd = runner_site_body(BODY);
	auto_fd int other = runner_site_body(OTHER);
	int status = 0;

	runner_site_open(&site, *state);
	auto_json *first = runner_site_ask_take(
	    &site, MESSAGE_submit, with_key(&site, "alice", "k"), fd, &status);

	assert_int_equal(status, 201);
	auto_json *again = runner_site_ask_take(
	    &site, MESSAGE_submit, with_key(&site, "alice", "k"), fd, &status);

	assert_int_equal(status, 200);
	assert_string_equal(text_of(first, "id"), text_of(again, "id"));
	runner_site_expect_failure_take(&site, MESSAGE_submit,
	    with_key(&site, "alice", "k"), other, ERR_CONFLICT);
	/* Each subject has its own. */
	auto_json *bobs = runner_site_ask_take(
	    &site, MESSAGE_submit, with_key(&site, "bob", "k"), fd, &status);

	assert_int_equal(status, 201);
	assert_string_not_equal(text_of(bobs, "id"), text_of(first, "id"));
	/* Across a restart too. */
	runner_site_restart(&site);
	auto_json *later = runner_site_ask_take(
	    &site, MESSAGE_submit, with_key(&site, "alice", "k"), fd, &status);

	assert_int_equal(status, 200);
	assert_string_equal(text_of(first, "id"), text_of(later, "id"));
	assert_int_equal(runner_site_count_events(&site, "task.accepted"), 2);
	runner_site_close(&site);
}

/* All in one turn of the loop: none of them sees another's row at first. */
static void
test_racing_requests_of_one_key_make_one_task(void **state)
{
	struct runner_site site;
	auto_fd int fd = runner_site_body(BODY);
	auto_fd int other = runner_site_body(OTHER);
	auto_free char *id = NULL;
	int made = 0, repeated = 0, conflicts = 0;

	runner_site_open(&site, *state);
	site.runner.tasks.queue.bounds.queued_per_subject = 100;
	for (int i = 0; i < 30; i++)
		runner_site_send_take(site.gateway, MESSAGE_submit,
		    with_key(&site, "alice", "k"), i % 3 == 2 ? other : fd);
	while (made + repeated + conflicts < 30) {
		struct message reply;
		int status;

		reply = runner_site_receive_any(&site, site.gateway);
		status = (int)json_integer_value(
		    json_object_get(reply.members, "status"));
		made += status == 201;
		repeated += status == 200;
		conflicts += reply.type == MESSAGE_failure;
		if (status != 0) {
			const char *its = text_of(
			    json_object_get(reply.members, "body"), "id");

			if (id == NULL)
				id = alloc_string(its);
			assert_string_equal(its, id);
		}
		message_done(&reply);
	}
	assert_int_equal(made, 1);
	assert_int_equal(repeated, 19);
	assert_int_equal(conflicts, 10);
	assert_int_equal(site.runner.tasks.count, 1);
	/* What was admitted in vain was given back. */
	assert_int_equal(site.runner.tasks.queue.admitted, 1);
	runner_site_close(&site);
}

/* -- whose tasks */

static void
test_anothers_task_is_not_there(void **state)
{
	struct runner_site site;
	auto_free char *id = NULL;

	runner_site_open(&site, *state);
	id = runner_site_submit(&site, "alice", BODY);
	runner_site_expect_failure_take(&site, MESSAGE_get,
	    with_wait(of_task(&site, "bob", ALL_SCOPES, id), 0), -1,
	    ERR_NOT_FOUND);
	runner_site_expect_failure_take(&site, MESSAGE_get,
	    with_wait(of_task(&site, "bob", ALL_SCOPES, NOWHERE), 0), -1,
	    ERR_NOT_FOUND);
	json_t *cancel = of_task(&site, "bob", ALL_SCOPES, id);

	json_object_set_new(cancel, "grace", json_integer(0));
	runner_site_expect_failure_take(
	    &site, MESSAGE_cancel, cancel, -1, ERR_NOT_FOUND);
	assert_int_equal(
	    runner_site_count_events(&site, "task.cancel_asked"), 0);
	/* Who may see all does, and that is on record. */
	auto_json *seen = runner_site_ask_take(&site, MESSAGE_get,
	    with_wait(of_task(&site, "bob",
			  SCOPE_TASKS_READ | SCOPE_TASKS_READ_ALL, id),
		0),
	    -1, NULL);

	assert_string_equal(text_of(seen, "id"), id);
	assert_int_equal(
	    runner_site_count_events(&site, "task.read_by_other"), 1);
	runner_site_close(&site);
}

static json_t *
list(struct runner_site *site, unsigned scopes, const char *name,
    const char *value, int limit)
{
	json_t *members = runner_site_envelope(site, "alice", scopes);

	json_object_set_new(members, "limit", json_integer(limit));
	if (name != NULL)
		json_object_set_new(members, name, json_string(value));
	return members;
}

/* Both of what waits in memory and of what the store gives. */
static void
walk_pages(struct runner_site *site, const char *const *ids, size_t count,
    const char *state)
{
	auto_free char *before = NULL;
	size_t seen = 0;

	do {
		json_t *members = list(site, SCOPE_TASKS_READ,
		    before != NULL ? "before" : NULL, before, 2);

		if (state != NULL)
			json_object_set_new(
			    members, "state", json_string(state));
		auto_json *page =
		    runner_site_ask_take(site, MESSAGE_list, members, -1, NULL);
		const json_t *tasks = json_object_get(page, "tasks");

		assert_in_range(json_array_size(tasks), 1, 2);
		for (size_t i = 0; i < json_array_size(tasks); i++) {
			assert_in_range(seen, 0, count - 1);
			assert_string_equal(
			    text_of(json_array_get(tasks, i), "id"),
			    ids[count - ++seen]);
		}
		free(before);
		before = json_object_get(page, "next") != NULL
		    ? alloc_string(text_of(page, "next"))
		    : NULL;
	} while (before != NULL);
	assert_int_equal(seen, count);
}

static void
test_lists_are_paged_newest_first_and_ones_own(void **state)
{
	struct runner_site site;
	char *ids[5];

	runner_site_open(&site, *state);
	for (size_t i = 0; i < COUNT(ids); i++)
		ids[i] = runner_site_submit(&site, "alice", BODY);
	free(runner_site_submit(&site, "bob", BODY));
	walk_pages(&site, (const char *const *)ids, COUNT(ids), NULL);
	walk_pages(&site, (const char *const *)ids, COUNT(ids), "queued");
	auto_json *none = runner_site_ask_take(&site, MESSAGE_list,
	    list(&site, SCOPE_TASKS_READ, "state", "running", 2), -1, NULL);

	assert_int_equal(json_array_size(json_object_get(none, "tasks")), 0);
	runner_site_expect_failure_take(&site, MESSAGE_list,
	    list(&site, SCOPE_TASKS_READ, "subject", "bob", 2), -1,
	    ERR_INSUFFICIENT_SCOPE);
	runner_site_expect_failure_take(&site, MESSAGE_list,
	    list(&site, SCOPE_TASKS_READ, "state", "asleep", 2), -1,
	    ERR_UNPROCESSABLE);
	auto_json *all = runner_site_ask_take(&site, MESSAGE_list,
	    list(&site, SCOPE_TASKS_READ | SCOPE_TASKS_READ_ALL, NULL, NULL,
		200),
	    -1, NULL);

	assert_int_equal(json_array_size(json_object_get(all, "tasks")), 6);
	for (size_t i = 0; i < COUNT(ids); i++)
		free(ids[i]);
	runner_site_close(&site);
}

/* -- ending what waits */

static json_t *
cancel(struct runner_site *site, const char *id, int *ret_status)
{
	json_t *members = of_task(site, "alice", SCOPE_TASKS_CANCEL, id);

	json_object_set_new(members, "grace", json_integer(10));
	return runner_site_ask_take(
	    site, MESSAGE_cancel, members, -1, ret_status);
}

static void
test_a_waiting_task_is_dropped(void **state)
{
	struct runner_site site;
	auto_free char *id = NULL;
	int status = 0;

	runner_site_open(&site, *state);
	id = runner_site_submit(&site, "alice", BODY);
	auto_json *task = cancel(&site, id, &status);

	assert_int_equal(status, 202);
	assert_string_equal(text_of(task, "state"), "finished");
	assert_string_equal(text_of(task, "outcome"), "cancelled");
	auto_json *again = cancel(&site, id, &status);

	assert_int_equal(status, 200);
	assert_true(json_equal(task, again));
	assert_int_equal(site.runner.tasks.count, 0);
	assert_int_equal(site.runner.tasks.queue.admitted, 0);
	assert_int_equal(
	    runner_site_count_events(&site, "task.cancel_asked"), 1);
	assert_int_equal(runner_site_count_events(&site, "task.finished"), 1);
	runner_site_close(&site);
}

static void
test_what_does_not_run_gets_no_signal(void **state)
{
	struct runner_site site;
	auto_free char *id = NULL;
	json_t *members;

	runner_site_open(&site, *state);
	id = runner_site_submit(&site, "alice", BODY);
	members = of_task(&site, "alice", SCOPE_TASKS_CANCEL, id);
	json_object_set_new(members, "signal", json_string("HUP"));
	runner_site_expect_failure_take(
	    &site, MESSAGE_signal, members, -1, ERR_CONFLICT);
	json_decref(cancel(&site, id, NULL));
	members = of_task(&site, "alice", SCOPE_TASKS_CANCEL, id);
	json_object_set_new(members, "signal", json_string("HUP"));
	runner_site_expect_failure_take(
	    &site, MESSAGE_signal, members, -1, ERR_CONFLICT);
	assert_int_equal(runner_site_count_events(&site, "task.signalled"), 0);
	runner_site_close(&site);
}

static void
test_who_waits_is_told_of_the_end(void **state)
{
	struct runner_site site;
	auto_free char *id = NULL;
	struct message reply;

	runner_site_open(&site, *state);
	id = runner_site_submit(&site, "alice", BODY);
	runner_site_send_take(site.gateway, MESSAGE_get,
	    with_wait(of_task(&site, "alice", ALL_SCOPES, id), 60), -1);
	runner_site_settle(&site);
	auto_json *task = cancel(&site, id, NULL);

	/* Both get the same. */
	reply = runner_site_receive(&site, site.gateway, MESSAGE_reply);
	assert_string_equal(
	    text_of(json_object_get(reply.members, "body"), "state"),
	    "finished");
	message_done(&reply);
	runner_site_close(&site);
}

static void
test_who_has_gone_is_forgotten(void **state)
{
	struct runner_site site;
	auto_free char *id = NULL;
	json_t *members;
	json_int_t number;

	runner_site_open(&site, *state);
	id = runner_site_submit(&site, "alice", BODY);
	members = with_wait(of_task(&site, "alice", ALL_SCOPES, id), 60);
	number = json_integer_value(json_object_get(members, "request"));
	runner_site_send_take(site.gateway, MESSAGE_get, members, -1);
	runner_site_settle(&site);
	assert_non_null(tasks_find(&site.runner.tasks, id)->waiters);
	runner_site_send_take(site.gateway, MESSAGE_forget,
	    json_pack("{s:I}", "request", number), -1);
	/* Twice is no error: the answer may have crossed it. */
	runner_site_send_take(site.gateway, MESSAGE_forget,
	    json_pack("{s:I}", "request", number), -1);
	runner_site_settle(&site);
	assert_null(tasks_find(&site.runner.tasks, id)->waiters);
	/* The task itself stays. */
	auto_json *task = get(&site, "alice", id);

	assert_string_equal(text_of(task, "state"), "queued");
	runner_site_close(&site);
}

/* -- output */

static struct message
ask_output(struct runner_site *site, const char *id, int offset, bool follow)
{
	json_t *members = of_task(site, "alice", SCOPE_TASKS_READ, id);

	json_object_set_new(members, "stream", json_string("stdout"));
	json_object_set_new(members, "offset", json_integer(offset));
	json_object_set_new(members, "follow", json_boolean(follow));
	runner_site_send_take(site->gateway, MESSAGE_output, members, -1);
	return runner_site_receive_any(site, site->gateway);
}

static void
test_output_is_a_file_or_the_reading_end_of_a_pipe(void **state)
{
	struct runner_site site;
	auto_free char *id = NULL;
	struct message reply;
	char byte;

	runner_site_open(&site, *state);
	id = runner_site_submit(&site, "alice", BODY);
	reply = ask_output(&site, id, 0, false);
	assert_int_equal(reply.nfds, 1);
	assert_int_equal(json_integer_value(json_object_get(
			     json_object_get(reply.members, "body"), "length")),
	    0);
	assert_int_equal(write(reply.fds[0], "x", 1), -1);
	message_done(&reply);
	reply = ask_output(&site, id, 1, false);
	assert_int_equal(reply.type, MESSAGE_failure);
	assert_string_equal(text_of(reply.members, "error"), "unprocessable");
	message_done(&reply);
	reply = ask_output(&site, id, 0, true);
	assert_int_equal(reply.nfds, 1);
	assert_int_equal(fcntl(reply.fds[0], F_GETFL) & O_ACCMODE, O_RDONLY);
	/* The end of the task is the end of the pipe. */
	json_decref(cancel(&site, id, NULL));
	assert_int_equal(read(reply.fds[0], &byte, 1), 0);
	message_done(&reply);
	runner_site_close(&site);
}

/* -- rest */

static struct task *
find_at_rest(struct runner_site *site, const char *id)
{
	struct task *task;

	runner_site_settle(site);
	tasks_rest(&site->runner.tasks);
	task = table_find(&site->runner.tasks.by_id, id);
	assert_non_null(task);
	assert_null(task->data);
	return task;
}

static void
test_what_waits_rests_until_it_is_asked_for(void **state)
{
	struct runner_site site;
	auto_free char *id = NULL;
	const struct task *task;

	runner_site_open(&site, *state);
	id = runner_site_submit(&site, "alice", BODY);
	auto_json *before = get(&site, "alice", id);

	task = find_at_rest(&site, id);
	assert_null(task->output);
	assert_int_equal(task_state(task), TASK_QUEUED);
	assert_string_equal(task_subject(task), "alice");
	auto_json *after = get(&site, "alice", id);

	assert_true(json_equal(before, after));
	assert_non_null(task->data);
	find_at_rest(&site, id);
	walk_pages(&site, (const char *const *)&id, 1, "queued");
	find_at_rest(&site, id);
	walk_pages(&site, (const char *const *)&id, 1, NULL);
	runner_site_close(&site);
}

static void
test_what_rests_is_followed_and_ended(void **state)
{
	struct runner_site site;
	auto_free char *id = NULL;
	struct message reply;
	char byte;

	runner_site_open(&site, *state);
	id = runner_site_submit(&site, "alice", BODY);
	find_at_rest(&site, id);
	reply = ask_output(&site, id, 0, true);
	assert_int_equal(reply.nfds, 1);
	find_at_rest(&site, id);
	auto_json *task = cancel(&site, id, NULL);

	assert_string_equal(text_of(task, "outcome"), "cancelled");
	assert_int_equal(read(reply.fds[0], &byte, 1), 0);
	message_done(&reply);
	assert_null(site.runner.tasks.tired);
	runner_site_close(&site);
}

/* -- another life */

static void
test_what_waited_waits_after_a_restart(void **state)
{
	struct runner_site site;
	auto_free char *one = NULL;
	auto_free char *two = NULL;

	runner_site_open(&site, *state);
	one = runner_site_submit(&site, "alice",
	    "{\"image\":\"" SITE_IMAGE
	    "\",\"env\":{\"SECRET\":\"swordfish\"}}");
	auto_json *before = get(&site, "alice", one);

	runner_site_restart(&site);
	auto_json *after = get(&site, "alice", one);

	assert_true(json_equal(before, after));
	find_at_rest(&site, one);
	/* It can still be started as it was asked for. */
	assert_string_equal(
	    tasks_find(&site.runner.tasks, one)->data->request.env[0].value,
	    "swordfish");
	two = runner_site_submit(&site, "alice", BODY);
	assert_true(strcmp(two, one) > 0);
	assert_int_equal(site.runner.tasks.queue.admitted, 2);
	runner_site_close(&site);
}

struct sql {
	struct store_op op;
	const char *text;
	int done;
};

static int
run_sql(struct store_op *op, struct database *database, struct err *err)
{
	(void)err;
	assert_int_equal(sqlite3_exec(database->handle,
			     ((struct sql *)op)->text, NULL, NULL, NULL),
	    SQLITE_OK);
	return 0;
}

static void
sql_done(struct store_op *op, const struct err *err)
{
	assert_null(err);
	((struct sql *)op)->done++;
}

static void
do_sql(struct runner_site *site, const char *text)
{
	struct sql sql = {
	    .op = {.reads = true, .run = run_sql, .done = sql_done},
	    .text = text};

	store_submit(site->runner.store, &sql.op);
	while (sql.done == 0)
		uv_run(&site->runner.loop, UV_RUN_NOWAIT);
}

static void
test_what_ran_is_lost_after_a_restart(void **state)
{
	struct runner_site site;
	auto_free char *id = NULL;
	auto_free char *path = NULL;
	struct err err;

	runner_site_open(&site, *state);
	id = runner_site_submit(&site, "alice", BODY);
	do_sql(&site, "UPDATE task SET state = 'running', started_ms = 1");
	auto_free char *name = alloc_printf("state/output/%s.stdout", id);

	path = folder_path(site.folder, name);
	assert_int_equal(file_write(path, "half", 4, 0600, &err), 0);
	runner_site_restart(&site);
	/* Its output is read once more, for its digest. */
	while (site.runner.tasks.count > 0)
		runner_site_settle(&site);
	auto_json *task = get(&site, "alice", id);

	assert_string_equal(text_of(task, "state"), "finished");
	assert_string_equal(text_of(task, "outcome"), "lost");
	/* What it wrote can be read. */
	assert_int_equal(json_integer_value(json_object_get(
			     json_object_get(task, "output"), "stdout")),
	    4);
	assert_int_equal(runner_site_count_events(&site, "task.finished"), 1);
	assert_int_equal(site.runner.tasks.count, 0);
	runner_site_close(&site);
}

/* -- no record, no action */

static void
test_without_a_record_nothing_is_accepted_and_ends_are_held(void **state)
{
	struct runner_site site;
	auto_free char *id = NULL;
	int status = 0;

	runner_site_open(&site, *state);
	id = runner_site_submit(&site, "alice", BODY);
	do_sql(&site, "PRAGMA max_page_count = 1");
	/* Pages that are there already take some. */
	while (store_reason(site.runner.store) == NULL) {
		auto_fd int fd = runner_site_body(OTHER);
		struct message reply;

		site.runner.tasks.queue.bounds.queued_per_subject++;
		site.runner.tasks.queue.bounds.queued_max++;
		runner_site_send_take(site.gateway, MESSAGE_submit,
		    with_wait(
			runner_site_envelope(&site, "alice", ALL_SCOPES), 0),
		    fd);
		reply = runner_site_receive_any(&site, site.gateway);
		if (reply.type == MESSAGE_failure)
			assert_string_equal(
			    text_of(reply.members, "error"), "unavailable");
		message_done(&reply);
	}
	submit_failing(&site, BODY, ERR_UNAVAILABLE);
	auto_json *reasons = runner_reasons(&site.runner);

	assert_int_equal(json_array_size(reasons), 1);
	/* Dropped at once, but not shown as ended before that is durable. */
	auto_json *dropped = cancel(&site, id, &status);

	assert_int_equal(status, 202);
	assert_string_not_equal(text_of(dropped, "state"), "finished");
	do_sql(&site, "PRAGMA max_page_count = 1000000");
	while (tasks_find(&site.runner.tasks, id) != NULL)
		uv_run(&site.runner.loop, UV_RUN_ONCE);
	auto_json *task = get(&site, "alice", id);

	assert_string_equal(text_of(task, "outcome"), "cancelled");
	assert_null(store_reason(site.runner.store));
	runner_site_close(&site);
}

static void
test_refusals_beyond_fifty_are_summed_up(void **state)
{
	struct runner_site site;
	size_t singly;

	runner_site_open(&site, *state);
	for (int i = 0; i < 100; i++)
		submit_failing(&site, "{}", ERR_UNPROCESSABLE);
	/* Stopping writes what is summed up. */
	runner_site_restart(&site);
	auto_json *records = runner_site_audit(&site);
	json_int_t counted = 0;

	singly = runner_site_count_events(&site, "request.refused");
	for (size_t i = 0; i < json_array_size(records); i++) {
		const json_t *record = json_array_get(records, i);
		const json_t *count =
		    json_object_get(json_object_get(record, "object"), "count");

		if (strcmp(text_of(record, "event"), "request.refused") == 0)
			counted +=
			    count != NULL ? json_integer_value(count) : 1;
	}
	assert_int_equal(counted, 100);
	/* One more every other second, and the sums. */
	assert_in_range(singly, 51, 80);
	runner_site_close(&site);
}

/* -- what is recorded of a task can be decided again */

static json_t *
find_record(struct runner_site *site, const char *event)
{
	auto_json *records = runner_site_audit(site);
	json_t *found = NULL, *record;
	size_t i;

	json_array_foreach(records, i, record)
	{
		if (strcmp(text_of(record, "event"), event) == 0)
			found = record;
	}
	assert_non_null(found);
	return json_incref(found);
}

static void
check_recorded(const json_t *record, const char *body)
{
	AUTO(request_done) struct request wanted = {0}, found = {0};
	auto_json *recorded =
	    json_deep_copy(json_object_get(record, "untrusted"));
	struct err err = {0};

	json_object_del(recorded, "detail");
	json_object_del(recorded, "path");
	if (request_parse(body, strlen(body), &wanted, &err) != 0 ||
	    recorded_read(recorded, &found, &err) != 0)
		fail_msg("%s", err.detail);
	assert_string_equal(found.reference, wanted.reference);
	assert_int_equal(found.nargs, wanted.nargs);
	assert_int_equal(found.nenv, wanted.nenv);
	assert_memory_equal(found.limits, wanted.limits, sizeof(wanted.limits));
}

static void
test_an_accepted_and_a_denied_task_are_recorded_whole(void **state)
{
	static const char good[] =
	    "{\"image\":\"" SITE_IMAGE "\",\"args\":[\"true\"],"
	    "\"limits\":{\"memory\":\"32MiB\"}}";
	static const char bad[] =
	    "{\"image\":\"" SITE_IMAGE "\",\"args\":[\"true\"],"
	    "\"env\":{\"NO\":\"hush\"},"
	    "\"limits\":{\"memory\":\"1TiB\"}}";
	struct runner_site site;

	runner_site_open(&site, *state);
	free(runner_site_submit(&site, "alice", good));
	submit_failing(&site, bad, ERR_DENIED);
	auto_json *accepted = find_record(&site, "task.accepted");
	auto_json *denied = find_record(&site, "task.denied");

	check_recorded(accepted, good);
	check_recorded(denied, bad);
	assert_true(json_is_false(
	    json_object_get(json_object_get(accepted, "object"), "signed")));
	assert_true(json_is_false(
	    json_object_get(json_object_get(denied, "object"), "signed")));
	runner_site_close(&site);
}

#define ZEROS                              \
	"00000000000000000000000000000000" \
	"00000000000000000000000000000000"

static void
test_a_task_that_the_gateway_denied_is_recorded_whole(void **state)
{
	static const char body[] = "{\"image\":\"other\"}";
	struct runner_site site;

	runner_site_open(&site, *state);
	runner_site_send_take(site.gateway, MESSAGE_refusal,
	    json_pack("{s:s, s:i, s:s, s:s, s:{s:s, s:s}, s:{s:{s:s}, s:[s], "
		      "s:s, s:s, s:b}}",
		"code", "denied", "count", 1, "address", "192.0.2.1", "subject",
		"alice", "untrusted", "path", "/v1/tasks", "detail", "no",
		"task", "request", "image", "other", "roles", "dev",
		"condition", "args", "request_sha256", ZEROS, "signed", 1),
	    -1);
	runner_site_settle(&site);
	auto_json *record = find_record(&site, "task.denied");
	const json_t *object = json_object_get(record, "object");
	const json_t *principal = json_object_get(record, "principal");

	check_recorded(record, body);
	assert_string_equal(text_of(object, "by"), "gateway");
	assert_string_equal(text_of(object, "condition"), "args");
	assert_string_equal(text_of(object, "request_sha256"), ZEROS);
	assert_true(json_is_true(json_object_get(object, "signed")));
	assert_string_equal(json_string_value(json_array_get(
				json_object_get(principal, "roles"), 0)),
	    "dev");
	runner_site_close(&site);
}

/* A gateway is believed nothing, and given no more room than this. */
static void
test_a_gateway_that_floods_with_refusals_fills_no_disk(void **state)
{
	struct runner_site site;
	auto_json *records = NULL;

	runner_site_open(&site, *state);
	for (int i = 0; i < 2000; i++) {
		runner_site_send_take(site.gateway, MESSAGE_refusal,
		    json_pack("{s:s, s:i, s:s, s:{s:s}}", "code", "denied",
			"count", 1, "address", "192.0.2.1", "untrusted", "path",
			"/v1/tasks"),
		    -1);
		if (i % 50 == 0)
			runner_site_settle(&site);
	}
	runner_site_restart(&site);
	records = runner_site_audit(&site);
	assert_in_range(json_array_size(records), 100, 200);
	runner_site_close(&site);
}

int
main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
	    TEST(test_a_task_is_accepted_recorded_and_waits),
	    TEST(test_an_accepted_and_a_denied_task_are_recorded_whole),
	    TEST(test_a_task_that_the_gateway_denied_is_recorded_whole),
	    TEST(test_what_the_gateway_should_have_refused_is_refused_here),
	    TEST(test_who_asks_is_verified_here_again),
	    TEST(test_no_token_and_no_value_of_the_environment_is_on_record),
	    TEST(test_each_subject_has_its_bound),
	    TEST(test_a_key_makes_one_task),
	    TEST(test_racing_requests_of_one_key_make_one_task),
	    TEST(test_anothers_task_is_not_there),
	    TEST(test_lists_are_paged_newest_first_and_ones_own),
	    TEST(test_a_waiting_task_is_dropped),
	    TEST(test_what_does_not_run_gets_no_signal),
	    TEST(test_who_waits_is_told_of_the_end),
	    TEST(test_who_has_gone_is_forgotten),
	    TEST(test_output_is_a_file_or_the_reading_end_of_a_pipe),
	    TEST(test_what_waits_rests_until_it_is_asked_for),
	    TEST(test_what_rests_is_followed_and_ended),
	    TEST(test_what_waited_waits_after_a_restart),
	    TEST(test_what_ran_is_lost_after_a_restart),
	    TEST(test_without_a_record_nothing_is_accepted_and_ends_are_held),
	    TEST(test_refusals_beyond_fifty_are_summed_up),
	    TEST(test_a_gateway_that_floods_with_refusals_fills_no_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
