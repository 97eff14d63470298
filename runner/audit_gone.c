#include "runner/audit_gone.h"

#include <inttypes.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"

/* At a time: a transaction that others wait for. */
#define PORTION 256

/* -- the text of old records */

static int
read_number(struct database *database, enum statement statement, int64_t *ret,
    struct err *err)
{
	int result = database_next(database, statement, err);

	if (result > 0)
		*ret = database_integer(database, statement, 0);
	database_end(database, statement);
	return result;
}

/* The last that may go; *ret_floor, what went before, where there is none. */
static int
find_last(struct database *database, int64_t before_ms, int64_t *ret_floor,
    int64_t *ret_last, struct err *err)
{
	const enum statement dropped = STATEMENT_AUDIT_DROPPED;
	const enum statement old = STATEMENT_AUDIT_OLD;

	*ret_floor = 0;
	if (database_begin(database, dropped, err, "") != 0 ||
	    read_number(database, dropped, ret_floor, err) < 0)
		return -1;
	*ret_last = *ret_floor;
	if (database_begin(database, old, err, "iii", *ret_floor, before_ms,
		(int64_t)PORTION) != 0 ||
	    read_number(database, old, ret_last, err) < 0)
		return -1;
	return 0;
}

int
audit_drop_texts(struct database *database, int64_t before_ms, int64_t wall_ms,
    bool *ret_more, struct err *err)
{
	struct audit_entry *entry;
	int64_t floor, last;
	int result;

	*ret_more = false;
	if (find_last(database, before_ms, &floor, &last, err) != 0)
		return -1;
	if (last == floor)
		return 0;
	if (database_run(
		database, STATEMENT_AUDIT_DROP, err, "ii", floor, last) != 0 ||
	    database_run(
		database, STATEMENT_AUDIT_DROPPED_SET, err, "i", last) != 0)
		return -1;
	entry = audit_entry_new(EVENT_TEXTS_DROPPED, wall_ms, NULL);
	entry->object = json_pack("{s:I, s:I}", "through", (json_int_t)last,
	    "count", (json_int_t)(last - floor));
	result = audit_append(database, entry, err);
	audit_entry_free(entry);
	*ret_more = last - floor == PORTION;
	database->purging = !*ret_more;
	return result;
}

/* -- what stands beside one record */

/* Its salted hash, and the task that it is about. */
static int
read_record(
    struct database *database, int64_t seq, json_t *object, struct err *err)
{
	const enum statement get = STATEMENT_AUDIT_GET;
	auto_json *record = NULL;
	struct err ignored;
	const char *text;
	int result = database_begin(database, get, err, "i", seq);

	if (result == 0)
		result = database_next(database, get, err);
	text = result > 0 ? database_text(database, get, 0) : "";
	if (result > 0 && database_text(database, get, 1) == NULL &&
	    *text != '\0')
		result = err_set(err, ERR_CONFLICT,
		    "nothing stands beside record %" PRId64, seq);
	else if (result >= 0 && *text == '\0')
		result = err_set(err, ERR_NOT_FOUND,
		    "there is no text of a record %" PRId64, seq);
	else if (result > 0)
		record = json_parse_strict(text, strlen(text), &ignored);
	database_end(database, get);
	if (result < 0)
		return -1;
	json_object_set(object, "untrusted_sha256",
	    json_object_get(record, "untrusted_sha256"));
	json_object_set(object, "of_task",
	    json_object_get(json_object_get(record, "object"), "task"));
	return 0;
}

static int
append_redaction(struct database *database,
    const struct audit_redaction *redaction, json_t *object, struct err *err)
{
	struct audit_entry *entry = audit_entry_new(EVENT_RECORD_REDACTED,
	    redaction->wall_ms, redaction->policy_sha256);
	int result;

	entry->principal =
	    json_pack("{s:I}", "uid", (json_int_t)redaction->uid);
	entry->object = json_incref(object);
	result = audit_append(database, entry, err);
	audit_entry_free(entry);
	return result;
}

int
audit_redact(struct database *database, const struct audit_redaction *redaction,
    struct err *err)
{
	auto_json *object =
	    json_pack("{s:I, s:o}", "seq", (json_int_t)redaction->seq, "reason",
		audit_text(redaction->reason));

	if (read_record(database, redaction->seq, object, err) != 0 ||
	    database_run(database, STATEMENT_AUDIT_REDACT, err, "i",
		redaction->seq) != 0)
		return -1;
	database->purging = true;
	return append_redaction(database, redaction, object, err);
}
