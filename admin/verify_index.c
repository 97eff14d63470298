/*
 * Each entry, value and number, is hashed with a key that is drawn for this
 * once, and the hashes are summed up: over the rows, in their order, and over
 * each index, in its own. The sums are equal where both have the same entries,
 * and a search finds every entry where they are in order. Looking each of them
 * up, as SQLite's integrity_check does, takes four times as long.
 */
#include "admin/verify_index.h"

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

/* True: it is one of them, and compares bytes. */
static bool
is_ours(const char *name, const char *sql, bool by_bytes)
{
	for (size_t i = 0; i < VERIFY_INDEXES; i++) {
		auto_free char *definition = define(i);

		if (strcmp(name, indexes[i].name) == 0)
			return by_bytes && strcmp(sql, definition) == 0;
	}
	return false;
}

/* Another one could be asked in place of ours. */
static int
check_definitions(sqlite3 *database, struct err *err)
{
	auto_statement *row = NULL;
	size_t found = 0;
	int result = sqlite3_prepare_v2(database,
	    "SELECT name, coalesce(sql, ''), NOT EXISTS (SELECT 1 FROM "
	    "pragma_index_xinfo(name) WHERE \"key\" AND coll <> 'BINARY') "
	    "FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'audit'",
	    -1, &row, NULL);

	while (result == SQLITE_OK && sqlite3_step(row) == SQLITE_ROW &&
	    is_ours((const char *)sqlite3_column_text(row, 0),
		(const char *)sqlite3_column_text(row, 1),
		sqlite3_column_int(row, 2) != 0))
		found++;
	if (found == VERIFY_INDEXES && sqlite3_data_count(row) == 0)
		return 0;
	return err_set(err, ERR_CONFLICT,
	    "the audit log: its indexes are not those of this version: one is "
	    "missing or another; a runner of this version brings a log of an "
	    "older one up to date when it starts");
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
verify_index_begin(sqlite3 *database, struct verify_index *ret, struct err *err)
{
	*ret = (struct verify_index){0};
	random_bytes(ret->key, sizeof(ret->key));
	return check_definitions(database, err);
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

static sqlite3_stmt *
prepare(sqlite3 *database, const char *sql)
{
	sqlite3_stmt *statement = NULL;

	if (sqlite3_prepare_v2(database, sql, -1, &statement, NULL) !=
	    SQLITE_OK)
		return NULL;
	return statement;
}

static bool
is_whole(const struct verify_index *index, size_t i, sqlite3 *database)
{
	auto_free char *sql = alloc_printf(
	    "SELECT %s, seq FROM audit INDEXED BY %s%s%s%s", indexes[i].column,
	    indexes[i].name, indexes[i].is_partial ? " WHERE " : "",
	    indexes[i].is_partial ? indexes[i].column : "",
	    indexes[i].is_partial ? " IS NOT NULL" : "");
	auto_statement *row = prepare(database, sql);
	struct last last = {0};
	bool in_order = true;
	uint64_t sum = 0;
	int result;

	while ((result = sqlite3_step(row)) == SQLITE_ROW) {
		struct entry entry =
		    read_entry(row, 0, sqlite3_column_int64(row, 1));

		in_order = is_behind(&last, &entry) && in_order;
		sum += hash(index->key, &entry);
	}
	free(last.data);
	return result == SQLITE_DONE && in_order && sum == index->sums[i];
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
		if (!is_whole(index, i, database) &&
		    find_hidden(i, database, report) == 0)
			verify_find(report, 0,
			    "the index %s has what no record has, or cannot "
			    "be read",
			    indexes[i].name);
	}
}
