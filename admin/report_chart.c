#include "admin/report_chart.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "admin/report_html.h"
#include "lib/cleanup.h"
#include "lib/clock.h"

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

/* -- scales */

static const int64_t steps_ms[] = {MINUTE_MS, 5 * MINUTE_MS, 15 * MINUTE_MS,
    30 * MINUTE_MS, HOUR_MS, 2 * HOUR_MS, 3 * HOUR_MS, 6 * HOUR_MS,
    12 * HOUR_MS, DAY_MS, 2 * DAY_MS, 7 * DAY_MS, 14 * DAY_MS, 28 * DAY_MS,
    91 * DAY_MS, 364 * DAY_MS};

int64_t
chart_bucket_ms(int64_t length_ms, int64_t most)
{
	for (size_t i = 0; i < COUNT(steps_ms); i++) {
		if ((length_ms + steps_ms[i] - 1) / steps_ms[i] <= most)
			return steps_ms[i];
	}
	return (length_ms / most / DAY_MS + 1) * DAY_MS;
}

/* 1, 2 or 5 times a power of ten, at least a quarter of the highest. */
static int64_t
grid_step(int64_t highest)
{
	static const int64_t factors[] = {1, 2, 5};

	for (int64_t power = 1;; power *= 10) {
		for (size_t i = 0; i < COUNT(factors); i++) {
			int64_t step = factors[i] * power;

			if (step >= highest / 4 + (highest % 4 != 0))
				return step;
		}
	}
}

/* -- activity */

struct geometry {
	const char *name; /* in the style */
	int width, left;
	int64_t ticks; /* at most */
};

#define TOP 14
#define TASKS_HEIGHT 150
#define GAP 34
#define REFUSED_HEIGHT 64
#define AXIS 24
#define HEIGHT (TOP + TASKS_HEIGHT + GAP + REFUSED_HEIGHT + AXIS)

/* One chart above the other: from where to where, and what is highest. */
struct panel {
	int top, height;
	int64_t step, highest; /* a multiple of the step */
};

/* What two of, and the scale above them, can be reckoned with. */
#define NUMBER_MAX (INT64_MAX / 8)

static int64_t
number(const json_t *row, const char *member)
{
	json_int_t value = json_integer_value(json_object_get(row, member));

	if (value < 0)
		return 0;
	return value < NUMBER_MAX ? value : NUMBER_MAX;
}

static struct panel
make_panel(
    const json_t *rows, const char *const members[2], int top, int height)
{
	struct panel panel = {.top = top, .height = height};
	int64_t highest = 1;
	size_t k;
	const json_t *row;

	json_array_foreach(rows, k, row)
	{
		int64_t sum = number(row, members[0]) +
		    (members[1] != NULL ? number(row, members[1]) : 0);

		highest = sum > highest ? sum : highest;
	}
	panel.step = grid_step(highest);
	panel.highest = (highest + panel.step - 1) / panel.step * panel.step;
	return panel;
}

static double
y_of(const struct panel *panel, int64_t value)
{
	return panel->top + panel->height -
	    (double)value * panel->height / (double)panel->highest;
}

static void
draw_grid(struct buffer *svg, const struct geometry *geometry,
    const struct panel *panel, const char *name)
{
	for (int64_t value = 0; value <= panel->highest; value += panel->step) {
		double y = y_of(panel, value);

		buffer_printf(svg,
		    "<line class=\"%s\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" "
		    "y2=\"%.1f\"/><text x=\"%d\" y=\"%.1f\" "
		    "text-anchor=\"end\">%lld</text>\n",
		    value == 0 ? "base" : "grid", geometry->left, y,
		    geometry->width, y, geometry->left - 5, y + 3.5,
		    (long long)value);
	}
	buffer_printf(svg, "<text class=\"name\" x=\"%d\" y=\"%d\">%s</text>\n",
	    geometry->left, panel->top - 5, name);
}

static void
draw_bar(struct buffer *svg, const struct panel *panel, const char *kind,
    double x, double width, int64_t below, int64_t value)
{
	double top = y_of(panel, below + value);

	if (value > 0)
		buffer_printf(svg,
		    "<rect class=\"%s\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" "
		    "height=\"%.2f\"/>",
		    kind, x, top, width, y_of(panel, below) - top);
}

/* With what it stands for, to be read under the pointer. */
static void
draw_bucket(struct buffer *svg, const struct chart_activity *activity,
    const struct geometry *geometry, const struct panel panels[2],
    const json_t *row)
{
	int64_t buckets = (activity->until_ms - activity->since_ms +
			      activity->bucket_ms - 1) /
	    activity->bucket_ms;
	double each =
	    (double)(geometry->width - geometry->left) / (double)buckets;
	int64_t bucket = number(row, "bucket");
	double x = geometry->left + (double)bucket * each + each * 0.1;
	double width = each * 0.8;
	int64_t succeeded = number(row, "succeeded");
	int64_t failed = number(row, "failed");
	char when[CLOCK_TEXT];

	clock_format(activity->since_ms + bucket * activity->bucket_ms, when);
	buffer_printf(svg,
	    "<g><title>%.10s %.5s: %lld succeeded, %lld failed, %lld "
	    "refused</title>",
	    when, when + 11, (long long)succeeded, (long long)failed,
	    (long long)number(row, "refused"));
	draw_bar(svg, &panels[0], "succeeded", x, width, 0, succeeded);
	draw_bar(svg, &panels[0], "failed", x, width, succeeded, failed);
	draw_bar(
	    svg, &panels[1], "refused", x, width, 0, number(row, "refused"));
	buffer_append_string(svg, "</g>\n");
}

