/*
 * Role: `audit summary`: who ran what, how often, what was refused and why,
 * and what had never been seen before.
 * Reads the store's database itself, read-only; believes nothing of it.
 */
#include <stdio.h>

#include "admin/audit_filter.h"
#include "admin/audit_log.h"
#include "admin/audit_statistics.h"
#include "admin/tool.h"
#include "admin/verbs.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"

#define WEEK_S (INT64_C(7) * 24 * 3600)
#define SHOWN 20
#define SHOWN_MAX 10000

static const struct column ran_columns[] = {
    {"SUBJECT", "subject"},
    {"IMAGE", "image"},
    {"RULE", "rule"},
    {"TASKS", "tasks"},
    {"SUCCEEDED", "succeeded"},
    {"FAILED", "failed"},
    {"LAST", "last_time"},
};
static const struct column refused_columns[] = {
    {"SUBJECT", "subject"},
    {"WHY", "why"},
    {"RULE", "rule"},
    {"TIMES", "times"},
    {"LAST", "last_time"},
};
static const struct column new_columns[] = {
    {"KIND", "kind"},
    {"NAME", "value"},
    {"FIRST", "first_time"},
    {"TIMES", "times"},
};

static const struct {
	enum audit_statistic statistic;
	const char *member;
	struct view view;
} sections[] = {
    {STATISTIC_RAN, "ran", {ran_columns, COUNT(ran_columns), "subject"}},
    {STATISTIC_REFUSED, "refused",
	{refused_columns, COUNT(refused_columns), "subject"}},
    {STATISTIC_NEW, "new", {new_columns, COUNT(new_columns), "value"}},
};

/* -- reading */

/* Milliseconds become what people read. */
static void
spell_times(json_t *list)
{
	static const char *const members[] = {"first_time", "last_time"};
	size_t k;
	json_t *row;

	json_array_foreach(list, k, row)
	{
		for (size_t i = 0; i < COUNT(members); i++) {
			const json_t *ms = json_object_get(row, members[i]);
			char when[CLOCK_TEXT];

			if (!json_is_integer(ms))
				continue;
			clock_format(json_integer_value(ms), when);
			json_object_set_new(row, members[i], json_string(when));
		}
	}
}

static json_t *
read_section(
    sqlite3 *database, const struct audit_question *question, struct err *err)
{
	json_t *list = audit_statistics_read(database, question, err);

	if (list != NULL)
		spell_times(list);
	return list;
}

/* The only row of one. */
static int
add_totals(sqlite3 *database, const struct audit_period *period,
    json_t *summary, struct err *err)
{
	struct audit_question question = {STATISTIC_TOTALS, period, 1, 0};
	auto_json *totals = read_section(database, &question, err);

	if (totals == NULL)
		return -1;
	question.statistic = STATISTIC_REFUSED_TOTAL;
	auto_json *refused = read_section(database, &question, err);
	if (refused == NULL)
		return -1;
	json_t *row = json_array_get(totals, 0);
	json_object_set(row, "refused",
	    json_object_get(json_array_get(refused, 0), "times"));
	json_object_set(summary, "totals", row);
	return 0;
}

static json_t *
read_summary(sqlite3 *database, const struct audit_period *period,
    int64_t limit, struct err *err)
{
	auto_json *summary = json_object();
	char when[CLOCK_TEXT];

	clock_format(period->since_ms, when);
	json_object_set_new(summary, "since", json_string(when));
	clock_format(period->until_ms, when);
	json_object_set_new(summary, "until", json_string(when));
	if (add_totals(database, period, summary, err) != 0)
		return NULL;
	for (size_t i = 0; i < COUNT(sections); i++) {
		/* One more, to know whether there is more. */
		const struct audit_question question = {
		    sections[i].statistic, period, limit + 1, 0};
		json_t *list = read_section(database, &question, err);

		if (list == NULL)
			return NULL;
		json_object_set_new(summary, sections[i].member, list);
	}
	return take(summary);
}

/* -- showing */

static long long
total(const json_t *summary, const char *member)
{
	return (long long)json_integer_value(
	    json_object_get(json_object_get(summary, "totals"), member));
}

static int
print_section(const struct invocation *invocation, const struct view *view,
    const char *title, json_t *list, int64_t limit, struct err *err)
{
	bool is_cut = (int64_t)json_array_size(list) > limit;

	printf("\n%s\n", title);
	if (json_array_size(list) == 0) {
		puts("nothing");
		return 0;
	}
	if (is_cut)
		json_array_remove(list, (size_t)limit);
	if (tool_print_list(invocation, view, list, err) != 0)
		return -1;
	if (is_cut)
		puts("... and more: --limit N");
	return 0;
}

static int
print_tables(const struct invocation *invocation, const json_t *summary,
    int64_t limit, struct err *err)
{
	printf("From %s to %s: %lld records. %lld tasks of %lld subjects, of "
	       "which %lld succeeded; %lld requests refused; the runner was "
	       "started %lld times.\n",
	    json_string_value(json_object_get(summary, "since")),
	    json_string_value(json_object_get(summary, "until")),
	    total(summary, "records"), total(summary, "tasks"),
	    total(summary, "subjects"), total(summary, "succeeded"),
	    total(summary, "refused"), total(summary, "starts"));
	for (size_t i = 0; i < COUNT(sections); i++) {
		if (print_section(invocation, &sections[i].view,
			audit_statistic_title(sections[i].statistic),
			json_object_get(summary, sections[i].member), limit,
			err) != 0)
			return -1;
	}
	return 0;
}

static int
print_summary(const struct invocation *invocation, json_t *summary,
    int64_t limit, struct err *err)
{
	const struct view view = {.id = "since"};
	enum tool_format format;

	if (tool_format(invocation, &format, err) != 0)
		return -1;
	if (format == FORMAT_TABLE)
		return print_tables(invocation, summary, limit, err);
	for (size_t i = 0; i < COUNT(sections); i++)
		json_array_remove(json_object_get(summary, sections[i].member),
		    (size_t)limit);
	return tool_print_one(invocation, &view, summary, err);
}

static int
summarise(const struct invocation *invocation, struct err *err)
{
	AUTO(audit_log_done) struct audit_log log = {0};
	int64_t now_ms = clock_wall_ms();
	struct audit_filter filter = {0};
	struct audit_period period;
	auto_json *summary = NULL;
	long long limit;

	if (audit_filter_times(invocation, now_ms, WEEK_S, &filter, err) != 0 ||
	    option_integer(
		invocation, "limit", SHOWN, 1, SHOWN_MAX, &limit, err) != 0 ||
	    audit_log_open_copy(invocation, &log, err) != 0)
		return -1;
	period = (struct audit_period){.since_ms = filter.since_ms,
	    .until_ms = filter.until_ms != 0 ? filter.until_ms : now_ms + 1};
	if (audit_log_begin(&log, err) != 0 ||
	    audit_period_find(log.database, &period, err) != 0)
		return -1;
	summary = read_summary(log.database, &period, limit, err);
	return summary != NULL ? print_summary(invocation, summary, limit, err)
			       : -1;
}

int
verb_audit_summary(struct invocation *invocation)
{
	struct err err;

	return summarise(invocation, &err) == 0 ? 0 : tool_fail(&err);
}
