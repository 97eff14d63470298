/*
 * The Prometheus text format: pure, numbers in, text out. A label's value may
 * be anything; whatever is not printable UTF-8 is written as \xNN.
 */
#include "gateway/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/utf8.h"

/* Half a millisecond, where a reply from memory lies, to a minute, which is as
 * long as a client may wait. */
const int64_t metrics_bounds_us[METRICS_BOUNDS] = {500, 1000, 2500, 5000, 10000,
    25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 10000000, 60000000};

static const char *const kind_names[] = {
    [METRICS_COUNTER] = "counter",
    [METRICS_GAUGE] = "gauge",
    [METRICS_HISTOGRAM] = "histogram",
};

/* A line feed and whatever of `special` are written with a backslash. */
static void
append_escaped(struct buffer *out, const char *text, const char *special)
{
	for (; *text != '\0'; text++) {
		if (*text == '\n') {
			buffer_append_string(out, "\\n");
			continue;
		}
		if (strchr(special, *text) != NULL)
			buffer_append_string(out, "\\");
		buffer_append(out, text, 1);
	}
}

static void
append_label(struct buffer *out, const struct metrics_label *label)
{
	struct buffer clean = BUFFER_INIT(SIZE_MAX);

	buffer_printf(out, "%s=\"", label->name);
	utf8_append_neutral(&clean, label->value, strlen(label->value));
	append_escaped(out, clean.len > 0 ? clean.data : "", "\\\"");
	buffer_append_string(out, "\"");
	buffer_done(&clean);
}

/* "{a="b",le="0.5"}", or nothing; `bound` may be NULL. */
static void
append_labels(struct buffer *out, const struct metrics_label *labels,
    size_t nlabels, const char *bound)
{
	const char *before = "{";

	for (size_t k = 0; k < nlabels; k++) {
		buffer_append_string(out, before);
		append_label(out, &labels[k]);
		before = ",";
	}
	if (bound != NULL) {
		buffer_printf(out, "%sle=\"%s\"", before, bound);
		before = ",";
	}
	if (*before == ',')
		buffer_append_string(out, "}");
}

void
metrics_family(struct buffer *out, const struct metrics_family *family)
{
	buffer_printf(out, "# HELP %s ", family->name);
	append_escaped(out, family->help, "\\");
	buffer_printf(
	    out, "\n# TYPE %s %s\n", family->name, kind_names[family->kind]);
}

void
metrics_value(struct buffer *out, const struct metrics_family *family,
    const struct metrics_label *labels, size_t nlabels, int64_t value)
{
	buffer_append_string(out, family->name);
	append_labels(out, labels, nlabels, NULL);
	buffer_printf(out, " %" PRId64 "\n", value);
}

void
metrics_seconds(struct buffer *out, const struct metrics_family *family,
    const struct metrics_label *labels, size_t nlabels, int64_t value_ms)
{
	const char *sign = value_ms < 0 ? "-" : "";
	uint64_t ms =
	    value_ms < 0 ? 0 - (uint64_t)value_ms : (uint64_t)value_ms;

	buffer_append_string(out, family->name);
	append_labels(out, labels, nlabels, NULL);
	buffer_printf(
	    out, " %s%" PRIu64 ".%03" PRIu64 "\n", sign, ms / 1000, ms % 1000);
}

void
metrics_observe(struct metrics_histogram *histogram, int64_t value_us)
{
	size_t k = 0;

	if (value_us < 0)
		value_us = 0;
	while (k < METRICS_BOUNDS && value_us > metrics_bounds_us[k])
		k++;
	histogram->counts[k]++;
	histogram->sum_us += (uint64_t)value_us;
}

void
metrics_add(struct metrics_histogram *to, const struct metrics_histogram *from)
{
	for (size_t k = 0; k <= METRICS_BOUNDS; k++)
		to->counts[k] += from->counts[k];
	to->sum_us += from->sum_us;
}

static void
append_bucket(struct buffer *out, const struct metrics_family *family,
    const struct metrics_label *labels, size_t nlabels, size_t bound)
{
	char text[32] = "+Inf";

	if (bound < METRICS_BOUNDS)
		snprintf(text, sizeof(text), "%" PRId64 ".%04" PRId64,
		    metrics_bounds_us[bound] / 1000000,
		    metrics_bounds_us[bound] % 1000000 / 100);
	buffer_printf(out, "%s_bucket", family->name);
	append_labels(out, labels, nlabels, text);
}

void
metrics_histogram(struct buffer *out, const struct metrics_family *family,
    const struct metrics_label *labels, size_t nlabels,
    const struct metrics_histogram *histogram)
{
	uint64_t count = 0;

	for (size_t k = 0; k <= METRICS_BOUNDS; k++) {
		count += histogram->counts[k];
		append_bucket(out, family, labels, nlabels, k);
		buffer_printf(out, " %" PRIu64 "\n", count);
	}
	buffer_printf(out, "%s_sum", family->name);
	append_labels(out, labels, nlabels, NULL);
	buffer_printf(out, " %" PRIu64 ".%06" PRIu64 "\n",
	    histogram->sum_us / 1000000, histogram->sum_us % 1000000);
	buffer_printf(out, "%s_count", family->name);
	append_labels(out, labels, nlabels, NULL);
	buffer_printf(out, " %" PRIu64 "\n", count);
}
