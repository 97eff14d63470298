/* What records tell in sentences, and the proof of their place. */
#include "lib/audit_story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin/audit_place.h"
#include "lib/alloc.h"
#include "lib/audit_line.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/utf8.h"
#include "runner/audit.h"
#include "runner/audit_head.h"
#include "tests/unit/audit_key.h"
#include "tests/unit/folder.h"

static json_t *
read_text(const char *text)
{
	struct err err;
	json_t *json = json_parse_strict(text, strlen(text), &err);

	if (json == NULL)
		fail_msg("%s", err.detail);
	return json;
}

static void
assert_tells(const char *record, const char *expected)
{
	auto_json *json = read_text(record);
	auto_free char *story = audit_story_tell(json);

	assert_string_equal(story, expected);
}

#define ALICE "\"principal\":{\"subject\":\"alice\",\"address\":\"192.0.2.1\"}"

static void
test_a_task_is_a_story(void **state)
{
	(void)state;
	assert_tells("{\"event\":\"task.accepted\"," ALICE
		     ",\"rule\":\"demo\",\"untrusted\":{\"image\":\"demo\","
		     "\"args\":[\"echo\",\"a b\",\"\"]}}",
	    "alice asked for image demo: echo \"a b\" \"\" from 192.0.2.1; "
	    "rule demo accepted it.");
	assert_tells("{\"event\":\"task.accepted\"," ALICE
		     ",\"rule\":\"demo\",\"object\":{\"image\":\"demo\"},"
		     "\"untrusted\":{\"task\":\"resize\",\"params\":{\"width\":"
		     "300}}}",
	    "alice asked for task resize width=300 (image demo) from "
	    "192.0.2.1; rule demo accepted it.");
	assert_tells("{\"event\":\"task.accepted\"," ALICE
		     ",\"rule\":\"demo\",\"untrusted\":{\"image\":\"demo\","
		     "\"args\":[\"echo\",{\"dropped_bytes\":70000}]}}",
	    "alice asked for image demo: echo ... from 192.0.2.1; rule demo "
	    "accepted it.");
	assert_tells("{\"event\":\"task.started\",\"object\":{\"start\":"
		     "\"warm\",\"container\":\"0123456789abcdef\","
		     "\"image_id\":\"sha256:0123456789abcdef\"}}",
	    "It was started warm in container 0123456789ab from image "
	    "sha256:0123456789ab.");
	assert_tells("{\"event\":\"task.finished\",\"outcome\":\"failed\","
		     "\"object\":{\"exit_code\":3,\"stages\":{\"running_us\":"
		     "1002003},\"output\":{\"stdout\":7,\"stderr\":0}}}",
	    "It ended: failed, exit code 3 after 1.002 s; 7 bytes of output, "
	    "0 of errors.");
	assert_tells("{\"event\":\"task.finished\",\"outcome\":\"not_started\","
		     "\"object\":{},\"untrusted\":{\"detail\":\"no image\"}}",
	    "It ended: not_started: no image.");
	assert_tells("{\"event\":\"task.cancel_asked\"," ALICE
		     ",\"object\":{\"grace_s\":10}}",
	    "alice from 192.0.2.1 asked for its end, within 10 s.");
}

static void
test_refusals_say_why(void **state)
{
	(void)state;
	assert_tells("{\"event\":\"task.denied\"," ALICE
		     ",\"outcome\":\"denied\",\"rule\":\"demo\",\"untrusted\":"
		     "{\"image\":\"other\",\"detail\":\"no such image\"}}",
	    "alice asked for image other from 192.0.2.1; the policy denied it "
	    "by rule demo: no such image.");
	assert_tells("{\"event\":\"request.refused\",\"principal\":{\"address\""
		     ":\"192.0.2.7\"},\"object\":{\"count\":12},\"outcome\":"
		     "\"unauthenticated\",\"untrusted\":{\"method\":\"GET\","
		     "\"path\":\"/v1/whoami\"}}",
	    "A request of Someone from 192.0.2.7 was refused (12 times) (GET "
	    "/v1/whoami): unauthenticated.");
}

