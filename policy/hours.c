/* Windows of the week. Pure: arithmetic alone, no calendar of the machine's. */
#include "policy/hours.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"

#define MINUTE_MS 60000
#define DAY_MINUTES 1440
#define DAYS 7
#define EVERY_DAY 0x7f

static const char *const names[DAYS] = {
    "mon", "tue", "wed", "thu", "fri", "sat", "sun"};

struct members {
	json_t *days;
	const char *from, *to;
};

static const struct json_field fields[] = {
    JSON_FIELD(struct members, days, "days", JSON_KIND_ARRAY, false, 1, DAYS),
    JSON_FIELD(struct members, from, "from", JSON_KIND_STRING, true, 0, 0),
    JSON_FIELD(struct members, to, "to", JSON_KIND_STRING, true, 0, 0),
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "HH:MM", 00:00 to 24:00. */
static bool
read_minute(const char *text, int16_t *ret)
{
	int hour, minute;

	if (strlen(text) != 5 || !is_digit(text[0]) || !is_digit(text[1]) ||
	    text[2] != ':' || !is_digit(text[3]) || !is_digit(text[4]))
		return false;
	hour = 10 * (text[0] - '0') + text[1] - '0';
	minute = 10 * (text[3] - '0') + text[4] - '0';
	if (minute > 59 || 60 * hour + minute > DAY_MINUTES)
		return false;
	*ret = (int16_t)(60 * hour + minute);
	return true;
}

static int
read_days(const json_t *days, const char *path, uint8_t *ret, struct err *err)
{
	for (size_t i = 0; i < json_array_size(days); i++) {
		const char *name = json_string_value(json_array_get(days, i));
		unsigned day = 0;

		while (day < DAYS &&
		    (name == NULL || strcmp(names[day], name) != 0))
			day++;
		if (day == DAYS)
			return err_set(err, ERR_UNPROCESSABLE,
			    "%s.days[%zu]: must be \"mon\", \"tue\", \"wed\", "
			    "\"thu\", \"fri\", \"sat\" or \"sun\"",
			    path, i);
		if ((*ret >> day & 1) != 0)
			return err_set(err, ERR_UNPROCESSABLE,
			    "%s.days[%zu]: \"%s\" is there twice", path, i,
			    name);
		*ret |= (uint8_t)(1U << day);
	}
	return 0;
}

static int
read_window(const json_t *json, const char *path, struct hours_window *ret,
    struct err *err)
{
	struct members members = {0};

	if (json_read_fields(
		json, path, fields, COUNT(fields), true, &members, err) != 0 ||
	    read_days(members.days, path, &ret->days, err) != 0)
		return -1;
	if (members.days == NULL)
		ret->days = EVERY_DAY;
	if (!read_minute(members.from, &ret->from) || ret->from == DAY_MINUTES)
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s.from: must be a time such as \"08:00\", from 00:00 to "
		    "23:59",
		    path);
	if (!read_minute(members.to, &ret->to))
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s.to: must be a time such as \"18:00\", from 00:00 to "
		    "24:00",
		    path);
	if (ret->from == ret->to)
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s.to: the same as from: a whole day is 00:00 to 24:00",
		    path);
	return 0;
}

int
hours_read(
    const json_t *json, const char *path, struct hours *ret, struct err *err)
{
	size_t count = json_array_size(json);

	ret->windows = alloc_zero(count, sizeof(*ret->windows));
	for (size_t k = 0; k < count; k++) {
		auto_free char *where = alloc_printf("%s[%zu]", path, k);

		if (read_window(json_array_get(json, k), where,
			&ret->windows[k], err) != 0)
			return -1;
	}
	ret->count = count;
	return 0;
}

void
hours_done(struct hours *hours)
{
	free(hours->windows);
	*hours = (struct hours){0};
}

/* Since the epoch; floor, also before it. */
static int64_t
minutes_of(int64_t now_ms)
{
	return now_ms / MINUTE_MS - (now_ms % MINUTE_MS < 0);
}

static int
minute_of_day(int64_t minutes)
{
	return (int)((minutes % DAY_MINUTES + DAY_MINUTES) % DAY_MINUTES);
}

/* 0: Monday. The epoch was a Thursday. */
static unsigned
day_of(int64_t minutes)
{
	int64_t days = (minutes - minute_of_day(minutes)) / DAY_MINUTES;

	return (unsigned)((days % DAYS + DAYS + 3) % DAYS);
}

static bool
is_within(const struct hours_window *window, unsigned day, int minute)
{
	bool today = (window->days >> day & 1) != 0;
	bool yesterday = (window->days >> (day + DAYS - 1) % DAYS & 1) != 0;

	if (window->from < window->to)
		return today && minute >= window->from && minute < window->to;
	return (today && minute >= window->from) ||
	    (yesterday && minute < window->to);
}

bool
hours_has(const struct hours *hours, int64_t now_ms)
{
	int64_t minutes = minutes_of(now_ms);

	for (size_t k = 0; k < hours->count; k++) {
		if (is_within(&hours->windows[k], day_of(minutes),
			minute_of_day(minutes)))
			return true;
	}
	return hours->count == 0;
}

static void
append_days(uint8_t days, struct buffer *out)
{
	bool first = true;

	if (days == EVERY_DAY)
		return;
	for (unsigned day = 0; day < DAYS; day++) {
		if ((days >> day & 1) == 0)
			continue;
		buffer_printf(out, "%s%s", first ? "" : ",", names[day]);
		first = false;
	}
	buffer_append_string(out, " ");
}

void
hours_explain(const struct hours *hours, int64_t now_ms, struct buffer *out)
{
	int64_t minutes = minutes_of(now_ms);
	int minute = minute_of_day(minutes);

	buffer_printf(out, "it is %s %02d:%02d UTC, but the hours are ",
	    names[day_of(minutes)], minute / 60, minute % 60);
	for (size_t k = 0; k < hours->count; k++) {
		const struct hours_window *window = &hours->windows[k];

		if (k > 0)
			buffer_append_string(out, ", ");
		append_days(window->days, out);
		buffer_printf(out, "%02d:%02d-%02d:%02d", window->from / 60,
		    window->from % 60, window->to / 60, window->to % 60);
	}
}
