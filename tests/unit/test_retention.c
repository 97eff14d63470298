/* What finished tasks leave, and when it goes: a real store, real files. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "runner/audit.h"
#include "runner/retention.h"
#include "runner/task_store.h"
#include "tests/unit/audit_key.h"
#include "tests/unit/folder.h"

#define HOUR_MS (INT64_C(3600) * 1000)
#define DAY_S (INT64_C(24) * 3600)
#define BODY "{\"image\":\"demo\",\"outputs\":[\"a\"]}"

struct fixture {
	uv_loop_t loop;
	struct store *store;
	struct output_store outputs;
	struct files_store files;
	struct retention *retention;
	char *folder;
};

static void
on_changed(void *arg)
{
	(void)arg;
}

static void
open_fixture(struct fixture *fixture, const char *folder)
{
	auto_free char *path = folder_path(folder, "store.db");
	auto_free char *output = folder_path(folder, "output");
	auto_free char *files = folder_path(folder, "files");
	struct err err;

	*fixture = (struct fixture){.folder = alloc_string(folder)};
	uv_loop_init(&fixture->loop);
	fixture->store = store_open(
	    &fixture->loop, path, audit_key_signer(), on_changed, NULL, &err);
	if (fixture->store == NULL ||
	    output_store_open(
		&fixture->loop, output, &fixture->outputs, &err) != 0 ||
	    files_store_open(files, &fixture->outputs, &fixture->files, &err) !=
		0)
		fail_msg("%s", err.detail);
}

static void
close_fixture(struct fixture *fixture)
{
	if (fixture->retention != NULL)
		retention_close(fixture->retention);
	store_close(fixture->store);
	uv_run(&fixture->loop, UV_RUN_DEFAULT);
	files_store_close(&fixture->files);
	output_store_close(&fixture->outputs);
	assert_int_equal(uv_loop_close(&fixture->loop), 0);
	free(fixture->folder);
}

/* Removes what these bounds say, all of it. */
static void
retain(struct fixture *fixture, int64_t age_s, int64_t bytes)
{
	const struct retention_bounds bounds = {.age_s = age_s, .bytes = bytes};

	fixture->retention = retention_open(&fixture->loop, fixture->store,
	    &fixture->outputs, &fixture->files, &bounds);
	while (!retention_is_idle(fixture->retention))
		uv_run(&fixture->loop, UV_RUN_ONCE);
	retention_close(take(fixture->retention));
}

/* -- tasks */

struct made {
	struct store_op op;
	char id[UUID_TEXT];
	int64_t age_ms, kept;
	bool has_key, runs;
};

static void
name_task(char id[UUID_TEXT], int number)
{
	snprintf(id, UUID_TEXT, "01932f0e-6f0a-7c3e-8a55-%012x", number);
}

static int
run_make(struct store_op *op, struct database *database, struct err *err)
{
	struct made *made = (struct made *)op;
	struct audit_entry *entry;
	struct task_data data;
	int result = 0;

	task_data_init(&data);
	memcpy(data.id, made->id, sizeof(data.id));
	strcpy(data.owner.subject, "alice");
	strcpy(data.owner.thumbprint, "thumb");
	strcpy(data.owner.token_id, "jti");
	data.owner.address = alloc_string("127.0.0.1");
	assert_int_equal(
	    request_parse(BODY, strlen(BODY), &data.request, err), 0);
	strcpy(data.request_sha256, "abc");
	data.rule = alloc_string("demo");
	strcpy(data.policy_sha256, "abc");
	for (int i = 0; i < LIMIT_COUNT; i++)
		data.limits[i] = limit_usual((enum limit)i);
	data.created_ms = clock_wall_ms() - made->age_ms;
	entry = audit_entry_new(EVENT_TASK_ACCEPTED, data.created_ms, "abc");
	entry->object = json_pack("{s:s}", "task", data.id);
	if (task_store_insert(database, &data, err) != 0 ||
	    audit_append(database, entry, err) != 0 ||
	    (made->has_key &&
		task_store_add_key(database, &data, made->id, err) != 0))
		result = -1;
	data.facts.state = TASK_FINISHED;
	data.facts.outcome = OUTCOME_SUCCEEDED;
	data.facts.exit_code = 0;
	data.facts.finished_ms = data.created_ms;
	data.facts.kept[STREAM_STDOUT] = made->kept;
	data.facts.kept[STREAM_STDERR] = 0;
	if (result == 0 && !made->runs)
		result = task_store_finish(
		    database, data.id, &data.facts, BODY, err);
	audit_entry_free(entry);
	task_data_done(&data);
	return result;
}

