/* Searches of a real log: what they find, by which index, and what becomes of
 * a log that somebody damaged. */
#include "lib/audit_rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin/audit_filter.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/when.h"
#include "runner/audit.h"
#include "tests/unit/folder.h"

#define START_MS INT64_C(1767323045000) /* 2026-01-02T03:04:05Z */
#define TASK_1 "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a11"
#define TASK_2 "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a12"

struct log {
	struct database database;
	void *folder;
};

static void
append_take(struct log *log, enum event event, int64_t wall_ms,
    const char *subject, const char *task, const char *rule,
    const char *outcome, json_t *untrusted)
{
	struct audit_entry *entry = audit_entry_new(event, wall_ms, "abc");
	struct err err;

	entry->principal =
	    json_pack("{s:s, s:s}", "subject", subject, "thumbprint", "thumb");
	entry->object = json_object();
	if (task != NULL)
		json_object_set_new(entry->object, "task", json_string(task));
	if (event == EVENT_TASK_STARTED)
		json_object_set_new(
		    entry->object, "image_id", json_string("sha256:00"));
	entry->rule = rule != NULL ? alloc_string(rule) : NULL;
	entry->outcome = outcome != NULL ? alloc_string(outcome) : NULL;
	entry->untrusted = untrusted;
	if (audit_append(&log->database, entry, &err) != 0)
		fail_msg("%s", err.detail);
	audit_entry_free(entry);
}

static json_t *
wrote(const char *image, const char *arg)
{
	return json_pack(
	    "{s:s, s:[o]}", "image", image, "args", audit_text(arg));
}

/* Ten records; number 6 is of a clock that was set back for a while. */
static int
make_log(void **state)
{
	struct log *log = alloc_zero(1, sizeof(*log));
	auto_free char *path = NULL;
	struct err err;

	if (folder_make(&log->folder) != 0)
		return -1;
	path = folder_path(log->folder, "store.db");
	if (database_open(path, &log->database, &err) != 0)
		fail_msg("%s", err.detail);
	append_take(log, EVENT_TASK_ACCEPTED, START_MS, "alice", TASK_1, "r1",
	    NULL, wrote("demo", "Say \"hi\"\n100%_"));
	append_take(log, EVENT_TASK_STARTED, START_MS + 1000, "alice", TASK_1,
	    "r1", NULL, NULL);
	append_take(log, EVENT_TASK_FINISHED, START_MS + 2000, "alice", TASK_1,
	    "r1", "succeeded", NULL);
	append_take(log, EVENT_TASK_DENIED, START_MS + 3000, "bob", NULL, "r2",
	    "denied", wrote("demo", "x"));
	append_take(log, EVENT_REQUEST_REFUSED, START_MS + 4000, "bob", NULL,
	    NULL, "busy", NULL);
	append_take(log, EVENT_TASK_ACCEPTED, START_MS - 90000, "alice", TASK_2,
	    "r2", NULL, wrote("other", "\033[2J\xff<b>"));
	append_take(log, EVENT_TASK_STARTED, START_MS + 5000, "alice", TASK_2,
	    "r2", NULL, NULL);
	append_take(log, EVENT_TASK_FINISHED, START_MS + 6000, "alice", TASK_2,
	    "r2", "failed", NULL);
	append_take(log, EVENT_TASK_DENIED, START_MS + 7000, "alice", NULL,
	    "r1", "denied", wrote("demo", "y"));
	append_take(log, EVENT_RUNNER_STOPPED, START_MS + 8000, "x", NULL, NULL,
	    NULL, NULL);
	*state = log;
	return 0;
}

static int
remove_log(void **state)
{
	struct log *log = *state;
	void *folder = log->folder;

	database_close(&log->database);
	free(log);
	return folder_remove(&folder);
}

/* The sequence numbers, "1 2 3". */
static void
find(const struct log *log, const struct audit_filter *filter, char ret[128])
{
	struct audit_rows *rows = NULL;
	struct audit_row row;
	struct err err;
	size_t len = 0;
	int result;

	ret[0] = '\0';
	if (audit_rows_open(log->database.handle, filter, &rows, &err) != 0)
		fail_msg("%s", err.detail);
	while ((result = audit_rows_next(rows, &row, &err)) > 0)
		len += (size_t)snprintf(ret + len, 128 - len, "%s%lld",
		    len > 0 ? " " : "", (long long)row.seq);
	assert_int_equal(result, 0);
	/* The end stays the end. */
	assert_int_equal(audit_rows_next(rows, &row, &err), 0);
	audit_rows_close(rows);
}

