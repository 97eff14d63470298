#include "admin/report_html.h"

#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/utf8.h"

static const char *
entity(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

static void
write_text(struct buffer *html, const char *text, const char *breaks)
{
	auto_buffer neutral = BUFFER_INIT(SIZE_MAX);

	if (text == NULL)
		return;
	utf8_append_neutral(&neutral, text, strlen(text));
	for (size_t i = 0; i < neutral.len; i++) {
		const char *instead = entity(neutral.data[i]);

		if (instead != NULL)
			buffer_append_string(html, instead);
		else
			buffer_append(html, neutral.data + i, 1);
		if (strchr(breaks, neutral.data[i]) != NULL)
			buffer_append_string(html, "<wbr>");
	}
}

void
html_text(struct buffer *html, const char *text)
{
	write_text(html, text, "");
}

void
html_name(struct buffer *html, const char *text)
{
	write_text(html, text, "/:@");
}

void
html_number(struct buffer *html, int64_t number)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%lld", (long long)number);

	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0 && digits[i - 1] != '-')
			buffer_append_string(html, "&#8239;");
		buffer_append(html, digits + i, 1);
	}
}

void
html_time(struct buffer *html, int64_t wall_ms)
{
	char when[CLOCK_TEXT];

	clock_format(wall_ms, when);
	buffer_printf(html, "<time datetime=\"%s\">%.10s&nbsp;%.5s</time>",
	    when, when, when + 11);
}

void
html_date(struct buffer *html, int64_t wall_ms)
{
	char when[CLOCK_TEXT];

	clock_format(wall_ms, when);
	buffer_printf(
	    html, "<time datetime=\"%.10s\">%.10s</time>", when, when);
}
