#include "lib/audit_rows.h"

#include <stddef.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/digest.h"
#include "lib/json.h"
#include "lib/statement.h"
#include "lib/utf8.h"

struct audit_rows {
	sqlite3 *database;
	sqlite3_stmt *statement; /* NULL: there can be no row */
	bool at_end;
};

DEFINE_CLEANUP(struct audit_rows, audit_rows_close);

static int
fail(sqlite3 *database, struct err *err)
{
	return err_set(err, ERR_UNAVAILABLE, "the audit log cannot be read: %s",
	    sqlite3_errmsg(database));
}

static int
prepare(sqlite3 *database, const char *sql, sqlite3_stmt **ret, struct err *err)
{
	int result = sqlite3_prepare_v2(database, sql, -1, ret, NULL);

	if (result == SQLITE_ERROR)
		return err_set(err, ERR_CONFLICT,
		    "it is no audit log of this version (%s); a runner of this "
		    "version brings its own up to date when it starts",
		    sqlite3_errmsg(database));
	return result == SQLITE_OK ? 0 : fail(database, err);
}

/* -- what is asked for */

/* What has an index of its own. A value is found in it without a look at the
 * record. */
static const struct {
	size_t offset; /* of the filter's member */
	const char *index;
	const char *condition; /* ?: the value */
} terms[] = {
#define TERM(name)                                                   \
	{                                                            \
		offsetof(struct audit_filter, name), "audit_" #name, \
		    #name " = ?"                                     \
	}
    TERM(task),
    TERM(thumbprint),
    TERM(subject),
    TERM(image),
    TERM(rule),
    TERM(outcome),
    TERM(event),
#undef TERM
};
/* A family's codes are those between "task." and "task/". */
#define FAMILY "+event >= ? || '.' AND +event < ? || '/'"

#define TERMS COUNT(terms)
#define PARAMETERS_MAX (2 * TERMS)

/* A statement in the making: its text and what is bound to it. */
struct query {
	const struct audit_filter *filter;
	int64_t first, last; /* sequence numbers, both included */
	struct buffer sql;
	const char *values[PARAMETERS_MAX];
	size_t nvalues;
	char *like; /* NULL: no text is asked for */
};

static const char *
value_of(const struct audit_filter *filter, size_t term)
{
	return *(
	    const char *const *)((const char *)filter + terms[term].offset);
}

static bool
is_family(size_t term, const char *value)
{
	return terms[term].offset == offsetof(struct audit_filter, event) &&
	    strchr(value, '.') == NULL;
}

static bool
is_image(size_t term)
{
	return terms[term].offset == offsetof(struct audit_filter, image);
}

/* Parameters 1 and 2 are the first and the last number, 3 the limit, 4 and 5
 * the times, 6 the text. */
#define PARAMETERS_FIXED 6

static const char *
condition_of(const struct audit_filter *filter, size_t term)
{
	if (is_family(term, value_of(filter, term)))
		return FAMILY;
	if (is_image(term) && filter->image_or != NULL)
		return "image IN (?, ?)";
	return terms[term].condition;
}

static void
add_term(struct query *query, size_t term)
{
	const struct audit_filter *filter = query->filter;
	const char *condition = condition_of(filter, term);
	const char *value = value_of(filter, term);

	for (const char *p = condition; *p != '\0'; p++) {
		buffer_append(&query->sql, p, 1);
		if (*p != '?')
			continue;
		query->values[query->nvalues++] = value;
		if (is_image(term))
			value = filter->image_or;
		buffer_printf(
		    &query->sql, "%zu", PARAMETERS_FIXED + query->nvalues);
	}
}

/* As it stands in JSON, and with the wildcards of LIKE escaped. */
static char *
make_like(const char *text)
{
	auto_buffer neutral = BUFFER_INIT(SIZE_MAX);
	auto_buffer like = BUFFER_INIT(SIZE_MAX);

	utf8_append_neutral(&neutral, text, strlen(text));
	auto_json *string =
	    json_pack("[s]", neutral.data != NULL ? neutral.data : "");
	auto_free char *encoded = json_encode_canonical(string, NULL);
	buffer_append_string(&like, "%");
	/* Between `["` and `"]`. */
	for (size_t i = 2; i + 2 < strlen(encoded); i++) {
		if (strchr("%_!", encoded[i]) != NULL)
			buffer_append_string(&like, "!");
		buffer_append(&like, encoded + i, 1);
	}
	buffer_append_string(&like, "%");
	return buffer_take(&like);
}

static void
bind(const struct query *query, sqlite3_stmt *statement, int64_t limit)
{
	const struct audit_filter *filter = query->filter;

	sqlite3_bind_int64(statement, 1, query->first);
	sqlite3_bind_int64(statement, 2, query->last);
	sqlite3_bind_int64(statement, 3, limit > 0 ? limit : -1);
	sqlite3_bind_int64(statement, 4, filter->since_ms);
	sqlite3_bind_int64(statement, 5, filter->until_ms);
	if (query->like != NULL)
		sqlite3_bind_text(
		    statement, 6, query->like, -1, SQLITE_TRANSIENT);
	for (size_t i = 0; i < query->nvalues; i++)
		sqlite3_bind_text(statement, PARAMETERS_FIXED + 1 + (int)i,
		    query->values[i], -1, SQLITE_TRANSIENT);
}

