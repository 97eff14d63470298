/*
 * Tasks that somebody else has to approve, as the runner sees it, whoever
 * passes their words on: by real packets, against a real store. That an
 * approved task runs is for tests/e2e.
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
#include "lib/file.h"
#include "lib/json.h"
#include "runner/revoke.h"
#include "runner/tasks_change.h"
#include "tests/unit/folder.h"
#include "tests/unit/runner_site.h"

#define BODY                                                              \
	"{\"image\":\"" SITE_APPROVAL_IMAGE "\",\"args\":[\"sh\",\"-c\"," \
	"\"date\"]}"
#define OTHER "{\"image\":\"" SITE_APPROVAL_IMAGE "\",\"args\":[\"other\"]}"
#define DENY "{\"decision\":\"deny\",\"reason\":\"not today\"}"
#define APPROVER (SCOPE_TASKS_APPROVE | SCOPE_TASKS_READ)

static const char *
text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "(none)";
}

static json_t *
get_as(struct runner_site *site, const char *subject, unsigned scopes,
    const char *id)
{
	json_t *members = runner_site_envelope(site, subject, scopes);

	json_object_set_new(members, "task", json_string(id));
	json_object_set_new(members, "wait", json_integer(0));
	return runner_site_ask_take(site, MESSAGE_get, members, -1, NULL);
}

static void
expect_state(struct runner_site *site, const char *id, const char *expected)
{
	auto_json *task = get_as(site, "bob", SCOPE_TASKS_READ, id);

	assert_string_equal(text_of(task, "state"), expected);
}

/* What would approve it, as `subject` sees it. */
static char *
approval_of(struct runner_site *site, const char *subject, const char *id)
{
	auto_json *task = get_as(site, subject, APPROVER, id);
	json_t *request =
	    json_object_get(json_object_get(task, "approval"), "request");
	auto_json *body =
	    json_pack("{s:s, s:O}", "decision", "approve", "request", request);

	assert_non_null(body);
	return json_dumps(body, JSON_COMPACT);
}

/* Signed for `path`; the caller frees. */
static json_t *
signed_for(struct runner_site *site, const char *subject, unsigned scopes,
    const char *id, const char *path, const char *body)
{
	json_t *members = runner_site_envelope(site, subject, scopes);

	json_object_set_new(members, "task", json_string(id));
	runner_site_sign_for(site, members, path, "key", body);
	return members;
}

static json_t *
approval(struct runner_site *site, const char *subject, const char *id,
    const char *body)
{
	auto_free char *path = alloc_printf("/v1/tasks/%s/approval", id);

	return signed_for(site, subject, APPROVER, id, path, body);
}

static void
refused_take(struct runner_site *site, json_t *members, const char *body,
    enum err_code code)
{
	size_t before = runner_site_count_events(site, "request.refused") +
	    runner_site_count_events(site, "task.denied");
	auto_fd int fd = runner_site_body(body);

	runner_site_expect_failure_take(
	    site, MESSAGE_approval, members, fd, code);
	assert_int_equal(runner_site_count_events(site, "request.refused") +
		runner_site_count_events(site, "task.denied"),
	    before + 1);
}

/* The task as it is answered. */
static json_t *
decide(struct runner_site *site, const char *subject, const char *id,
    const char *body)
{
	auto_fd int fd = runner_site_body(body);

	return runner_site_ask_take(site, MESSAGE_approval,
	    approval(site, subject, id, body), fd, NULL);
}

/* -- waiting */

static void
test_a_task_that_needs_approval_waits_for_it_and_says_so(void **state)
{
	struct runner_site site;
	auto_free char *id = NULL;
	auto_json *task = NULL;
	const json_t *shown;

	runner_site_open(&site, *state);
	id = runner_site_submit(&site, "bob", BODY);
	task = get_as(&site, "bob", SCOPE_TASKS_READ, id);
	assert_string_equal(text_of(task, "state"), "waiting_approval");
	assert_null(json_object_get(task, "place"));
	shown = json_object_get(json_object_get(task, "approval"), "request");
	assert_string_equal(text_of(shown, "image"), SITE_APPROVAL_IMAGE);
	assert_string_equal(text_of(shown, "subject"), "bob");
	assert_string_equal(text_of(shown, "rule"), "approved");
	assert_int_equal(json_array_size(json_object_get(shown, "args")), 3);
	assert_int_equal(site.runner.tasks.queue.length, 0);
	assert_int_equal(site.runner.tasks.awaiting, 1);
	assert_int_equal(tasks_busy(&site.runner.tasks), 0);
	assert_int_equal(runner_site_count_events(&site, "task.accepted"), 1);
	assert_int_equal(runner_site_count_events(&site, "approval.asked"), 1);
	runner_site_close(&site);
}

