#include "admin/verify_row.h"

#include <string.h>

struct row_bytes
row_bytes(sqlite3_stmt *row, int column, int type)
{
	const void *data;

	if (sqlite3_column_type(row, column) != type)
		return (struct row_bytes){0};
	data = type == SQLITE_TEXT
	    ? (const void *)sqlite3_column_text(row, column)
	    : sqlite3_column_blob(row, column);
	return (struct row_bytes){
	    data, (size_t)sqlite3_column_bytes(row, column)};
}

bool
row_is_null(sqlite3_stmt *row, int column)
{
	return sqlite3_column_type(row, column) == SQLITE_NULL;
}

bool
row_is_text(struct row_bytes bytes, const char *text)
{
	if (text == NULL || bytes.data == NULL)
		return text == NULL && bytes.data == NULL;
	return bytes.len == strlen(text) &&
	    memcmp(bytes.data, text, bytes.len) == 0;
}

bool
row_is_hash(struct row_bytes bytes, const uint8_t hash[SHA256_BYTES])
{
	return bytes.data != NULL && bytes.len == SHA256_BYTES &&
	    memcmp(bytes.data, hash, SHA256_BYTES) == 0;
}