static void
test_approvals_say_who_and_why(void **state)
{
	(void)state;
	assert_tells("{\"event\":\"approval.asked\"," ALICE
		     ",\"object\":{\"expires_at\":"
		     "\"2026-01-02T03:04:05.000Z\"}}",
	    "It waits for somebody else to approve it, until "
	    "2026-01-02T03:04:05.000Z.");
	assert_tells("{\"event\":\"approval.given\"," ALICE
		     ",\"object\":{\"subject\":\"bob\"}}",
	    "alice from 192.0.2.1 approved it, a task of bob.");
	assert_tells("{\"event\":\"approval.denied\"," ALICE
		     ",\"object\":{\"subject\":\"bob\"},\"untrusted\":"
		     "{\"reason\":\"not on a Friday\"}}",
	    "alice from 192.0.2.1 denied it, a task of bob: not on a Friday.");
	assert_tells("{\"event\":\"approval.lapsed\",\"object\":{\"subject\":"
		     "\"bob\"}}",
	    "Nobody approved it in time.");
}

static void
test_what_is_gone_is_said_to_be(void **state)
{
	(void)state;
	assert_tells("{\"event\":\"task.accepted\"," ALICE
		     ",\"rule\":\"demo\",\"redacted\":true}",
	    "alice asked for a task [redacted] from 192.0.2.1; rule demo "
	    "accepted it.");
	assert_tells("{\"seq\":1,\"dropped\":true}",
	    "[dropped] What it said is not kept any more; that it was there, "
	    "is.");
	assert_tells("{\"seq\":1,\"unreadable\":true}",
	    "[unreadable] It is no record: see audit verify.");
}

/* Whatever the members are, it is a sentence. */
static void
test_records_of_any_form_tell_something(void **state)
{
	static const char *const values[] = {"null", "7", "[]", "{}", "\"\"",
	    "{\"args\":[7,{}],\"image\":[],\"detail\":{}}",
	    "{\"args\":{\"dropped_bytes\":7},\"params\":[]}", "true"};
	static const char *const events[] = {"task.accepted", "task.denied",
	    "request.refused", "task.started", "task.finished",
	    "task.cancel_asked", "task.signalled", "task.read_by_other",
	    "approval.asked", "approval.given", "approval.denied",
	    "approval.lapsed", "image.revoked", "no.such.event"};

	(void)state;
	for (size_t i = 0; i < COUNT(events); i++) {
		for (size_t k = 0; k < COUNT(values); k++) {
			auto_free char *text = alloc_printf(
			    "{\"event\":\"%s\",\"principal\":%s,\"object\":%s,"
			    "\"untrusted\":%s,\"rule\":%s,\"outcome\":%s}",
			    events[i], values[k], values[k], values[k],
			    values[k], values[k]);
			auto_json *record = read_text(text);
			auto_free char *story = audit_story_tell(record);
			auto_free char *line = audit_line(record);

			assert_true(strlen(story) > 3);
			assert_true(strlen(line) > 3);
		}
	}
}

static void
test_a_line_has_no_control_byte(void **state)
{
	auto_json *record =
	    read_text("{\"event\":\"task.denied\",\"untrusted\":{\"detail\":"
		      "\"\\u001b[2J\\u0007\\u202e\\u009b\\n\\r\\u007f\"}}");
	auto_free char *line = audit_line(record);
	const char *p = line;

	(void)state;
	for (size_t left = strlen(line), n; left > 0; p += n, left -= n) {
		uint32_t character;

		n = utf8_decode(p, left, &character);
		assert_true(n > 0);
		assert_false(utf8_is_control(character));
	}
}

/* -- places */

struct log {
	struct database database;
	struct audit_head head;
	struct checkpoint signed_head;
	EVP_PKEY *key;
	void *folder;
};

#define RECORDS 23

static void
append(struct log *log)
{
	struct audit_entry *entry =
	    audit_entry_new(EVENT_RUNNER_STARTED, 1767323045000, NULL);
	struct err err;

	assert_int_equal(audit_append(&log->database, entry, &err), 0);
	audit_entry_free(entry);
}

