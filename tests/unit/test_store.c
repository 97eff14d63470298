/* The store: group commit, what a failing disk does, which files it refuses. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "runner/store.h"
#include "tests/unit/audit_key.h"
#include "tests/unit/folder.h"

struct fixture {
	uv_loop_t loop;
	struct store *store;
	char *path;
	int changes;
};

/* One operation of a test: writes `sql`, then fails if asked to. */
struct write {
	struct store_op op;
	const char *sql;
	bool fails;
	int done;
	enum err_code code;
	int order;
	int64_t result;
};

static int done_count;

static int
run_write(struct store_op *op, struct database *database, struct err *err)
{
	struct write *write = (struct write *)op;

	if (sqlite3_exec(database->handle, write->sql, NULL, NULL, NULL) !=
	    SQLITE_OK)
		return err_set(err, ERR_UNAVAILABLE, "%s",
		    sqlite3_errmsg(database->handle));
	if (write->fails)
		return err_set(err, ERR_CONFLICT, "as asked");
	return 0;
}

static int
run_count(struct store_op *op, struct database *database, struct err *err)
{
	struct write *write = (struct write *)op;
	sqlite3_stmt *statement = NULL;

	(void)err;
	assert_int_equal(sqlite3_prepare_v2(database->handle, write->sql, -1,
			     &statement, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	write->result = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return 0;
}

static void
write_done(struct store_op *op, const struct err *err)
{
	struct write *write = (struct write *)op;

	write->done++;
	write->code = err != NULL ? err->code : ERR_NONE;
	write->order = ++done_count;
}

static void
submit(struct fixture *fixture, struct write *write, const char *sql)
{
	write->op = (struct store_op){.run = run_write, .done = write_done};
	write->sql = sql;
	store_submit(fixture->store, &write->op);
}

static void
submit_count(struct fixture *fixture, struct write *write, const char *sql)
{
	write->op = (struct store_op){
	    .reads = true, .run = run_count, .done = write_done};
	write->sql = sql;
	store_submit(fixture->store, &write->op);
}

static void
on_changed(void *arg)
{
	((struct fixture *)arg)->changes++;
}

static void
open_fixture(struct fixture *fixture, const char *folder)
{
	struct err err;

	*fixture = (struct fixture){.path = folder_path(folder, "store.db")};
	uv_loop_init(&fixture->loop);
	fixture->store = store_open(&fixture->loop, fixture->path,
	    audit_key_signer(), on_changed, fixture, &err);
	if (fixture->store == NULL)
		fail_msg("%s", err.detail);
}

static void
close_fixture(struct fixture *fixture)
{
	store_close(fixture->store);
	uv_run(&fixture->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&fixture->loop), 0);
	free(fixture->path);
}

/* Turns the loop until all that was handed in is done. */
static void
settle(struct fixture *fixture)
{
	while (store_pending(fixture->store) > 0)
		uv_run(&fixture->loop, UV_RUN_ONCE);
}

#define TABLE "CREATE TABLE t (n INTEGER PRIMARY KEY)"

static void
test_one_turn_of_the_loop_is_one_transaction(void **state)
{
	struct fixture fixture;
	struct write table = {0}, writes[50] = {0}, count = {0};

	open_fixture(&fixture, *state);
	submit(&fixture, &table, TABLE);
	settle(&fixture);
	assert_int_equal(store_commits(fixture.store), 1);
	for (size_t i = 0; i < COUNT(writes); i++)
		submit(&fixture, &writes[i], "INSERT INTO t VALUES (NULL)");
	submit_count(&fixture, &count, "SELECT count(*) FROM t");
	settle(&fixture);
	assert_int_equal(store_commits(fixture.store), 2);
	assert_int_equal(store_written(fixture.store), 51);
	/* A read sees the transaction it came with. */
	assert_int_equal(count.result, 50);
	close_fixture(&fixture);
}

static void
test_operations_are_done_once_and_in_order(void **state)
{
	struct fixture fixture;
	struct write writes[20] = {0};

	open_fixture(&fixture, *state);
	done_count = 0;
	submit(&fixture, &writes[0], TABLE);
	for (size_t i = 1; i < COUNT(writes); i++)
		submit(&fixture, &writes[i], "INSERT INTO t VALUES (NULL)");
	settle(&fixture);
	for (size_t i = 0; i < COUNT(writes); i++) {
		assert_int_equal(writes[i].done, 1);
		assert_int_equal(writes[i].order, (int)i + 1);
		assert_int_equal(writes[i].code, ERR_NONE);
	}
	close_fixture(&fixture);
}

static void
test_a_failing_operation_is_undone_and_the_others_stay(void **state)
{
	struct fixture fixture;
	struct write table = {0}, good = {0}, bad = {.fails = true},
		     after = {0}, count = {0};

	open_fixture(&fixture, *state);
	submit(&fixture, &table, TABLE);
	submit(&fixture, &good, "INSERT INTO t VALUES (1)");
	submit(&fixture, &bad, "INSERT INTO t VALUES (2)");
	submit(&fixture, &after, "INSERT INTO t VALUES (3)");
	submit_count(&fixture, &count, "SELECT sum(n) FROM t");
	settle(&fixture);
	assert_int_equal(bad.code, ERR_CONFLICT);
	assert_int_equal(good.code, ERR_NONE);
	assert_int_equal(after.code, ERR_NONE);
	assert_int_equal(count.result, 4);
	/* What an operation says of itself says nothing of the disk. */
	assert_null(store_reason(fixture.store));
	close_fixture(&fixture);
}

static void
test_a_full_disk_fails_the_whole_batch_and_is_recovered_from(void **state)
{
	struct fixture fixture;
	struct write table = {0}, limit = {0}, one = {0}, big = {0},
		     count = {0}, more = {0};

	open_fixture(&fixture, *state);
	submit(&fixture, &table, "CREATE TABLE t (n INTEGER PRIMARY KEY, b)");
	settle(&fixture);
	/* Says the number of pages there are, and lets none be added. */
	submit_count(&fixture, &limit, "PRAGMA max_page_count = 1");
	settle(&fixture);
	submit(&fixture, &one, "INSERT INTO t VALUES (1, 'small')");
	submit(&fixture, &big, "INSERT INTO t VALUES (2, zeroblob(1000000))");
	settle(&fixture);
	assert_int_equal(big.code, ERR_UNAVAILABLE);
	assert_non_null(store_reason(fixture.store));
	assert_int_equal(fixture.changes, 1);
	/* Reads go on. */
	submit_count(&fixture, &count, "SELECT count(*) FROM t WHERE n = 2");
	settle(&fixture);
	assert_int_equal(count.code, ERR_NONE);
	assert_int_equal(count.result, 0);
	/* Recovery is the store's own doing: nothing is handed in here. */
	submit_count(&fixture, &more, "PRAGMA max_page_count = 1000000");
	settle(&fixture);
	while (store_reason(fixture.store) != NULL)
		uv_run(&fixture.loop, UV_RUN_ONCE);
	assert_int_equal(fixture.changes, 2);
	close_fixture(&fixture);
}

/* No file may be written any more, or all may again. */
static void
forbid_writing(bool forbidden)
{
	static struct rlimit before;
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	if (forbidden)
		assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	if (forbidden)
		limit.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* A look that finds nothing to do is no news of the disk. */
static void
test_what_has_nothing_to_write_does_not_pass_for_recovery(void **state)
{
	struct fixture fixture;
	struct write table = {0}, write = {0}, look = {0};

	open_fixture(&fixture, *state);
	submit(&fixture, &table, TABLE);
	settle(&fixture);
	forbid_writing(true);
	submit(&fixture, &write, "INSERT INTO t VALUES (1)");
	settle(&fixture);
	submit(&fixture, &look, "DELETE FROM t WHERE n = 2");
	settle(&fixture);
	forbid_writing(false);
	assert_int_equal(write.code, ERR_UNAVAILABLE);
	assert_int_equal(look.code, ERR_NONE);
	assert_non_null(store_reason(fixture.store));
	assert_int_equal(fixture.changes, 1);
	/* What has something to write does. */
	while (store_reason(fixture.store) != NULL)
		uv_run(&fixture.loop, UV_RUN_ONCE);
	assert_int_equal(fixture.changes, 2);
	close_fixture(&fixture);
}

/* A prepared one, as the runner's reads are; fails by itself if asked to. */
static int
run_get(struct store_op *op, struct database *database, struct err *err)
{
	struct write *write = (struct write *)op;
	int result;

	if (write->fails) {
		write->result = err->code;
		return err_set(err, ERR_NOT_FOUND, "as asked");
	}
	if (database_begin(database, STATEMENT_TASK_GET, err, "s", "x") != 0)
		return -1;
	result = database_next(database, STATEMENT_TASK_GET, err);
	database_end(database, STATEMENT_TASK_GET);
	return result;
}

static void
test_a_read_beside_a_write_that_failed_knows_nothing_of_it(void **state)
{
	const struct store_op get = {
	    .reads = true, .run = run_get, .done = write_done};
	struct fixture fixture;
	struct write table = {0}, no = {0}, write = {0}, more = {0};
	struct write before = {.op = get}, bad = {.op = get, .fails = true},
		     after = {.op = get}, later = {.op = get};

	open_fixture(&fixture, *state);
	submit(&fixture, &table, TABLE);
	submit(&fixture, &no, "PRAGMA query_only = ON");
	settle(&fixture);
	store_submit(fixture.store, &before.op);
	submit(&fixture, &write, "INSERT INTO t VALUES (1)");
	store_submit(fixture.store, &bad.op);
	submit(&fixture, &more, "INSERT INTO t VALUES (2)");
	store_submit(fixture.store, &after.op);
	settle(&fixture);
	assert_int_equal(write.code, ERR_UNAVAILABLE);
	assert_int_equal(more.code, ERR_UNAVAILABLE);
	assert_int_equal(before.code, ERR_NONE);
	assert_int_equal(after.code, ERR_NONE);
	assert_int_equal(bad.code, ERR_NOT_FOUND);
	/* Nor does it find the other's words where its own belong. */
	assert_int_equal(bad.result, ERR_NONE);
	store_submit(fixture.store, &later.op);
	settle(&fixture);
	assert_int_equal(later.code, ERR_NONE);
	close_fixture(&fixture);
}

/* A page of the file, as it stands on the disk; SQLite counts from 1. */
#define PAGE 4096

static void
move_page(const char *path, long page, char bytes[PAGE], bool writes)
{
	auto_file FILE *file = fopen(path, "r+be");

	assert_non_null(file);
	assert_int_equal(fseek(file, (page - 1) * PAGE, SEEK_SET), 0);
	assert_int_equal(
	    writes ? fwrite(bytes, PAGE, 1, file) : fread(bytes, PAGE, 1, file),
	    1);
}

/* So that the next to ask for a page has it from the disk. */
static int
run_forget(struct store_op *op, struct database *database, struct err *err)
{
	(void)op;
	(void)err;
	sqlite3_db_release_memory(database->handle);
	return 0;
}

static void
test_a_damaged_database_is_not_written_until_it_is_whole_again(void **state)
{
	auto_free char *path = folder_path(*state, "store.db");
	struct fixture fixture;
	char whole[PAGE], broken[PAGE];
	struct write table = {0}, before = {0}, root = {0}, look = {0},
		     after = {0}, again = {0},
		     forget = {.op = {.reads = true,
				   .run = run_forget,
				   .done = write_done}};
	const struct store_op get = {
	    .reads = true, .run = run_get, .done = write_done};

	open_fixture(&fixture, *state);
	submit(&fixture, &table, TABLE);
	submit_count(&fixture, &root,
	    "SELECT rootpage FROM sqlite_schema WHERE name = 'task'");
	settle(&fixture);
	close_fixture(&fixture);
	move_page(path, root.result, whole, false);
	memset(broken, 0xff, sizeof(broken));
	move_page(path, root.result, broken, true);

	open_fixture(&fixture, *state);
	submit(&fixture, &before, "INSERT INTO t VALUES (1)");
	settle(&fixture);
	assert_int_equal(before.code, ERR_NONE);
	/* Who reads finds it; from then on nobody writes. */
	look.op = get;
	store_submit(fixture.store, &look.op);
	settle(&fixture);
	assert_int_equal(look.code, ERR_UNAVAILABLE);
	assert_non_null(strstr(store_reason(fixture.store), "damaged"));
	submit(&fixture, &after, "INSERT INTO t VALUES (2)");
	settle(&fixture);
	assert_int_equal(after.code, ERR_UNAVAILABLE);
	assert_true(store_faults(fixture.store, FAULT_DAMAGED) > 0);

	move_page(path, root.result, whole, true);
	store_submit(fixture.store, &forget.op);
	while (store_reason(fixture.store) != NULL)
		uv_run(&fixture.loop, UV_RUN_ONCE);
	submit(&fixture, &again, "INSERT INTO t VALUES (3)");
	settle(&fixture);
	assert_int_equal(again.code, ERR_NONE);
	close_fixture(&fixture);
}

static void
test_what_was_done_is_there_after_a_new_start(void **state)
{
	struct fixture fixture;
	struct write table = {0}, write = {0}, count = {0};

	open_fixture(&fixture, *state);
	submit(&fixture, &table, TABLE);
	submit(&fixture, &write, "INSERT INTO t VALUES (7)");
	/* Closing writes what was only handed in. */
	close_fixture(&fixture);
	assert_int_equal(write.done, 1);
	assert_int_equal(write.code, ERR_NONE);
	open_fixture(&fixture, *state);
	submit_count(&fixture, &count, "SELECT n FROM t");
	settle(&fixture);
	assert_int_equal(count.result, 7);
	close_fixture(&fixture);
}

static void
run_sql(const char *path, const char *sql)
{
	sqlite3 *handle = NULL;

	assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(handle);
}

static void
refuse_to_open(const char *path, const char *words)
{
	struct database database = {0};
	struct err err = {0};

	assert_int_equal(database_open(path, &database, &err), -1);
	if (strstr(err.detail, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.detail, words);
}

static void
test_open_refuses_a_newer_schema_and_says_so(void **state)
{
	auto_free char *path = folder_path(*state, "store.db");
	struct database database = {0};
	struct err err;

	assert_int_equal(database_open(path, &database, &err), 0);
	database_close(&database);
	run_sql(
	    path, "UPDATE meta SET value = value + 1 WHERE key = 'version'");
	refuse_to_open(path, "newer taskgate-runner");
	run_sql(
	    path, "UPDATE meta SET value = value - 1 WHERE key = 'version'");
	assert_int_equal(database_open(path, &database, &err), 0);
	database_close(&database);
}

static void
test_open_refuses_what_is_no_store(void **state)
{
	auto_free char *path = folder_path(*state, "store.db");

	run_sql(path, "CREATE TABLE other (n)");
	refuse_to_open(path, "no such table");
	assert_int_equal(truncate(path, 100), 0);
	refuse_to_open(path, path);
	refuse_to_open("/nowhere/store.db", "unable to open");
}

static void
test_foreign_keys_are_enforced(void **state)
{
	struct fixture fixture;
	struct write write = {0};

	open_fixture(&fixture, *state);
	submit(&fixture, &write,
	    "INSERT INTO idempotency VALUES ('a', 'k', 'no task', 'x', 1)");
	settle(&fixture);
	assert_int_equal(write.code, ERR_UNAVAILABLE);
	close_fixture(&fixture);
}

/* -- a disk that fails to sync */

static sqlite3_vfs sick_vfs;
static sqlite3_io_methods sick_methods;
static sqlite3_vfs *healthy_vfs;
static const sqlite3_io_methods *healthy_methods;

static int
sick_sync(sqlite3_file *file, int flags)
{
	(void)file;
	(void)flags;
	return SQLITE_IOERR_FSYNC;
}

/* The log of writes alone: what a commit must sync. */
static int
sick_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
    int *ret_flags)
{
	int result;

	(void)vfs;
	result = healthy_vfs->xOpen(healthy_vfs, name, file, flags, ret_flags);
	if (result != SQLITE_OK || (flags & SQLITE_OPEN_WAL) == 0)
		return result;
	healthy_methods = file->pMethods;
	sick_methods = *file->pMethods;
	sick_methods.xSync = sick_sync;
	file->pMethods = &sick_methods;
	return result;
}

_Noreturn static void
commit_on_a_sick_disk(const char *folder)
{
	struct fixture fixture;
	struct write table = {0};

	if (freopen("/dev/null", "w", stderr) == NULL)
		_exit(1);
	healthy_vfs = sqlite3_vfs_find(NULL);
	sick_vfs = *healthy_vfs;
	sick_vfs.zName = "sick";
	sick_vfs.xOpen = sick_open;
	sqlite3_vfs_register(&sick_vfs, 1);
	open_fixture(&fixture, folder);
	submit(&fixture, &table, TABLE);
	settle(&fixture);
	_exit(0);
}

static void
test_a_failed_fsync_ends_the_process(void **state)
{
	int status;
	pid_t child = fork();

	if (child == 0)
		commit_on_a_sick_disk(*state);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

int
main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
	    /* Before any thread of this process lives. */
	    TEST(test_a_failed_fsync_ends_the_process),
	    TEST(test_one_turn_of_the_loop_is_one_transaction),
	    TEST(test_operations_are_done_once_and_in_order),
	    TEST(test_a_failing_operation_is_undone_and_the_others_stay),
	    TEST(test_a_full_disk_fails_the_whole_batch_and_is_recovered_from),
	    TEST(test_what_has_nothing_to_write_does_not_pass_for_recovery),
	    TEST(test_a_read_beside_a_write_that_failed_knows_nothing_of_it),
	    TEST(
		test_a_damaged_database_is_not_written_until_it_is_whole_again),
	    TEST(test_what_was_done_is_there_after_a_new_start),
	    TEST(test_open_refuses_a_newer_schema_and_says_so),
	    TEST(test_open_refuses_what_is_no_store),
	    TEST(test_foreign_keys_are_enforced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
