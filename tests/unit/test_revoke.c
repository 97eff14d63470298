/*
 * The runner's list: in force at once, there again after a restart, told to
 * each gateway; what waits is dropped, who asks is refused.
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
#include "lib/packet.h"
#include "runner/peers.h"
#include "runner/tasks_change.h"
#include "tests/unit/folder.h"
#include "tests/unit/runner_site.h"

#define HELLO "{\"type\":\"hello\",\"version\":1,\"role\":\"gateway\"}"
#define LEFT_TASK "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a12"
#define BODY "{\"image\":\"" SITE_IMAGE "\"}"

static json_t *
target(const char *kind, const char *value)
{
	return json_pack("{s:s, s:s}", "kind", kind, "value", value);
}

/* The operator asks; the reply's body, or of a failure all that it says. */
static json_t *
admin_ask_take(struct runner_site *site, enum message_type type,
    json_t *members, enum message_type answers)
{
	struct message reply;
	json_t *body;

	json_object_set_new(
	    members, "request", json_integer(++site->last_request));
	runner_site_send_take(site->admin, type, members, -1);
	reply = runner_site_receive(site, site->admin, answers);
	body = answers == MESSAGE_reply
	    ? json_incref(json_object_get(reply.members, "body"))
	    : json_incref(reply.members);
	message_done(&reply);
	return body;
}

static void
expect_failure_take(struct runner_site *site, enum message_type type,
    json_t *members, enum err_code code)
{
	auto_json *failure =
	    admin_ask_take(site, type, members, MESSAGE_failure);

	assert_string_equal(
	    json_string_value(json_object_get(failure, "error")),
	    err_slug(code));
}

/* The site's own gateway confirms nothing by itself: it does here. */
static json_t *
revoke_take(struct runner_site *site, json_t *members)
{
	uint64_t before = site->runner.revoked.change;
	struct message reply;
	json_t *body;

	json_object_set_new(
	    members, "request", json_integer(++site->last_request));
	runner_site_send_take(site->admin, MESSAGE_revoke, members, -1);
	runner_site_settle(site);
	assert_int_equal(site->runner.revoked.change, before + 1);
	runner_site_send_take(site->gateway, MESSAGE_revoked,
	    json_pack(
		"{s:I, s:i}", "change", (json_int_t)before + 1, "closed", 3),
	    -1);
	reply = runner_site_receive(site, site->admin, MESSAGE_reply);
	body = json_incref(json_object_get(reply.members, "body"));
	message_done(&reply);
	return body;
}

static int64_t
number(const json_t *report, const char *name)
{
	return json_integer_value(json_object_get(report, name));
}

static void
expect_refused(
    struct runner_site *site, const char *subject, enum err_code code)
{
	json_t *members = runner_site_envelope(site, subject, SCOPE_TASKS_READ);

	json_object_set_new(members, "limit", json_integer(10));
	runner_site_expect_failure_take(site, MESSAGE_list, members, -1, code);
}

static void
expect_served(struct runner_site *site, const char *subject)
{
	json_t *members = runner_site_envelope(site, subject, SCOPE_TASKS_READ);
	auto_json *list = NULL;

	json_object_set_new(members, "limit", json_integer(10));
	list = runner_site_ask_take(site, MESSAGE_list, members, -1, NULL);
	assert_true(json_is_array(json_object_get(list, "tasks")));
}

static void
test_a_subject_is_refused_and_its_tasks_dropped(void **state)
{
	struct runner_site site;
	auto_free char *first = NULL, *second = NULL, *other = NULL;
	auto_json *report = NULL;

	runner_site_open(&site, *state);
	first = runner_site_submit(&site, "alice", BODY);
	second = runner_site_submit(&site, "alice", BODY);
	other = runner_site_submit(&site, "bob", BODY);
	report = revoke_take(&site, target("subject", "alice"));
	assert_int_equal(number(report, "queued"), 2);
	assert_int_equal(number(report, "running"), 0);
	assert_int_equal(number(report, "connections"), 3);
	assert_int_equal(number(report, "gateways"), 1);
	assert_int_equal(number(report, "confirmed"), 1);
	assert_true(json_is_true(json_object_get(report, "recorded")));
	runner_site_settle(&site);
	assert_null(tasks_find(&site.runner.tasks, first));
	assert_null(tasks_find(&site.runner.tasks, second));
	assert_non_null(tasks_find(&site.runner.tasks, other));
	assert_int_equal(
	    site.runner.tasks.counters.finished[OUTCOME_REVOKED], 2);
	expect_refused(&site, "alice", ERR_REVOKED);
	expect_served(&site, "bob");
	assert_int_equal(runner_site_count_events(&site, "subject.revoked"), 1);
	runner_site_close(&site);
}

