/*
 * A real log, and every way to change it that there is: each is found and told
 * where. TASKGATE_SOAK=1: 10,000 records in place of 2,000, and 1,000 changes
 * in place of 100.
 */
#include "admin/verify_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "runner/audit.h"
#include "runner/audit_head.h"
#include "runner/store.h"
#include "tests/unit/audit_key.h"
#include "tests/unit/folder.h"

struct log {
	sqlite3 *database;
	int64_t records;
	size_t times; /* that it is changed */
	EVP_PKEY *key, *other;
	char *folder;
	uint64_t random;
};

struct append {
	struct store_op op;
	int64_t number;
};

/* -- making it */

static int
run_append(struct store_op *op, struct database *database, struct err *err)
{
	struct append *append = (struct append *)op;
	struct audit_entry *entry = audit_entry_new(
	    EVENT_TASK_ACCEPTED, 1767323045678 + append->number, "abc");
	char task[UUID_TEXT];
	int result;

	uuid_make(entry->wall_ms, task);
	entry->principal =
	    json_pack("{s:s, s:s}", "subject", "alice", "thumbprint", "thumb");
	if (append->number % 3 != 0)
		entry->object = json_pack("{s:s}", "task", task);
	if (append->number % 5 == 1)
		json_object_set_new(entry->object, "image", json_string("own"));
	if (append->number % 2 == 0)
		entry->untrusted = json_pack("{s:s, s:I}", "image", "demo", "n",
		    (json_int_t)append->number);
	/* What is too large is not searched, what stands beside it is. */
	if (append->number % 100 == 6)
		json_object_set_new(entry->untrusted,
		    append->number % 200 == 6 ? "image" : "args",
		    json_sprintf("%070000d", 0));
	result = audit_append(database, entry, err);
	audit_entry_free(entry);
	return result;
}

static void
append_done(struct store_op *op, const struct err *err)
{
	if (err != NULL)
		fail_msg("%s", err->detail);
	free(op);
}

static void
on_changed(void *arg)
{
	(void)arg;
}

