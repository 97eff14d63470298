/*
 * The report: one HTML page that needs nothing else, of what was read of a log.
 * Pure. Nothing of a record goes into it but through html_text().
 */
#ifndef ADMIN_REPORT_PAGE_H
#define ADMIN_REPORT_PAGE_H

#include <jansson.h>
#include <stdbool.h>

#include "admin/audit_statistics.h"
#include "lib/buffer.h"

struct report {
	const char *origin; /* of the log */
	const char *note; /* its signed head; NULL: none that is good */
	int64_t signed_records;
	const char *verdict; /* of verification, in one sentence */
	bool good;
	int64_t made_ms;
	struct audit_period period;
	int64_t bucket_ms, day_ms; /* of the chart, and of the table by it */
	/* Rows by statistic; ACTIVITY in buckets of the chart. */
	json_t *rows[STATISTIC_COUNT];
	json_t *days; /* ACTIVITY's, in buckets of the table */
};

void report_done(struct report *report);
void report_write(struct buffer *html, const struct report *report);

/* What is unusual in it, oldest first. */
void report_write_events(struct buffer *html, const struct report *report);

#endif