static void
test_the_list_is_there_after_a_restart(void **state)
{
	struct runner_site site;
	auto_json *report = NULL;
	const struct revocation *found;

	runner_site_open(&site, *state);
	json_t *members = target("subject", "alice");
	json_object_set_new(members, "reason", json_string("gone"));
	report = revoke_take(&site, members);
	runner_site_restart(&site);
	found = revocations_find(
	    &site.runner.revoked.set, REVOCATION_SUBJECT, "alice");
	assert_non_null(found);
	assert_string_equal(found->reason, "gone");
	assert_int_equal(found->uid, getuid());
	assert_false(found->unrecorded);
	expect_refused(&site, "alice", ERR_REVOKED);
	runner_site_close(&site);
}

static void
test_what_is_restored_is_on_record_first(void **state)
{
	struct runner_site site;
	auto_json *report = NULL, *empty = NULL, *list = NULL;

	runner_site_open(&site, *state);
	report = revoke_take(&site, target("subject", "alice"));
	empty = admin_ask_take(
	    &site, MESSAGE_restore, target("subject", "alice"), MESSAGE_reply);
	expect_served(&site, "alice");
	assert_int_equal(
	    runner_site_count_events(&site, "subject.restored"), 1);
	list = admin_ask_take(
	    &site, MESSAGE_revocations_read, json_object(), MESSAGE_reply);
	assert_int_equal(json_array_size(list), 0);
	expect_failure_take(
	    &site, MESSAGE_restore, target("subject", "alice"), ERR_NOT_FOUND);
	expect_failure_take(
	    &site, MESSAGE_restore, target("token", "x"), ERR_CONFLICT);
	runner_site_restart(&site);
	expect_served(&site, "alice");
	runner_site_close(&site);
}

static void
test_a_lock_that_is_over_leaves_the_list(void **state)
{
	struct runner_site site;
	auto_json *report = NULL;
	struct revocation *lock;

	runner_site_open(&site, *state);
	json_t *members = target("lock", "alice");
	json_object_set_new(members, "ttl_s", json_integer(3600));
	report = revoke_take(&site, members);
	expect_refused(&site, "alice", ERR_REVOKED);
	lock = revocations_find(
	    &site.runner.revoked.set, REVOCATION_LOCK, "alice");
	assert_true(lock->until_ms > clock_wall_ms() + 3500000);
	lock->until_ms = clock_wall_ms() - 1;
	expect_served(&site, "alice");
	while (site.runner.revoked.set.count > 0)
		runner_site_settle(&site);
	runner_site_restart(&site);
	assert_int_equal(site.runner.revoked.set.count, 0);
	runner_site_close(&site);
}

static void
test_a_waiting_request_is_answered_and_another_subjects_is_not(void **state)
{
	struct runner_site site;
	auto_free char *task = NULL;
	auto_json *report = NULL;
	struct message failure;
	json_t *members;

	runner_site_open(&site, *state);
	task = runner_site_submit(&site, "bob", BODY);
	members = runner_site_envelope(
	    &site, "alice", SCOPE_TASKS_READ | SCOPE_TASKS_READ_ALL);
	json_object_set_new(members, "task", json_string(task));
	json_object_set_new(members, "wait", json_integer(60));
	runner_site_send_take(site.gateway, MESSAGE_get, members, -1);
	runner_site_settle(&site);
	assert_non_null(tasks_find(&site.runner.tasks, task)->waiters);
	report = revoke_take(&site, target("subject", "alice"));
	failure = runner_site_receive(&site, site.gateway, MESSAGE_failure);
	assert_string_equal(
	    json_string_value(json_object_get(failure.members, "error")),
	    "revoked");
	message_done(&failure);
	assert_null(tasks_find(&site.runner.tasks, task)->waiters);
	runner_site_close(&site);
}

