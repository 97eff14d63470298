#include "admin/verify_log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "admin/verify_gone.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/merkle.h"

struct verification {
	sqlite3 *database;
	const struct verify_question *question;
	struct verify_report *report;
	struct merkle_edge edge;
	sqlite3_stmt *node; /* finds one */
	int64_t nodes; /* that there have to be */
	int64_t seq; /* of the record at hand */
	bool from_met;
	struct verify_gone gone;
};

static void find(struct verification *verification, int64_t seq,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

static void
find(struct verification *verification, int64_t seq, const char *format, ...)
{
	struct verify_report *report = verification->report;
	struct verify_finding *finding;
	va_list ap;

	if (report->nfindings++ >= VERIFY_FINDINGS_MAX)
		return;
	finding = &report->findings[report->nfindings - 1];
	finding->seq = seq;
	va_start(ap, format);
	vsnprintf(finding->what, sizeof(finding->what), format, ap);
	va_end(ap);
}

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

static void
cleanup_statement(sqlite3_stmt **statement)
{
	sqlite3_finalize(*statement);
}
#define auto_statement __attribute__((cleanup(cleanup_statement))) sqlite3_stmt

/* -- the columns of a row */

enum column {
	SEQ,
	TIME,
	EVENT,
	TASK,
	RECORD,
	LEAF,
	UNTRUSTED,
	SALT,
	SUBJECT,
	THUMBPRINT,
	RULE,
	OUTCOME,
	IMAGE_ID,
	IMAGE
};

#define RECORDS                                                             \
	"SELECT seq, time_ms, event, task, record, leaf, untrusted, salt, " \
	"subject, thumbprint, rule, outcome, image_id, image FROM audit "   \
	"ORDER BY seq"

struct bytes {
	const void *data; /* NULL: none */
	size_t len;
};

/* A value of another type is as good as none. */
static struct bytes
column_bytes(sqlite3_stmt *row, int column, int type)
{
	const void *data;

	if (sqlite3_column_type(row, column) != type)
		return (struct bytes){0};
	data = type == SQLITE_TEXT
	    ? (const void *)sqlite3_column_text(row, column)
	    : sqlite3_column_blob(row, column);
	return (struct bytes){data, (size_t)sqlite3_column_bytes(row, column)};
}

static bool
is_text(struct bytes bytes, const char *text)
{
	if (text == NULL || bytes.data == NULL)
		return text == NULL && bytes.data == NULL;
	return bytes.len == strlen(text) &&
	    memcmp(bytes.data, text, bytes.len) == 0;
}

static bool
is_hash(struct bytes bytes, const uint8_t hash[SHA256_BYTES])
{
	return bytes.data != NULL && bytes.len == SHA256_BYTES &&
	    memcmp(bytes.data, hash, SHA256_BYTES) == 0;
}

/* -- one record */

static const char *
text_of(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

/* What searches go by, and what of the record it has to be. */
static const struct {
	int column;
	const char *part; /* NULL: the record itself */
	const char *member;
} searched[] = {
    {EVENT, NULL, "event"},
    {TASK, "object", "task"},
    {SUBJECT, "principal", "subject"},
    {THUMBPRINT, "principal", "thumbprint"},
    {RULE, NULL, "rule"},
    {OUTCOME, NULL, "outcome"},
};

static void
check_searched(
    struct verification *verification, sqlite3_stmt *row, const json_t *record)
{
	for (size_t i = 0; i < COUNT(searched); i++) {
		const json_t *object = searched[i].part != NULL
		    ? json_object_get(record, searched[i].part)
		    : record;
		struct bytes bytes =
		    column_bytes(row, searched[i].column, SQLITE_TEXT);

		if (!is_text(bytes, text_of(object, searched[i].member)))
			find(verification, verification->seq,
			    "its %s is not the record's", searched[i].member);
	}
}

/* As the client named it, else the rule, else as it ran. */
static void
check_image(
    struct verification *verification, sqlite3_stmt *row, const json_t *record)
{
	const json_t *object = json_object_get(record, "object");
	struct bytes text = column_bytes(row, UNTRUSTED, SQLITE_TEXT);
	auto_json *untrusted = NULL;
	const char *own = text_of(object, "image"), *image;
	struct err ignored;

	if (own == NULL)
		own = text_of(object, "image_id");
	/* Most have none: parsing is what takes the time. */
	if (text.data != NULL &&
	    memmem(text.data, text.len, "\"image\"", 7) != NULL)
		untrusted = json_parse_strict(text.data, text.len, &ignored);
	image = text_of(untrusted, "image");
	if (!is_text(column_bytes(row, IMAGE_ID, SQLITE_TEXT), own) ||
	    !is_text(column_bytes(row, IMAGE, SQLITE_TEXT),
		image != NULL ? image : own))
		find(verification, verification->seq,
		    "its image is not the record's");
}

static void
check_columns(
    struct verification *verification, sqlite3_stmt *row, const json_t *record)
{
	int64_t seq = verification->seq;
	const char *time = text_of(record, "time");
	char when[CLOCK_TEXT];

	clock_format(sqlite3_column_int64(row, TIME), when);
	if (json_integer_value(json_object_get(record, "seq")) != seq)
		find(verification, seq, "the record says another number");
	if (time == NULL || strcmp(time, when) != 0)
		find(verification, seq, "its time is not the record's");
	check_searched(verification, row, record);
	check_image(verification, row, record);
}

static void
check_untrusted(
    struct verification *verification, sqlite3_stmt *row, const json_t *record)
{
	const char *expected = text_of(record, "untrusted_sha256");
	struct bytes text = column_bytes(row, UNTRUSTED, SQLITE_TEXT);
	struct bytes salt = column_bytes(row, SALT, SQLITE_BLOB);
	auto_free char *salted = NULL;
	char hex[SHA256_HEX];

	if (expected == NULL && text.data == NULL)
		return;
	if (expected != NULL && text.data == NULL && salt.data == NULL) {
		verify_gone_untrusted(&verification->gone, verification->seq);
		return;
	}
	if (expected == NULL || text.data == NULL || salt.data == NULL) {
		find(verification, verification->seq,
		    "what stands beside it is missing or was not there");
		return;
	}
	salted = alloc_zero(salt.len + text.len, 1);
	memcpy(salted, salt.data, salt.len);
	memcpy(salted + salt.len, text.data, text.len);
	digest_sha256_hex(salted, salt.len + text.len, hex);
	if (strcmp(hex, expected) != 0)
		find(verification, verification->seq,
		    "what stands beside it was changed");
}

static int
check_node(void *arg, unsigned level, uint64_t index,
    const uint8_t hash[SHA256_BYTES], struct err *err)
{
	struct verification *verification = arg;
	sqlite3_stmt *node = verification->node;

	(void)err;
	verification->nodes++;
	sqlite3_reset(node);
	sqlite3_bind_int64(node, 1, level);
	sqlite3_bind_int64(node, 2, (sqlite3_int64)index);
	if (sqlite3_step(node) != SQLITE_ROW ||
	    !is_hash(column_bytes(node, 0, SQLITE_BLOB), hash))
		find(verification, verification->seq,
		    "the tree's node %" PRIu64 " of level %u is missing or "
		    "another",
		    index, level);
	return 0;
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
		find(verification, verification->seq,
		    "the records up to here are not those of the checkpoint");
}

/* Nothing is left of it that could be taken for its own. */
static void
check_dropped(struct verification *verification, sqlite3_stmt *row)
{
	bool empty = sqlite3_column_bytes(row, EVENT) == 0;

	verify_gone_text(&verification->gone, verification->seq);
	for (int column = TASK; column <= IMAGE; column++)
		empty = empty &&
		    (column == LEAF || sqlite3_column_bytes(row, column) == 0);
	if (!empty)
		find(verification, verification->seq,
		    "its text is gone, and something of it is not");
}

static void
check_text(
    struct verification *verification, sqlite3_stmt *row, struct bytes text)
{
	auto_json *record = NULL;
	struct err ignored;

	if (text.data != NULL)
		record = json_parse_strict(text.data, text.len, &ignored);
	if (!json_is_object(record)) {
		find(verification, verification->seq, "it is no record");
		return;
	}
	check_columns(verification, row, record);
	check_untrusted(verification, row, record);
	verify_gone_hear(&verification->gone, verification->seq, record);
}

/* The hash that it has in the tree; of what is dropped there is no other. */
static void
check_leaf(struct verification *verification, sqlite3_stmt *row,
    struct bytes text, uint8_t ret[SHA256_BYTES])
{
	struct bytes leaf = column_bytes(row, LEAF, SQLITE_BLOB);

	if (text.data != NULL && text.len == 0 && leaf.len == SHA256_BYTES) {
		memcpy(ret, leaf.data, SHA256_BYTES);
		check_dropped(verification, row);
		return;
	}
	merkle_hash_leaf(text.data != NULL ? text.data : "", text.len, ret);
	if (!is_hash(leaf, ret))
		find(verification, verification->seq,
		    "its bytes are not those that were hashed");
	check_text(verification, row, text);
}

static void
check_record(struct verification *verification, sqlite3_stmt *row)
{
	struct bytes text = column_bytes(row, RECORD, SQLITE_TEXT);
	int64_t seq = sqlite3_column_int64(row, SEQ);
	int64_t expected = (int64_t)verification->edge.size + 1;
	uint8_t leaf[SHA256_BYTES];
	struct err ignored;

	verification->seq = seq;
	verification->report->records++;
	if (seq != expected)
		find(verification, seq,
		    "the record before it has another number than %" PRId64
		    ": records are missing",
		    seq - 1);
	check_leaf(verification, row, text, leaf);
	(void)merkle_append(
	    &verification->edge, leaf, check_node, verification, &ignored);
	meet_from(verification);
}

static int
check_records(struct verification *verification, struct err *err)
{
	auto_statement *rows = NULL;
	int result;

	if (prepare(verification->database, RECORDS, &rows, err) != 0 ||
	    prepare(verification->database,
		"SELECT hash FROM tree WHERE level = ?1 AND place = ?2",
		&verification->node, err) != 0)
		return -1;
	while ((result = sqlite3_step(rows)) == SQLITE_ROW)
		check_record(verification, rows);
	if (result == SQLITE_DONE)
		return 0;
	find(verification, verification->seq,
	    "the database cannot be read behind it: %s",
	    sqlite3_errmsg(verification->database));
	return 0;
}

/* -- the whole */

static int
count_nodes(struct verification *verification, struct err *err)
{
	auto_statement *row = NULL;

	if (prepare(verification->database, "SELECT count(*) FROM tree", &row,
		err) != 0)
		return -1;
	if (sqlite3_step(row) != SQLITE_ROW ||
	    sqlite3_column_int64(row, 0) != verification->nodes)
		find(verification, 0, "the tree has nodes of no records");
	return 0;
}

static void
compare_head(struct verification *verification, sqlite3_stmt *row)
{
	struct verify_report *report = verification->report;
	const struct checkpoint *head = &report->head;

	if (head->size != verification->edge.size)
		find(verification, 0,
		    "%" PRIu64 " records were signed, and %" PRIu64
		    " are there",
		    head->size, verification->edge.size);
	else if (memcmp(head->root, report->root, SHA256_BYTES) != 0)
		find(verification, 0,
		    "the records are not those that were signed");
	if (sqlite3_column_int64(row, 1) != (sqlite3_int64)head->size ||
	    !is_hash(column_bytes(row, 2, SQLITE_BLOB), head->root))
		find(verification, 0,
		    "size and root beside the signed head are not its own");
}

static int
check_head(struct verification *verification, struct err *err)
{
	auto_statement *row = NULL;
	struct err why = {0};
	struct bytes note;

	if (prepare(verification->database, "SELECT note, size, root FROM head",
		&row, err) != 0)
		return -1;
	if (sqlite3_step(row) != SQLITE_ROW) {
		if (verification->edge.size > 0)
			find(verification, 0, "there is no signed head");
		return 0;
	}
	note = column_bytes(row, 0, SQLITE_TEXT);
	if (note.data == NULL ||
	    audit_keys_open(&verification->question->keys, note.data, note.len,
		verification->question->origin, &verification->report->head,
		&why) != 0)
		find(verification, 0, "the signed head: %.150s",
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
		find(verification, 0,
		    "the checkpoint has %" PRIu64 " records, and only %" PRIu64
		    " are there",
		    from->size, verification->edge.size);
}

static void
check_gone(struct verification *verification)
{
	const struct verify_gone *gone = &verification->gone;

	if (gone->last > gone->through)
		find(verification, gone->last,
		    "its text is gone, and no record says that it was dropped");
	for (size_t i = 0; i < gone->count; i++)
		find(verification, gone->missing[i],
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
	result = check_records(&verification, err);
	merkle_root(&verification.edge, ret->root);
	if (result == 0)
		result = count_nodes(&verification, err);
	if (result == 0)
		result = check_head(&verification, err);
	check_from(&verification);
	check_gone(&verification);
	verify_gone_done(&verification.gone);
	sqlite3_finalize(verification.node);
	sqlite3_exec(database, "RELEASE verify", NULL, NULL, NULL);
	return result;
}
