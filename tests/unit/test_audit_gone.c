/*
 * What may go from the log, goes; what went otherwise, is found.
 */
#include "runner/audit_gone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin/verify_log.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "runner/audit_head.h"
#include "tests/unit/audit_key.h"
#include "tests/unit/folder.h"

#define RECORDS 700
#define FIRST_MS INT64_C(1767323045678)
#define SECRET "what-nobody-is-to-find-again"

struct log {
	struct database database;
	struct audit_head head;
	char *path;
};

static int
begin(struct log *log)
{
	struct err err;

	return database_run(&log->database, STATEMENT_BEGIN, &err, "");
}

static void
commit(struct log *log)
{
	struct err err;

	if (audit_head_seal(&log->head, &log->database, &err) != 0 ||
	    database_run(&log->database, STATEMENT_COMMIT, &err, "") != 0)
		fail_msg("%s", err.detail);
	audit_head_committed(&log->head);
	database_checkpoint(&log->database, true);
}

static void
append(struct log *log, int64_t number)
{
	struct audit_entry *entry =
	    audit_entry_new(EVENT_TASK_ACCEPTED, FIRST_MS + 1000 * number, "");
	struct err err;

	entry->principal = json_pack("{s:s}", "subject", "alice");
	if (number % 2 == 0)
		entry->untrusted =
		    json_pack("{s:s, s:s}", "image", "demo", "args", SECRET);
	if (audit_append(&log->database, entry, &err) != 0)
		fail_msg("%s", err.detail);
	audit_entry_free(entry);
}

/* Record n was written n seconds after the first moment. */
static int
open_log(void **state)
{
	struct log *log = alloc_zero(1, sizeof(*log));
	void *folder = NULL;
	struct err err;

	if (folder_make(&folder) != 0)
		return -1;
	log->path = folder_path(folder, "store.db");
	free(folder);
	if (database_open(log->path, &log->database, &err) != 0)
		fail_msg("%s", err.detail);
	audit_head_init(
	    &log->head, audit_key_signer()->key, audit_key_signer()->origin);
	assert_int_equal(begin(log), 0);
	for (int64_t i = 1; i <= RECORDS; i++)
		append(log, i);
	commit(log);
	*state = log;
	return 0;
}

static int
close_log(void **state)
{
	struct log *log = *state;
	void *folder;

	*strrchr(log->path, '/') = '\0';
	folder = take(log->path);
	audit_head_done(&log->head);
	database_close(&log->database);
	free(log);
	return folder_remove(&folder);
}

static void
verify(struct log *log, struct verify_report *ret)
{
	struct verify_question question = {.origin = AUDIT_ORIGIN};
	struct err err;

	question.keys.list[0] = audit_key_make(AUDIT_KEY_FIRST);
	question.keys.count = 1;
	if (verify_log(log->database.handle, &question, ret, &err) != 0)
		fail_msg("%s", err.detail);
	EVP_PKEY_free(question.keys.list[0]);
}

static void
expect_finding(struct log *log, int64_t seq, const char *words)
{
	struct verify_report report;

	verify(log, &report);
	assert_true(report.nfindings > 0);
	assert_int_equal(report.findings[0].seq, seq);
	if (strstr(report.findings[0].what, words) == NULL)
		fail_msg("\"%s\" says nothing of \"%s\"",
		    report.findings[0].what, words);
}

static void
run_sql(struct log *log, const char *sql)
{
	assert_int_equal(
	    sqlite3_exec(log->database.handle, sql, NULL, NULL, NULL),
	    SQLITE_OK);
}

/* All that is older than the record `seq`; how many times it took. */
static int
drop(struct log *log, int64_t seq)
{
	bool more = true;
	struct err err;
	int times = 0;

	for (; more; times++) {
		assert_int_equal(begin(log), 0);
		if (audit_drop_texts(&log->database, FIRST_MS + 1000 * seq,
			FIRST_MS + 2000 * RECORDS, &more, &err) != 0)
			fail_msg("%s", err.detail);
		commit(log);
	}
	return times;
}

static int
redact(struct log *log, int64_t seq, struct err *err)
{
	const struct audit_redaction redaction = {
	    .seq = seq,
	    .uid = 7,
	    .reason = "she asked for it",
	    .wall_ms = FIRST_MS,
	};
	int result;

	assert_int_equal(begin(log), 0);
	result = audit_redact(&log->database, &redaction, err);
	commit(log);
	return result;
}

static bool
holds(const char *path, const char *words)
{
	auto_file FILE *file = fopen(path, "rbe");
	auto_free char *bytes = alloc_zero(1, 16 * 1024 * 1024);
	size_t len;

	if (file == NULL)
		return false;
	len = fread(bytes, 1, 16 * 1024 * 1024, file);
	return memmem(bytes, len, words, strlen(words)) != NULL;
}

/* Neither in the database nor in its log. */
static bool
is_on_the_disk(const struct log *log, const char *words)
{
	auto_free char *wal = alloc_printf("%s-wal", log->path);

	return holds(log->path, words) || holds(wal, words);
}

