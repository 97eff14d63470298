/*
 * JSON from outside: RFC 8259, read strictly before jansson sees it.
 *
 * Trusts nothing. json_parse_strict() checks every byte (UTF-8 without
 * overlong forms or surrogates, no NUL even as \u0000, no lone surrogate
 * escapes, no byte order mark, one value and nothing behind it, depth 32,
 * integers within int64), then hands the text to jansson with
 * JSON_REJECT_DUPLICATES. Only an object or an array may be the outermost
 * value.
 */
#ifndef LIB_JSON_H
#define LIB_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

#define JSON_DEPTH_MAX 32

/* json_decrefp() is jansson's own. */
#define auto_json __attribute__((cleanup(json_decrefp), unused)) json_t

/*
 * NULL on failure: ERR_MALFORMED, "line L, column C: reason", or for a
 * duplicate member ERR_UNPROCESSABLE with its path as well.
 */
json_t *json_parse_strict(const char *text, size_t len, struct err *err);

/* The place of the value at a path such as "rules[3].image", counted from 1;
 * of the nearest value around it where the path leads nowhere. The text must
 * have been accepted by json_parse_strict(). Columns count bytes. */
void json_locate(const char *text, size_t len, const char *path,
    size_t *ret_line, size_t *ret_column);

/* One item of an array in a text. */
struct json_item {
	size_t offset; /* of its first byte */
	size_t len; /* with the blanks behind it */
	size_t line, column; /* where it begins, from 1 */
};

/* All of the array at a path such as "rules", in their order, in one pass; NULL
 * and a count of 0 where there is none. The caller frees. The text must have
 * been accepted by json_parse_strict(). */
struct json_item *json_find_items(
    const char *text, size_t len, const char *path, size_t *ret_count);
/* As json_locate(), of a path from the item on. */
void json_locate_in_item(const char *text, const struct json_item *item,
    const char *path, size_t *ret_line, size_t *ret_column);

enum json_kind {
	JSON_KIND_STRING, /* const char *, borrowed from the object */
	JSON_KIND_INTEGER, /* int64_t, within min..max */
	JSON_KIND_BOOLEAN, /* bool */
	JSON_KIND_OBJECT, /* json_t *, borrowed */
	JSON_KIND_ARRAY, /* json_t *, borrowed */
	JSON_KIND_ANY /* json_t *, borrowed */
};

struct json_field {
	const char *name;
	enum json_kind kind;
	bool required;
	size_t offset; /* of the member of the struct that receives it */
	int64_t min; /* integer: smallest; string, array: fewest bytes, items*/
	int64_t max; /* likewise; 0 and 0: no bound of its own */
};

#define JSON_FIELD(type, member, label, kind, required, min, max)       \
	{                                                               \
		label, kind, required, offsetof(type, member), min, max \
	}

/*
 * Reads the members of `object` into *ret by the table. A member that is
 * absent leaves its place in *ret as it was. ERR_UNPROCESSABLE, with the
 * path: a missing, unknown or wrongly typed member, a value out of range.
 * `path` is that of the object itself ("" for the outermost). Members called
 * "//" are passed over where `comments` says so.
 */
int json_read_fields(const json_t *object, const char *path,
    const struct json_field *fields, size_t count, bool comments, void *ret,
    struct err *err);

/* Whether it has a canonical form: there is no real number in it. */
bool json_is_exact(const json_t *json);
/*
 * The one spelling of a value: members sorted by their bytes, no blanks,
 * integers only, strings with the shortest escapes of RFC 8785. A real number
 * in it is a programmer's error. The caller frees. *ret_len may be NULL.
 */
char *json_encode_canonical(const json_t *json, size_t *ret_len);
/* The same with members in their order, for answers; real numbers may be. */
char *json_encode(const json_t *json, size_t *ret_len);

/* A time as RFC 3339 has it, of seconds since the epoch. */
void json_set_time(json_t *object, const char *member, int64_t wall_s);

/* A file of at most `max` bytes, parsed; errors name the file. */
json_t *json_parse_file(const char *path, size_t max, struct err *err);

#endif