static json_t *
list(struct runner_site *site, const char *subject, unsigned scopes)
{
	json_t *members = runner_site_envelope(site, subject, scopes);

	json_object_set_new(members, "state", json_string("waiting_approval"));
	json_object_set_new(members, "limit", json_integer(10));
	return runner_site_ask_take(site, MESSAGE_list, members, -1, NULL);
}

static void
expect_listed(struct runner_site *site, const char *subject, unsigned scopes,
    size_t expected)
{
	auto_json *body = list(site, subject, scopes);

	assert_int_equal(
	    json_array_size(json_object_get(body, "tasks")), expected);
}

static void
test_it_is_shown_to_its_owner_and_to_who_may_approve_it(void **state)
{
	struct runner_site site;
	auto_free char *id = NULL;
	json_t *members;

	runner_site_open(&site, *state);
	id = runner_site_submit(&site, "bob", BODY);
	json_decref(get_as(&site, "carol", APPROVER, id));
	expect_listed(&site, "bob", SCOPE_TASKS_READ, 1);
	expect_listed(&site, "carol", APPROVER, 1);
	/* Not one of them; not without the scope; not for its output. */
	expect_listed(&site, "erin", APPROVER, 0);
	expect_listed(&site, "carol", SCOPE_TASKS_READ, 0);
	for (int k = 0; k < 2; k++) {
		members = runner_site_envelope(&site, k == 0 ? "erin" : "carol",
		    k == 0 ? (unsigned)APPROVER : (unsigned)SCOPE_TASKS_READ);
		json_object_set_new(members, "task", json_string(id));
		json_object_set_new(members, "wait", json_integer(0));
		runner_site_expect_failure_take(
		    &site, MESSAGE_get, members, -1, ERR_NOT_FOUND);
	}
	members =
	    runner_site_envelope(&site, "carol", APPROVER | SCOPE_TASKS_CANCEL);
	json_object_set_new(members, "task", json_string(id));
	json_object_set_new(members, "grace", json_integer(0));
	runner_site_expect_failure_take(
	    &site, MESSAGE_cancel, members, -1, ERR_NOT_FOUND);
	runner_site_close(&site);
}

/* -- deciding */

static void
test_who_approves_lets_it_wait_for_its_turn(void **state)
{
	struct runner_site site;
	auto_free char *id = NULL;
	auto_free char *body = NULL;
	auto_json *task = NULL;
	const json_t *shown;

	runner_site_open(&site, *state);
	id = runner_site_submit(&site, "bob", BODY);
	body = approval_of(&site, "carol", id);
	task = decide(&site, "carol", id, body);
	assert_string_equal(text_of(task, "state"), "queued");
	shown = json_object_get(task, "approval");
	assert_string_equal(text_of(shown, "decision"), "approved");
	assert_string_equal(text_of(shown, "decided_by"), "carol");
	assert_null(json_object_get(shown, "request"));
	assert_int_equal(site.runner.tasks.queue.length, 1);
	assert_int_equal(site.runner.tasks.awaiting, 0);
	assert_int_equal(runner_site_count_events(&site, "approval.given"), 1);
	/* The same again is the same; another comes too late. */
	json_decref(task);
	task = decide(&site, "carol", id, body);
	assert_string_equal(text_of(task, "state"), "queued");
	assert_int_equal(runner_site_count_events(&site, "approval.given"), 1);
	refused_take(
	    &site, approval(&site, "dave", id, DENY), DENY, ERR_CONFLICT);
	refused_take(
	    &site, approval(&site, "carol", id, DENY), DENY, ERR_CONFLICT);
	expect_state(&site, id, "queued");
	runner_site_close(&site);
}