#define FINDS(log, expected, ...)                                  \
	do {                                                       \
		const struct audit_filter filter_ = {__VA_ARGS__}; \
		char found_[128];                                  \
		find(log, &filter_, found_);                       \
		assert_string_equal(found_, expected);             \
	} while (0)

static void
test_each_member_finds_what_has_it(void **state)
{
	FINDS(*state, "1 2 3 4 5 6 7 8 9 10", .subject = NULL);
	FINDS(*state, "1 2 3 6 7 8 9", .subject = "alice");
	FINDS(*state, "4 5", .subject = "bob");
	FINDS(*state, "", .subject = "bo");
	FINDS(*state, "1 2 3 4 5 6 7 8 9 10", .thumbprint = "thumb");
	FINDS(*state, "1 2 3", .task = TASK_1);
	FINDS(*state, "1 4 9", .image = "demo");
	FINDS(*state, "2 7", .image = "sha256:00");
	FINDS(*state, "1 4 6 9", .image = "demo", .image_or = "other");
	FINDS(*state, "6 9", .image = "demo", .image_or = "other",
	    .subject = "alice", .after = 1);
	FINDS(*state, "4 6 7 8", .rule = "r2");
	FINDS(*state, "4 9", .outcome = "denied");
	FINDS(*state, "4 9", .event = "task.denied");
	FINDS(*state, "1 2 3 4 6 7 8 9", .event = "task");
	FINDS(*state, "", .event = "tas");
}

static void
test_members_together_find_what_has_all_of_them(void **state)
{
	FINDS(*state, "9", .subject = "alice", .outcome = "denied");
	FINDS(*state, "6", .rule = "r2", .image = "other", .subject = "alice");
	FINDS(*state, "7 8", .subject = "alice", .rule = "r2", .event = "task",
	    .after = 6);
	FINDS(*state, "", .subject = "bob", .outcome = "succeeded");
	FINDS(*state, "4", .subject = "bob", .event = "task");
}

static void
test_the_last_ones_come_oldest_first(void **state)
{
	FINDS(*state, "9 10", .limit = 2, .newest = true);
	FINDS(*state, "1 2", .limit = 2);
	FINDS(*state, "8 9", .limit = 2, .newest = true, .subject = "alice");
	FINDS(*state, "3 4", .limit = 2, .newest = true, .before = 5);
	FINDS(*state, "9 10", .after = 8);
	FINDS(*state, "", .after = 10);
	FINDS(*state, "", .before = 1);
}

static void
test_a_clock_that_was_set_back_hides_nothing(void **state)
{
	FINDS(*state, "2 3 4 5 7 8 9 10", .since_ms = START_MS + 1000);
	FINDS(*state, "1 6", .until_ms = START_MS + 1000);
	FINDS(*state, "6", .until_ms = START_MS);
	FINDS(*state, "4 5", .since_ms = START_MS + 3000,
	    .until_ms = START_MS + 5000);
	FINDS(*state, "7 8", .since_ms = START_MS + 3000, .task = TASK_2);
	FINDS(*state, "", .since_ms = START_MS + 9000);
	FINDS(*state, "8 9", .until_ms = START_MS + 8000, .limit = 2,
	    .newest = true);
}

static void
test_text_is_found_as_it_was_written(void **state)
{
	FINDS(*state, "1", .text = "Say \"hi\"");
	FINDS(*state, "1", .text = "say \"HI\"\n");
	FINDS(*state, "1", .text = "100%_");
	FINDS(*state, "", .text = "100_%");
	FINDS(*state, "", .text = "!%");
	FINDS(*state, "6", .text = "\033[2J\xff<b>");
	FINDS(*state, "4 5", .text = "BOB");
	FINDS(*state, "4", .text = "denied", .subject = "bob");
}

static void
test_values_are_no_sql(void **state)
{
	FINDS(*state, "", .subject = "' OR 1=1 --");
	FINDS(*state, "", .event = "x' OR 'a'='a");
	FINDS(*state, "", .text = "' OR 1=1 --");
}

