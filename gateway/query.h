/*
 * Query parameters, read strictly by a table: unknown ones and those that come
 * twice are refused, values are bounded.
 */
#ifndef GATEWAY_QUERY_H
#define GATEWAY_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

struct exchange;

enum query_kind {
	QUERY_INTEGER, /* min..max */
	QUERY_FLAG, /* 0 or 1 */
	QUERY_ID, /* a UUID */
	QUERY_WORD, /* one of `words` */
	QUERY_SUBJECT,
	QUERY_RULE /* the id of one */
};

struct query_spec {
	const char *name;
	enum query_kind kind;
	int64_t min, max;
	const char *const *words; /* NULL ends */
};

#define QUERY_TEXT 65

struct query_value {
	bool given;
	int64_t integer;
	char text[QUERY_TEXT];
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

/* All of a request's. */
int query_read(const struct exchange *exchange, const struct query_table *table,
    struct err *err);

#endif