/* In transactions of one to two hundred. */
static void
make_log(const char *path, int64_t first, int64_t records)
{
	uv_loop_t loop;
	struct store *store;
	struct err err;

	uv_loop_init(&loop);
	store =
	    store_open(&loop, path, audit_key_signer(), on_changed, NULL, &err);
	if (store == NULL)
		fail_msg("%s", err.detail);
	for (int64_t i = 0; i < records;) {
		for (int64_t k = 0; k <= i % 200 && i < records; k++, i++) {
			struct append *append = alloc_zero(1, sizeof(*append));

			append->op = (struct store_op){
			    .run = run_append, .done = append_done};
			append->number = first + i;
			store_submit(store, &append->op);
		}
		while (store_pending(store) > 0)
			uv_run(&loop, UV_RUN_ONCE);
	}
	store_close(store);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

static int
open_log(void **state)
{
	const char *soak = getenv("TASKGATE_SOAK");
	bool is_soak = soak != NULL && strcmp(soak, "1") == 0;
	struct log *log = alloc_zero(1, sizeof(*log));
	auto_free char *path = NULL;
	void *folder = NULL;

	if (folder_make(&folder) != 0)
		return -1;
	log->folder = folder;
	log->records = is_soak ? 10000 : 2000;
	log->times = is_soak ? 1000 : 100;
	path = folder_path(log->folder, "store.db");
	make_log(path, 0, log->records);
	assert_int_equal(sqlite3_open(path, &log->database), SQLITE_OK);
	log->key = audit_key_make(AUDIT_KEY_FIRST);
	log->other = audit_key_make(AUDIT_KEY_FIRST + 1);
	log->random = 0x9e3779b97f4a7c15;
	*state = log;
	return 0;
}

static int
close_log(void **state)
{
	struct log *log = *state;
	void *folder = log->folder;

	sqlite3_close(log->database);
	EVP_PKEY_free(log->key);
	EVP_PKEY_free(log->other);
	free(log);
	return folder_remove(&folder);
}

/* -- looking at it */

static void
verify(const struct log *log, const struct checkpoint *from,
    struct verify_report *ret)
{
	const struct verify_question question = {
	    .origin = AUDIT_ORIGIN,
	    .keys = {{log->key}, 1},
	    .from = from,
	};
	struct err err;

	if (verify_log(log->database, &question, ret, &err) != 0)
		fail_msg("%s", err.detail);
}

static void
run_sql(struct log *log, const char *sql)
{
	char *message = NULL;

	if (sqlite3_exec(log->database, sql, NULL, NULL, &message) != SQLITE_OK)
		fail_msg("%s: %s", sql, message);
}

static int64_t
pick(struct log *log, int64_t least, int64_t most)
{
	log->random ^= log->random << 13;
	log->random ^= log->random >> 7;
	log->random ^= log->random << 17;
	return least + (int64_t)(log->random >> 1) % (most - least + 1);
}

/* -- changing it: each leaves *ret_seq at what the finding has to name, 0 for
 * the whole */

static void
sql_at(struct log *log, int64_t seq, const char *format)
{
	auto_free char *sql = NULL;
	char *at;

	/* Each # is the record's number. */
	sql = alloc_string(format);
	while ((at = strchr(sql, '#')) != NULL) {
		char *longer = alloc_printf(
		    "%.*s%lld%s", (int)(at - sql), sql, (long long)seq, at + 1);

		free(sql);
		sql = longer;
	}
	run_sql(log, sql);
	assert_true(sqlite3_changes(log->database) > 0);
}

/* One bit of a value; a text stays one. */
static void
flip(struct log *log, const char *table, const char *column, const char *where)
{
	auto_free char *find =
	    alloc_printf("SELECT %s, typeof(%s) FROM %s WHERE %s", column,
		column, table, where);
	auto_free char *set = alloc_printf(
	    "UPDATE %s SET %s = ?1 WHERE %s", table, column, where);
	auto_free uint8_t *bytes = NULL;
	sqlite3_stmt *statement;
	bool is_text;
	int len;

	assert_int_equal(
	    sqlite3_prepare_v2(log->database, find, -1, &statement, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	is_text = strcmp((const char *)sqlite3_column_text(statement, 1),
		      "text") == 0;
	len = sqlite3_column_bytes(statement, 0);
	bytes = alloc_zero((size_t)len, 1);
	memcpy(bytes, sqlite3_column_blob(statement, 0), (size_t)len);
	sqlite3_finalize(statement);
	bytes[pick(log, 0, len - 1)] ^= (uint8_t)(1 << pick(log, 0, 7));
	assert_int_equal(
	    sqlite3_prepare_v2(log->database, set, -1, &statement, NULL),
	    SQLITE_OK);
	if (is_text)
		sqlite3_bind_text(
		    statement, 1, (const char *)bytes, len, SQLITE_TRANSIENT);
	else
		sqlite3_bind_blob(statement, 1, bytes, len, SQLITE_TRANSIENT);
	assert_int_equal(sqlite3_step(statement), SQLITE_DONE);
	sqlite3_finalize(statement);
}

static void
flip_at(struct log *log, const char *column, int64_t seq)
{
	auto_free char *where = alloc_printf("seq = %lld", (long long)seq);

	flip(log, "audit", column, where);
}

static int64_t
change_record(struct log *log)
{
	int64_t seq = pick(log, 1, log->records);

	flip_at(log, "record", seq);
	return seq;
}

static int64_t
change_leaf(struct log *log)
{
	int64_t seq = pick(log, 1, log->records);

	flip_at(log, "leaf", seq);
	return seq;
}

static int64_t
change_record_with_its_leaf(struct log *log)
{
	int64_t seq = pick(log, 1, log->records);
	static const char other[] = "{\"seq\":1}";
	uint8_t leaf[SHA256_BYTES];
	char hex[SHA256_HEX];

	merkle_hash_leaf(other, strlen(other), leaf);
	hex_encode(leaf, sizeof(leaf), hex);
	auto_free char *sql = alloc_printf("UPDATE audit SET record = '%s', "
					   "leaf = x'%s' WHERE seq = #",
	    other, hex);

	sql_at(log, seq, sql);
	return seq;
}

static int64_t
change_time(struct log *log)
{
	int64_t seq = pick(log, 1, log->records);

	sql_at(
	    log, seq, "UPDATE audit SET time_ms = time_ms + 1 WHERE seq = #");
	return seq;
}

static int64_t
change_time_wildly(struct log *log)
{
	int64_t seq = pick(log, 1, log->records);

	sql_at(log, seq,
	    "UPDATE audit SET time_ms = 9223372036854775807 WHERE seq = #");
	return seq;
}

static int64_t
change_event(struct log *log)
{
	int64_t seq = pick(log, 1, log->records);

	flip_at(log, "event", seq);
	return seq;
}

static int64_t
change_task(struct log *log)
{
	int64_t seq = pick(log, 1, log->records);

	sql_at(log, seq,
	    "UPDATE audit SET task = iif(task IS NULL, 'x', NULL) "
	    "WHERE seq = #");
	return seq;
}

/* What searches go by says something else than what was hashed. */
static int64_t
change_what_is_searched(struct log *log)
{
	static const char *const columns[] = {
	    "subject", "thumbprint", "rule", "outcome", "image_id", "image"};
	const char *column = columns[pick(log, 0, COUNT(columns) - 1)];
	int64_t seq = pick(log, 1, log->records);
	auto_free char *sql = alloc_printf(
	    "UPDATE audit SET %s = iif(%s IS NULL OR # %% 2 = 0, 'x', NULL) "
	    "WHERE seq = #",
	    column, column);

	sql_at(log, seq, sql);
	return seq;
}

static int64_t
change_untrusted(struct log *log)
{
	int64_t seq = pick(log, 0, log->records / 2 - 1) * 2 + 1;

	flip_at(log, pick(log, 0, 1) == 0 ? "untrusted" : "salt", seq);
	return seq;
}

static int64_t
add_untrusted(struct log *log)
{
	int64_t seq = pick(log, 1, log->records / 2) * 2;

	sql_at(log, seq,
	    "UPDATE audit SET untrusted = '{}', salt = x'00' WHERE seq = #");
	return seq;
}

static int64_t
drop_untrusted(struct log *log)
{
	int64_t seq = pick(log, 0, log->records / 2 - 1) * 2 + 1;

	sql_at(log, seq,
	    "UPDATE audit SET untrusted = NULL, salt = NULL WHERE seq = #");
	return seq;
}

static int64_t
change_types(struct log *log)
{
	int64_t seq = pick(log, 1, log->records);

	sql_at(log, seq,
	    "UPDATE audit SET record = CAST(record AS BLOB) WHERE seq = #");
	return seq;
}

/* Where the record has no such member, and of a type that is read as none. */
static int64_t
add_bytes(struct log *log)
{
	static const char *const sets[] = {"rule = x'7a6f65'",
	    "outcome = x'7a6f65'", "untrusted = x'7a6f65'", "salt = x'00'",
	    "salt = x''", "salt = 'zoe'"};
	int64_t seq = pick(log, 1, log->records / 2) * 2;
	auto_free char *sql = alloc_printf("UPDATE audit SET %s WHERE seq = #",
	    sets[pick(log, 0, COUNT(sets) - 1)]);

	sql_at(log, seq, sql);
	return seq;
}

static int64_t
delete_one(struct log *log)
{
	int64_t seq = pick(log, 1, log->records - 1);

	sql_at(log, seq, "DELETE FROM audit WHERE seq = #");
	return seq + 1;
}

static int64_t
cut_off(struct log *log)
{
	sql_at(log, pick(log, 1, log->records),
	    "DELETE FROM audit WHERE seq >= #");
	return 0;
}

static int64_t
swap_two(struct log *log)
{
	int64_t seq = pick(log, 1, log->records - 1);

	sql_at(log, seq,
	    "UPDATE audit SET seq = -1 WHERE seq = #;"
	    "UPDATE audit SET seq = # WHERE seq = # + 1;"
	    "UPDATE audit SET seq = # + 1 WHERE seq = -1");
	return seq;
}

static int64_t
append_one(struct log *log)
{
	sql_at(log, log->records,
	    "INSERT INTO audit SELECT # + 1, time_ms, event, task, record, "
	    "leaf, untrusted, salt, subject, thumbprint, rule, outcome, "
	    "image_id, image FROM audit WHERE seq = #");
	return log->records + 1;
}

static int64_t
change_node(struct log *log)
{
	auto_free char *where = alloc_printf("level = 1 AND place = %lld",
	    (long long)pick(log, 0, log->records / 2 - 1));

	flip(log, "tree", "hash", where);
	return -1;
}

static int64_t
delete_node(struct log *log)
{
	sql_at(log, pick(log, 0, log->records / 16 - 1),
	    "DELETE FROM tree WHERE level = 4 AND place = #");
	return -1;
}

static int64_t
add_node(struct log *log)
{
	run_sql(log, "INSERT INTO tree VALUES (40, 0, x'00')");
	return 0;
}

static int64_t
change_head(struct log *log)
{
	static const char *const columns[] = {"note", "root"};

	flip(log, "head", columns[pick(log, 0, 1)], "id = 1");
	return 0;
}

static int64_t
change_head_size(struct log *log)
{
	run_sql(log, "UPDATE head SET size = size - 1");
	return 0;
}

static int64_t
delete_head(struct log *log)
{
	run_sql(log, "DELETE FROM head");
	return 0;
}

/* All of it made anew for fewer records, as the runner would have. */
static void
rewrite(struct log *log, int64_t records, EVP_PKEY *key)
{
	struct verify_report report;
	sqlite3_stmt *statement;
	auto_free char *cut =
	    alloc_printf("DELETE FROM audit WHERE seq > %lld;"
			 "DELETE FROM tree WHERE (place + 1) << level > %lld",
		(long long)records, (long long)records);

	run_sql(log, cut);
	verify(log, NULL, &report);
	struct checkpoint head = {
	    .origin = AUDIT_ORIGIN, .size = (uint64_t)records};

	memcpy(head.root, report.root, SHA256_BYTES);
	auto_free char *note = checkpoint_sign(&head, key);

	assert_int_equal(sqlite3_prepare_v2(log->database,
			     "UPDATE head SET size = ?1, root = ?2, note = ?3",
			     -1, &statement, NULL),
	    SQLITE_OK);
	sqlite3_bind_int64(statement, 1, records);
	sqlite3_bind_blob(
	    statement, 2, head.root, SHA256_BYTES, SQLITE_TRANSIENT);
	sqlite3_bind_text(statement, 3, note, -1, SQLITE_TRANSIENT);
	assert_int_equal(sqlite3_step(statement), SQLITE_DONE);
	sqlite3_finalize(statement);
}

static int64_t
sign_with_another_key(struct log *log)
{
	rewrite(log, pick(log, 1, log->records), log->other);
	return 0;
}

static int64_t
ask(struct log *log, const char *sql)
{
	sqlite3_stmt *statement;
	int64_t value;

	assert_int_equal(
	    sqlite3_prepare_v2(log->database, sql, -1, &statement, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	value = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return value;
}

/* The entries of an index alone, as if they were a table of their own. */
static void
change_entries(
    struct log *log, const char *index, int64_t seq, const char *format)
{
	auto_free char *root = alloc_printf(
	    "SELECT rootpage FROM sqlite_schema WHERE name = '%s'", index);
	int page = (int)ask(log, root);

	sqlite3_test_control(
	    SQLITE_TESTCTRL_IMPOSTER, log->database, "main", 1, page);
	run_sql(log,
	    "CREATE TABLE entry (value, seq, PRIMARY KEY (value, seq)) "
	    "WITHOUT ROWID");
	sqlite3_test_control(
	    SQLITE_TESTCTRL_IMPOSTER, log->database, "main", 0, 0);
	sql_at(log, seq, format);
	sqlite3_test_control(
	    SQLITE_TESTCTRL_IMPOSTER, log->database, "main", 0, 1);
}

/* Of an index that has an entry of every record. */
static const char *
pick_index(struct log *log)
{
	static const char *const names[] = {
	    "audit_event", "audit_subject", "audit_thumbprint", "audit_time"};

	return names[pick(log, 0, COUNT(names) - 1)];
}

static int64_t
hide_from_searches(struct log *log)
{
	int64_t seq = pick(log, 1, log->records);

	change_entries(
	    log, pick_index(log), seq, "DELETE FROM entry WHERE seq = #");
	return seq;
}

static int64_t
hide_under_another_value(struct log *log)
{
	int64_t seq = pick(log, 1, log->records);

	change_entries(log, pick_index(log), seq,
	    "UPDATE entry SET value = 'other' WHERE seq = #");
	return seq;
}

/* As many entries as before. */
static int64_t
give_the_entry_to_another(struct log *log)
{
	int64_t seq = pick(log, 1, log->records);

	change_entries(log, pick_index(log), seq,
	    "UPDATE entry SET seq = # + 1000000 WHERE seq = #");
	return seq;
}

static int64_t
add_an_entry(struct log *log)
{
	change_entries(log, "audit_outcome", pick(log, 1, log->records),
	    "INSERT INTO entry VALUES ('denied', #)");
	return 0;
}

static int64_t (*const changes[])(struct log *log) = {hide_from_searches,
    hide_under_another_value, give_the_entry_to_another, add_an_entry,
    change_record, change_leaf, change_record_with_its_leaf, change_time,
    change_time_wildly, change_event, change_task, change_what_is_searched,
    change_untrusted, add_untrusted, drop_untrusted, change_types, add_bytes,
    delete_one, cut_off, swap_two, append_one, change_node, delete_node,
    add_node, change_head, change_head_size, delete_head,
    sign_with_another_key};

/* -- tests */

static void
assert_clean(const struct verify_report *report, int64_t records)
{
	if (report->nfindings > 0)
		fail_msg("%lld: %s", (long long)report->findings[0].seq,
		    report->findings[0].what);
	assert_int_equal(report->records, records);
	assert_int_equal(report->head.size, records);
	assert_memory_equal(report->head.root, report->root, SHA256_BYTES);
}

static void
test_a_log_that_nobody_changed_is_clean(void **state)
{
	struct log *log = *state;
	struct verify_report report, again;

	verify(log, NULL, &report);
	assert_clean(&report, log->records);
	verify(log, &report.head, &again);
	assert_clean(&again, log->records);
}

static bool
names(const struct verify_report *report, int64_t seq)
{
	size_t n = report->nfindings < VERIFY_FINDINGS_MAX
	    ? report->nfindings
	    : VERIFY_FINDINGS_MAX;

	for (size_t i = 0; i < n; i++) {
		if (seq < 0 || report->findings[i].seq == seq)
			return true;
	}
	return false;
}

static void
test_every_change_is_found_and_told_where(void **state)
{
	struct log *log = *state;

	for (size_t i = 0; i < log->times; i++) {
		struct verify_report report;
		int64_t seq;

		run_sql(log, "BEGIN");
		seq = changes[i % COUNT(changes)](log);
		verify(log, NULL, &report);
		run_sql(log, "ROLLBACK");
		if (report.nfindings == 0 || !names(&report, seq))
			fail_msg("change %zu at %lld: %zu findings, first at "
				 "%lld: %s",
			    i % COUNT(changes), (long long)seq,
			    report.nfindings, (long long)report.findings[0].seq,
			    report.nfindings > 0 ? report.findings[0].what
						 : "none");
	}
}

static void
test_what_was_rolled_back_and_signed_is_found_by_a_kept_checkpoint(void **state)
{
	struct log *log = *state;
	struct verify_report before, report;

	verify(log, NULL, &before);
	for (int64_t records = log->records - 1; records > 0; records /= 3) {
		run_sql(log, "BEGIN");
		rewrite(log, records, log->key);
		verify(log, NULL, &report);
		assert_clean(&report, records);
		verify(log, &before.head, &report);
		run_sql(log, "ROLLBACK");
		assert_true(names(&report, 0));
	}
}

/* Whoever holds the key writes history anew. */
static void
test_what_was_signed_anew_is_found_by_a_kept_checkpoint(void **state)
{
	struct log *log = *state;
	struct verify_report before, report;

	verify(log, NULL, &before);
	run_sql(log, "BEGIN");
	(void)change_record_with_its_leaf(log);
	rewrite(log, log->records, log->key);
	verify(log, &before.head, &report);
	run_sql(log, "ROLLBACK");
	assert_true(names(&report, log->records));
}

static void
test_the_log_of_another_installation_is_not_ours(void **state)
{
	struct log *log = *state;
	const struct verify_question question = {
	    .origin = "example.com/other", .keys = {{log->key}, 1}};
	struct verify_report report;
	struct err err;

	assert_int_equal(
	    verify_log(log->database, &question, &report, &err), 0);
	assert_true(names(&report, 0));
}

static void
test_what_is_no_log_is_told(void **state)
{
	struct log *log = *state;
	const struct verify_question question = {
	    .origin = AUDIT_ORIGIN, .keys = {{log->key}, 1}};
	struct verify_report report;
	struct err err = {0};
	sqlite3 *empty;

	assert_int_equal(sqlite3_open(":memory:", &empty), SQLITE_OK);
	assert_int_equal(verify_log(empty, &question, &report, &err), -1);
	assert_true(err.detail[0] != '\0');
	sqlite3_close(empty);
}

/* -- of the definitions */

/* What the file says of an object in place of what it is. */
#define PRETEND(set, where)                                          \
	"PRAGMA writable_schema = ON; UPDATE sqlite_schema SET " set \
	" WHERE " where "; PRAGMA writable_schema = RESET;"

/* And all the records are read nevertheless. */
static void
tell(struct log *log, const char *sql, int64_t seq)
{
	struct verify_report report;

	run_sql(log, "BEGIN");
	run_sql(log, sql);
	verify(log, NULL, &report);
	run_sql(log, "ROLLBACK; PRAGMA writable_schema = RESET");
	assert_int_equal(report.records, log->records);
	if (!names(&report, seq))
		fail_msg("%s: not told", sql);
}

static void
test_indexes_that_are_not_ours_are_told(void **state)
{
	tell(*state, "DROP INDEX audit_event", 0);
	tell(*state, "CREATE INDEX mine ON audit (event)", 0);
	tell(*state,
	    "CREATE INDEX mine ON audit (event);" PRETEND(
		"tbl_name = 'AUDIT'", "name = 'mine'"),
	    0);
	tell(*state,
	    "DROP INDEX audit_event;"
	    "CREATE INDEX audit_event ON audit (event) WHERE seq <> 7",
	    0);
	tell(*state,
	    "DROP INDEX audit_event;"
	    "CREATE INDEX audit_event ON audit (event COLLATE NOCASE)",
	    0);
	/* Of version 8 and those before it. */
	tell(*state,
	    "DROP INDEX audit_task;"
	    "CREATE INDEX audit_task ON audit (task, seq) "
	    "WHERE task IS NOT NULL",
	    0);
}

/* SQLite takes the page of an index from the last that has its name. */
static void
test_an_index_with_another_page_is_told(void **state)
{
	tell(*state,
	    "CREATE TABLE other (value, seq);"
	    "CREATE INDEX other_event ON other (value, seq);" PRETEND(
		"type = 'index', name = 'audit_event', tbl_name = 'x', "
		"sql = NULL",
		"name = 'other_event'"),
	    0);
}

static void
test_a_table_that_is_not_ours_is_told(void **state)
{
	tell(*state,
	    PRETEND("sql = replace(sql, 'rule TEXT', "
		    "'rule TEXT COLLATE NOCASE')",
		"name = 'audit'"),
	    0);
	tell(*state, "ALTER TABLE audit ADD COLUMN more AS (seq)", 0);
	tell(*state, "DROP TRIGGER audit_redacted", 0);
	tell(*state,
	    "CREATE TRIGGER mine AFTER INSERT ON audit BEGIN "
	    "UPDATE audit SET rule = NULL WHERE seq = NEW.seq; END",
	    0);
}

static char *
ask_text(struct log *log, const char *sql)
{
	sqlite3_stmt *statement;
	char *text;

	assert_int_equal(
	    sqlite3_prepare_v2(log->database, sql, -1, &statement, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	text = alloc_string((const char *)sqlite3_column_text(statement, 0));
	sqlite3_finalize(statement);
	return text;
}

/* A search between two numbers finds no text. */
static void
test_numbers_that_are_texts_are_told(void **state)
{
	struct log *log = *state;
	auto_free char *table = ask_text(log,
	    "SELECT replace(sql, 'seq INTEGER PRIMARY KEY', 'seq') "
	    "FROM sqlite_schema WHERE name = 'audit'");
	auto_free char *others = ask_text(log,
	    "SELECT group_concat(sql, ';') FROM sqlite_schema "
	    "WHERE tbl_name = 'audit' AND type <> 'table'");
	auto_free char *sql = alloc_printf("ALTER TABLE audit RENAME TO old;"
					   "%s; INSERT INTO audit "
					   "SELECT * FROM old; DROP TABLE old;"
					   "UPDATE audit SET seq = "
					   "CAST(seq AS TEXT) WHERE seq > %lld;"
					   "%s",
	    table, (long long)log->records - 5, others);

	tell(log, sql, 0);
}

/* -- of entries that have more than a value and a number */

/* Made of `columns` and called what ours is. */
#define MADE_OF(columns)                                             \
	"DROP INDEX audit_subject; CREATE INDEX audit_subject "      \
	"ON audit (" columns ") WHERE subject IS NOT NULL;" PRETEND( \
	    "sql = 'CREATE INDEX audit_subject ON audit (subject) "  \
	    "WHERE subject IS NOT NULL'",                            \
	    "name = 'audit_subject'")

static void
test_what_is_hidden_by_another_field_is_told(void **state)
{
	static const char hiding[] =
	    MADE_OF("subject, (iif(seq <= 9, NULL, seq))");

	for (int64_t seq = 1; seq <= 9; seq++)
		tell(*state, hiding, seq);
	tell(*state, MADE_OF("subject, (iif(seq > 1990, 'z', seq))"), 1999);
}

/* The number that is shown is the last field. */
static void
test_a_field_that_stands_behind_is_told(void **state)
{
	tell(*state, MADE_OF("subject, seq"), 0);
	tell(*state, MADE_OF("subject, seq, (NULL)"), 0);
}

#define PAGE 4096
#define CELLS_AT 12 /* behind the header of a page that has pages below it */

/* What the way to a record goes by: the number that the second page below the
 * root ends with is one less. */
static void
turn_a_signpost(const char *path, int64_t page)
{
	auto_file FILE *file = fopen(path, "r+");
	uint8_t bytes[PAGE];
	size_t cell;

	assert_non_null(file);
	assert_int_equal(fseek(file, (page - 1) * PAGE, SEEK_SET), 0);
	assert_int_equal(fread(bytes, 1, PAGE, file), PAGE);
	assert_int_equal(bytes[0], 5);
	cell = (size_t)bytes[CELLS_AT + 2] << 8 | bytes[CELLS_AT + 3];
	/* Behind the number of the page; of one byte, or the last of two. */
	cell += 4;
	if ((bytes[cell] & 0x80) != 0)
		cell++;
	bytes[cell]--;
	assert_int_equal(fseek(file, (page - 1) * PAGE, SEEK_SET), 0);
	assert_int_equal(fwrite(bytes, 1, PAGE, file), PAGE);
}

static void
test_a_record_to_which_no_way_leads_is_told(void **state)
{
	struct log *whole = *state;
	auto_free char *path = folder_path(whole->folder, "other.db");
	struct log log = {.key = whole->key};
	struct verify_report report;
	int64_t page;

	make_log(path, 0, 300);
	assert_int_equal(sqlite3_open(path, &log.database), SQLITE_OK);
	page = ask(
	    &log, "SELECT rootpage FROM sqlite_schema WHERE name = 'audit'");
	verify(&log, NULL, &report);
	assert_clean(&report, 300);
	sqlite3_close(log.database);
	turn_a_signpost(path, page);
	assert_int_equal(sqlite3_open(path, &log.database), SQLITE_OK);
	verify(&log, NULL, &report);
	assert_int_equal(report.records, 300);
	assert_true(names(&report, 0));
	sqlite3_close(log.database);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_log_that_nobody_changed_is_clean),
	    cmocka_unit_test(test_every_change_is_found_and_told_where),
	    cmocka_unit_test(
		test_what_was_rolled_back_and_signed_is_found_by_a_kept_checkpoint),
	    cmocka_unit_test(
		test_what_was_signed_anew_is_found_by_a_kept_checkpoint),
	    cmocka_unit_test(test_the_log_of_another_installation_is_not_ours),
	    cmocka_unit_test(test_what_is_no_log_is_told),
	    cmocka_unit_test(test_indexes_that_are_not_ours_are_told),
	    cmocka_unit_test(test_an_index_with_another_page_is_told),
	    cmocka_unit_test(test_a_table_that_is_not_ours_is_told),
	    cmocka_unit_test(test_numbers_that_are_texts_are_told),
	    cmocka_unit_test(test_what_is_hidden_by_another_field_is_told),
	    cmocka_unit_test(test_a_field_that_stands_behind_is_told),
	    cmocka_unit_test(test_a_record_to_which_no_way_leads_is_told),
	};

	return cmocka_run_group_tests(tests, open_log, close_log);
}
