/*
 * What someone should look at, of several statistics, as one list by time.
 */
#include <stdlib.h>
#include <string.h>

#include "admin/report_html.h"
#include "admin/report_page.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"

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

/* -- sentences */

static void
add_times(
    struct buffer *html, const json_t *row, const char *one, const char *many)
{
	int64_t times = number(row, "times");

	html_number(html, times);
	buffer_append_string(html, times == 1 ? one : many);
}

/* In order, which "3,11,4" is not. */
static void
add_hours(struct buffer *html, const char *text)
{
	bool in[24] = {false};
	int written = 0;

	for (const char *p = text; p != NULL && *p != '\0';) {
		char *end;
		long hour = strtol(p, &end, 10);

		if (end == p)
			break;
		if (hour >= 0 && hour < 24)
			in[hour] = true;
		p = *end == ',' ? end + 1 : end;
	}
	for (int hour = 0; hour < 24; hour++) {
		if (in[hour])
			buffer_printf(
			    html, "%s%02d", written++ > 0 ? ", " : "", hour);
	}
}

static void
tell_hours(struct buffer *html, const json_t *row)
{
	html_name(html, text_of(row, "subject"));
	buffer_append_string(html, " asked for ");
	add_times(html, row, " task", " tasks");
	buffer_append_string(
	    html, " in hours of the day when it hardly ever does (");
	add_hours(html, text_of(row, "hours"));
	buffer_append_string(html, " UTC).");
}

static void
tell_combination(struct buffer *html, const json_t *row)
{
	html_name(html, text_of(row, "subject"));
	buffer_append_string(html, " ran ");
	html_name(html, text_of(row, "image"));
	buffer_append_string(html, ", which it had never done before (");
	add_times(html, row, " time).", " times).");
}

static void
tell_burst(struct buffer *html, const json_t *row)
{
	const char *subject = text_of(row, "subject");

	add_times(html, row, " refusal", " refusals");
	buffer_append_string(html, " of ");
	html_text(
	    html, subject != NULL && *subject != '\0' ? subject : "somebody");
	buffer_append_string(html, " within ten minutes.");
}

static void
tell_jump(struct buffer *html, const json_t *row)
{
	int64_t ms = number(row, "before_time") - number(row, "first_time");

	buffer_append_string(html, "The clock was set back by ");
	if (ms >= 3600000)
		buffer_printf(html, "%lld h ", (long long)(ms / 3600000));
	if (ms >= 60000)
		buffer_printf(html, "%lld min ", (long long)(ms / 60000 % 60));
	buffer_printf(html, "%lld s before record %lld.",
	    (long long)(ms / 1000 % 60), (long long)number(row, "seq"));
}

static const struct {
	const char *code;
	const char *sentence;
} events[] = {
#define EVENT(name, code, severity, sentence) {code, sentence},
#include "lib/events.def"
#undef EVENT
};

static const char *
sentence_of(const char *code)
{
	for (size_t i = 0; code != NULL && i < COUNT(events); i++) {
		if (strcmp(events[i].code, code) == 0)
			return events[i].sentence;
	}
	return code;
}

static void
tell_revocation(struct buffer *html, const json_t *row)
{
	const char *reason = text_of(row, "reason");

	html_text(html, sentence_of(text_of(row, "event")));
	buffer_append_string(html, ": ");
	html_text(html, text_of(row, "value"));
	if (json_object_get(row, "uid") != NULL)
		buffer_printf(
		    html, ", by uid %lld", (long long)number(row, "uid"));
	if (reason != NULL && *reason != '\0') {
		buffer_append_string(html, " (");
		html_text(html, reason);
		buffer_append_string(html, ")");
	}
	buffer_append_string(html, ".");
}

static void
tell_warning(struct buffer *html, const json_t *row)
{
	html_text(html, sentence_of(text_of(row, "event")));
	buffer_append_string(html, " (");
	add_times(html, row, " time).", " times).");
}

static const struct {
	enum audit_statistic statistic;
	const char *label;
	bool is_alarm;
	void (*tell)(struct buffer *html, const json_t *row);
} kinds[] = {
    {STATISTIC_HOURS, "Unusual hours", false, tell_hours},
    {STATISTIC_COMBINATIONS, "New combination", false, tell_combination},
    {STATISTIC_BURSTS, "Burst of refusals", true, tell_burst},
    {STATISTIC_JUMPS, "Clock", true, tell_jump},
    {STATISTIC_REVOCATIONS, "Revocation", false, tell_revocation},
    {STATISTIC_WARNINGS, "Warning", true, tell_warning},
};

/* -- by time */

struct item {
	size_t kind;
	const json_t *row;
};

static int
compare(const void *a, const void *b)
{
	int64_t first = number(((const struct item *)a)->row, "first_time");
	int64_t second = number(((const struct item *)b)->row, "first_time");

	return (first > second) - (first < second);
}

static struct item *
collect(const struct report *report, size_t *ret_count)
{
	struct item *items;
	size_t count = 0;

	for (size_t i = 0; i < COUNT(kinds); i++)
		count += json_array_size(report->rows[kinds[i].statistic]);
	items = alloc_zero(count + 1, sizeof(*items));
	count = 0;
	for (size_t i = 0; i < COUNT(kinds); i++) {
		size_t k;
		const json_t *row;

		json_array_foreach(report->rows[kinds[i].statistic], k, row)
		    items[count++] = (struct item){i, row};
	}
	qsort(items, count, sizeof(*items), compare);
	*ret_count = count;
	return items;
}

void
report_write_events(struct buffer *html, const struct report *report)
{
	size_t count;
	auto_free struct item *items = collect(report, &count);

	if (count == 0) {
		buffer_append_string(html, "<p>nothing</p>\n");
		return;
	}
	buffer_append_string(html, "<ul class=\"events\">\n");
	for (size_t i = 0; i < count; i++) {
		buffer_printf(html, "<li%s>",
		    kinds[items[i].kind].is_alarm ? " class=\"alarm\"" : "");
		html_time(html, number(items[i].row, "first_time"));
		buffer_printf(
		    html, " <b>%s</b> <span>", kinds[items[i].kind].label);
		kinds[items[i].kind].tell(html, items[i].row);
		buffer_append_string(html, "</span></li>\n");
	}
	buffer_append_string(html, "</ul>\n");
}
