/*
 * The records of an audit log, found in the store's database: what searches,
 * summaries and exports stand on. One row is in memory at a time, however
 * long the log is.
 *
 * Reads what a stranger may have tampered with: a record need not be JSON, and
 * what stood beside it may be gone.
 */
#ifndef LIB_AUDIT_ROWS_H
#define LIB_AUDIT_ROWS_H

#include <jansson.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

/* Strings are borrowed; NULL, and 0: any. */
struct audit_filter {
	const char *task; /* id */
	const char *subject;
	const char *thumbprint;
	const char *image; /* as the client named it, or the id that ran */
	const char *image_or; /* the same image in another spelling */
	const char *rule;
	const char *outcome;
	const char *event; /* "task.denied"; "task": all that begin with it */
	const char *text; /* anywhere in the record or beside it */
	int64_t since_ms, until_ms; /* wall clock, the second excluded */
	int64_t after, before; /* sequence numbers, both excluded */
	bool spanned; /* those are within audit_rows_span() of the times */
	int64_t limit;
	bool newest; /* the last `limit`; given oldest first all the same */
};

struct audit_row {
	int64_t seq, time_ms;
	/* Of the database; borrowed until the next row. */
	const char
	    *record; /* canonical JSON, as hashed; NULL, or empty: gone */
	size_t record_len;
	const char *untrusted; /* canonical JSON; NULL: none */
	size_t untrusted_len;
	const void *leaf, *salt;
	size_t leaf_len, salt_len;
};

struct audit_rows;

/* ERR_CONFLICT: the database is no log of this version. The caller closes, also
 * what was not read to its end. */
int audit_rows_open(sqlite3 *database, const struct audit_filter *filter,
    struct audit_rows **ret, struct err *err);
/* 1: a row; 0: no more. */
int audit_rows_next(
    struct audit_rows *rows, struct audit_row *ret, struct err *err);
void audit_rows_close(struct audit_rows *rows);

/*
 * The sequence numbers between which all records of a time are, 0 and 0 where
 * there are none. A clock that jumped leaves others between them.
 */
int audit_rows_span(sqlite3 *database, int64_t since_ms, int64_t until_ms,
    int64_t *ret_first, int64_t *ret_last, struct err *err);

/*
 * The record's members and beside them `untrusted`, `untrusted_salt` and
 * `leaf`, as docs/protocol.md has it. What cannot be read is an object with
 * `seq`, `time` and `leaf`, and `dropped` or `unreadable`; a record whose
 * `untrusted` was dropped has `redacted`. The caller owns it.
 */
json_t *audit_row_json(const struct audit_row *row);

#endif
