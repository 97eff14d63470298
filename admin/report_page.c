#include "admin/report_page.h"

#include "admin/report_chart.h"
#include "admin/report_html.h"
#include "admin/report_style.h"
#include "lib/cleanup.h"
#include "lib/json.h"

static const char *
text_of(const json_t *row, const char *member)
{
	return json_string_value(json_object_get(row, member));
}

static int64_t
number(const json_t *row, const char *member)
{
	return json_integer_value(json_object_get(row, member));
}

void
report_done(struct report *report)
{
	for (size_t i = 0; i < COUNT(report->rows); i++)
		json_decref(report->rows[i]);
	json_decref(report->days);
}

/* -- the head of the page */

/* A page that a stranger's words got into could still not load or run
 * anything. */
static void
write_head(struct buffer *html, const struct report *report)
{
	buffer_append_string(html,
	    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
	    "<meta charset=\"utf-8\">\n"
	    "<meta http-equiv=\"Content-Security-Policy\" "
	    "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
	    "<meta name=\"viewport\" "
	    "content=\"width=device-width, initial-scale=1\">\n"
	    "<title>Audit report of ");
	html_text(html, report->origin);
	buffer_append_string(html, "</title>\n<style>\n");
	for (size_t i = 0; i < COUNT(report_style); i++)
		buffer_append_string(html, report_style[i]);
	buffer_append_string(html, "</style>\n</head>\n<body>\n<main>\n");
}

static void
write_title(struct buffer *html, const struct report *report)
{
	buffer_append_string(html, "<header>\n<h1>Audit report</h1>\n<p>");
	html_time(html, report->period.since_ms);
	buffer_append_string(html, " to ");
	html_time(html, report->period.until_ms);
	buffer_append_string(html,
	    " <span class=\"soft\">(all times are UTC)</span></p>\n"
	    "<p class=\"soft\">Log ");
	html_text(html, report->origin);
	buffer_append_string(html, ", report made ");
	html_time(html, report->made_ms);
	buffer_append_string(html, "</p>\n</header>\n");
}

static void
write_card(struct buffer *html, const char *label, int64_t value)
{
	buffer_printf(html, "<li>%s<strong>", label);
	html_number(html, value);
	buffer_append_string(html, "</strong></li>\n");
}

static void
write_cards(struct buffer *html, const struct report *report)
{
	const json_t *totals =
	    json_array_get(report->rows[STATISTIC_TOTALS], 0);
	const json_t *refused =
	    json_array_get(report->rows[STATISTIC_REFUSED_TOTAL], 0);

	buffer_append_string(html, "<ul class=\"cards\">\n");
	write_card(html, "Tasks asked for", number(totals, "tasks"));
	write_card(html, "Succeeded", number(totals, "succeeded"));
	write_card(html, "Ended otherwise",
	    number(totals, "ended") - number(totals, "succeeded"));
	write_card(html, "Requests refused", number(refused, "times"));
	write_card(html, "Subjects", number(totals, "subjects"));
	buffer_append_string(html, "</ul>\n");
}

static void
write_verdict(struct buffer *html, const struct report *report)
{
	buffer_printf(html, "<section class=\"verdict%s\">\n<h2>",
	    report->good ? "" : " bad");
	html_text(html, report->verdict);
	buffer_append_string(html, "</h2>\n<p>");
	html_number(html,
	    number(
		json_array_get(report->rows[STATISTIC_TOTALS], 0), "records"));
	buffer_append_string(html, " records are of this time, ");
	html_number(html, report->signed_records);
	buffer_append_string(html, " were signed in all.</p>\n</section>\n");
}

/* -- activity */

#define DAY_MS (INT64_C(24) * 3600 * 1000)

#define KEY(kind, text)                                              \
	"<li><svg viewBox=\"0 0 10 10\" aria-hidden=\"true\"><rect " \
	"class=\"" kind "\" width=\"10\" height=\"10\"/></svg>" text "</li>"

static void
write_day(struct buffer *html, const struct report *report, const json_t *row)
{
	static const char *const members[] = {
	    "tasks", "succeeded", "failed", "refused"};

	int64_t start_ms =
	    report->period.since_ms + number(row, "bucket") * report->day_ms;
	bool is_date = report->day_ms % DAY_MS == 0 && start_ms % DAY_MS == 0;

	buffer_append_string(html, "<tr><th scope=\"row\">");
	(is_date ? html_date : html_time)(html, start_ms);
	buffer_append_string(html, "</th>");
	for (size_t i = 0; i < COUNT(members); i++) {
		buffer_append_string(
		    html, i == 0 ? "<td class=\"rare\">" : "<td>");
		html_number(html, number(row, members[i]));
		buffer_append_string(html, "</td>");
	}
	buffer_append_string(html, "</tr>\n");
}

static void
write_activity(struct buffer *html, const struct report *report)
{
	const struct chart_activity activity = {
	    report->rows[STATISTIC_ACTIVITY], report->period.since_ms,
	    report->period.until_ms, report->bucket_ms};
	size_t k;
	const json_t *row;

	buffer_append_string(html,
	    "<section><h2>Activity over time</h2>\n<ul class=\"legend\">" KEY(
		"succeeded", "succeeded") KEY("failed", "ended otherwise")
		KEY("refused", "requests refused") "</ul>\n");
	chart_activity(html, &activity);
	buffer_append_string(html,
	    "<div class=\"scroll\"><table>\n<caption class=\"spoken\">Activity "
	    "over time, in "
	    "numbers</caption>\n<thead><tr><th scope=\"col\">From</th>"
	    "<th scope=\"col\" class=\"rare\">Asked for</th>"
	    "<th scope=\"col\">Succeeded</th>"
	    "<th scope=\"col\">Otherwise</th><th scope=\"col\">Refused</th>"
	    "</tr></thead>\n<tbody>\n");
	json_array_foreach(report->days, k, row) write_day(html, report, row);
	if (json_array_size(report->days) == 0)
		buffer_append_string(
		    html, "<tr><td colspan=\"5\">nothing</td></tr>\n");
	buffer_append_string(html, "</tbody></table></div>\n</section>\n");
}