static void
test_old_texts_go_and_the_rest_verifies(void **state)
{
	struct log *log = *state;
	struct verify_report report;

	/* 599 in portions, then nothing. */
	assert_int_equal(drop(log, 600), 3);
	verify(log, &report);
	assert_int_equal(report.nfindings, 0);
	assert_int_equal(report.dropped, 599);
	assert_int_equal(report.records, RECORDS + 3);
	/* Again: nothing is old, and nothing is written. */
	assert_int_equal(drop(log, 600), 1);
	verify(log, &report);
	assert_int_equal(report.records, RECORDS + 3);
	/* And on, beyond what said so before. */
	(void)drop(log, 3 * RECORDS);
	verify(log, &report);
	assert_int_equal(report.nfindings, 0);
	assert_true(report.dropped >= RECORDS + 3);
}

static void
test_what_is_dropped_is_on_the_disk_no_more(void **state)
{
	struct log *log = *state;

	assert_true(is_on_the_disk(log, SECRET));
	(void)drop(log, RECORDS + 1);
	assert_false(is_on_the_disk(log, SECRET));
}

static void
test_a_text_that_goes_without_a_record_is_found(void **state)
{
	struct log *log = *state;

	(void)drop(log, 100);
	run_sql(log,
	    "UPDATE audit SET event = '', record = '', task = NULL, "
	    "subject = NULL, untrusted = NULL, salt = NULL, "
	    "image = NULL WHERE seq = 101");
	expect_finding(log, 101, "no record says that it was dropped");
}

static void
test_something_left_of_a_dropped_record_is_found(void **state)
{
	struct log *log = *state;

	(void)drop(log, 100);
	run_sql(log, "UPDATE audit SET time_ms = 'now' WHERE seq = 70");
	expect_finding(log, 70, "its time is no number");
	run_sql(log, "UPDATE audit SET image = x'' WHERE seq = 60");
	expect_finding(log, 60, "its text is gone, and something of it is not");
	run_sql(log, "UPDATE audit SET subject = 'bob' WHERE seq = 50");
	expect_finding(log, 50, "its text is gone, and something of it is not");
}

static void
test_another_leaf_of_a_dropped_record_is_found(void **state)
{
	struct log *log = *state;

	(void)drop(log, 100);
	run_sql(log, "UPDATE audit SET leaf = zeroblob(32) WHERE seq = 50");
	expect_finding(log, 50, "the tree's node");
}

static void
test_a_record_is_redacted_and_says_so(void **state)
{
	struct log *log = *state;
	struct verify_report report;
	struct buffer lines = BUFFER_INIT(1024 * 1024);
	const struct audit_query query = {.after = 99, .limit = 1};
	int64_t count, last;
	struct err err;

	assert_int_equal(redact(log, 100, &err), 0);
	verify(log, &report);
	assert_int_equal(report.nfindings, 0);
	assert_int_equal(report.redacted, 1);
	assert_int_equal(
	    audit_select(&log->database, &query, &lines, &count, &last, &err),
	    0);
	assert_non_null(strstr(lines.data, "\"redacted\":true"));
	assert_null(strstr(lines.data, SECRET));
	buffer_done(&lines);
}

static void
test_what_is_redacted_is_on_the_disk_no_more(void **state)
{
	struct log *log = *state;
	struct err err;

	for (int64_t seq = 2; seq <= RECORDS; seq += 2) {
		if (redact(log, seq, &err) != 0)
			fail_msg("%s", err.detail);
	}
	assert_false(is_on_the_disk(log, SECRET));
}

static void
test_what_cannot_be_redacted_is_told_why(void **state)
{
	struct log *log = *state;
	struct err err;

	assert_int_equal(redact(log, 3, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_int_equal(redact(log, RECORDS + 1, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(redact(log, 4, &err), 0);
	assert_int_equal(redact(log, 4, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	(void)drop(log, 10);
	assert_int_equal(redact(log, 6, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void
test_what_is_taken_out_without_a_record_is_found(void **state)
{
	struct log *log = *state;
	struct err err;

	assert_int_equal(redact(log, 100, &err), 0);
	run_sql(log,
	    "UPDATE audit SET untrusted = NULL, salt = NULL "
	    "WHERE seq = 102");
	expect_finding(log, 102, "no record says that it was redacted");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_log, close_log)
	const struct CMUnitTest tests[] = {
	    TEST(test_old_texts_go_and_the_rest_verifies),
	    TEST(test_what_is_dropped_is_on_the_disk_no_more),
	    TEST(test_a_text_that_goes_without_a_record_is_found),
	    TEST(test_something_left_of_a_dropped_record_is_found),
	    TEST(test_another_leaf_of_a_dropped_record_is_found),
	    TEST(test_a_record_is_redacted_and_says_so),
	    TEST(test_what_is_redacted_is_on_the_disk_no_more),
	    TEST(test_what_cannot_be_redacted_is_told_why),
	    TEST(test_what_is_taken_out_without_a_record_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
