/* The way from an earlier version of the store to this one: what was written
 * then is there after it, whatever happens on the way; and what every question
 * costs. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "runner/audit.h"
#include "runner/schema.h"
#include "runner/task_store.h"
#include "tests/unit/folder.h"

/* As version 1 was released: never changed. */
static const char version_1[] =
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE task ("
    " id TEXT PRIMARY KEY,"
    " subject TEXT NOT NULL,"
    " principal TEXT NOT NULL," /* JSON: who was accepted */
    " request TEXT NOT NULL," /* JSON; env values until it ends */
    " request_sha256 TEXT NOT NULL," /* of the body's bytes */
    " rule TEXT NOT NULL,"
    " policy_sha256 TEXT NOT NULL,"
    " limits TEXT NOT NULL," /* JSON, as granted */
    " uid INTEGER, gid INTEGER, network TEXT,"
    " state TEXT NOT NULL,"
    " created_ms INTEGER NOT NULL,"
    " image_id TEXT, container TEXT,"
    " started_ms INTEGER, finished_ms INTEGER,"
    " outcome TEXT, exit_code INTEGER, signal INTEGER,"
    " reason TEXT, errnum INTEGER, detail TEXT,"
    " stdout_bytes INTEGER NOT NULL DEFAULT 0,"
    " stderr_bytes INTEGER NOT NULL DEFAULT 0,"
    " truncated INTEGER NOT NULL DEFAULT 0,"
    " user_us INTEGER, system_us INTEGER, memory_peak INTEGER,"
    " oom_killed INTEGER"
    ") WITHOUT ROWID;"
    "CREATE INDEX task_subject ON task (subject, id);"
    "CREATE INDEX task_open ON task (id) WHERE outcome IS NULL;"
    "CREATE TABLE idempotency ("
    " subject TEXT NOT NULL, key TEXT NOT NULL,"
    " task TEXT NOT NULL REFERENCES task (id),"
    " request_sha256 TEXT NOT NULL,"
    " created_ms INTEGER NOT NULL,"
    " PRIMARY KEY (subject, key)"
    ") WITHOUT ROWID;"
    "CREATE INDEX idempotency_age ON idempotency (created_ms);"
    "CREATE INDEX idempotency_task ON idempotency (task);"
    "CREATE TABLE audit ("
    " seq INTEGER PRIMARY KEY,"
    " time_ms INTEGER NOT NULL,"
    " event TEXT NOT NULL,"
    " task TEXT," /* id, where it is about one */
    " record TEXT NOT NULL," /* the hashed form */
    " leaf BLOB NOT NULL," /* RFC 9162 2.1.1 */
    " untrusted TEXT, salt BLOB"
    ");"
    "CREATE INDEX audit_task ON audit (task, seq) WHERE task IS NOT NULL;"
    "INSERT INTO meta (key, value) VALUES ('version', 1);";

#define TASK_ID(n) "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a1" #n
#define PRINCIPAL                                                      \
	"'{\"address\":\"127.0.0.1\",\"roles\":[\"dev\"],\"subject\":" \
	"\"alice\","                                                   \
	"\"thumbprint\":\"thumb\",\"token_id\":\"jti\"}'"
#define LIMITS                                                       \
	"'{\"cpus\":\"0.5\",\"memory\":67108864,\"output\":1048576," \
	"\"pids\":64,\"timeout\":60,\"tmp\":1048576}'"
#define TASK_1(n, state)                                                      \
	"INSERT INTO task (id, subject, principal, request, request_sha256,"  \
	" rule, policy_sha256, limits, state, created_ms) VALUES ('" TASK_ID( \
	    n) "', 'alice', " PRINCIPAL ", '{\"image\":\"demo\"}',"           \
	       " 'abc', 'demo', 'def', " LIMITS ", '" state "', 100" #n ");"

/* One of each kind: waiting, running, ended, never started; a key, a record. */
static const char rows_1[] = "BEGIN;" TASK_1(1, "queued") TASK_1(
    2, "running") TASK_1(3, "finished") TASK_1(4,
    "finished") "UPDATE task SET image_id = 'sha256:00', container = 'c0',"
		" started_ms = 1002 WHERE state = 'running';"
		"UPDATE task SET outcome = 'failed', exit_code = 3, started_ms "
		"= 1004,"
		" finished_ms = 1005, stdout_bytes = 7, stderr_bytes = 5, "
		"truncated = 1,"
		" user_us = 8, system_us = 9, memory_peak = 10, oom_killed = 0"
		" WHERE id = '" TASK_ID(
		    3) "';"
		       "UPDATE task SET outcome = 'not_started', reason = "
		       "'image',"
		       " detail = 'no such image', finished_ms = 1006 WHERE id "
		       "= '" TASK_ID(
			   4) "';"
			      "INSERT INTO idempotency VALUES ('alice', 'key', "
			      "'" TASK_ID(3) "', 'abc',"
					     " 1003);"
					     "INSERT INTO audit VALUES (1, "
					     "1003, 'task.accepted', '" TASK_ID(
						 3) "',"
						    " '{\"seq\":1}', x'00ff', "
						    "'{}', x'01');"
						    "COMMIT;";

/* Makes the way long enough to be met in the middle of it. */
static const char many_1[] =
    "WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n"
    " WHERE i < 3000) INSERT INTO audit SELECT i, i, 'task.finished', NULL,"
    " hex(zeroblob(150)), x'00', NULL, NULL FROM n;";

static void
run_sql(const char *path, const char *sql)
{
	sqlite3 *handle = NULL;
	char *text = NULL;

	assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
	if (sqlite3_exec(handle, sql, NULL, NULL, &text) != SQLITE_OK)
		fail_msg("%s", text);
	assert_int_equal(sqlite3_close(handle), SQLITE_OK);
}

static void
make_version_1(const char *path)
{
	run_sql(path, "PRAGMA journal_mode = WAL;");
	run_sql(path, version_1);
	run_sql(path, rows_1);
}

static int64_t
number(struct database *database, const char *sql)
{
	struct err err;
	int64_t result = 0;

	if (database_query(database, sql, &result, &err) != 0)
		fail_msg("%s", err.detail);
	return result;
}

static void
get(struct database *database, const char *id, struct task_data *ret)
{
	struct err err = {0};

	if (task_store_get(database, id, ret, &err) != 1)
		fail_msg("%s: %s", id, err.detail);
	assert_string_equal(ret->owner.subject, "alice");
	assert_string_equal(ret->owner.roles[0], "dev");
	assert_string_equal(ret->request.image, "demo");
	assert_int_equal(ret->limits[LIMIT_PIDS], 64);
	assert_false(ret->facts.discarded);
	assert_false(ret->facts.cancelled);
}

static void
check_tasks(struct database *database)
{
	struct task_data data;

	get(database, TASK_ID(1), &data);
	assert_int_equal(data.facts.state, TASK_QUEUED);
	assert_int_equal(data.facts.outcome, OUTCOME_NONE);
	task_data_done(&data);
	get(database, TASK_ID(2), &data);
	assert_int_equal(data.facts.state, TASK_RUNNING);
	assert_string_equal(data.facts.container, "c0");
	assert_int_equal(data.facts.started_ms, 1002);
	task_data_done(&data);
	get(database, TASK_ID(3), &data);
	assert_int_equal(data.facts.outcome, OUTCOME_FAILED);
	assert_int_equal(data.facts.exit_code, 3);
	assert_int_equal(data.facts.kept[STREAM_STDOUT], 7);
	assert_int_equal(data.facts.memory_peak, 10);
	assert_true(data.facts.truncated);
	assert_null(data.facts.files);
	task_data_done(&data);
	get(database, TASK_ID(4), &data);
	assert_int_equal(data.facts.outcome, OUTCOME_NOT_STARTED);
	assert_string_equal(data.facts.reason, "image");
	assert_string_equal(data.facts.detail, "no such image");
	task_data_done(&data);
}

static void
check_migrated(struct database *database)
{
	char task[UUID_TEXT];
	bool same = false;
	struct err err;

	check_tasks(database);
	assert_int_equal(task_store_find_key(database, "alice", "key", "abc",
			     2000, task, &same, &err),
	    1);
	assert_string_equal(task, TASK_ID(3));
	assert_true(same);
	assert_int_equal(number(database,
			     "SELECT count(*) FROM audit WHERE seq = 1 AND "
			     "leaf = x'00ff' AND salt = x'01' AND "
			     "record = '{\"seq\":1}'"),
	    1);
	assert_int_equal(
	    number(database, "SELECT value FROM meta WHERE key = 'kept_bytes'"),
	    12);
	assert_int_equal(number(database, "PRAGMA auto_vacuum"), 2);
	assert_int_equal(number(database,
			     "SELECT count(*) FROM pragma_integrity_check "
			     "WHERE integrity_check <> 'ok'"),
	    0);
	assert_int_equal(
	    number(database, "SELECT value FROM meta WHERE key = 'version'"),
	    SCHEMA_VERSION);
}

static void
open_database(const char *path, struct database *ret)
{
	struct err err;

	if (database_open(path, ret, &err) != 0)
		fail_msg("%s", err.detail);
}

static void
test_what_version_1_wrote_is_there(void **state)
{
	auto_free char *path = folder_path(*state, "store.db");
	struct database database = {0};

	make_version_1(path);
	open_database(path, &database);
	assert_int_equal(database.migrated_from, 1);
	check_migrated(&database);
	database_close(&database);
	/* And is not migrated again. */
	open_database(path, &database);
	assert_int_equal(database.migrated_from, 0);
	check_migrated(&database);
	database_close(&database);
}

#define WITHOUT(column) "ALTER TABLE audit DROP COLUMN " column ";"
#define WITHOUT_INDEXED(column) "DROP INDEX audit_" column ";" WITHOUT(column)
#define WITHOUT_10 "DROP TABLE admission;"
#define WITHOUT_8 "ALTER TABLE task DROP COLUMN approval;"
#define WITHOUT_6                               \
	"ALTER TABLE task DROP COLUMN secrets;" \
	"ALTER TABLE task DROP COLUMN mounts;"
#define WITHOUT_5                                                   \
	"DROP TRIGGER audit_redacted; DROP INDEX audit_event;"      \
	"DROP INDEX audit_time;" WITHOUT_INDEXED("subject")         \
	    WITHOUT_INDEXED("thumbprint") WITHOUT_INDEXED("rule")   \
		WITHOUT_INDEXED("outcome") WITHOUT_INDEXED("image") \
		    WITHOUT("image_id")
#define WITHOUT_7 "ALTER TABLE task DROP COLUMN launch;"

static void
test_what_version_3_wrote_is_there(void **state)
{
	auto_free char *path = folder_path(*state, "store.db");
	struct database database = {0};

	make_version_1(path);
	open_database(path, &database);
	database_close(&database);
	/* All that version 4 and those after it brought. */
	run_sql(path,
	    "DROP TABLE revocation;" WITHOUT_10 WITHOUT_8 WITHOUT_7 WITHOUT_6
		WITHOUT_5 "UPDATE meta SET value = 3 WHERE key = 'version';");
	open_database(path, &database);
	assert_int_equal(database.migrated_from, 3);
	check_migrated(&database);
	assert_int_equal(
	    number(&database, "SELECT count(*) FROM revocation"), 0);
	database_close(&database);
}

/* What was written before can be searched for. */
static void
test_what_version_4_wrote_is_found(void **state)
{
	auto_free char *path = folder_path(*state, "store.db");
	struct database database = {0};

	make_version_1(path);
	open_database(path, &database);
	database_close(&database);
	run_sql(path,
	    WITHOUT_10 WITHOUT_8 WITHOUT_7 WITHOUT_6 WITHOUT_5
	    "INSERT INTO audit VALUES (2, 1004, 'task.denied', NULL,"
	    " '{\"outcome\":\"denied\",\"principal\":{\"subject\":"
	    "\"alice\",\"thumbprint\":\"thumb\"},\"rule\":\"demo\"}',"
	    " x'00', '{\"image\":\"other\"}', x'01'), (3, 1005,"
	    " 'task.started', NULL, '{\"object\":{\"image_id\":"
	    "\"sha256:00\"},\"rule\":7}', x'00', '{\"image\":7}', x'01'),"
	    " (4, 1006, 'task.started', NULL, 'no JSON', x'00', '{', x'01');"
	    "UPDATE meta SET value = 4 WHERE key = 'version';");
	open_database(path, &database);
	assert_int_equal(database.migrated_from, 4);
	check_migrated(&database);
	assert_int_equal(
	    number(&database,
		"SELECT seq FROM audit WHERE subject = 'alice' AND thumbprint "
		"= 'thumb' AND rule = 'demo' AND outcome = 'denied' AND image "
		"= 'other'"),
	    2);
	assert_int_equal(number(&database,
			     "SELECT seq FROM audit WHERE image = 'sha256:00'"),
	    3);
	assert_int_equal(
	    number(&database, "SELECT count(*) FROM audit WHERE rule = 7"), 0);
	/* And no longer, once what it was taken from is gone. */
	assert_int_equal(database_execute(&database,
			     "UPDATE audit SET untrusted = NULL WHERE seq = 2",
			     "test", &(struct err){0}),
	    0);
	assert_int_equal(number(&database,
			     "SELECT count(*) FROM audit WHERE image = "
			     "'other'"),
	    0);
	database_close(&database);
}

static void
test_a_migrated_store_has_the_tables_of_a_new_one(void **state)
{
	auto_free char *old = folder_path(*state, "store.db");
	auto_free char *fresh = folder_path(*state, "new.db");
	auto_free char *attach = alloc_printf("ATTACH '%s' AS fresh", fresh);
	struct database database = {0};
	struct err err;

	make_version_1(old);
	open_database(fresh, &database);
	database_close(&database);
	open_database(old, &database);
	assert_int_equal(database_execute(&database, attach, "test", &err), 0);
	assert_int_equal(number(&database,
			     "SELECT count(*) FROM (SELECT name, sql FROM "
			     "main.sqlite_schema EXCEPT SELECT name, sql FROM "
			     "fresh.sqlite_schema)"),
	    0);
	assert_int_equal(
	    number(&database,
		"SELECT (SELECT count(*) FROM main.sqlite_schema) - "
		"(SELECT count(*) FROM fresh.sqlite_schema)"),
	    0);
	database_close(&database);
}

/* -- ended in the middle */

static sqlite3_vfs dying_vfs;
/* SQLite has one for databases, and one for what is beside them. */
static sqlite3_io_methods dying_methods[2];
static sqlite3_vfs *real_vfs;
static int (*real_write)(sqlite3_file *, const void *, int, sqlite3_int64);
static int writes_left;
static bool is_full;

static int
die_at_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 at)
{
	if (writes_left-- <= 0) {
		if (is_full)
			return SQLITE_FULL;
		raise(SIGKILL);
	}
	return real_write(file, data, len, at);
}