static void
made_done(struct store_op *op, const struct err *err)
{
	(void)op;
	if (err != NULL)
		fail_msg("%s", err->detail);
}

static void
write_file(const char *folder, const char *name)
{
	auto_free char *path = folder_path(folder, name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs("x", file);
	fclose(file);
}

/* With a file of each kind. */
static void
make_task(struct fixture *fixture, int number, const struct made *as)
{
	struct made made = *as;
	auto_free char *output = NULL, *files = NULL, *folder = NULL;
	char name[64];

	name_task(made.id, number);
	made.op = (struct store_op){.run = run_make, .done = made_done};
	store_submit(fixture->store, &made.op);
	store_drain(fixture->store);
	output = folder_path(fixture->folder, "output");
	files = folder_path(fixture->folder, "files");
	snprintf(name, sizeof(name), "%s.stdout", made.id);
	write_file(output, name);
	folder = folder_path(files, made.id);
	assert_int_equal(mkdir(folder, 0700), 0);
	write_file(folder, "a");
}

static size_t
count_files(const struct fixture *fixture, const char *name)
{
	auto_free char *path = folder_path(fixture->folder, name);

	return folder_count(path);
}

/* -- asking */

struct ask {
	struct store_op op;
	const char *sql;
	int64_t result;
};

static int
run_ask(struct store_op *op, struct database *database, struct err *err)
{
	struct ask *ask = (struct ask *)op;

	return database_query(database, ask->sql, &ask->result, err);
}

static int64_t
number(struct fixture *fixture, const char *sql)
{
	struct ask ask = {
	    .op = {.reads = true, .run = run_ask, .done = made_done},
	    .sql = sql};

	store_submit(fixture->store, &ask.op);
	store_drain(fixture->store);
	return ask.result;
}

#define KEPT "SELECT value FROM meta WHERE key = 'kept_bytes'"
#define SUM "SELECT coalesce(sum(kept_bytes), 0) FROM task"

static void
test_by_age_row_key_output_and_files_go(void **state)
{
	struct fixture fixture;

	open_fixture(&fixture, *state);
	for (int i = 0; i < 100; i++)
		make_task(&fixture, i,
		    &(struct made){.age_ms = (i < 70 ? 50 : 10) * HOUR_MS,
			.kept = 5,
			.has_key = i == 3 || i == 99});
	make_task(&fixture, 100,
	    &(struct made){.age_ms = 500 * HOUR_MS, .runs = true});
	retain(&fixture, 2 * DAY_S, 0);
	assert_int_equal(number(&fixture, "SELECT count(*) FROM task"), 31);
	assert_int_equal(
	    number(&fixture, "SELECT count(*) FROM idempotency"), 1);
	assert_int_equal(number(&fixture, "SELECT count(*) FROM audit"), 101);
	assert_int_equal(number(&fixture, KEPT), 150);
	assert_int_equal(number(&fixture, SUM), 150);
	assert_int_equal(number(&fixture, "SELECT count(*) FROM garbage"), 0);
	assert_int_equal(count_files(&fixture, "output"), 31);
	assert_int_equal(count_files(&fixture, "files"), 31);
	close_fixture(&fixture);
}

static void
test_a_task_whose_key_still_stands_for_it_stays(void **state)
{
	struct fixture fixture;

	open_fixture(&fixture, *state);
	/* More of them than one portion holds, and one behind them. */
	for (int i = 0; i < 70; i++)
		make_task(&fixture, i,
		    &(struct made){.age_ms = 20 * HOUR_MS, .has_key = true});
	make_task(&fixture, 70, &(struct made){.age_ms = 2 * HOUR_MS});
	retain(&fixture, 3600, 0);
	assert_int_equal(number(&fixture, "SELECT count(*) FROM task"), 70);
	assert_int_equal(
	    number(&fixture, "SELECT count(*) FROM idempotency"), 70);
	assert_int_equal(count_files(&fixture, "output"), 70);
	close_fixture(&fixture);
}

static void
test_by_size_the_oldest_lose_their_bytes_and_say_so(void **state)
{
	struct fixture fixture;

	open_fixture(&fixture, *state);
	/* The higher its number, the older. */
	for (int i = 0; i < 100; i++)
		make_task(&fixture, i,
		    &(struct made){.age_ms = i * HOUR_MS, .kept = 10});
	retain(&fixture, 0, 205);
	assert_int_equal(number(&fixture, "SELECT count(*) FROM task"), 100);
	assert_int_equal(
	    number(&fixture, "SELECT sum(discarded) FROM task"), 80);
	assert_int_equal(
	    number(&fixture,
		"SELECT count(*) FROM task WHERE discarded = 1 AND "
		"id < '01932f0e-6f0a-7c3e-8a55-000000000014'"),
	    0);
	assert_int_equal(number(&fixture, KEPT), 200);
	assert_int_equal(number(&fixture, SUM), 200);
	assert_int_equal(count_files(&fixture, "output"), 20);
	assert_int_equal(count_files(&fixture, "files"), 20);
	close_fixture(&fixture);
}

static int
run_render(struct store_op *op, struct database *database, struct err *err)
{
	struct made *made = (struct made *)op;
	struct task_data data;
	auto_json *task = NULL;
	struct err gone = {0};

	assert_int_equal(task_store_get(database, made->id, &data, err), 1);
	task = task_render(&data, NULL);
	assert_true(json_is_true(
	    json_object_get(json_object_get(task, "output"), "discarded")));
	assert_int_equal(task_check_kept(&data, &gone), -1);
	assert_int_equal(gone.code, ERR_NOT_FOUND);
	task_data_done(&data);
	return 0;
}

static void
test_a_task_that_lost_its_output_says_so(void **state)
{
	struct fixture fixture;
	struct made made = {
	    .op = {.reads = true, .run = run_render, .done = made_done}};

	open_fixture(&fixture, *state);
	make_task(&fixture, 1, &(struct made){.age_ms = 0, .kept = 10});
	retain(&fixture, 0, 9);
	name_task(made.id, 1);
	store_submit(fixture.store, &made.op);
	store_drain(fixture.store);
	close_fixture(&fixture);
}

static void
test_without_bounds_nothing_goes(void **state)
{
	struct fixture fixture;

	open_fixture(&fixture, *state);
	for (int i = 0; i < 5; i++)
		make_task(&fixture, i,
		    &(struct made){.age_ms = 9999 * HOUR_MS, .kept = 1000});
	retain(&fixture, 0, 0);
	assert_int_equal(number(&fixture, "SELECT count(*) FROM task"), 5);
	assert_int_equal(number(&fixture, KEPT), 5000);
	assert_int_equal(count_files(&fixture, "files"), 5);
	close_fixture(&fixture);
}

static void
test_what_an_earlier_life_did_not_come_to_remove_is_removed(void **state)
{
	struct fixture fixture;
	char id[UUID_TEXT];
	auto_free char *path = folder_path(*state, "store.db");
	sqlite3 *handle = NULL;
	auto_free char *sql = NULL;

	open_fixture(&fixture, *state);
	make_task(&fixture, 1, &(struct made){.age_ms = 0});
	name_task(id, 1);
	close_fixture(&fixture);
	assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
	sql = alloc_printf("INSERT INTO garbage VALUES ('task', '%s')", id);
	assert_int_equal(
	    sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(handle);
	open_fixture(&fixture, *state);
	retain(&fixture, 0, 0);
	assert_int_equal(count_files(&fixture, "output"), 0);
	assert_int_equal(count_files(&fixture, "files"), 0);
	assert_int_equal(number(&fixture, "SELECT count(*) FROM garbage"), 0);
	close_fixture(&fixture);
}

static int
run_fill(struct store_op *op, struct database *database, struct err *err)
{
	(void)op;
	return database_execute(database,
	    "CREATE TABLE t (b); WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL "
	    "SELECT i + 1 FROM n WHERE i < 1000) INSERT INTO t "
	    "SELECT zeroblob(4000) FROM n; DROP TABLE t",
	    "fill", err);
}

static void
test_what_the_database_has_too_much_goes_back_to_the_disk(void **state)
{
	struct fixture fixture;
	struct store_op fill = {.run = run_fill, .done = made_done};
	int64_t before;

	open_fixture(&fixture, *state);
	store_submit(fixture.store, &fill);
	store_drain(fixture.store);
	before = number(&fixture, "PRAGMA page_count");
	assert_true(before > 1000);
	retain(&fixture, 0, 0);
	assert_true(number(&fixture, "PRAGMA freelist_count") <= 256);
	assert_true(number(&fixture, "PRAGMA page_count") < before - 700);
	close_fixture(&fixture);
}

int
main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
	    TEST(test_by_age_row_key_output_and_files_go),
	    TEST(test_a_task_whose_key_still_stands_for_it_stays),
	    TEST(test_by_size_the_oldest_lose_their_bytes_and_say_so),
	    TEST(test_a_task_that_lost_its_output_says_so),
	    TEST(test_without_bounds_nothing_goes),
	    TEST(test_what_an_earlier_life_did_not_come_to_remove_is_removed),
	    TEST(test_what_the_database_has_too_much_goes_back_to_the_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
