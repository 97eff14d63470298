#include "admin/verify_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "admin/verify_gone.h"
#include "admin/verify_index.h"
#include "admin/verify_record.h"
#include "admin/verify_row.h"
#include "lib/cleanup.h"
#include "lib/merkle.h"
#include "lib/statement.h"

struct verification {
	sqlite3 *database;
	const struct verify_question *question;
	struct verify_report *report;
	struct merkle_edge edge;
	sqlite3_stmt *level[MERKLE_LEVELS]; /* its nodes, in their order */
	int64_t nodes; /* that there have to be */
	int64_t seq; /* of the record at hand */
	bool from_met;
	struct verify_gone gone;
	struct verify_index index;
};

static int
fail(sqlite3 *database, const char *what, struct err *err)
{
	return err_set(err, ERR_UNAVAILABLE, "the audit log: %s: %s", what,
	    sqlite3_errmsg(database));
}

static int
prepare(sqlite3 *database, const char *sql, sqlite3_stmt **ret, struct err *err)
{
	if (sqlite3_prepare_v2(database, sql, -1, ret, NULL) != SQLITE_OK)
		return fail(database, "it is no log of ours", err);
	return 0;
}

/* Each level's nodes are asked for in their order, so they are read in it. */
static sqlite3_stmt *
open_level(struct verification *verification, unsigned level)
{
	sqlite3_stmt **nodes = &verification->level[level];
	struct err ignored;

	if (*nodes != NULL)
		return *nodes;
	if (prepare(verification->database,
		"SELECT place, hash FROM tree WHERE level = ?1 ORDER BY place",
		nodes, &ignored) != 0)
		return NULL;
	sqlite3_bind_int64(*nodes, 1, level);
	sqlite3_step(*nodes);
	return *nodes;
}

static bool
has_node(struct verification *verification, unsigned level, uint64_t index,
    const uint8_t hash[SHA256_BYTES])
{
	sqlite3_stmt *nodes = open_level(verification, level);
	bool is_it;

	/* Those passed over are too many, and counted. */
	while (sqlite3_data_count(nodes) > 0 &&
	    sqlite3_column_int64(nodes, 0) < (sqlite3_int64)index)
		sqlite3_step(nodes);
	if (sqlite3_data_count(nodes) == 0 ||
	    sqlite3_column_int64(nodes, 0) != (sqlite3_int64)index)
		return false;
	is_it = row_is_hash(row_bytes(nodes, 1, SQLITE_BLOB), hash);
	sqlite3_step(nodes);
	return is_it;
}

static int
check_node(void *arg, unsigned level, uint64_t index,
    const uint8_t hash[SHA256_BYTES], struct err *err)
{
	struct verification *verification = arg;

	(void)err;
	verification->nodes++;
	if (!has_node(verification, level, index, hash))
		verify_find(verification->report, verification->seq,
		    "the tree's node %" PRIu64 " of level %u is missing or "
		    "another",
		    index, level);
	return 0;
}

static void
close_levels(struct verification *verification)
{
	for (size_t i = 0; i < COUNT(verification->level); i++)
		sqlite3_finalize(verification->level[i]);
}

static void
meet_from(struct verification *verification)
{
	const struct checkpoint *from = verification->question->from;
	uint8_t root[SHA256_BYTES];

	if (from == NULL || from->size != verification->edge.size)
		return;
	verification->from_met = true;
	merkle_root(&verification->edge, root);
	if (memcmp(root, from->root, SHA256_BYTES) != 0)
		verify_find(verification->report, verification->seq,
		    "the records up to here are not those of the checkpoint");
}

static void
check_record(struct verification *verification, sqlite3_stmt *row)
{
	int64_t seq = sqlite3_column_int64(row, 0);
	int64_t expected = (int64_t)verification->edge.size + 1;
	const struct verify_record record = {.row = row,
	    .seq = seq,
	    .report = verification->report,
	    .gone = &verification->gone};
	uint8_t leaf[SHA256_BYTES];
	struct err ignored;

	verification->seq = seq;
	verification->report->records++;
	if (seq != expected)
		verify_find(verification->report, seq,
		    "the record before it has another number than %" PRId64
		    ": records are missing",
		    seq - 1);
	verify_record(&record, leaf);
	verify_index_add(&verification->index, row);
	(void)merkle_append(
	    &verification->edge, leaf, check_node, verification, &ignored);
	meet_from(verification);
}

static int
check_records(struct verification *verification, struct err *err)
{
	auto_statement *rows = NULL;
	int result;

	if (prepare(verification->database,
		"SELECT " VERIFY_RECORD_COLUMNS " FROM audit ORDER BY seq",
		&rows, err) != 0)
		return -1;
	while ((result = sqlite3_step(rows)) == SQLITE_ROW)
		check_record(verification, rows);
	if (result == SQLITE_DONE)
		return 0;
	verify_find(verification->report, verification->seq,
	    "the database cannot be read behind it: %s",
	    sqlite3_errmsg(verification->database));
	return 0;
}

