/*
 * Query parameters, read strictly by a table: unknown ones and those that come
 * twice are refused, values are bounded.
 */
#ifndef GATEWAY_QUERY_H
#define GATEWAY_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buffer.h"
#include "lib/err.h"

struct exchange;

enum query_kind {
	QUERY_INTEGER, /* min..max */
	QUERY_FLAG, /* 0 or 1 */
	QUERY_ID, /* a UUID */
	QUERY_WORD, /* one of `words` */
	QUERY_SUBJECT,
	QUERY_RULE, /* the id of one */
	QUERY_TEXT, /* any, in UTF-8 */
	QUERY_TIME /* RFC 3339, UTC; milliseconds since the epoch */
};

struct query_spec {
	const char *name;
	enum query_kind kind;
	int64_t min, max;
	const char *const *words; /* NULL ends */
};

#define QUERY_VALUE_MAX 257

struct query_value {
	bool given;
	int64_t integer;
	char text[QUERY_VALUE_MAX];
};

/* One parameter into values[], which is parallel to specs[]. value may be
 * NULL (no "="). ERR_UNPROCESSABLE names the parameter. */
struct query_table {
	const struct query_spec *specs;
	struct query_value *values;
	size_t count;
};
struct query_text {
	const char *data;
	size_t len;
};
int query_set(const struct query_table *table, struct query_text name,
    struct query_text value, struct err *err);

/* As a URI has it, RFC 3986 2.3: "name=value&", for a link to the next page. */
void query_write(struct buffer *link, const struct query_spec *spec,
    const struct query_value *value);

/* All of a request's. */
int query_read(const struct exchange *exchange, const struct query_table *table,
    struct err *err);

#endif
