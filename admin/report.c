/*
 * Role: `audit report`: a period of the audit log as one HTML page, which needs
 * no network and runs no script.
 * Reads the store's database itself, read-only; believes nothing of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/audit_filter.h"
#include "admin/audit_log.h"
#include "admin/report_chart.h"
#include "admin/report_page.h"
#include "admin/tool.h"
#include "admin/verbs.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"

#define WEEK_S (INT64_C(7) * 24 * 3600)
#define DAY_MS (INT64_C(24) * 3600 * 1000)
/* Bars of the chart; rows of the table beside it, and of the others. */
#define BARS_MAX 84
#define DAYS_MAX 16
#define ROWS_MAX 25
#define TOP_MAX 10
#define EVENTS_MAX 40

#define PAGE_MAX ((size_t)16 * 1024 * 1024)

static int64_t
limit_of(enum audit_statistic statistic)
{
	switch (statistic) {
	case STATISTIC_ACTIVITY:
		return BARS_MAX;
	case STATISTIC_REASONS:
	case STATISTIC_OUTCOMES:
	case STATISTIC_SUBJECTS:
	case STATISTIC_IMAGES:
		return TOP_MAX;
	case STATISTIC_HOURS:
	case STATISTIC_COMBINATIONS:
	case STATISTIC_BURSTS:
	case STATISTIC_JUMPS:
	case STATISTIC_REVOCATIONS:
	case STATISTIC_WARNINGS:
		return EVENTS_MAX;
	default:
		return ROWS_MAX;
	}
}

static int
read_rows(sqlite3 *database, struct report *report, struct err *err)
{
	int64_t length_ms = report->period.until_ms - report->period.since_ms;
	struct audit_question question = {.period = &report->period};

	report->bucket_ms = chart_bucket_ms(length_ms, BARS_MAX);
	report->day_ms = chart_bucket_ms(length_ms, DAYS_MAX);
	if (length_ms > DAY_MS && report->day_ms < DAY_MS)
		report->day_ms = DAY_MS;
	question.bucket_ms = report->bucket_ms;
	for (int i = 0; i < STATISTIC_COUNT; i++) {
		question.statistic = (enum audit_statistic)i;
		question.limit = limit_of(question.statistic);
		report->rows[i] =
		    audit_statistics_read(database, &question, err);
		if (report->rows[i] == NULL)
			return -1;
	}
	question.statistic = STATISTIC_ACTIVITY;
	question.bucket_ms = report->day_ms;
	question.limit = BARS_MAX;
	report->days = audit_statistics_read(database, &question, err);
	return report->days != NULL ? 0 : -1;
}

/* What is wrong with the log does not keep anybody from looking at it. */
static char *
verify(const struct audit_log *log, struct report *report)
{
	auto_free struct verify_report *found = alloc_zero(1, sizeof(*found));
	struct err err = {0};

	if (log->question.keys.count == 0)
		return alloc_string("The log was not verified: there is no "
				    "key to do it with.");
	if (verify_log(log->database, &log->question, found, &err) != 0)
		return alloc_printf(
		    "The log was not verified: %s.", err.detail);
	report->good = found->nfindings == 0;
	report->signed_records = (int64_t)found->head.size;
	if (report->good)
		return alloc_string(
		    "Verified: all of the log is what was signed.");
	return alloc_printf("The log is NOT what was signed (%zu findings; "
			    "see taskgate-admin audit verify). The first: "
			    "%s.",
	    found->nfindings, found->findings[0].what);
}

static int
write_page(const char *path, const struct report *report, struct err *err)
{
	auto_buffer html = BUFFER_INIT(PAGE_MAX);

	report_write(&html, report);
	if (html.full)
		return err_set(err, ERR_TOO_LARGE,
		    "the report would have more than %zu bytes", PAGE_MAX);
	if (strcmp(path, "-") != 0)
		return file_write(path, html.data, html.len, 0600, err);
	if (fwrite(html.data, 1, html.len, stdout) != html.len ||
	    fflush(stdout) != 0)
		return err_errno(err, "write to standard output");
	return 0;
}

static int
set_period(
    const struct invocation *invocation, struct report *report, struct err *err)
{
	struct audit_filter filter = {0};

	report->made_ms = clock_wall_ms();
	if (audit_filter_times(
		invocation, report->made_ms, WEEK_S, &filter, err) != 0)
		return -1;
	report->period.since_ms = filter.since_ms;
	report->period.until_ms =
	    filter.until_ms != 0 ? filter.until_ms : report->made_ms + 1;
	return 0;
}

static int
make_report(const struct invocation *invocation, struct err *err)
{
	AUTO(audit_log_done) struct audit_log log = {0};
	AUTO(report_done) struct report report = {0};
	auto_free char *note = NULL, *verdict = NULL;
	struct checkpoint head;
	struct err ignored;

	if (set_period(invocation, &report, err) != 0 ||
	    audit_log_open_copy(invocation, &log, err) != 0 ||
	    audit_log_begin(&log, err) != 0 ||
	    audit_period_find(log.database, &report.period, err) != 0 ||
	    read_rows(log.database, &report, err) != 0)
		return -1;
	if (audit_log_read_keys(invocation, &log, &ignored) == 0)
		note = audit_log_head(&log, &head, &ignored);
	report.note = note;
	report.origin = log.site.origin != NULL ? log.site.origin
	    : note != NULL                      ? head.origin
						: "of an unknown name";
	verdict = verify(&log, &report);
	report.verdict = verdict;
	return write_page(invocation->operands[0], &report, err);
}

int
verb_audit_report(struct invocation *invocation)
{
	struct err err;

	return make_report(invocation, &err) == 0 ? 0 : tool_fail(&err);
}
