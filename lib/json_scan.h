/*
 * The strict byte scanner of JSON (RFC 8259) that stands before jansson, and
 * what needs no more than tokens: the place of a value, the path of a place.
 *
 * Trusts nothing; allocates only for paths.
 */
#ifndef LIB_JSON_SCAN_H
#define LIB_JSON_SCAN_H

#include <stddef.h>

#include "lib/buffer.h"
#include "lib/err.h"

#define JSON_PATH_MAX 512

enum json_token {
	JSON_TOKEN_END,
	JSON_TOKEN_FAULT,
	JSON_TOKEN_OBJECT_BEGIN,
	JSON_TOKEN_OBJECT_END,
	JSON_TOKEN_ARRAY_BEGIN,
	JSON_TOKEN_ARRAY_END,
	JSON_TOKEN_COLON,
	JSON_TOKEN_COMMA,
	JSON_TOKEN_STRING,
	JSON_TOKEN_NUMBER,
	JSON_TOKEN_WORD /* true, false, null */
};

struct json_scanner {
	const char *text; /* borrowed */
	size_t len;
	size_t start; /* of the token read last */
	size_t at; /* behind it; at a fault: the byte that is wrong */
	const char *fault;
};

enum json_token json_scan_token(struct json_scanner *scanner);

/* ERR_MALFORMED, "line L, column C: reason". */
int json_scan_check(const char *text, size_t len, struct err *err);

/* Line and column, from 1, of a byte. Columns count bytes. */
void json_scan_place(
    const char *text, size_t offset, size_t *ret_line, size_t *ret_column);

/* The path of the member or item whose key or value ends at `offset` or is
 * the first to end behind it, and where that key or value begins. The text
 * must have passed json_scan_check(). */
void json_scan_path(const char *text, size_t len, size_t offset,
    struct buffer *ret_path, size_t *ret_start);

/* Appends ".key" ("key" to an empty path; ["..."] where it is no plain word,
 * controls neutralised), or "[index]". */
void json_path_add_key(struct buffer *path, const char *key, size_t len);
void json_path_add_index(struct buffer *path, size_t index);

#endif
