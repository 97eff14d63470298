#include "admin/verify_record.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "admin/verify_row.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/json_pick.h"
#include "lib/merkle.h"
#include "lib/record.h"

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
    {VERIFY_EVENT, RECORD_EVENT},
    {VERIFY_TASK, RECORD_TASK},
    {VERIFY_SUBJECT, RECORD_SUBJECT},
    {VERIFY_THUMBPRINT, RECORD_THUMBPRINT},
    {VERIFY_RULE, RECORD_RULE},
    {VERIFY_OUTCOME, RECORD_OUTCOME},
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
read_members(struct row_bytes text, bool vouched,
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

static struct row_bytes
text_of(struct json_span span)
{
	return span.is_string ? (struct row_bytes){span.at, span.len}
			      : (struct row_bytes){0};
}

/* NULL where it is none, and of no other type. */
static bool
is_column(sqlite3_stmt *row, int column, struct row_bytes expected)
{
	struct row_bytes text = row_bytes(row, column, SQLITE_TEXT);

	if (expected.data == NULL)
		return row_is_null(row, column);
	return text.data != NULL && text.len == expected.len &&
	    memcmp(text.data, expected.data, text.len) == 0;
}

static void
check_searched(const struct verify_record *at, const struct json_span *record)
{
	for (size_t i = 0; i < COUNT(searched); i++) {
		if (!is_column(at->row, searched[i].column,
			text_of(record[searched[i].member])))
			verify_find(at->report, at->seq,
			    "its %s is not the record's",
			    members[searched[i].member].name);
	}
}

/* As the client named it, else the rule, else as it ran. */
static void
check_image(const struct verify_record *at, const struct json_span *record,
    bool vouched)
{
	struct row_bytes text =
	    row_bytes(at->row, VERIFY_UNTRUSTED, SQLITE_TEXT);
	struct row_bytes own = text_of(record[RECORD_IMAGE]), image = {0};
	struct json_span named = {0};
	auto_json *untrusted = NULL;

	if (own.data == NULL)
		own = text_of(record[RECORD_IMAGE_ID]);
	if (text.data != NULL &&
	    read_members(text, vouched, &client_image, 1, &named, &untrusted))
		image = text_of(named);
	if (!is_column(at->row, VERIFY_IMAGE_ID, own) ||
	    !is_column(at->row, VERIFY_IMAGE, image.data != NULL ? image : own))
		verify_find(
		    at->report, at->seq, "its image is not the record's");
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
	    row_is_text((struct row_bytes){span.at, span.len}, number);
}

static void
check_columns(const struct verify_record *at, const struct json_span *record)
{
	char when[CLOCK_TEXT];

	clock_format(sqlite3_column_int64(at->row, VERIFY_TIME), when);
	if (sqlite3_column_type(at->row, VERIFY_TIME) != SQLITE_INTEGER ||
	    !row_is_text(text_of(record[RECORD_TIME]), when))
		verify_find(
		    at->report, at->seq, "its time is not the record's");
	check_searched(at, record);
}

/* True: what stands beside the record is what its hash says. */
static bool
check_untrusted(const struct verify_record *at, struct row_bytes expected)
{
	struct row_bytes text =
	    row_bytes(at->row, VERIFY_UNTRUSTED, SQLITE_TEXT);
	struct row_bytes salt = row_bytes(at->row, VERIFY_SALT, SQLITE_BLOB);
	char hex[SHA256_HEX];

	if (row_is_null(at->row, VERIFY_UNTRUSTED) &&
	    row_is_null(at->row, VERIFY_SALT)) {
		if (expected.data != NULL)
			verify_gone_untrusted(at->gone, at->seq);
		return true;
	}
	if (expected.data == NULL || text.data == NULL ||
	    salt.len != RECORD_SALT_BYTES) {
		verify_find(at->report, at->seq,
		    "what stands beside it is missing or was not there");
		return false;
	}
	record_hash_untrusted(salt.data, text.data, text.len, hex);
	if (row_is_text(expected, hex))
		return true;
	verify_find(at->report, at->seq, "what stands beside it was changed");
	return false;
}

/* Nothing is left of it that could be taken for its own. */
static void
check_dropped(const struct verify_record *at)
{
	bool empty =
	    row_is_text(row_bytes(at->row, VERIFY_EVENT, SQLITE_TEXT), "");

	verify_gone_text(at->gone, at->seq);
	for (int column = VERIFY_TASK; column <= VERIFY_IMAGE; column++)
		empty = empty &&
		    (column == VERIFY_RECORD || column == VERIFY_LEAF ||
			row_is_null(at->row, column));
	if (!empty)
		verify_find(at->report, at->seq,
		    "its text is gone, and something of it is not");
	if (sqlite3_column_type(at->row, VERIFY_TIME) != SQLITE_INTEGER)
		verify_find(at->report, at->seq, "its time is no number");
}

/* Records of the log itself, which are few. */
static void
hear(const struct verify_record *at, struct row_bytes text,
    struct row_bytes event)
{
	auto_json *record = NULL;
	struct err ignored;

	if (event.len < 6 || memcmp(event.data, "audit.", 6) != 0)
		return;
	record = json_parse_strict(text.data, text.len, &ignored);
	verify_gone_hear(at->gone, at->seq, record);
}

/* `vouched`: its hash is the one that it has in the tree. */
static void
check_text(const struct verify_record *at, struct row_bytes text, bool vouched)
{
	struct json_span record[MEMBERS] = {0};
	auto_json *parsed = NULL;

	if (text.data == NULL ||
	    !read_members(text, vouched, members, MEMBERS, record, &parsed)) {
		verify_find(at->report, at->seq, "it is no record");
		return;
	}
	if (!has_number(record[RECORD_SEQ], parsed, at->seq))
		verify_find(
		    at->report, at->seq, "the record says another number");
	check_columns(at, record);
	vouched = check_untrusted(at, text_of(record[RECORD_UNTRUSTED]));
	check_image(at, record, vouched);
	hear(at, text, text_of(record[RECORD_EVENT]));
}

/* The hash that it has in the tree; of what is dropped there is no other. */
void
verify_record(const struct verify_record *at, uint8_t ret[SHA256_BYTES])
{
	struct row_bytes text = row_bytes(at->row, VERIFY_RECORD, SQLITE_TEXT);
	struct row_bytes leaf = row_bytes(at->row, VERIFY_LEAF, SQLITE_BLOB);
	bool vouched;

	if (text.data != NULL && text.len == 0 && leaf.len == SHA256_BYTES) {
		memcpy(ret, leaf.data, SHA256_BYTES);
		check_dropped(at);
		return;
	}
	merkle_hash_leaf(text.data != NULL ? text.data : "", text.len, ret);
	vouched = row_is_hash(leaf, ret);
	if (!vouched)
		verify_find(at->report, at->seq,
		    "its bytes are not those that were hashed");
	check_text(at, text, vouched);
}
