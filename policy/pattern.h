/*
 * Patterns: literals, ? (one byte but /), * (any bytes but /), ** (any bytes)
 * and classes such as [a-z0-9_-]. A pattern matches bytes, always the whole
 * value, in time linear in the value's length whatever the pattern is: it is
 * run as a set of states, without going back.
 *
 * There is no escape: what has a meaning stands for itself in a class, [*].
 * What looks like a regular expression is refused, because its author believes
 * that it says something else.
 */
#ifndef POLICY_PATTERN_H
#define POLICY_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#define PATTERN_MAX 1024 /* bytes */
/* A longer value matches ** alone, so that none takes a millisecond. */
#define PATTERN_VALUE_MAX 8192

struct pattern;

/* Whether the text has anything in it that is more than a literal. */
bool pattern_is_special(const char *text);
/* NULL, and *ret_why says what is wrong. */
struct pattern *pattern_new(const char *text, const char **ret_why);
void pattern_free(struct pattern *pattern);
bool
pattern_is_match(const struct pattern *pattern, const char *value, size_t len);
/* As it was written; borrowed. */
const char *pattern_text(const struct pattern *pattern);

#endif
