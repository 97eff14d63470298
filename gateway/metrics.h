/*
 * The Prometheus text format (version 0.0.4), written by hand because no well
 * kept library exists for C. Knows no metric of its own: the caller has a
 * table of families and the numbers.
 *
 *	metrics_family(&out, &family);
 *	metrics_value(&out, &family, labels, 1, count);
 *
 * Numbers are integers; times are microseconds and come out as seconds.
 */
#ifndef GATEWAY_METRICS_H
#define GATEWAY_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buffer.h"

/* The Content-Type of what is written here. */
#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum metrics_kind { METRICS_COUNTER, METRICS_GAUGE, METRICS_HISTOGRAM };

struct metrics_family {
	const char *name; /* [a-zA-Z_:][a-zA-Z0-9_:]*; a counter's ends in
			     _total, a histogram's in _seconds */
	enum metrics_kind kind;
	const char *help;
};

struct metrics_label {
	const char *name;
	const char *value; /* any text; escaped here */
};

/* # HELP and # TYPE: once, before the values of the family. */
void metrics_family(struct buffer *out, const struct metrics_family *family);
/* One line of a counter or a gauge. */
void metrics_value(struct buffer *out, const struct metrics_family *family,
    const struct metrics_label *labels, size_t nlabels, int64_t value);
/* A gauge in seconds from milliseconds: "12.345". */
void metrics_seconds(struct buffer *out, const struct metrics_family *family,
    const struct metrics_label *labels, size_t nlabels, int64_t value_ms);

/* Upper bounds in microseconds; one bucket more holds the rest (+Inf). */
#define METRICS_BOUNDS 14
extern const int64_t metrics_bounds_us[METRICS_BOUNDS];

struct metrics_histogram {
	uint64_t counts[METRICS_BOUNDS + 1]; /* each its own, not cumulative */
	uint64_t sum_us;
};

void metrics_observe(struct metrics_histogram *histogram, int64_t value_us);
/* Adds `from` to `to`: of several workers to one. */
void
metrics_add(struct metrics_histogram *to, const struct metrics_histogram *from);
/* _bucket, _sum and _count. */
void metrics_histogram(struct buffer *out, const struct metrics_family *family,
    const struct metrics_label *labels, size_t nlabels,
    const struct metrics_histogram *histogram);

#endif