static json_t *
read_one(const struct log *log, int64_t seq)
{
	const struct audit_filter filter = {.after = seq - 1, .limit = 1};
	struct audit_rows *rows = NULL;
	struct audit_row row;
	struct err err;
	json_t *record;

	assert_int_equal(
	    audit_rows_open(log->database.handle, &filter, &rows, &err), 0);
	assert_int_equal(audit_rows_next(rows, &row, &err), 1);
	record = audit_row_json(&row);
	audit_rows_close(rows);
	return record;
}

static void
run_sql(struct log *log, const char *sql)
{
	struct err err;

	if (database_execute(&log->database, sql, "test", &err) != 0)
		fail_msg("%s", err.detail);
}

static void
test_a_row_is_what_the_runner_gives(void **state)
{
	struct log *log = *state;
	const struct audit_query query = {.after = 5, .limit = 1};
	auto_buffer lines = BUFFER_INIT(65536);
	auto_json *record = read_one(log, 6);
	auto_json *line = NULL;
	int64_t count, last;
	struct err err;

	assert_int_equal(
	    audit_select(&log->database, &query, &lines, &count, &last, &err),
	    0);
	line = json_parse_strict(lines.data, lines.len - 1, &err);
	assert_true(json_equal(record, line));
}

static void
test_what_is_gone_is_told(void **state)
{
	struct log *log = *state;

	run_sql(log,
	    "UPDATE audit SET untrusted = NULL, salt = NULL WHERE seq = 1;"
	    "UPDATE audit SET record = '' WHERE seq = 2;"
	    "UPDATE audit SET record = '{\"seq\":' WHERE seq = 3;"
	    "UPDATE audit SET record = x'00ff' WHERE seq = 4");
	auto_json *redacted = read_one(log, 1);
	auto_json *empty = read_one(log, 2);
	auto_json *unreadable = read_one(log, 3);
	auto_json *blob = read_one(log, 4);

	assert_true(json_is_true(json_object_get(redacted, "redacted")));
	assert_null(json_object_get(redacted, "untrusted"));
	assert_non_null(json_object_get(redacted, "message"));
	assert_true(json_is_true(json_object_get(empty, "dropped")));
	assert_true(json_is_true(json_object_get(unreadable, "unreadable")));
	assert_int_equal(
	    json_integer_value(json_object_get(unreadable, "seq")), 3);
	assert_true(json_is_true(json_object_get(blob, "dropped")));
	/* And what was redacted is not found any more. */
	FINDS(*state, "4 9", .image = "demo");
	FINDS(*state, "1 2 3", .task = TASK_1);
}

static void
test_what_is_no_log_of_ours_is_told(void **state)
{
	const struct audit_filter filter = {.subject = "alice"};
	struct audit_rows *rows = NULL;
	struct err err;
	sqlite3 *empty;

	(void)state;
	assert_int_equal(sqlite3_open(":memory:", &empty), SQLITE_OK);
	assert_int_equal(audit_rows_open(empty, &filter, &rows, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_null(rows);
	sqlite3_close(empty);
}

static void
test_times_are_dates_times_and_ages(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = {
	    {"2026-01-02", INT64_C(1767312000000)},
	    {"2026-01-02T03:04:05Z", START_MS},
	    {"2026-01-02T03:04:05.678Z", START_MS + 678},
	    {"90s", START_MS - 90000},
	    {"7d", START_MS - INT64_C(604800000)},
	};
	static const char *const bad[] = {"", "yesterday", "2026-02-30",
	    "2026-01-02T03:04:05", "2026-1-2", "-1d", "1w", "99999999d"};
	int64_t ms = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		assert_true(when_parse(good[i].text, START_MS, &ms));
		assert_int_equal(ms, good[i].ms);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(when_parse(bad[i], START_MS, &ms));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_log, remove_log)
	const struct CMUnitTest tests[] = {
	    TEST(test_each_member_finds_what_has_it),
	    TEST(test_members_together_find_what_has_all_of_them),
	    TEST(test_the_last_ones_come_oldest_first),
	    TEST(test_a_clock_that_was_set_back_hides_nothing),
	    TEST(test_text_is_found_as_it_was_written),
	    TEST(test_values_are_no_sql),
	    TEST(test_a_row_is_what_the_runner_gives),
	    TEST(test_what_is_gone_is_told),
	    cmocka_unit_test(test_what_is_no_log_of_ours_is_told),
	    cmocka_unit_test(test_times_are_dates_times_and_ages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