static void
query_done(struct query *query)
{
	buffer_done(&query->sql);
	free(query->like);
}

/* -- by which index */

/* Whoever has more is as good as all of them. */
#define COUNTED_MAX 4096

static int
count_term(sqlite3 *database, const struct query *asked, size_t term,
    int64_t *ret, struct err *err)
{
	AUTO(query_done)
	struct query query = {
	    .filter = asked->filter,
	    .first = asked->first,
	    .last = asked->last,
	    .sql = BUFFER_INIT(4096),
	};
	auto_statement *row = NULL;

	buffer_printf(&query.sql,
	    "SELECT count(*) FROM (SELECT 1 FROM audit INDEXED BY %s "
	    "WHERE seq BETWEEN ?1 AND ?2 AND ",
	    terms[term].index);
	add_term(&query, term);
	buffer_append_string(&query.sql, " LIMIT ?3)");
	if (prepare(database, query.sql.data, &row, err) != 0)
		return -1;
	bind(&query, row, COUNTED_MAX);
	if (sqlite3_step(row) != SQLITE_ROW)
		return fail(database, err);
	*ret = sqlite3_column_int64(row, 0);
	return 0;
}

/* The rarest; TERMS: none is asked for. */
static int
choose_term(
    sqlite3 *database, const struct query *query, size_t *ret, struct err *err)
{
	int64_t least = INT64_MAX;

	*ret = TERMS;
	for (size_t i = 0; i < TERMS; i++) {
		const char *value = value_of(query->filter, i);
		int64_t count = 0;

		/* A family's are not in order. */
		if (value == NULL || is_family(i, value))
			continue;
		if (count_term(database, query, i, &count, err) != 0)
			return -1;
		if (count < least) {
			least = count;
			*ret = i;
		}
	}
	return 0;
}

static void
compose(struct query *query, size_t chosen)
{
	const struct audit_filter *filter = query->filter;
	struct buffer *sql = &query->sql;

	buffer_append_string(sql,
	    "SELECT seq, time_ms, record, leaf, untrusted, salt FROM audit");
	if (chosen < TERMS)
		buffer_printf(sql, " INDEXED BY %s", terms[chosen].index);
	buffer_append_string(sql, " WHERE seq BETWEEN ?1 AND ?2");
	if (chosen < TERMS) {
		buffer_append_string(sql, " AND ");
		add_term(query, chosen);
	}
	for (size_t i = 0; i < TERMS; i++) {
		const char *value = value_of(filter, i);

		if (i == chosen || value == NULL)
			continue;
		if (is_family(i, value)) {
			buffer_append_string(sql, " AND ");
			add_term(query, i);
			continue;
		}
		buffer_printf(sql,
		    " AND EXISTS (SELECT 1 FROM audit AS other INDEXED BY %s "
		    "WHERE other.seq = audit.seq AND other.",
		    terms[i].index);
		add_term(query, i);
		buffer_append_string(sql, ")");
	}
	if (filter->since_ms != 0)
		buffer_append_string(sql, " AND +time_ms >= ?4");
	if (filter->until_ms != 0)
		buffer_append_string(sql, " AND +time_ms < ?5");
	if (query->like != NULL)
		buffer_append_string(sql,
		    " AND (record LIKE ?6 ESCAPE '!' OR "
		    "untrusted LIKE ?6 ESCAPE '!')");
	buffer_printf(sql, " ORDER BY seq%s LIMIT ?3",
	    filter->newest && filter->limit > 0 ? " DESC" : "");
}

/* The last ones are few, and given oldest first. */
static void
turn_around(struct query *query)
{
	auto_free char *inner = buffer_take(&query->sql);

	buffer_printf(&query->sql, "SELECT * FROM (%s) ORDER BY seq", inner);
}

static int
bound(sqlite3 *database, struct query *query, struct err *err)
{
	const struct audit_filter *filter = query->filter;
	int64_t first = 1, last = INT64_MAX;

	if (!filter->spanned &&
	    (filter->since_ms != 0 || filter->until_ms != 0) &&
	    audit_rows_span(database, filter->since_ms, filter->until_ms,
		&first, &last, err) != 0)
		return -1;
	query->first = filter->after >= first ? filter->after + 1 : first;
	query->last = filter->before != 0 && filter->before <= last
	    ? filter->before - 1
	    : last;
	return 0;
}

int
audit_rows_open(sqlite3 *database, const struct audit_filter *filter,
    struct audit_rows **ret, struct err *err)
{
	AUTO(audit_rows_closep)
	struct audit_rows *rows = alloc_zero(1, sizeof(*rows));
	AUTO(query_done)
	struct query query = {
	    .filter = filter,
	    .sql = BUFFER_INIT(16384),
	};
	size_t chosen;

