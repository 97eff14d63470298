/*
 * Each entry, value and number, is hashed with a key that is drawn for this
 * once, and the hashes are summed up: over the rows, in their order, and over
 * each index, in its own. The sums are equal where both have the same entries,
 * and a search finds every entry where they are in order. Looking each of them
 * up, as SQLite's integrity_check does, takes four times as long.
 *
 * A search compares the first two fields of an entry and takes the row's number
 * from the last, and a query can read no other one but the first. So an index
 * is read as if its entries were rows of a table (sqlite.org/imposter.html):
 * each field by its place, and that there are but two.
 */
#include "admin/verify_index.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "admin/verify_record.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/digest.h"
#include "lib/siphash.h"
#include "lib/statement.h"

static const struct {
	const char *name, *column;
	enum verify_column place;
	bool is_partial; /* has no entry where there is no value */
} indexes[VERIFY_INDEXES] = {
    {"audit_time", "time_ms", VERIFY_TIME, false},
    {"audit_event", "event", VERIFY_EVENT, false},
    {"audit_task", "task", VERIFY_TASK, true},
    {"audit_subject", "subject", VERIFY_SUBJECT, true},
    {"audit_thumbprint", "thumbprint", VERIFY_THUMBPRINT, true},
    {"audit_rule", "rule", VERIFY_RULE, true},
    {"audit_outcome", "outcome", VERIFY_OUTCOME, true},
    {"audit_image", "image", VERIFY_IMAGE, true},
};

static sqlite3_stmt *
prepare(sqlite3 *database, const char *sql)
{
	sqlite3_stmt *statement = NULL;

	if (sqlite3_prepare_v2(database, sql, -1, &statement, NULL) !=
	    SQLITE_OK)
		return NULL;
	return statement;
}

/* -- how they are defined */

static char *
define(size_t i)
{
	const char *column = indexes[i].column;

	return indexes[i].is_partial
	    ? alloc_printf("CREATE INDEX %s ON audit (%s) WHERE %s IS NOT NULL",
		  indexes[i].name, column, column)
	    : alloc_printf(
		  "CREATE INDEX %s ON audit (%s)", indexes[i].name, column);
}

/* As it stands behind the last step (runner/schema.c). */
static const char table[] =
    "CREATE TABLE audit ( seq INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL,"
    " event TEXT NOT NULL, task TEXT, record TEXT NOT NULL,"
    " leaf BLOB NOT NULL, untrusted TEXT, salt BLOB, subject TEXT,"
    " thumbprint TEXT, rule TEXT, outcome TEXT, image_id TEXT, image TEXT)";
static const char trigger[] =
    "CREATE TRIGGER audit_redacted AFTER UPDATE OF untrusted ON audit"
    " WHEN NEW.untrusted IS NULL BEGIN"
    " UPDATE audit SET image = image_id WHERE seq = NEW.seq; END";

/* Behind the indexes. */
enum { TABLE = VERIFY_INDEXES, TRIGGER, OBJECTS };

static const char *
name_of(size_t i)
{
	return i < VERIFY_INDEXES ? indexes[i].name
	    : i == TABLE          ? "audit"
				  : "audit_redacted";
}

static char *
define_object(size_t i)
{
	return i < VERIFY_INDEXES ? define(i)
				  : alloc_string(i == TABLE ? table : trigger);
}

/* What SQLite goes by; "" is none. */
struct object {
	const char *name, *table, *sql;
	int page;
};

static const char *
read_text(sqlite3_stmt *row, int column)
{
	const char *text = (const char *)sqlite3_column_text(row, column);

	return text != NULL ? text : "";
}

/* SQLite takes no account of case, nor of what is behind a zero byte; and an
 * entry without text gives an index of that name another page. */
static bool
is_of_audit(const struct object *object)
{
	return sqlite3_stricmp(object->table, "audit") == 0 ||
	    sqlite3_strnicmp(object->name, "audit", 5) == 0;
}

/* OBJECTS: it is none of ours. */
static size_t
find_object(const struct object *object)
{
	size_t i;

	for (i = 0; i < OBJECTS; i++) {
		auto_free char *definition = define_object(i);

		if (strcmp(object->name, name_of(i)) == 0 &&
		    strcmp(object->sql, definition) == 0)
			break;
	}
	return i;
}

