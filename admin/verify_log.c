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
#include "lib/json_pick.h"
#include "lib/merkle.h"

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

/* What of a record is compared with something. */
enum member {
	RECORD_SEQ,
	RECORD_TIME,
	RECORD_EVENT,
	RECORD_RULE,
	RECORD_OUTCOME,
	RECORD_UNTRUSTED,
	RECORD_TASK,
	RECORD_IMAGE,
	RECORD_IMAGE_ID,
	RECORD_SUBJECT,
	RECORD_THUMBPRINT,
	MEMBERS
};

static const struct json_pick_member members[MEMBERS] = {
    [RECORD_SEQ] = {NULL, "seq"},
    [RECORD_TIME] = {NULL, "time"},
    [RECORD_EVENT] = {NULL, "event"},
    [RECORD_RULE] = {NULL, "rule"},
    [RECORD_OUTCOME] = {NULL, "outcome"},
    [RECORD_UNTRUSTED] = {NULL, "untrusted_sha256"},
    [RECORD_TASK] = {"object", "task"},
    [RECORD_IMAGE] = {"object", "image"},
    [RECORD_IMAGE_ID] = {"object", "image_id"},
    [RECORD_SUBJECT] = {"principal", "subject"},
    [RECORD_THUMBPRINT] = {"principal", "thumbprint"},
};

static const struct json_pick_member client_image = {NULL, "image"};

/* What searches go by, and what of the record it has to be. */
static const struct {
	int column;
	enum member member;
} searched[] = {
    {EVENT, RECORD_EVENT},
    {TASK, RECORD_TASK},
    {SUBJECT, RECORD_SUBJECT},
    {THUMBPRINT, RECORD_THUMBPRINT},
    {RULE, RECORD_RULE},
    {OUTCOME, RECORD_OUTCOME},
};

/* The same from what was parsed, whose strings it borrows. */
static void
pick_parsed(const json_t *json, const struct json_pick_member *wanted, size_t n,
    struct json_span *ret)
{
	for (size_t i = 0; i < n; i++) {
		const json_t *value = json_object_get(wanted[i].part != NULL
			? json_object_get(json, wanted[i].part)
			: json,
		    wanted[i].name);

		ret[i] = (struct json_span){.at = json_string_value(value),
		    .len = json_string_length(value),
		    .is_string = json_is_string(value)};
	}
}

/* Parsing is what takes the time of a whole log, and text that a hash vouches
 * for need not be doubted. False: it is no object. *ret_json: what `ret`
 * borrows from, or NULL. */
static bool
read_members(struct bytes text, bool vouched,
    const struct json_pick_member *wanted, size_t n, struct json_span *ret,
    json_t **ret_json)
{
	struct err ignored;

	if (vouched && json_pick(text.data, text.len, wanted, n, ret))
		return true;
	*ret_json = json_parse_strict(text.data, text.len, &ignored);
	pick_parsed(*ret_json, wanted, n, ret);
	return json_is_object(*ret_json);
}

static struct bytes
text_of(struct json_span span)
{
	return span.is_string ? (struct bytes){span.at, span.len}
			      : (struct bytes){0};
}

static bool
is_same(struct bytes one, struct bytes other)
{
	if (one.data == NULL || other.data == NULL)
		return one.data == other.data;
	return one.len == other.len &&
	    memcmp(one.data, other.data, one.len) == 0;
}

static void
check_searched(struct verification *verification, sqlite3_stmt *row,
    const struct json_span *record)
{
	for (size_t i = 0; i < COUNT(searched); i++) {
		struct bytes bytes =
		    column_bytes(row, searched[i].column, SQLITE_TEXT);

		if (!is_same(bytes, text_of(record[searched[i].member])))
			find(verification, verification->seq,
			    "its %s is not the record's",
			    members[searched[i].member].name);
	}
}

/* As the client named it, else the rule, else as it ran. */
static void
check_image(struct verification *verification, sqlite3_stmt *row,
    const struct json_span *record, bool vouched)
{
	struct bytes text = column_bytes(row, UNTRUSTED, SQLITE_TEXT);
	struct bytes own = text_of(record[RECORD_IMAGE]), image = {0};
	struct json_span named = {0};
	auto_json *untrusted = NULL;

	if (own.data == NULL)
		own = text_of(record[RECORD_IMAGE_ID]);
	if (text.data != NULL &&
	    read_members(text, vouched, &client_image, 1, &named, &untrusted))
		image = text_of(named);
	if (!is_same(column_bytes(row, IMAGE_ID, SQLITE_TEXT), own) ||
	    !is_same(column_bytes(row, IMAGE, SQLITE_TEXT),
		image.data != NULL ? image : own))
		find(verification, verification->seq,
		    "its image is not the record's");
}