static void
test_who_denies_ends_it(void **state)
{
	struct runner_site site;
	auto_free char *id = NULL;
	auto_free char *body = NULL;
	auto_json *task = NULL;

	runner_site_open(&site, *state);
	id = runner_site_submit(&site, "bob", BODY);
	body = approval_of(&site, "dave", id);
	json_decref(decide(&site, "carol", id, DENY));
	runner_site_settle(&site);
	task = get_as(&site, "bob", SCOPE_TASKS_READ, id);
	assert_string_equal(text_of(task, "outcome"), "rejected");
	assert_string_equal(
	    text_of(task, "detail"), "denied by carol: not today");
	assert_string_equal(
	    text_of(json_object_get(task, "approval"), "reason"), "not today");
	assert_int_equal(site.runner.tasks.count, 0);
	assert_int_equal(site.runner.tasks.queue.admitted, 0);
	assert_int_equal(runner_site_count_events(&site, "approval.denied"), 1);
	assert_int_equal(runner_site_count_events(&site, "task.finished"), 1);
	refused_take(
	    &site, approval(&site, "dave", id, body), body, ERR_CONFLICT);
	runner_site_close(&site);
}

/* -- where it cannot be written */

static void
keep_approvals_unwritten(const struct runner_site *site)
{
	runner_site_run_sql(site,
	    "CREATE TRIGGER unwritable BEFORE UPDATE OF approval ON task "
	    "BEGIN SELECT RAISE(ABORT, 'unwritable'); END");
}

static void
let_them_be_written(struct runner_site *site)
{
	runner_site_run_sql(site, "DROP TRIGGER unwritable");
	/* It tries again by itself. */
	for (int64_t end_ms = clock_boot_ms() + 30000;
	     site->runner.tasks.held > 0 ||
	     store_reason(site->runner.store) != NULL ||
	     site->runner.tasks.arrears->count > 0;) {
		assert_true(clock_boot_ms() < end_ms);
		runner_site_settle(site);
	}
	runner_site_settle(site);
}

static void
expect_late(struct runner_site *site, const char *event)
{
	auto_json *records = runner_site_audit(site);
	const json_t *record;
	size_t i, count = 0;

	json_array_foreach(records, i, record)
	{
		if (strcmp(text_of(record, "event"), event) != 0)
			continue;
		assert_true(json_is_true(json_object_get(record, "late")));
		count++;
	}
	assert_int_equal(count, 1);
}

/* As a life that knows nothing but the store tells it. */
static void
expect_rejected(struct runner_site *site, const char *id, const char *decision)
{
	auto_json *task = NULL;

	runner_site_restart(site);
	task = get_as(site, "bob", SCOPE_TASKS_READ, id);
	assert_string_equal(text_of(task, "outcome"), "rejected");
	assert_string_equal(
	    text_of(json_object_get(task, "approval"), "decision"), decision);
}

static void
test_a_denial_that_cannot_be_written_is_late_and_not_lost(void **state)
{
	struct runner_site site;
	auto_free char *id = NULL;
	auto_free char *body = NULL;

	runner_site_open(&site, *state);
	id = runner_site_submit(&site, "bob", BODY);
	body = approval_of(&site, "carol", id);
	keep_approvals_unwritten(&site);
	/* Twice: as a client that lost the answer. */
	json_decref(decide(&site, "carol", id, DENY));
	json_decref(decide(&site, "carol", id, DENY));
	runner_site_settle(&site);
	let_them_be_written(&site);
	expect_late(&site, "approval.denied");
	expect_rejected(&site, id, "denied");
	runner_site_close(&site);
}

static void
test_a_lapse_that_cannot_be_written_is_late_and_not_lost(void **state)
{
	struct runner_site site;
	auto_free char *id = NULL;

	runner_site_open(&site, *state);
	id = runner_site_submit(&site, "bob", BODY);
	keep_approvals_unwritten(&site);
	tasks_find(&site.runner.tasks, id)->data->approval->until_ms = 1;
	site.runner.tasks.lapse_ms = 1;
	tasks_lapse(&site.runner.tasks);
	runner_site_settle(&site);
	let_them_be_written(&site);
	expect_late(&site, "approval.lapsed");
	expect_rejected(&site, id, "lapsed");
	runner_site_close(&site);
}