static int
open_dying(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
    int *ret_flags)
{
	sqlite3_io_methods *methods;
	int result = real_vfs->xOpen(real_vfs, name, file, flags, ret_flags);

	(void)vfs;
	if (result != SQLITE_OK)
		return result;
	methods = &dying_methods[(flags & SQLITE_OPEN_MAIN_DB) != 0];
	real_write = file->pMethods->xWrite;
	*methods = *file->pMethods;
	methods->xWrite = die_at_write;
	file->pMethods = methods;
	return result;
}

/* In a process of its own. 0: it opened; 1: it said that it could not. */
_Noreturn static void
open_with_writes(const char *path, int writes, bool full)
{
	struct database database = {0};
	struct err err = {0};

	writes_left = writes;
	is_full = full;
	real_vfs = sqlite3_vfs_find(NULL);
	dying_vfs = *real_vfs;
	dying_vfs.zName = "dying";
	dying_vfs.xOpen = open_dying;
	sqlite3_vfs_register(&dying_vfs, 1);
	if (database_open(path, &database, &err) != 0)
		_exit(err.code == ERR_UNAVAILABLE ? 1 : 2);
	_exit(0);
}

static int
try_to_open(const char *path, int writes, bool full)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0)
		open_with_writes(path, writes, full);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void