/* -- the whole */

/* Records were read one after the other, which is not the way to one of them:
 * whether that leads there too. */
static int
check_pages(struct verification *verification, struct err *err)
{
	auto_statement *row = NULL;
	const char *text, *line;

	if (prepare(verification->database, "PRAGMA quick_check(audit)", &row,
		err) != 0)
		return -1;
	while (sqlite3_step(row) == SQLITE_ROW) {
		text = (const char *)sqlite3_column_text(row, 0);
		/* The last of its lines; the first names the database. */
		line = text != NULL ? strrchr(text, '\n') : NULL;
		if (text == NULL || strcmp(text, "ok") != 0)
			verify_find(verification->report, 0,
			    "the database is damaged: %.150s",
			    line != NULL       ? line + 1
				: text != NULL ? text
					       : "");
	}
	return 0;
}

static int
count_nodes(struct verification *verification, struct err *err)
{
	auto_statement *row = NULL;

	if (prepare(verification->database, "SELECT count(*) FROM tree", &row,
		err) != 0)
		return -1;
	if (sqlite3_step(row) != SQLITE_ROW ||
	    sqlite3_column_int64(row, 0) != verification->nodes)
		verify_find(verification->report, 0,
		    "the tree has nodes of no records");
	return 0;
}

static void
compare_head(struct verification *verification, sqlite3_stmt *row)
{
	struct verify_report *report = verification->report;
	const struct checkpoint *head = &report->head;

	if (head->size != verification->edge.size)
		verify_find(verification->report, 0,
		    "%" PRIu64 " records were signed, and %" PRIu64
		    " are there",
		    head->size, verification->edge.size);
	else if (memcmp(head->root, report->root, SHA256_BYTES) != 0)
		verify_find(verification->report, 0,
		    "the records are not those that were signed");
	if (sqlite3_column_int64(row, 1) != (sqlite3_int64)head->size ||
	    !row_is_hash(row_bytes(row, 2, SQLITE_BLOB), head->root))
		verify_find(verification->report, 0,
		    "size and root beside the signed head are not its own");
}

static int
check_head(struct verification *verification, struct err *err)
{
	auto_statement *row = NULL;
	struct err why = {0};
	struct row_bytes note;

	if (prepare(verification->database, "SELECT note, size, root FROM head",
		&row, err) != 0)
		return -1;
	if (sqlite3_step(row) != SQLITE_ROW) {
		if (verification->edge.size > 0)
			verify_find(
			    verification->report, 0, "there is no signed head");
		return 0;
	}
	note = row_bytes(row, 0, SQLITE_TEXT);
	if (note.data == NULL ||
	    audit_keys_open(&verification->question->keys, note.data, note.len,
		verification->question->origin, &verification->report->head,
		&why) != 0)
		verify_find(verification->report, 0, "the signed head: %.150s",
		    note.data == NULL ? "it is no text" : why.detail);
	else
		compare_head(verification, row);
	return 0;
}

static void
check_from(struct verification *verification)
{
	const struct checkpoint *from = verification->question->from;

	if (from != NULL && from->size > 0 && !verification->from_met)
		verify_find(verification->report, 0,
		    "the checkpoint has %" PRIu64 " records, and only %" PRIu64
		    " are there",
		    from->size, verification->edge.size);
}

static void
check_gone(struct verification *verification)
{
	const struct verify_gone *gone = &verification->gone;

	if (gone->last > gone->through)
		verify_find(verification->report, gone->last,
		    "its text is gone, and no record says that it was dropped");
	for (size_t i = 0; i < gone->count; i++)
		verify_find(verification->report, gone->missing[i],
		    "what stands beside it is gone, and no record says that "
		    "it was redacted");
	verification->report->dropped = gone->dropped;
	verification->report->redacted = gone->redacted;
}

int
verify_log(sqlite3 *database, const struct verify_question *question,
    struct verify_report *ret, struct err *err)
{
	struct verification verification = {
	    .database = database, .question = question, .report = ret};
	int result;

	*ret = (struct verify_report){0};
	if (sqlite3_exec(database, "SAVEPOINT verify", NULL, NULL, NULL) !=
	    SQLITE_OK)
		return fail(database, "it cannot be read", err);
	result = verify_index_begin(database, &verification.index, ret, err);
	if (result == 0)
		result = check_records(&verification, err);
	if (result == 0)
		result = check_pages(&verification, err);
	merkle_root(&verification.edge, ret->root);
	if (result == 0)
		result = count_nodes(&verification, err);
	if (result == 0)
		result = check_head(&verification, err);
	close_levels(&verification);
	if (result == 0)
		verify_index_check(&verification.index, database, ret);
	check_from(&verification);
	check_gone(&verification);
	verify_gone_done(&verification.gone);
	sqlite3_exec(database, "RELEASE verify", NULL, NULL, NULL);
	return result;
}
