/*
 * Blobs as rows.
 */
#include "runner/blob_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/garbage.h"

int
blob_store_sums(
    struct database *database, blob_store_sum *sum, void *arg, struct err *err)
{
	const enum statement sums = STATEMENT_BLOB_SUMS;
	int result;

	if (database_begin(database, sums, err, "") != 0)
		return -1;
	while ((result = database_next(database, sums, err)) > 0)
		sum(arg, database_text(database, sums, 0),
		    database_integer(database, sums, 1));
	database_end(database, sums);
	return result;
}

int
blob_store_get(struct database *database, const char *subject,
    const char *sha256, int64_t *ret_size, struct err *err)
{
	const enum statement get = STATEMENT_BLOB_GET;
	int result;

	if (database_begin(database, get, err, "ss", subject, sha256) != 0)
		return -1;
	result = database_next(database, get, err);
	if (result > 0)
		*ret_size = database_integer(database, get, 0);
	database_end(database, get);
	return result;
}

int
blob_store_use(struct database *database, const char *subject,
    const char *sha256, int64_t now_ms, struct err *err)
{
	const enum statement use = STATEMENT_BLOB_USE;
	int result, found = 0;

	if (database_begin(
		database, use, err, "ssi", subject, sha256, now_ms) != 0)
		return -1;
	while ((result = database_next(database, use, err)) > 0)
		found = 1;
	database_end(database, use);
	return result < 0 ? -1 : found;
}

int
blob_store_insert(struct database *database, const struct blob_row *row,
    int64_t now_ms, struct err *err)
{
	return database_run(database, STATEMENT_BLOB_INSERT, err, "ssii",
	    row->subject, row->sha256, row->size, now_ms);
}

static int
find(struct database *database, enum statement statement, const char *one,
    const char *two, struct err *err)
{
	int result = two != NULL
	    ? database_begin(database, statement, err, "ss", one, two)
	    : database_begin(database, statement, err, "s", one);

	if (result != 0)
		return -1;
	result = database_next(database, statement, err);
	database_end(database, statement);
	return result;
}

int
blob_store_is_referred(
    struct database *database, const char *sha256, struct err *err)
{
	return find(database, STATEMENT_BLOB_REFERRED, sha256, NULL, err);
}

static int
list_expired(struct database *database, int64_t before_ms,
    struct blob_row *rows, int max, struct err *err)
{
	const enum statement list = STATEMENT_BLOB_EXPIRED;
	int count = 0, result;

	if (database_begin(
		database, list, err, "ii", before_ms, (int64_t)max) != 0)
		return -1;
	while (
	    (result = database_next(database, list, err)) > 0 && count < max) {
		struct blob_row *row = &rows[count++];

		snprintf(row->subject, sizeof(row->subject), "%s",
		    database_text(database, list, 0));
		snprintf(row->sha256, sizeof(row->sha256), "%s",
		    database_text(database, list, 1));
		row->size = database_integer(database, list, 2);
	}
	database_end(database, list);
	return result < 0 ? -1 : count;
}

static int
take_out(struct database *database, const struct blob_row *row, struct err *err)
{
	int referred;

	if (database_run(database, STATEMENT_BLOB_DELETE, err, "ss",
		row->subject, row->sha256) != 0)
		return -1;
	referred = blob_store_is_referred(database, row->sha256, err);
	if (referred != 0)
		return referred < 0 ? -1 : 0;
	return garbage_add(database, GARBAGE_BLOB, row->sha256, err);
}

int
blob_store_expire(struct database *database, int64_t before_ms, int64_t now_ms,
    struct blob_row *rows, int max, int *ret_left, struct err *err)
{
	int count = list_expired(database, before_ms, rows, max, err);
	int left = 0;

	for (int i = 0; i < count; i++) {
		int wanted = find(database, STATEMENT_INPUT_WANTED,
		    rows[i].subject, rows[i].sha256, err);
		int result = wanted < 0 ? -1
		    : wanted > 0 ? blob_store_use(database, rows[i].subject,
				       rows[i].sha256, now_ms, err)
				 : take_out(database, &rows[i], err);

		if (result < 0)
			return -1;
		if (wanted == 0)
			rows[left++] = rows[i];
	}
	*ret_left = left;
	return count;
}
