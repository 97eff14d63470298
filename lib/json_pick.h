/*
 * A few members of a JSON object, found in its text without building it: for
 * who reads a million of them. Only of text that is known to be whole JSON,
 * such as what we wrote ourselves and a hash vouches for; for anything else
 * there is json_parse_strict().
 */
#ifndef LIB_JSON_PICK_H
#define LIB_JSON_PICK_H

#include <stdbool.h>
#include <stddef.h>

struct json_pick_member {
	const char *part; /* the member that holds it; NULL: the object */
	const char *name;
};

/* A string's bytes, without quotes; a number's or word's as they stand. */
struct json_span {
	const char *at; /* in the text; NULL: not there, or no such value */
	size_t len;
	bool is_string;
};

/*
 * Each member's value into `ret`, which has `n`. False where that is not told
 * by looking: a name or a wanted string with an escape, a member that comes
 * twice, no object. Then the text is to be parsed.
 */
bool json_pick(const char *text, size_t len,
    const struct json_pick_member *members, size_t n, struct json_span *ret);

#endif
