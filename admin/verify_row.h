/*
 * A row of the database as bytes: nothing of it is believed.
 */
#ifndef ADMIN_VERIFY_ROW_H
#define ADMIN_VERIFY_ROW_H

#include <sqlite3.h>
#include <stdbool.h>

#include "lib/digest.h"

struct row_bytes {
	const void *data; /* NULL: none */
	size_t len;
};

/* Until the next step. A value of another type is as good as none. */
struct row_bytes row_bytes(sqlite3_stmt *row, int column, int type);
bool row_is_null(sqlite3_stmt *row, int column);
/* NULL is the same as none. */
bool row_is_text(struct row_bytes bytes, const char *text);
bool row_is_hash(struct row_bytes bytes, const uint8_t hash[SHA256_BYTES]);

#endif