static void
format_tick(int64_t wall_ms, int64_t step_ms, char *ret, size_t size)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm tm;

	if (gmtime_r(&seconds, &tm) == NULL)
		tm = (struct tm){0};
	strftime(ret, size,
	    step_ms < DAY_MS           ? "%H:%M"
		: step_ms < 7 * DAY_MS ? "%a %d"
				       : "%d %b",
	    &tm);
}

static void
draw_ticks(struct buffer *svg, const struct chart_activity *activity,
    const struct geometry *geometry)
{
	int64_t length_ms = activity->until_ms - activity->since_ms;
	int64_t step_ms = chart_bucket_ms(length_ms, geometry->ticks);
	int64_t first_ms =
	    (activity->since_ms + step_ms - 1) / step_ms * step_ms;

	for (int64_t ms = first_ms; ms < activity->until_ms; ms += step_ms) {
		double x = geometry->left +
		    (double)(ms - activity->since_ms) *
			(geometry->width - geometry->left) / (double)length_ms;
		char text[32];

		format_tick(ms, step_ms, text, sizeof(text));
		buffer_printf(svg,
		    "<line class=\"grid\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" "
		    "y2=\"%d\"/><text x=\"%.1f\" y=\"%d\">%s</text>\n",
		    x, TOP, x, HEIGHT - AXIS + 5, x + 3, HEIGHT - 8, text);
	}
}

static void
draw_activity(struct buffer *svg, const struct chart_activity *activity,
    const struct geometry *geometry)
{
	static const char *const tasks[2] = {"succeeded", "failed"};
	static const char *const refused[2] = {"refused", NULL};
	const struct panel panels[2] = {
	    make_panel(activity->rows, tasks, TOP, TASKS_HEIGHT),
	    make_panel(activity->rows, refused, TOP + TASKS_HEIGHT + GAP,
		REFUSED_HEIGHT),
	};
	size_t k;
	const json_t *row;

	buffer_printf(svg,
	    "<svg class=\"%s\" viewBox=\"0 0 %d %d\" role=\"img\" "
	    "aria-label=\"Tasks that ended, and refusals, over time; the table "
	    "that follows has the numbers\">\n",
	    geometry->name, geometry->width, HEIGHT);
	draw_ticks(svg, activity, geometry);
	draw_grid(svg, geometry, &panels[0], "Tasks");
	draw_grid(svg, geometry, &panels[1], "Refusals");
	json_array_foreach(activity->rows, k, row)
	    draw_bucket(svg, activity, geometry, panels, row);
	buffer_append_string(svg, "</svg>\n");
}

void
chart_activity(struct buffer *html, const struct chart_activity *activity)
{
	static const struct geometry wide = {"wide", 920, 40, 9};
	static const struct geometry narrow = {"narrow", 350, 32, 7};

	draw_activity(html, activity, &wide);
	draw_activity(html, activity, &narrow);
}

/* -- bars */

void
chart_bars(struct buffer *html, const char *heading, const json_t *rows,
    const char *kind)
{
	int64_t highest = 1;
	size_t k;
	const json_t *row;

	json_array_foreach(rows, k, row)
	{
		int64_t value = number(row, "value");

		highest = value > highest ? value : highest;
	}
	buffer_printf(html,
	    "<section><h2>%s</h2>\n<table class=\"bars\">\n"
	    "<thead class=\"spoken\"><tr><th scope=\"col\">Name</th>"
	    "<th scope=\"col\">Bar</th><th scope=\"col\">Number</th></tr>"
	    "</thead>\n<tbody>\n",
	    heading);
	json_array_foreach(rows, k, row)
	{
		int64_t value = number(row, "value");

		buffer_append_string(html, "<tr><th scope=\"row\">");
		html_name(
		    html, json_string_value(json_object_get(row, "label")));
		buffer_printf(html,
		    "</th><td><svg viewBox=\"0 0 100 10\" "
		    "preserveAspectRatio=\"none\" aria-hidden=\"true\">"
		    "<rect class=\"%s\" width=\"%.2f\" height=\"10\"/></svg>"
		    "</td><td>",
		    kind, 100.0 * (double)value / (double)highest);
		html_number(html, value);
		buffer_append_string(html, "</td></tr>\n");
	}
	if (json_array_size(rows) == 0)
		buffer_append_string(
		    html, "<tr><td colspan=\"3\">nothing</td></tr>\n");
	buffer_append_string(html, "</tbody></table></section>\n");
}