static void
test_an_approval_that_cannot_be_written_is_none(void **state)
{
	struct runner_site site;
	auto_free char *id = NULL;
	auto_free char *body = NULL;
	auto_fd int fd = -1;

	runner_site_open(&site, *state);
	id = runner_site_submit(&site, "bob", BODY);
	body = approval_of(&site, "carol", id);
	fd = runner_site_body(body);
	keep_approvals_unwritten(&site);
	runner_site_expect_failure_take(&site, MESSAGE_approval,
	    approval(&site, "carol", id, body), fd, ERR_INTERNAL);
	expect_state(&site, id, "waiting_approval");
	let_them_be_written(&site);
	assert_int_equal(runner_site_count_events(&site, "approval.given"), 0);
	runner_site_close(&site);
}

static void
test_nobody_decides_about_a_task_of_their_own(void **state)
{
	struct runner_site site;
	auto_free char *id = NULL;
	auto_free char *body = NULL;

	runner_site_open(&site, *state);
	/* The rule names alice among those who may approve. */
	id = runner_site_submit(&site, "alice", BODY);
	body = approval_of(&site, "alice", id);
	/* Each envelope comes with a certificate and a key of its own. */
	for (int k = 0; k < 2; k++)
		refused_take(&site, approval(&site, "alice", id, body), body,
		    ERR_DENIED);
	refused_take(
	    &site, approval(&site, "alice", id, DENY), DENY, ERR_DENIED);
	assert_int_equal(site.runner.tasks.awaiting, 1);
	runner_site_close(&site);
}

static void
test_only_those_decide_whom_rule_and_scope_name(void **state)
{
	struct runner_site site;
	auto_free char *id = NULL;
	auto_free char *body = NULL;
	auto_free char *path = NULL;
	const unsigned all = APPROVER | SCOPE_TASKS_READ_ALL;

	runner_site_open(&site, *state);
	id = runner_site_submit(&site, "bob", BODY);
	body = approval_of(&site, "carol", id);
	path = alloc_printf("/v1/tasks/%s/approval", id);
	refused_take(
	    &site, approval(&site, "erin", id, body), body, ERR_NOT_FOUND);
	refused_take(&site, signed_for(&site, "erin", all, id, path, body),
	    body, ERR_DENIED);
	refused_take(&site, signed_for(&site, "erin", all, id, path, DENY),
	    DENY, ERR_DENIED);
	refused_take(&site,
	    signed_for(&site, "carol", SCOPE_TASKS_READ | SCOPE_TASKS_RUN, id,
		path, body),
	    body, ERR_INSUFFICIENT_SCOPE);
	expect_state(&site, id, "waiting_approval");
	runner_site_close(&site);
}

/* -- what is signed */

static void
test_a_decision_is_signed_for_its_task_and_for_nothing_else(void **state)
{
	struct runner_site site;
	auto_free char *id = NULL;
	auto_free char *other = NULL;
	auto_free char *body = NULL;
	auto_free char *path = NULL;
	json_t *members;

	runner_site_open(&site, *state);
	id = runner_site_submit(&site, "bob", BODY);
	other = runner_site_submit(&site, "bob", BODY);
	body = approval_of(&site, "carol", id);
	path = alloc_printf("/v1/tasks/%s/approval", other);
	refused_take(&site,
	    signed_for(&site, "carol", APPROVER, id, path, body), body,
	    ERR_UNAUTHENTICATED);
	refused_take(&site,
	    signed_for(&site, "carol", APPROVER, id, "/v1/tasks", body), body,
	    ERR_UNAUTHENTICATED);
	/* A denial turned into an approval. */
	refused_take(&site, approval(&site, "carol", id, DENY), body,
	    ERR_UNAUTHENTICATED);
	for (int k = 0; k < 4; k++) {
		static const char *const parts[] = {
		    "signature", "signature_input", "idempotency_key"};

		members = approval(&site, "carol", id, body);
		if (k < 3)
			json_object_del(members, parts[k]);
		for (int i = 0; k == 3 && i < 3; i++)
			json_object_del(members, parts[i]);
		refused_take(&site, members, body, ERR_UNAUTHENTICATED);
	}
	expect_state(&site, id, "waiting_approval");
	expect_state(&site, other, "waiting_approval");
	runner_site_close(&site);
}