	rows->database = database;
	if (filter->text != NULL)
		query.like = make_like(filter->text);
	if (bound(database, &query, err) != 0 ||
	    choose_term(database, &query, &chosen, err) != 0)
		return -1;
	compose(&query, chosen);
	if (filter->newest && filter->limit > 0)
		turn_around(&query);
	if (prepare(database, query.sql.data, &rows->statement, err) != 0)
		return -1;
	bind(&query, rows->statement, filter->limit);
	*ret = take(rows);
	return 0;
}

/* -- rows */

static const char *
text(sqlite3_stmt *statement, int column, size_t *ret_len)
{
	const char *data = sqlite3_column_type(statement, column) == SQLITE_TEXT
	    ? (const char *)sqlite3_column_text(statement, column)
	    : NULL;

	*ret_len =
	    data != NULL ? (size_t)sqlite3_column_bytes(statement, column) : 0;
	return data;
}

static const void *
blob(sqlite3_stmt *statement, int column, size_t *ret_len)
{
	const void *data = sqlite3_column_blob(statement, column);

	*ret_len = (size_t)sqlite3_column_bytes(statement, column);
	return data;
}

int
audit_rows_next(struct audit_rows *rows, struct audit_row *ret, struct err *err)
{
	sqlite3_stmt *statement = rows->statement;
	int result;

	if (rows->at_end)
		return 0;
	result = sqlite3_step(statement);
	rows->at_end = result != SQLITE_ROW;
	if (result == SQLITE_DONE)
		return 0;
	if (result != SQLITE_ROW)
		return fail(rows->database, err);
	*ret = (struct audit_row){
	    .seq = sqlite3_column_int64(statement, 0),
	    .time_ms = sqlite3_column_int64(statement, 1),
	};
	ret->record = text(statement, 2, &ret->record_len);
	ret->leaf = blob(statement, 3, &ret->leaf_len);
	ret->untrusted = text(statement, 4, &ret->untrusted_len);
	ret->salt = blob(statement, 5, &ret->salt_len);
	return 1;
}

void
audit_rows_close(struct audit_rows *rows)
{
	if (rows == NULL)
		return;
	sqlite3_finalize(rows->statement);
	free(rows);
}

int
audit_rows_span(sqlite3 *database, int64_t since_ms, int64_t until_ms,
    int64_t *ret_first, int64_t *ret_last, struct err *err)
{
	auto_statement *row = NULL;

	if (prepare(database,
		"SELECT coalesce(min(seq), 0), coalesce(max(seq), 0) FROM "
		"audit INDEXED BY audit_time WHERE time_ms >= ?1 AND "
		"time_ms < ?2",
		&row, err) != 0)
		return -1;
	sqlite3_bind_int64(row, 1, since_ms != 0 ? since_ms : INT64_MIN);
	sqlite3_bind_int64(row, 2, until_ms != 0 ? until_ms : INT64_MAX);
	if (sqlite3_step(row) != SQLITE_ROW)
		return fail(database, err);
	*ret_first = sqlite3_column_int64(row, 0);
	*ret_last = sqlite3_column_int64(row, 1);
	return 0;
}

/* -- as JSON */

static void
set_hex(json_t *object, const char *name, const void *data, size_t len)
{
	auto_free char *hex = alloc_zero(2 * len + 1, 1);

	if (len > 0)
		hex_encode(data, len, hex);
	json_object_set_new(object, name, json_string(hex));
}

/* Nothing of what a record has to be. */
static json_t *
stand_in(const struct audit_row *row)
{
	char when[CLOCK_TEXT];

	clock_format(row->time_ms, when);
	return json_pack("{s:I, s:s, s:b}", "seq", (json_int_t)row->seq, "time",
	    when, row->record_len == 0 ? "dropped" : "unreadable", 1);
}

static void
add_untrusted(json_t *record, const struct audit_row *row)
{
	struct err ignored;
	json_t *untrusted = NULL;

	if (row->untrusted != NULL)
		untrusted = json_parse_strict(
		    row->untrusted, row->untrusted_len, &ignored);
	if (untrusted != NULL) {
		json_object_set_new(record, "untrusted", untrusted);
		set_hex(record, "untrusted_salt", row->salt, row->salt_len);
	} else if (json_object_get(record, "untrusted_sha256") != NULL) {
		json_object_set_new(record, "redacted", json_true());
	}
}

json_t *
audit_row_json(const struct audit_row *row)
{
	struct err ignored;
	json_t *record = NULL;

	if (row->record != NULL)
		record =
		    json_parse_strict(row->record, row->record_len, &ignored);
	if (!json_is_object(record)) {
		json_decref(record);
		record = stand_in(row);
	}
	add_untrusted(record, row);
	set_hex(record, "leaf", row->leaf, row->leaf_len);
	return record;
}
