#include "admin/audit_statistics.h"

#include <string.h>

#include "lib/audit_rows.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/statement.h"
#include "lib/utf8.h"

static const struct {
	const char *title;
	const char *sql;
} statistics[] = {
#define STATISTIC(name, title, sql) [STATISTIC_##name] = {title, sql},
#include "admin/audit_statistics.def"
#undef STATISTIC
};

const char *
audit_statistic_title(enum audit_statistic statistic)
{
	return statistics[statistic].title;
}

int
audit_period_find(
    sqlite3 *database, struct audit_period *period, struct err *err)
{
	return audit_rows_span(database, period->since_ms, period->until_ms,
	    &period->first, &period->last, err);
}

/* A label is not the place for kilobytes. */
#define TEXT_MAX 500

static json_t *
read_text(sqlite3_stmt *row, int column)
{
	const char *text = (const char *)sqlite3_column_text(row, column);
	size_t len = (size_t)sqlite3_column_bytes(row, column);
	auto_buffer neutral = BUFFER_INIT(SIZE_MAX);

	if (len > TEXT_MAX) {
		/* At the end of a character. */
		for (len = TEXT_MAX;
		     len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80;
		     len--)
			continue;
	}
	utf8_append_neutral(&neutral, text, len);
	return json_string(neutral.data != NULL ? neutral.data : "");
}

static json_t *
read_row(sqlite3_stmt *row)
{
	json_t *object = json_object();
	int columns = sqlite3_column_count(row);

	for (int i = 0; i < columns; i++) {
		const char *name = sqlite3_column_name(row, i);
		int type = sqlite3_column_type(row, i);

		if (type == SQLITE_INTEGER)
			json_object_set_new(object, name,
			    json_integer(sqlite3_column_int64(row, i)));
		else if (type == SQLITE_FLOAT)
			json_object_set_new(object, name,
			    json_integer(
				(json_int_t)sqlite3_column_int64(row, i)));
		else if (type != SQLITE_NULL)
			json_object_set_new(object, name, read_text(row, i));
	}
	return object;
}

static int
prepare(sqlite3 *database, const struct audit_question *question,
    sqlite3_stmt **ret, struct err *err)
{
	const struct audit_period *period = question->period;
	const int64_t parameters[] = {period->first, period->last,
	    period->since_ms, period->until_ms, question->limit,
	    question->bucket_ms > 0 ? question->bucket_ms : 1};

	if (sqlite3_prepare_v2(database, statistics[question->statistic].sql,
		-1, ret, NULL) != SQLITE_OK)
		return err_set(err, ERR_CONFLICT,
		    "it is no audit log of this version: %s",
		    sqlite3_errmsg(database));
	for (size_t i = 0; i < COUNT(parameters); i++)
		sqlite3_bind_int64(*ret, (int)i + 1, parameters[i]);
	return 0;
}

json_t *
audit_statistics_read(
    sqlite3 *database, const struct audit_question *question, struct err *err)
{
	auto_statement *row = NULL;
	auto_json *list = json_array();
	int result;

	if (prepare(database, question, &row, err) != 0)
		return NULL;
	while ((result = sqlite3_step(row)) == SQLITE_ROW)
		json_array_append_new(list, read_row(row));
	if (result != SQLITE_DONE) {
		err_set(err, ERR_UNAVAILABLE, "%s: %s",
		    statistics[question->statistic].title,
		    sqlite3_errmsg(database));
		return NULL;
	}
	return take(list);
}