static void
test_what_was_shown_is_what_is_approved(void **state)
{
	struct runner_site site;
	auto_free char *harmless = NULL;
	auto_free char *id = NULL;
	auto_free char *body = NULL;
	static const char nothing[] =
	    "{\"decision\":\"approve\",\"request\":{}}";

	runner_site_open(&site, *state);
	harmless = runner_site_submit(&site, "bob", BODY);
	id = runner_site_submit(&site, "bob", OTHER);
	/* As if the gateway had shown one for the other. */
	body = approval_of(&site, "carol", harmless);
	refused_take(
	    &site, approval(&site, "carol", id, body), body, ERR_CONFLICT);
	refused_take(&site, approval(&site, "carol", id, nothing), nothing,
	    ERR_CONFLICT);
	refused_take(
	    &site, approval(&site, "carol", id, "{}"), "{}", ERR_UNPROCESSABLE);
	expect_state(&site, id, "waiting_approval");
	runner_site_close(&site);
}

/* -- time, policy, revocation, restarts */

static void
test_what_nobody_approves_in_time_lapses(void **state)
{
	struct runner_site site;
	auto_free char *id = NULL;
	auto_free char *later = NULL;
	auto_json *task = NULL;

	runner_site_open(&site, *state);
	id = runner_site_submit(&site, "bob", BODY);
	later = runner_site_submit(&site, "bob", BODY);
	tasks_lapse(&site.runner.tasks);
	assert_int_equal(site.runner.tasks.awaiting, 2);
	tasks_find(&site.runner.tasks, id)->data->approval->until_ms = 1;
	site.runner.tasks.lapse_ms = 1;
	tasks_lapse(&site.runner.tasks);
	runner_site_settle(&site);
	task = get_as(&site, "bob", SCOPE_TASKS_READ, id);
	assert_string_equal(text_of(task, "outcome"), "rejected");
	assert_string_equal(
	    text_of(json_object_get(task, "approval"), "decision"), "lapsed");
	assert_int_equal(runner_site_count_events(&site, "approval.lapsed"), 1);
	assert_int_equal(site.runner.tasks.awaiting, 1);
	refused_take(
	    &site, approval(&site, "carol", id, DENY), DENY, ERR_CONFLICT);
	runner_site_close(&site);
}

static void
test_a_restart_keeps_what_waits_and_what_was_approved(void **state)
{
	struct runner_site site;
	auto_free char *id = NULL;
	auto_free char *approved = NULL;
	auto_free char *body = NULL;
	auto_json *task = NULL;

	runner_site_open(&site, *state);
	id = runner_site_submit(&site, "bob", BODY);
	approved = runner_site_submit(&site, "bob", BODY);
	body = approval_of(&site, "carol", approved);
	json_decref(decide(&site, "carol", approved, body));
	runner_site_restart(&site);
	assert_int_equal(site.runner.tasks.awaiting, 1);
	expect_state(&site, id, "waiting_approval");
	task = get_as(&site, "carol", APPROVER, approved);
	assert_string_equal(text_of(task, "state"), "queued");
	assert_string_equal(
	    text_of(json_object_get(task, "approval"), "decided_by"), "carol");
	free(body);
	body = approval_of(&site, "carol", id);
	json_decref(decide(&site, "carol", id, body));
	expect_state(&site, id, "queued");
	runner_site_close(&site);
}

static void
test_the_policy_is_asked_again_when_it_is_approved(void **state)
{
	struct runner_site site;
	auto_free char *id = NULL;
	auto_free char *body = NULL;
	struct policy *before, *now;
	static const char nobody[] = "{\"version\":1,\"rules\":[]}";
	struct err err;

	runner_site_open(&site, *state);
	id = runner_site_submit(&site, "bob", BODY);
	body = approval_of(&site, "carol", id);
	now = policy_parse("nobody", nobody, strlen(nobody), &err);
	before = site.runner.policy;
	site.runner.policy = now;
	site.runner.tasks.policy = now;
	/* The rule that named carol is gone. */
	refused_take(
	    &site, approval(&site, "carol", id, body), body, ERR_NOT_FOUND);
	assert_int_equal(site.runner.tasks.awaiting, 1);
	site.runner.policy = before;
	refused_take(
	    &site, approval(&site, "carol", id, body), body, ERR_DENIED);
	site.runner.tasks.policy = before;
	policy_free(now);
	runner_site_settle(&site);
	assert_int_equal(site.runner.tasks.count, 0);
	assert_int_equal(runner_site_count_events(&site, "approval.given"), 0);
	runner_site_close(&site);
}

