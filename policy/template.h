/*
 * Templates: what one argument, or the value of one variable, may be.
 *
 *	"echo"                                    these bytes
 *	{"enum": ["echo", "sh"]}                  one of these
 *	{"integer": {"min": 1, "max": 10}}        a decimal number, written
 *plainly
 *	{"pattern": "[a-z]*.txt"}                 policy/pattern.h
 */
#ifndef POLICY_TEMPLATE_H
#define POLICY_TEMPLATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/buffer.h"
#include "lib/err.h"
#include "policy/pattern.h"

#define TEMPLATE_ENUM_MAX 1024

enum template_kind {
	TEMPLATE_LITERAL,
	TEMPLATE_ENUM,
	TEMPLATE_INTEGER,
	TEMPLATE_PATTERN
};

/* Strings are borrowed from the JSON it was read from. */
struct template
{
	enum template_kind kind;
	const char *literal;
	const char **values; /* owned array */
	size_t nvalues;
	int64_t min, max;
	struct pattern *pattern; /* owned */
};

/* ERR_UNPROCESSABLE, "path: reason". */
int template_read(const json_t *json, const char *path, struct template *ret,
    struct err *err);
void template_done(struct template *template);
bool template_is_match(const struct template *template, const char *value);
/* Whether there is no value that does not match. */
bool template_is_everything(const struct template *template);
/* Appends what is wrong with a value that does not match, as it goes on behind
 * the value: "is not one of echo, sh". */
void template_explain(const struct template *template, struct buffer *out);

/* Appends the values of an enumeration, as many as fit a message. */
void template_list(const struct template *template, struct buffer *out);

/* Appends a stranger's value in quotes, its controls neutralised, cut when it
 * is long. */
void template_quote(const char *value, struct buffer *out);

#endif