static void
test_a_gateway_that_comes_gets_all_but_images(void **state)
{
	struct runner_site site;
	auto_json *one = NULL, *two = NULL, *list = NULL;
	auto_fd int sock = -1;
	auto_free char *text = NULL;
	struct message message;
	size_t len;
	struct err err;

	runner_site_open(&site, *state);
	one = revoke_take(&site, target("subject", "alice"));
	two = revoke_take(&site,
	    target("image",
		"sha256:00000000000000000000000000000000"
		"00000000000000000000000000000000"));
	/* No gateway is asked about an image. */
	assert_int_equal(number(two, "gateways"), 0);
	sock = runner_site_connect(&site, "gateway");
	runner_site_send_raw(sock, HELLO, strlen(HELLO), -1);
	message = runner_site_receive(&site, sock, MESSAGE_welcome);
	message_done(&message);
	message = runner_site_receive(&site, sock, MESSAGE_revocations);
	assert_int_equal(number(message.members, "change"), 2);
	assert_int_equal(message.nfds, 1);
	assert_int_equal(
	    packet_read_sealed(message.fds[0], 65536, &text, &len, &err), 0);
	list = json_parse_strict(text, len, &err);
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(json_string_value(json_object_get(
				json_array_get(list, 0), "value")),
	    "alice");
	message_done(&message);
	runner_site_close(&site);
}

static void
test_a_confirmation_of_what_never_was_drops_the_peer(void **state)
{
	struct runner_site site;
	auto_fd int sock = -1;

	runner_site_open(&site, *state);
	sock = runner_site_connect(&site, "gateway");
	runner_site_send_raw(sock, HELLO, strlen(HELLO), -1);
	struct message welcome =
	    runner_site_receive(&site, sock, MESSAGE_welcome);
	message_done(&welcome);
	runner_site_send_take(sock, MESSAGE_revoked,
	    json_pack("{s:i, s:i}", "change", 1, "closed", 0), -1);
	runner_site_wait_dropped(&site, sock);
	expect_served(&site, "alice");
	runner_site_close(&site);
}

static void
test_what_cannot_be_meant_is_refused(void **state)
{
	struct runner_site site;

	runner_site_open(&site, *state);
	expect_failure_take(
	    &site, MESSAGE_revoke, target("everybody", "x"), ERR_UNPROCESSABLE);
	expect_failure_take(&site, MESSAGE_revoke, target("subject", "Al Ice"),
	    ERR_UNPROCESSABLE);
	/* For how long? */
	expect_failure_take(
	    &site, MESSAGE_revoke, target("lock", "alice"), ERR_UNPROCESSABLE);
	assert_int_equal(site.runner.revoked.set.count, 0);
	runner_site_close(&site);
}

/* -- what is on its way meanwhile */

/* As a command does it; nobody waits for it. */
static void
put(struct runner_site *site, enum revocation_kind kind, const char *value)
{
	struct tasks_revoked ignored;

	revocations_put(&site->runner.revoked.set, kind, value);
	tasks_revoke(&site->runner.tasks, &ignored);
}

static void
test_a_task_that_is_being_accepted_is_revoked(void **state)
{
	struct runner_site site;
	auto_fd int fd = runner_site_body(BODY);
	json_t *members;
	struct message reply;

	runner_site_open(&site, *state);
	runner_site_settle(&site);
	members = runner_site_envelope(&site, "alice", SCOPE_TASKS_RUN);
	json_object_set_new(members, "wait", json_integer(0));
	runner_site_send_take(site.gateway, MESSAGE_submit, members, fd);
	/* On its way to the disk, and no further. */
	while (site.runner.tasks.queue.admitted == 0)
		uv_run(&site.runner.loop, UV_RUN_NOWAIT);
	assert_int_equal(site.runner.tasks.count, 0);
	put(&site, REVOCATION_SUBJECT, "alice");
	reply = runner_site_receive(&site, site.gateway, MESSAGE_reply);
	message_done(&reply);
	runner_site_settle(&site);
	assert_int_equal(site.runner.tasks.count, 0);
	assert_int_equal(
	    site.runner.tasks.counters.finished[OUTCOME_REVOKED], 1);
	runner_site_close(&site);
}