static bool
has_number(struct json_span span, const json_t *parsed, int64_t seq)
{
	char number[24];

	if (parsed != NULL)
		return json_integer_value(json_object_get(parsed, "seq")) ==
		    seq;
	snprintf(number, sizeof(number), "%" PRId64, seq);
	return !span.is_string &&
	    is_text((struct bytes){span.at, span.len}, number);
}

static void
check_columns(struct verification *verification, sqlite3_stmt *row,
    const struct json_span *record)
{
	char when[CLOCK_TEXT];

	clock_format(sqlite3_column_int64(row, TIME), when);
	if (!is_text(text_of(record[RECORD_TIME]), when))
		find(verification, verification->seq,
		    "its time is not the record's");
	check_searched(verification, row, record);
}

/* True: what stands beside the record is what its hash says. */
static bool
check_untrusted(
    struct verification *verification, sqlite3_stmt *row, struct bytes expected)
{
	struct bytes text = column_bytes(row, UNTRUSTED, SQLITE_TEXT);
	struct bytes salt = column_bytes(row, SALT, SQLITE_BLOB);
	auto_free char *salted = NULL;
	char hex[SHA256_HEX];

	if (expected.data == NULL && text.data == NULL)
		return true;
	if (expected.data != NULL && text.data == NULL && salt.data == NULL) {
		verify_gone_untrusted(&verification->gone, verification->seq);
		return true;
	}
	if (expected.data == NULL || text.data == NULL || salt.data == NULL) {
		find(verification, verification->seq,
		    "what stands beside it is missing or was not there");
		return false;
	}
	salted = alloc_zero(salt.len + text.len, 1);
	memcpy(salted, salt.data, salt.len);
	memcpy(salted + salt.len, text.data, text.len);
	digest_sha256_hex(salted, salt.len + text.len, hex);
	if (is_text(expected, hex))
		return true;
	find(verification, verification->seq,
	    "what stands beside it was changed");
	return false;
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
	is_it = is_hash(column_bytes(nodes, 1, SQLITE_BLOB), hash);
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
		find(verification, verification->seq,
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

/* Records of the log itself, which are few. */
static void
hear(struct verification *verification, struct bytes text, struct bytes event)
{
	auto_json *record = NULL;
	struct err ignored;

	if (event.len < 6 || memcmp(event.data, "audit.", 6) != 0)
		return;
	record = json_parse_strict(text.data, text.len, &ignored);
	verify_gone_hear(&verification->gone, verification->seq, record);
}

/* `vouched`: its hash is the one that it has in the tree. */
static void
check_text(struct verification *verification, sqlite3_stmt *row,
    struct bytes text, bool vouched)
{
	struct json_span record[MEMBERS] = {0};
	auto_json *parsed = NULL;

	if (text.data == NULL ||
	    !read_members(text, vouched, members, MEMBERS, record, &parsed)) {
		find(verification, verification->seq, "it is no record");
		return;
	}
	if (!has_number(record[RECORD_SEQ], parsed, verification->seq))
		find(verification, verification->seq,
		    "the record says another number");
	check_columns(verification, row, record);
	vouched = check_untrusted(
	    verification, row, text_of(record[RECORD_UNTRUSTED]));
	check_image(verification, row, record, vouched);
	hear(verification, text, text_of(record[RECORD_EVENT]));
}

/* The hash that it has in the tree; of what is dropped there is no other. */
static void
check_leaf(struct verification *verification, sqlite3_stmt *row,
    struct bytes text, uint8_t ret[SHA256_BYTES])
{
	struct bytes leaf = column_bytes(row, LEAF, SQLITE_BLOB);
	bool vouched;

	if (text.data != NULL && text.len == 0 && leaf.len == SHA256_BYTES) {
		memcpy(ret, leaf.data, SHA256_BYTES);
		check_dropped(verification, row);
		return;
	}
	merkle_hash_leaf(text.data != NULL ? text.data : "", text.len, ret);
	vouched = is_hash(leaf, ret);
	if (!vouched)
		find(verification, verification->seq,
		    "its bytes are not those that were hashed");
	check_text(verification, row, text, vouched);
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

	if (prepare(verification->database, RECORDS, &rows, err) != 0)
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
	close_levels(&verification);
	sqlite3_exec(database, "RELEASE verify", NULL, NULL, NULL);
	return result;
}
