/* The tree over the records, as transactions come, fail and come again. */
#include "runner/audit_head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin/verify_log.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "runner/audit.h"
#include "tests/unit/audit_key.h"
#include "tests/unit/folder.h"

struct fixture {
	char *path;
	struct database database;
	struct audit_head head;
	EVP_PKEY *key, *next_key;
};

static void
open_fixture(struct fixture *fixture, void *folder)
{
	struct err err;

	*fixture = (struct fixture){.path = folder_path(folder, "store.db"),
	    .key = audit_key_make(AUDIT_KEY_FIRST),
	    .next_key = audit_key_make(AUDIT_KEY_FIRST + 1)};
	assert_int_equal(
	    database_open(fixture->path, &fixture->database, &err), 0);
	audit_head_init(&fixture->head, fixture->key, AUDIT_ORIGIN);
}

static void
close_fixture(struct fixture *fixture)
{
	audit_head_done(&fixture->head);
	database_close(&fixture->database);
	EVP_PKEY_free(fixture->key);
	EVP_PKEY_free(fixture->next_key);
	free(fixture->path);
}

/* As a new life of the runner would find it. */
static void
begin_anew(struct fixture *fixture)
{
	audit_head_done(&fixture->head);
	audit_head_init(&fixture->head, fixture->key, AUDIT_ORIGIN);
}

static void
append(struct fixture *fixture, int records)
{
	struct err err;

	for (int i = 0; i < records; i++) {
		struct audit_entry *entry =
		    audit_entry_new(EVENT_RUNNER_STARTED, 1000 + i, NULL);

		if (audit_append(&fixture->database, entry, &err) != 0)
			fail_msg("%s", err.detail);
		audit_entry_free(entry);
	}
}

static void
begin(struct fixture *fixture)
{
	struct err err;

	assert_int_equal(
	    database_run(&fixture->database, STATEMENT_BEGIN, &err, ""), 0);
}

static void
commit(struct fixture *fixture)
{
	struct err err;

	if (audit_head_seal(&fixture->head, &fixture->database, &err) != 0)
		fail_msg("%s", err.detail);
	assert_int_equal(
	    database_run(&fixture->database, STATEMENT_COMMIT, &err, ""), 0);
	audit_head_committed(&fixture->head);
}

static void
write_records(struct fixture *fixture, int records)
{
	begin(fixture);
	append(fixture, records);
	commit(fixture);
}

static void
run_sql(struct fixture *fixture, const char *sql)
{
	assert_int_equal(
	    sqlite3_exec(fixture->database.handle, sql, NULL, NULL, NULL),
	    SQLITE_OK);
}

static void
assert_good(const struct fixture *fixture, EVP_PKEY *key, int64_t records)
{
	const struct verify_question question = {
	    .origin = AUDIT_ORIGIN, .keys = {{key}, 1}};
	struct verify_report report;
	struct err err;

	assert_int_equal(
	    verify_log(fixture->database.handle, &question, &report, &err), 0);
	if (report.nfindings > 0)
		fail_msg("%s", report.findings[0].what);
	assert_int_equal(report.records, records);
	assert_int_equal(report.head.size, records);
}

static void
test_it_grows_with_every_transaction(void **state)
{
	struct fixture fixture;
	int64_t all = 0;

	open_fixture(&fixture, *state);
	for (int records = 0; records < 20; records++) {
		write_records(&fixture, records);
		all += records;
		assert_good(&fixture, fixture.key, all);
		if (records % 7 == 0)
			begin_anew(&fixture);
	}
	close_fixture(&fixture);
}

static void
test_what_was_written_before_there_was_a_tree_is_taken_in(void **state)
{
	struct fixture fixture;

	open_fixture(&fixture, *state);
	append(&fixture, 77);
	write_records(&fixture, 1);
	assert_good(&fixture, fixture.key, 78);
	close_fixture(&fixture);
}

static void
test_a_transaction_that_fails_leaves_it_as_it_was(void **state)
{
	struct fixture fixture;
	struct err err;

	open_fixture(&fixture, *state);
	write_records(&fixture, 5);
	begin(&fixture);
	append(&fixture, 6);
	assert_int_equal(
	    audit_head_seal(&fixture.head, &fixture.database, &err), 0);
	assert_int_equal(
	    database_run(&fixture.database, STATEMENT_ROLLBACK, &err, ""), 0);
	assert_good(&fixture, fixture.key, 5);
	write_records(&fixture, 3);
	assert_good(&fixture, fixture.key, 8);
	close_fixture(&fixture);
}

static void
test_another_key_signs_from_then_on(void **state)
{
	struct fixture fixture;

	open_fixture(&fixture, *state);
	write_records(&fixture, 5);
	audit_head_set_key(&fixture.head, fixture.next_key);
	write_records(&fixture, 1);
	assert_good(&fixture, fixture.next_key, 6);
	close_fixture(&fixture);
}

/* Nothing is added to a log that is not the one that was signed. */
static void
refuse_after(struct fixture *fixture, const char *sql)
{
	struct err err = {0};

	begin_anew(fixture);
	begin(fixture);
	run_sql(fixture, sql);
	append(fixture, 1);
	assert_int_equal(
	    audit_head_seal(&fixture->head, &fixture->database, &err), -1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	assert_non_null(strstr(err.detail, "audit"));
	assert_int_equal(
	    database_run(&fixture->database, STATEMENT_ROLLBACK, &err, ""), 0);
}

static void
test_a_log_that_is_not_the_signed_one_is_not_added_to(void **state)
{
	struct fixture fixture;

	open_fixture(&fixture, *state);
	write_records(&fixture, 21);
	refuse_after(&fixture, "DELETE FROM audit WHERE seq > 18");
	refuse_after(&fixture, "DELETE FROM audit WHERE seq = 21");
	refuse_after(&fixture, "UPDATE audit SET leaf = x'00' WHERE seq = 21");
	refuse_after(&fixture, "UPDATE tree SET hash = zeroblob(32)");
	refuse_after(&fixture, "DELETE FROM tree WHERE level = 4");
	refuse_after(&fixture, "UPDATE head SET root = zeroblob(32)");
	refuse_after(&fixture, "UPDATE head SET root = 'no'");
	refuse_after(&fixture, "UPDATE head SET size = 20");
	refuse_after(&fixture, "UPDATE head SET size = 22");
	begin_anew(&fixture);
	write_records(&fixture, 1);
	assert_good(&fixture, fixture.key, 22);
	close_fixture(&fixture);
}

int
main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
	    TEST(test_it_grows_with_every_transaction),
	    TEST(test_what_was_written_before_there_was_a_tree_is_taken_in),
	    TEST(test_a_transaction_that_fails_leaves_it_as_it_was),
	    TEST(test_another_key_signs_from_then_on),
	    TEST(test_a_log_that_is_not_the_signed_one_is_not_added_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
