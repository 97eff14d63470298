/*
 * A param of a named task: what its value may be, as bytes.
 *
 *	{"enum": ["fit", "crop"]}
 *	{"integer": {"min": 16, "max": 4096}}
 *	{"string": {"pattern": "[a-z]*.png", "min": 1, "max": 64,
 *	            "allow": ["slash"]}}
 *
 * and with each, a `default` for who leaves it out, and a `description`.
 * A string has letters, digits, . _ and - alone, does not begin with - and has
 * no part that is . or .., but for what `allow` says: whoever writes the rule
 * need not think of every program's separators. Private to the policy library.
 */
#ifndef POLICY_PARAM_H
#define POLICY_PARAM_H

#include "policy/template.h"

#define PARAM_STRING_USUAL 256 /* bytes at most, where max is not given */

enum param_bytes {
#define PARAM_BYTES(name, text, bytes, what) PARAM_##name,
#include "policy/param_bytes.def"
#undef PARAM_BYTES
	PARAM_BYTES_COUNT
};

/* Strings are borrowed from the JSON it was read from. */
struct param {
	const char *name;
	const char *description; /* NULL */
	char *standard; /* owned; NULL: it must be given */
	bool is_string; /* else an enumeration or an integer */
	struct template values; /* of those, or the string's pattern */
	bool has_pattern;
	int64_t least, most; /* bytes of a string */
	bool allow[PARAM_BYTES_COUNT];
};

/* [a-z][a-z0-9_-]*, 64 bytes at most. */
bool param_name_is_valid(const char *name);
/* ERR_UNPROCESSABLE, "path: reason". */
int param_read(const char *name, const json_t *json, const char *path,
    struct param *ret, struct err *err);
void param_done(struct param *param);
bool param_is_match(const struct param *param, const char *value);
/* Appends what is wrong with a value that does not match, as it goes on behind
 * the value; of a missing one, what would pass. */
void
param_explain(const struct param *param, const char *value, struct buffer *out);
void param_explain_missing(const struct param *param, struct buffer *out);
/* The longest value that passes. */
size_t param_longest(const struct param *param);

#endif