static int
make_log(void **state)
{
	struct log *log = alloc_zero(1, sizeof(*log));
	auto_free char *path = NULL;
	struct err err;

	if (folder_make(&log->folder) != 0)
		return -1;
	path = folder_path(log->folder, "store.db");
	assert_int_equal(database_open(path, &log->database, &err), 0);
	log->key = audit_key_make(AUDIT_KEY_FIRST);
	audit_head_init(&log->head, log->key, AUDIT_ORIGIN);
	for (int i = 0; i < RECORDS; i++)
		append(log);
	assert_int_equal(audit_head_seal(&log->head, &log->database, &err), 0);
	audit_head_committed(&log->head);
	log->signed_head.size = RECORDS;
	merkle_root(&log->head.edge, log->signed_head.root);
	*state = log;
	return 0;
}

static int
remove_log(void **state)
{
	struct log *log = *state;
	void *folder = log->folder;

	audit_head_done(&log->head);
	EVP_PKEY_free(log->key);
	database_close(&log->database);
	free(log);
	return folder_remove(&folder);
}

/* How many of the records are proven; -1 for one that cannot be. */
static int
count_proven(const struct log *log)
{
	AUTO(audit_nodes_close) struct audit_nodes nodes = {0};
	const struct audit_filter filter = {0};
	struct audit_rows *rows = NULL;
	struct merkle_proof proof;
	struct audit_row row;
	struct err err;
	int proven = 0;
	bool holds;

	assert_int_equal(
	    audit_nodes_open(log->database.handle, &nodes, &err), 0);
	assert_int_equal(
	    audit_rows_open(log->database.handle, &filter, &rows, &err), 0);
	while (audit_rows_next(rows, &row, &err) > 0 && proven >= 0) {
		if (audit_place_prove(&nodes, &log->signed_head, &row, &proof,
			&holds, &err) != 0)
			proven = -1;
		else
			proven += holds;
	}
	audit_rows_close(rows);
	return proven;
}

static void
run_sql(struct log *log, const char *sql)
{
	struct err err;

	if (database_execute(&log->database, sql, "test", &err) != 0)
		fail_msg("%s", err.detail);
}

static void
test_every_record_is_proven(void **state)
{
	assert_int_equal(count_proven(*state), RECORDS);
}

static void
test_a_record_that_was_changed_is_not_proven(void **state)
{
	run_sql(*state,
	    "UPDATE audit SET record = replace(record, 'info', 'none') "
	    "WHERE seq = 9");
	assert_int_equal(count_proven(*state), RECORDS - 1);
}

static void
test_a_body_that_was_dropped_is_proven_by_its_leaf(void **state)
{
	run_sql(*state, "UPDATE audit SET record = '' WHERE seq = 9");
	assert_int_equal(count_proven(*state), RECORDS);
}

static void
test_a_node_that_was_changed_proves_nothing(void **state)
{
	run_sql(*state, "UPDATE tree SET hash = zeroblob(32) WHERE level = 2");
	assert_true(count_proven(*state) < RECORDS);
	run_sql(*state, "UPDATE tree SET hash = 'text' WHERE level = 2");
	assert_int_equal(count_proven(*state), -1);
}

static void
test_what_was_not_signed_yet_has_no_place(void **state)
{
	append(*state);
	assert_int_equal(count_proven(*state), -1);
}

int
main(void)
{
#define PLACE(name) cmocka_unit_test_setup_teardown(name, make_log, remove_log)
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_task_is_a_story),
	    cmocka_unit_test(test_refusals_say_why),
	    cmocka_unit_test(test_approvals_say_who_and_why),
	    cmocka_unit_test(test_what_is_gone_is_said_to_be),
	    cmocka_unit_test(test_records_of_any_form_tell_something),
	    cmocka_unit_test(test_a_line_has_no_control_byte),
	    PLACE(test_every_record_is_proven),
	    PLACE(test_a_record_that_was_changed_is_not_proven),
	    PLACE(test_a_body_that_was_dropped_is_proven_by_its_leaf),
	    PLACE(test_a_node_that_was_changed_proves_nothing),
	    PLACE(test_what_was_not_signed_yet_has_no_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