/* Another index could be asked in place of ours, and another table compare
 * numbers as texts. */
static void
check_object(struct verify_index *index, size_t seen[OBJECTS],
    const struct object *object, struct verify_report *report)
{
	size_t i = find_object(object);

	if (i == OBJECTS) {
		verify_find(report, 0,
		    "what defines the log's table, its indexes or its trigger "
		    "is not this version's");
		return;
	}
	if (i < VERIFY_INDEXES)
		index->pages[i] = object->page;
	seen[i]++;
}

static int
check_definitions(struct verify_index *index, sqlite3 *database,
    struct verify_report *report, struct err *err)
{
	auto_statement *row = prepare(database,
	    "SELECT name, tbl_name, sql, rootpage FROM sqlite_schema");
	size_t seen[OBJECTS] = {0};
	int result;

	while ((result = sqlite3_step(row)) == SQLITE_ROW) {
		const struct object object = {read_text(row, 0),
		    read_text(row, 1), read_text(row, 2),
		    sqlite3_column_int(row, 3)};

		if (is_of_audit(&object))
			check_object(index, seen, &object, report);
	}
	if (result != SQLITE_DONE)
		return err_set(err, ERR_UNAVAILABLE,
		    "the audit log: it is no log of ours: %s",
		    sqlite3_errmsg(database));
	for (size_t i = 0; i < OBJECTS; i++) {
		if (seen[i] != 1)
			verify_find(report, 0,
			    "%s is missing, doubled or another than this "
			    "version's",
			    name_of(i));
	}
	return 0;
}

/* -- entries */

struct entry {
	int type; /* SQLite's, of the value */
	const void *data; /* until the next step */
	size_t len;
	int64_t number; /* of the value, where it is one */
	int64_t seq;
};

/* Who does not know the key can choose no entries with the sum that others
 * have. */
static uint64_t
hash(const uint64_t key[2], const struct entry *entry)
{
	const uint64_t head[] = {(uint64_t)entry->seq, (uint64_t)entry->type,
	    entry->data != NULL ? entry->len : (uint64_t)entry->number};
	struct siphash sum;

	siphash_init(&sum, key);
	siphash_add(&sum, head, sizeof(head));
	siphash_add(&sum, entry->data, entry->len);
	return siphash_sum(&sum);
}

static struct entry
read_entry(sqlite3_stmt *row, int column, int64_t seq)
{
	struct entry entry = {
	    .type = sqlite3_column_type(row, column), .seq = seq};

	if (entry.type == SQLITE_INTEGER) {
		entry.number = sqlite3_column_int64(row, column);
	} else if (entry.type != SQLITE_NULL) {
		entry.data = sqlite3_column_blob(row, column);
		entry.len = (size_t)sqlite3_column_bytes(row, column);
	}
	return entry;
}

/* -- the rows */

int
verify_index_begin(sqlite3 *database, struct verify_index *ret,
    struct verify_report *report, struct err *err)
{
	*ret = (struct verify_index){0};
	random_bytes(ret->key, sizeof(ret->key));
	return check_definitions(ret, database, report, err);
}

void
verify_index_add(struct verify_index *index, sqlite3_stmt *row)
{
	int64_t seq = sqlite3_column_int64(row, VERIFY_SEQ);

	for (size_t i = 0; i < VERIFY_INDEXES; i++) {
		struct entry entry =
		    read_entry(row, (int)indexes[i].place, seq);

		if (entry.type != SQLITE_NULL || !indexes[i].is_partial)
			index->sums[i] += hash(index->key, &entry);
	}
}

/* -- the indexes */

/* The entry before the one at hand. */
struct last {
	bool is_there;
	int64_t number, seq;
	char *data;
	size_t len, size;
};

static int
compare_values(const struct last *last, const struct entry *entry)
{
	size_t shorter = last->len < entry->len ? last->len : entry->len;
	int result = shorter > 0 && last->data != NULL
	    ? memcmp(last->data, entry->data, shorter)
	    : 0;

	if (result != 0)
		return result;
	if (last->len != entry->len)
		return last->len < entry->len ? -1 : 1;
	return last->number < entry->number ? -1 : last->number > entry->number;
}

static void
keep(struct last *last, const struct entry *entry)
{
	if (entry->len > last->size) {
		free(last->data);
		last->size = 2 * entry->len;
		last->data = alloc_zero(last->size, 1);
	}
	if (entry->len > 0)
		memcpy(last->data, entry->data, entry->len);
	last->len = entry->len;
	last->number = entry->number;
}