static void
heard(void *arg, const struct err *err)
{
	(void)arg;
	assert_null(err);
}

/* Waits in the store, and nowhere else: as an earlier life left it. */
static void
leave_one_of(struct runner_site *site, const char *subject)
{
	auto_free char *id = runner_site_submit(site, "alice", BODY);
	auto_free char *sql = alloc_printf(
	    "CREATE TEMP TABLE one AS SELECT * FROM task WHERE id = '%s';"
	    "UPDATE one SET id = '%s', subject = '%s',"
	    " principal = replace(principal, 'alice', '%s');"
	    "INSERT INTO task SELECT * FROM one",
	    id, LEFT_TASK, subject, subject);

	runner_site_run_sql(site, sql);
	tasks_cancel(tasks_find(&site->runner.tasks, id), 0, NULL, heard, NULL);
	runner_site_settle(site);
	assert_int_equal(site->runner.tasks.count, 0);
}

static void
revoke_early(struct runner_site *site)
{
	struct tasks *tasks = &site->runner.tasks;
	json_t *members = target("subject", "bob");

	/* Neither known nor read again by itself. */
	tasks->recovered = false;
	tasks->recovering = true;
	json_object_set_new(
	    members, "request", json_integer(++site->last_request));
	runner_site_send_take(site->admin, MESSAGE_revoke, members, -1);
	while (site->runner.revoked.effects == NULL ||
	    store_pending(site->runner.store) > 0)
		runner_site_settle(site);
	runner_site_send_take(site->gateway, MESSAGE_revoked,
	    json_pack("{s:I, s:i}", "change",
		(json_int_t)site->runner.revoked.change, "closed", 0),
	    -1);
	runner_site_settle(site);
	assert_non_null(site->runner.revoked.effects);
}

/* Before those of an earlier life are known, nobody can say that they have
 * ended; nor as the first of them ends. */
static void
test_a_command_waits_until_an_earlier_lifes_tasks_are_known(void **state)
{
	struct runner_site site;
	struct tasks *tasks = &site.runner.tasks;
	struct message reply;
	const json_t *report;

	runner_site_open(&site, *state);
	leave_one_of(&site, "bob");
	revoke_early(&site);
	/* Of what runs: nothing does. */
	tasks->kept = NULL;
	tasks_recover(tasks);
	reply = runner_site_receive(&site, site.admin, MESSAGE_reply);
	report = json_object_get(reply.members, "body");
	assert_int_equal(number(report, "queued"), 1);
	assert_int_equal(number(report, "still_running"), 0);
	assert_true(json_is_true(json_object_get(report, "known")));
	message_done(&reply);
	runner_site_settle(&site);
	assert_null(tasks_find(tasks, LEFT_TASK));
	runner_site_close(&site);
}

static void
test_a_command_that_waited_long_enough_says_what_is_not_known(void **state)
{
	struct runner_site site;
	struct message reply;
	const json_t *report;

	runner_site_open(&site, *state);
	revoke_early(&site);
	effect_finish_late(&site.runner, true);
	reply = runner_site_receive(&site, site.admin, MESSAGE_reply);
	report = json_object_get(reply.members, "body");
	assert_int_equal(number(report, "still_running"), 0);
	assert_true(json_is_true(json_object_get(report, "recorded")));
	assert_true(json_is_false(json_object_get(report, "known")));
	message_done(&reply);
	site.runner.tasks.recovered = true;
	site.runner.tasks.recovering = false;
	runner_site_close(&site);
}

/* Whichever of the two comes first, the gateway hears of it before it serves:
 * with the list or right behind it. */