remove_store(const char *path)
{
	static const char *const ends[] = {"", "-wal", "-shm"};

	for (size_t i = 0; i < COUNT(ends); i++) {
		auto_free char *name = alloc_printf("%s%s", path, ends[i]);

		(void)unlink(name);
	}
}

/* The writes of one whole migration are met one after the other; where there
 * are many, in larger and larger steps. */
static void
interrupt_everywhere(const char *path, bool full)
{
	int interrupted = 0, status;

	for (int writes = 0;; writes += 1 + writes / 8) {
		struct database database = {0};

		remove_store(path);
		make_version_1(path);
		run_sql(path, many_1);
		status = try_to_open(path, writes, full);
		open_database(path, &database);
		check_migrated(&database);
		assert_int_equal(
		    number(&database, "SELECT count(*) FROM audit"), 3000);
		database_close(&database);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			break;
		interrupted++;
		if (full)
			assert_true(
			    WIFEXITED(status) && WEXITSTATUS(status) == 1);
		else
			assert_true(
			    WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
	assert_true(interrupted > 10);
}

static void
test_killed_at_any_write_it_begins_anew(void **state)
{
	auto_free char *path = folder_path(*state, "store.db");

	interrupt_everywhere(path, false);
}

static void
test_a_disk_that_is_full_leaves_what_there_was(void **state)
{
	auto_free char *path = folder_path(*state, "store.db");

	interrupt_everywhere(path, true);
}

static void
test_a_newer_version_is_refused_and_left_as_it_is(void **state)
{
	auto_free char *path = folder_path(*state, "store.db");
	auto_free char *before = NULL, *after = NULL;
	struct database database = {0};
	struct err err = {0};
	size_t before_len = 0, after_len = 0;

	open_database(path, &database);
	database_close(&database);
	run_sql(path,
	    "UPDATE meta SET value = 99 WHERE key = 'version';"
	    "CREATE TABLE later (n);");
	before = file_read(path, 1 << 24, &before_len, &err);
	assert_non_null(before);
	assert_int_equal(database_open(path, &database, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_non_null(strstr(err.detail, path));
	assert_non_null(strstr(err.detail, "version is 99, ours "));
	after = file_read(path, 1 << 24, &after_len, &err);
	assert_int_equal(before_len, after_len);
	assert_memory_equal(before, after, before_len);
}

/* -- what a question costs */

static bool
reads_all(struct database *database, const char *sql)
{
	auto_free char *explain = alloc_printf("EXPLAIN QUERY PLAN %s", sql);
	sqlite3_stmt *plan = NULL;
	bool scans = false;

	if (sqlite3_prepare_v2(database->handle, explain, -1, &plan, NULL) !=
	    SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(database->handle));
	while (sqlite3_step(plan) == SQLITE_ROW) {
		const char *step = (const char *)sqlite3_column_text(plan, 3);

		/* Rows of a subquery, or of no table, are not a table's; a
		 * partial index holds those alone that are asked for. */
		scans |= strncmp(step, "SCAN ", 5) == 0 &&
		    strcmp(step, "SCAN CONSTANT ROW") != 0 &&
		    strstr(step, "task_open") == NULL &&
		    strstr(step, "task_kept") == NULL;
		scans |= strstr(step, "TEMP B-TREE") != NULL;
	}
	sqlite3_finalize(plan);
	return scans;
}

/* Asked once, at the start. */
static bool
is_asked_once(enum statement statement)
{
	return statement == STATEMENT_BLOB_SUMS ||
	    statement == STATEMENT_REVOCATION_ALL;
}

static void
test_no_statement_reads_a_whole_table(void **state)
{
	static const struct {
		const char *name, *sql;
	} all[] = {
#define STATEMENT(name, sql) {#name, sql},
#include "runner/statements.def"
#undef STATEMENT
	};
	auto_free char *path = folder_path(*state, "store.db");
	struct database database = {0};

	open_database(path, &database);
	/* The test can tell. */
	assert_true(
	    reads_all(&database, "SELECT id FROM task WHERE rule = 'x'"));
	for (size_t i = 0; i < COUNT(all); i++) {
		if (!is_asked_once((enum statement)i) &&
		    reads_all(&database, all[i].sql))
			fail_msg("%s reads all there is", all[i].name);
	}
	database_close(&database);
}

int
main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
	    TEST(test_what_version_1_wrote_is_there),
	    TEST(test_what_version_3_wrote_is_there),
	    TEST(test_what_version_4_wrote_is_found),
	    TEST(test_a_migrated_store_has_the_tables_of_a_new_one),
	    TEST(test_killed_at_any_write_it_begins_anew),
	    TEST(test_a_disk_that_is_full_leaves_what_there_was),
	    TEST(test_a_newer_version_is_refused_and_left_as_it_is),
	    TEST(test_no_statement_reads_a_whole_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