static void
withdraw(struct runner_site *site, const char *subject)
{
	struct tasks_revoked ignored;

	revocations_put(&site->runner.revoked.set, REVOCATION_SUBJECT, subject);
	tasks_revoke(&site->runner.tasks, &ignored);
	runner_site_settle(site);
}

static void
test_revoking_its_owner_ends_what_waits(void **state)
{
	struct runner_site site;
	auto_free char *id = NULL;

	runner_site_open(&site, *state);
	id = runner_site_submit(&site, "bob", BODY);
	withdraw(&site, "bob");
	assert_int_equal(site.runner.tasks.count, 0);
	assert_int_equal(site.runner.tasks.awaiting, 0);
	runner_site_close(&site);
}

static void
test_revoking_who_approved_ends_what_has_not_started(void **state)
{
	struct runner_site site;
	auto_free char *id = NULL;
	auto_free char *body = NULL;
	auto_json *task = NULL;

	runner_site_open(&site, *state);
	id = runner_site_submit(&site, "bob", BODY);
	body = approval_of(&site, "carol", id);
	json_decref(decide(&site, "carol", id, body));
	withdraw(&site, "carol");
	task = get_as(&site, "bob", SCOPE_TASKS_READ, id);
	assert_string_equal(text_of(task, "outcome"), "revoked");
	runner_site_close(&site);
}

/* What carol decides is on its way to the disk, and no further. */
static void
begin_to_approve(struct runner_site *site, const char *id, const char *body)
{
	auto_fd int fd = runner_site_body(body);
	const struct task *task = tasks_find(&site->runner.tasks, id);

	runner_site_send_take(site->gateway, MESSAGE_approval,
	    approval(site, "carol", id, body), fd);
	while (!task->deciding)
		uv_run(&site->runner.loop, UV_RUN_NOWAIT);
}

static void
check_revoked_meanwhile(void *folder, const char *subject)
{
	struct runner_site site;
	auto_free char *id = NULL;
	auto_free char *body = NULL;
	auto_json *task = NULL;
	struct message answer;

	runner_site_open(&site, folder);
	id = runner_site_submit(&site, "bob", BODY);
	body = approval_of(&site, "carol", id);
	runner_site_settle(&site);
	begin_to_approve(&site, id, body);
	withdraw(&site, subject);
	answer = runner_site_receive_any(&site, site.gateway);
	message_done(&answer);
	runner_site_settle(&site);
	assert_int_equal(site.runner.tasks.count, 0);
	assert_int_equal(site.runner.tasks.awaiting, 0);
	assert_int_equal(site.runner.tasks.queue.admitted, 0);
	runner_site_restart(&site);
	assert_int_equal(site.runner.tasks.count, 0);
	task = get_as(&site, "bob", SCOPE_TASKS_READ, id);
	assert_string_equal(text_of(task, "outcome"), "revoked");
	runner_site_close(&site);
}

static void
test_revoking_its_owner_while_it_is_approved(void **state)
{
	check_revoked_meanwhile(*state, "bob");
}

static void
test_revoking_who_approves_while_it_is_written(void **state)
{
	check_revoked_meanwhile(*state, "carol");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
	    TEST(test_a_task_that_needs_approval_waits_for_it_and_says_so),
	    TEST(test_it_is_shown_to_its_owner_and_to_who_may_approve_it),
	    TEST(test_who_approves_lets_it_wait_for_its_turn),
	    TEST(test_who_denies_ends_it),
	    TEST(test_a_denial_that_cannot_be_written_is_late_and_not_lost),
	    TEST(test_a_lapse_that_cannot_be_written_is_late_and_not_lost),
	    TEST(test_an_approval_that_cannot_be_written_is_none),
	    TEST(test_nobody_decides_about_a_task_of_their_own),
	    TEST(test_only_those_decide_whom_rule_and_scope_name),
	    TEST(test_a_decision_is_signed_for_its_task_and_for_nothing_else),
	    TEST(test_what_was_shown_is_what_is_approved),
	    TEST(test_what_nobody_approves_in_time_lapses),
	    TEST(test_a_restart_keeps_what_waits_and_what_was_approved),
	    TEST(test_the_policy_is_asked_again_when_it_is_approved),
	    TEST(test_revoking_its_owner_ends_what_waits),
	    TEST(test_revoking_who_approved_ends_what_has_not_started),
	    TEST(test_revoking_its_owner_while_it_is_approved),
	    TEST(test_revoking_who_approves_while_it_is_written),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