static void
test_a_gateway_that_comes_as_the_list_changes_misses_nothing(void **state)
{
	struct runner_site site;

	runner_site_open(&site, *state);
	for (int i = 0; i < 20; i++) {
		auto_free char *value = alloc_printf("subject-%d", i);
		auto_fd int sock = runner_site_connect(&site, "gateway");
		auto_free char *text = NULL;
		auto_json *list = NULL;
		struct message message;
		size_t len;
		struct err err;

		json_t *members = target("subject", value);
		json_object_set_new(
		    members, "request", json_integer(++site.last_request));
		if (i % 2 == 0)
			runner_site_send_raw(sock, HELLO, strlen(HELLO), -1);
		runner_site_send_take(site.admin, MESSAGE_revoke, members, -1);
		if (i % 2 == 1)
			runner_site_send_raw(sock, HELLO, strlen(HELLO), -1);
		message = runner_site_receive(&site, sock, MESSAGE_welcome);
		message_done(&message);
		message = runner_site_receive(&site, sock, MESSAGE_revocations);
		assert_int_equal(packet_read_sealed(
				     message.fds[0], 65536, &text, &len, &err),
		    0);
		message_done(&message);
		list = json_parse_strict(text, len, &err);
		if (json_array_size(list) == (size_t)i) {
			message = runner_site_receive(
			    &site, sock, MESSAGE_revocation);
			assert_string_equal(json_string_value(json_object_get(
						message.members, "value")),
			    value);
			message_done(&message);
		}
		assert_in_range(json_array_size(list), i, i + 1);
	}
	runner_site_close(&site);
}

/* -- what rests */

static void
test_what_rests_of_a_revoked_image_is_dropped_at_once(void **state)
{
	struct runner_site site;
	auto_free char *id = NULL, *other = NULL;
	auto_json *report = NULL;
	const struct task *task;

	runner_site_open(&site, *state);
	id = runner_site_submit(&site, "alice", "{\"task\":\"named\"}");
	other = runner_site_submit(&site, "alice", BODY);
	runner_site_settle(&site);
	tasks_rest(&site.runner.tasks);
	task = table_find(&site.runner.tasks.by_id, id);
	assert_non_null(task);
	assert_null(task->data);
	report = revoke_take(&site, target("image", SITE_NAMED_IMAGE));
	assert_int_equal(number(report, "queued"), 1);
	runner_site_settle(&site);
	assert_null(tasks_find(&site.runner.tasks, id));
	assert_non_null(tasks_find(&site.runner.tasks, other));
	runner_site_close(&site);
}

/* -- where it cannot be written */

/* What takes back could still be written. */
static void
keep_it_unwritten(const struct runner_site *site)
{
	runner_site_run_sql(site,
	    "CREATE TRIGGER unwritable BEFORE INSERT ON revocation "
	    "BEGIN SELECT RAISE(ABORT, 'unwritable'); END");
}

static void
let_it_be_written(struct runner_site *site)
{
	int64_t end_ms = clock_boot_ms() + 30000;

	runner_site_run_sql(site, "DROP TRIGGER unwritable");
	/* It tries again by itself. */
	while (site->runner.revoked.late != NULL ||
	    store_pending(site->runner.store) > 0) {
		assert_true(clock_boot_ms() < end_ms);
		runner_site_settle(site);
	}
}

static void
expect_late(struct runner_site *site, const char *event, size_t expected)
{
	auto_json *records = runner_site_audit(site);
	const json_t *record;
	size_t i, count = 0;

	json_array_foreach(records, i, record)
	{
		if (strcmp(json_string_value(json_object_get(record, "event")),
			event) != 0)
			continue;
		assert_true(json_is_true(json_object_get(record, "late")));
		count++;
	}
	assert_int_equal(count, expected);
}

static void
lock_unwritten(struct runner_site *site, int64_t ttl_s)
{
	json_t *members = target("lock", "alice");
	auto_json *report = NULL;

	json_object_set_new(members, "ttl_s", json_integer(ttl_s));
	report = revoke_take(site, members);
	assert_true(json_is_false(json_object_get(report, "recorded")));
	expect_refused(site, "alice", ERR_REVOKED);
}