/* True: a search that comes by the one before comes to this one. A value of
 * another type than the index is of is in no record either. */
static bool
is_behind(struct last *last, const struct entry *entry)
{
	int before = last->is_there ? compare_values(last, entry) : -1;
	bool is_behind = before < 0 || (before == 0 && last->seq < entry->seq);

	if (before != 0)
		keep(last, entry);
	last->is_there = true;
	last->seq = entry->seq;
	return is_behind;
}

/* Its entries as rows of a table that is in no file and for this connection
 * alone, until close_entries(). Where an entry has no third field, `none` is
 * in its place, which nobody knows before. A SQLite that was built without this
 * (SQLITE_UNTESTABLE) would have to write the table to the file, which is open
 * to be read only: the index cannot be read then. */
static sqlite3_stmt *
open_entries(sqlite3 *database, int page, int64_t none)
{
	auto_free char *sql =
	    alloc_printf("CREATE TABLE entry (value, seq, more DEFAULT %" PRId64
			 ", PRIMARY KEY (value, seq)) WITHOUT ROWID",
		none);
	int result;

	sqlite3_test_control(
	    SQLITE_TESTCTRL_IMPOSTER, database, "main", 1, page);
	result = sqlite3_exec(database, sql, NULL, NULL, NULL);
	sqlite3_test_control(SQLITE_TESTCTRL_IMPOSTER, database, "main", 0, 0);
	return result == SQLITE_OK
	    ? prepare(database, "SELECT value, seq, more FROM entry")
	    : NULL;
}

static void
close_entries(sqlite3 *database, sqlite3_stmt *row)
{
	sqlite3_finalize(row);
	/* And the schema is read again. */
	sqlite3_test_control(SQLITE_TESTCTRL_IMPOSTER, database, "main", 0, 1);
}

static bool
is_entry(sqlite3_stmt *row, int64_t none)
{
	return sqlite3_column_type(row, 1) == SQLITE_INTEGER &&
	    sqlite3_column_type(row, 2) == SQLITE_INTEGER &&
	    sqlite3_column_int64(row, 2) == none;
}

static bool
is_whole(const struct verify_index *index, size_t i, sqlite3 *database)
{
	int64_t none = (int64_t)(index->key[0] >> 1);
	sqlite3_stmt *row = open_entries(database, index->pages[i], none);
	struct last last = {0};
	bool is_good = true;
	uint64_t sum = 0;
	int result;

	while ((result = sqlite3_step(row)) == SQLITE_ROW) {
		struct entry entry =
		    read_entry(row, 0, sqlite3_column_int64(row, 1));

		is_good =
		    is_behind(&last, &entry) && is_good && is_entry(row, none);
		sum += hash(index->key, &entry);
	}
	free(last.data);
	close_entries(database, row);
	return result == SQLITE_DONE && is_good && sum == index->sums[i];
}

/* Each record that is looked for in vain; how many. */
static size_t
find_hidden(size_t i, sqlite3 *database, struct verify_report *report)
{
	const char *column = indexes[i].column;
	auto_free char *sql = alloc_printf(
	    "SELECT seq FROM audit AS own NOT INDEXED WHERE %s IS NOT NULL "
	    "AND NOT EXISTS (SELECT 1 FROM audit AS other INDEXED BY %s "
	    "WHERE other.%s = own.%s AND other.seq = own.seq)",
	    column, indexes[i].name, column, column);
	auto_statement *row = prepare(database, sql);
	size_t count = 0;

	for (; sqlite3_step(row) == SQLITE_ROW; count++)
		verify_find(report, sqlite3_column_int64(row, 0),
		    "a search does not find it by what is in its column %s",
		    column);
	return count;
}

void
verify_index_check(const struct verify_index *index, sqlite3 *database,
    struct verify_report *report)
{
	for (size_t i = 0; i < VERIFY_INDEXES; i++) {
		/* One of no page is a finding of its own. */
		if (index->pages[i] != 0 && !is_whole(index, i, database) &&
		    find_hidden(i, database, report) == 0)
			verify_find(report, 0,
			    "the index %s has what no record has, or cannot "
			    "be read",
			    indexes[i].name);
	}
}
