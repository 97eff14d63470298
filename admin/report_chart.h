/*
 * The report's charts: inline SVG, from numbers alone. Pure.
 */
#ifndef ADMIN_REPORT_CHART_H
#define ADMIN_REPORT_CHART_H

#include <jansson.h>
#include <stdint.h>

#include "lib/buffer.h"

/* How long one bar stands for, so that there are no more than `most`. */
int64_t chart_bucket_ms(int64_t length_ms, int64_t most);

struct chart_activity {
	const json_t *rows; /* of STATISTIC_ACTIVITY */
	int64_t since_ms, until_ms, bucket_ms;
};

/* Tasks above, refusals below, over time: once for wide screens and paper, and
 * once for narrow ones. */
void chart_activity(struct buffer *html, const struct chart_activity *activity);

/* Rows of `label` and `value` as a table with bars. `kind` is a class of the
 * style: "task" or "refused". */
void chart_bars(struct buffer *html, const char *heading, const json_t *rows,
    const char *kind);

#endif