/* Taken back first, it would be back with the next life of the runner. */
static void
test_what_is_not_on_record_yet_cannot_be_taken_back(void **state)
{
	struct runner_site site;
	auto_json *restored = NULL;

	runner_site_open(&site, *state);
	keep_it_unwritten(&site);
	lock_unwritten(&site, 3600);
	expect_failure_take(
	    &site, MESSAGE_restore, target("lock", "alice"), ERR_UNAVAILABLE);
	expect_refused(&site, "alice", ERR_REVOKED);
	let_it_be_written(&site);
	expect_late(&site, "subject.locked", 1);
	restored = admin_ask_take(
	    &site, MESSAGE_restore, target("lock", "alice"), MESSAGE_reply);
	expect_served(&site, "alice");
	runner_site_restart(&site);
	expect_served(&site, "alice");
	assert_int_equal(
	    runner_site_count_events(&site, "subject.unlocked"), 1);
	runner_site_close(&site);
}

static void
test_a_lock_that_was_over_before_it_could_be_written_is_on_record(void **state)
{
	struct runner_site site;

	runner_site_open(&site, *state);
	keep_it_unwritten(&site);
	/* The second takes the first one's place. */
	lock_unwritten(&site, 3600);
	lock_unwritten(&site, 7200);
	revocations_find(&site.runner.revoked.set, REVOCATION_LOCK, "alice")
	    ->until_ms = clock_wall_ms() - 1;
	while (site.runner.revoked.set.count > 0)
		runner_site_settle(&site);
	let_it_be_written(&site);
	expect_late(&site, "subject.locked", 2);
	runner_site_restart(&site);
	assert_int_equal(site.runner.revoked.set.count, 0);
	expect_served(&site, "alice");
	runner_site_close(&site);
}

/* It is tried at the end as well, not only each second. */
static void
test_an_end_puts_on_record_what_can_be_written_by_then(void **state)
{
	struct runner_site site;

	runner_site_open(&site, *state);
	keep_it_unwritten(&site);
	lock_unwritten(&site, 3600);
	uv_timer_stop(&site.runner.revoked.timer);
	/* One try may be under way. */
	runner_site_settle(&site);
	runner_site_run_sql(&site, "DROP TRIGGER unwritable");
	assert_non_null(site.runner.revoked.late);
	runner_site_restart(&site);
	expect_late(&site, "subject.locked", 1);
	expect_refused(&site, "alice", ERR_REVOKED);
	runner_site_close(&site);
}

static void
test_an_end_leaves_nothing_that_could_not_be_written(void **state)
{
	struct runner_site site;

	runner_site_open(&site, *state);
	keep_it_unwritten(&site);
	lock_unwritten(&site, 3600);
	runner_site_close(&site);
}

int
main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
	    TEST(test_a_subject_is_refused_and_its_tasks_dropped),
	    TEST(test_the_list_is_there_after_a_restart),
	    TEST(test_what_is_restored_is_on_record_first),
	    TEST(test_a_lock_that_is_over_leaves_the_list),
	    TEST(
		test_a_waiting_request_is_answered_and_another_subjects_is_not),
	    TEST(test_a_gateway_that_comes_gets_all_but_images),
	    TEST(test_a_confirmation_of_what_never_was_drops_the_peer),
	    TEST(test_what_cannot_be_meant_is_refused),
	    TEST(test_a_task_that_is_being_accepted_is_revoked),
	    TEST(test_a_command_waits_until_an_earlier_lifes_tasks_are_known),
	    TEST(test_a_command_that_waited_long_enough_says_what_is_not_known),
	    TEST(test_a_gateway_that_comes_as_the_list_changes_misses_nothing),
	    TEST(test_what_rests_of_a_revoked_image_is_dropped_at_once),
	    TEST(test_what_is_not_on_record_yet_cannot_be_taken_back),
	    TEST(
		test_a_lock_that_was_over_before_it_could_be_written_is_on_record),
	    TEST(test_an_end_puts_on_record_what_can_be_written_by_then),
	    TEST(test_an_end_leaves_nothing_that_could_not_be_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