/* -- tables */

static void
write_name(struct buffer *html, const json_t *row, const char *const members[])
{
	const char *name = text_of(row, members[0]);

	buffer_append_string(html, "<tr><th scope=\"row\">");
	html_name(html, name != NULL && *name != '\0' ? name : "(nobody)");
	for (size_t i = 1; members[i] != NULL; i++) {
		const char *text = text_of(row, members[i]);

		if (text == NULL || *text == '\0')
			continue;
		buffer_append_string(html, "<small>");
		html_name(html, text);
		buffer_append_string(html, "</small>");
	}
	buffer_append_string(html, "</th>");
}

static void
write_numbers(
    struct buffer *html, const json_t *row, const char *const members[])
{
	for (size_t i = 0; members[i] != NULL; i++) {
		buffer_append_string(html, "<td>");
		html_number(html, number(row, members[i]));
		buffer_append_string(html, "</td>");
	}
}

static void
write_when(struct buffer *html, const json_t *row, const char *member)
{
	buffer_append_string(html, "<td class=\"rare\">");
	html_time(html, number(row, member));
	buffer_append_string(html, "</td></tr>\n");
}

struct table {
	enum audit_statistic statistic;
	const char *heads; /* of the table's columns */
	const char *names[4], *numbers[4], *when;
};

#define HEAD(text) "<th scope=\"col\">" text "</th>"
#define RARE(text) "<th scope=\"col\" class=\"rare\">" text "</th>"

static const struct table ran = {STATISTIC_RAN,
    HEAD("Subject, image, rule") HEAD("Tasks") HEAD("Succeeded")
	HEAD("Otherwise") RARE("Last"),
    {"subject", "image", "rule"}, {"tasks", "succeeded", "failed"},
    "last_time"};
static const struct table refused = {STATISTIC_REFUSED,
    HEAD("Who, why, rule") HEAD("Times") RARE("Last"),
    {"subject", "why", "rule"}, {"times"}, "last_time"};
static const struct table new_names = {STATISTIC_NEW,
    HEAD("What") HEAD("Times") RARE("First"), {"value", "kind"}, {"times"},
    "first_time"};

static void
write_table(
    struct buffer *html, const struct report *report, const struct table *table)
{
	const json_t *rows = report->rows[table->statistic];
	size_t k;
	const json_t *row;

	buffer_printf(html,
	    "<section><h2>%s</h2>\n<div class=\"scroll\"><table>\n<thead>"
	    "<tr>%s</tr></thead>\n<tbody>\n",
	    audit_statistic_title(table->statistic), table->heads);
	json_array_foreach(rows, k, row)
	{
		write_name(html, row, table->names);
		write_numbers(html, row, table->numbers);
		write_when(html, row, table->when);
	}
	if (json_array_size(rows) == 0)
		buffer_append_string(html,
		    "<tr><td class=\"left\" colspan=\"5\">nothing</td>"
		    "</tr>\n");
	buffer_append_string(html, "</tbody></table></div></section>\n");
}

/* -- all of it */

static void
write_bars(struct buffer *html, const struct report *report)
{
	static const struct {
		enum audit_statistic statistic;
		const char *kind;
	} bars[] = {
	    {STATISTIC_REASONS, "refused"},
	    {STATISTIC_OUTCOMES, "task"},
	    {STATISTIC_SUBJECTS, "task"},
	    {STATISTIC_IMAGES, "task"},
	};

	buffer_append_string(html, "<div class=\"pairs\">\n");
	for (size_t i = 0; i < COUNT(bars); i++)
		chart_bars(html, audit_statistic_title(bars[i].statistic),
		    report->rows[bars[i].statistic], bars[i].kind);
	buffer_append_string(html, "</div>\n");
}

static void
write_checkpoint(struct buffer *html, const struct report *report)
{
	if (report->note == NULL)
		return;
	buffer_append_string(html,
	    "<section><h2>The signed head of the log</h2>\n<p>Kept in a file, "
	    "it shows later that nothing before it was changed: "
	    "<code>taskgate-admin audit verify --from FILE</code></p>\n<pre>");
	/* Line by line: a line's end is a control byte elsewhere. */
	for (const char *p = report->note; *p != '\0'; p++) {
		char text[2] = {*p, '\0'};

		if (*p == '\n')
			buffer_append_string(html, "\n");
		else if ((unsigned char)*p < 0x80)
			html_text(html, text);
		else
			buffer_append(html, p, 1);
	}
	buffer_append_string(html, "</pre>\n</section>\n");
}

void
report_write(struct buffer *html, const struct report *report)
{
	write_head(html, report);
	write_title(html, report);
	write_cards(html, report);
	write_verdict(html, report);
	buffer_append_string(
	    html, "<section><h2>What someone should look at</h2>\n");
	report_write_events(html, report);
	buffer_append_string(html, "</section>\n");
	write_activity(html, report);
	write_bars(html, report);
	write_table(html, report, &ran);
	buffer_append_string(html, "<div class=\"pairs tables\">\n");
	write_table(html, report, &refused);
	write_table(html, report, &new_names);
	buffer_append_string(html, "</div>\n");
	write_checkpoint(html, report);
	buffer_append_string(html, "</main>\n</body>\n</html>\n");
}
