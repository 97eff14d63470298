/*
 * The log of a program. Values may come from a stranger: they are neutralised
 * and bounded here, so that no line can be forged or made endless.
 */
#include "lib/log.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/utf8.h"

#define VALUE_MAX 2048
#define LINE_MAX_BYTES 16384
#define LINE_END_MAX 2 /* beyond that */
#define PRIORITY "<6>" /* before a line for the journal */

/* Set once, before any thread is started. */
static struct {
	const char *program;
	enum log_format format;
	enum log_level least;
	bool journal;
} settings = {"taskgate", LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO, false};

/* What this thread has to say and holds back. */
static _Thread_local struct {
	bool back;
	size_t len;
	char lines[PIPE_BUF];
} held;

static const struct {
	const char *name;
	int priority; /* syslog's */
} levels[] = {
    [LOG_LEVEL_DEBUG] = {"debug", 7},
    [LOG_LEVEL_INFO] = {"info", 6},
    [LOG_LEVEL_WARNING] = {"warning", 4},
    [LOG_LEVEL_ERROR] = {"error", 3},
};

static const char *const formats[] = {
    [LOG_FORMAT_LOGFMT] = "logfmt",
    [LOG_FORMAT_JSON] = "json",
};

bool
log_format_parse(const char *text, enum log_format *ret)
{
	for (size_t i = 0; i < COUNT(formats); i++) {
		if (strcmp(text, formats[i]) == 0) {
			*ret = (enum log_format)i;
			return true;
		}
	}
	return false;
}

bool
log_level_parse(const char *text, enum log_level *ret)
{
	for (size_t i = 0; i < COUNT(levels); i++) {
		if (strcmp(text, levels[i].name) == 0) {
			*ret = (enum log_level)i;
			return true;
		}
	}
	return false;
}

/* systemd.exec(5): JOURNAL_STREAM is the device and inode of the journal's
 * end; a program started with its standard error elsewhere inherits it too. */
static bool
writes_to_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;
	char *end = NULL;

	if (stream == NULL || fstat(STDERR_FILENO, &st) != 0)
		return false;
	device = strtoull(stream, &end, 10);
	if (*end != ':')
		return false;
	inode = strtoull(end + 1, &end, 10);
	return *end == '\0' && device == st.st_dev && inode == st.st_ino;
}

void
log_init(const char *program, enum log_format format, enum log_level least)
{
	settings.program = program;
	settings.format = format;
	settings.least = least;
	settings.journal = writes_to_journal();
}

static bool
needs_quotes(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\')
			return true;
	}
	return len == 0;
}

/* Both formats escape quote and backslash in the same way. */
static void
add_quoted(struct buffer *line, const char *text, size_t len)
{
	size_t from = 0;

	buffer_append(line, "\"", 1);
	for (size_t i = 0; i < len; i++) {
		if (text[i] != '"' && text[i] != '\\')
			continue;
		buffer_append(line, text + from, i - from);
		buffer_append(line, "\\", 1);
		from = i;
	}
	buffer_append(line, text + from, len - from);
	buffer_append(line, "\"", 1);
}

static void
add_neutral(struct buffer *line, const char *value)
{
	auto_buffer text = BUFFER_INIT(4 * VALUE_MAX + 8);
	size_t len = strlen(value);
	bool cut = len > VALUE_MAX;

	/* The cut must not go through a character. */
	if (cut) {
		len = VALUE_MAX;
		while (len > VALUE_MAX - 3 && (value[len] & 0xc0) == 0x80)
			len--;
	}
	utf8_append_neutral(&text, value, len);
	if (cut)
		buffer_append_string(&text, "...");
	add_quoted(line, text.len > 0 ? text.data : "", text.len);
}

static void
add_logfmt(struct buffer *line, bool first, const char *key, const char *value)
{
	size_t len = strlen(value);

	if (!first)
		buffer_append(line, " ", 1);
	buffer_append_string(line, key);
	buffer_append(line, "=", 1);
	if (len > VALUE_MAX || needs_quotes(value, len))
		add_neutral(line, value);
	else
		buffer_append(line, value, len);
}

static void
add_json(struct buffer *line, bool first, const char *key, const char *value)
{
	buffer_append(line, first ? "{\"" : ",\"", 2);
	buffer_append_string(line, key);
	buffer_append(line, "\":", 2);
	add_neutral(line, value);
}

static void
add(struct buffer *line, const char *key, const char *value)
{
	static void (*const writers[])(
	    struct buffer *, bool, const char *, const char *) = {
	    [LOG_FORMAT_LOGFMT] = add_logfmt,
	    [LOG_FORMAT_JSON] = add_json,
	};

	size_t begin = settings.journal ? strlen(PRIORITY) : 0;
	size_t before = line->len;

	writers[settings.format](
	    line, before == begin, key, value != NULL ? value : "");
	/* A pair goes in whole or not at all, so that a line stays one. */
	if (line->full)
		buffer_cut(line, before);
	line->full = false;
}

static void
begin_line(struct buffer *line, enum log_level level, const char *event)
{
	char now[CLOCK_TEXT];

	if (settings.journal) {
		buffer_printf(line, "<%d>", levels[level].priority);
	} else {
		clock_format(clock_wall_ms(), now);
		add(line, "time", now);
	}
	add(line, "level", levels[level].name);
	add(line, "program", settings.program);
	add(line, "event", event);
}

static void
add_pairs(struct buffer *line, va_list ap)
{
	const char *key = NULL;

	while ((key = va_arg(ap, const char *)) != NULL)
		add(line, key, va_arg(ap, const char *));
}

/* A log that cannot be written must not stop the program. */
static void
write_out(const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDERR_FILENO, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

static void
write_held(void)
{
	write_out(held.lines, held.len);
	held.len = 0;
}

/* In one piece, so that lines of several threads do not mix. */
static void
write_line(struct buffer *line)
{
	line->max += LINE_END_MAX;
	buffer_append_string(
	    line, settings.format == LOG_FORMAT_JSON ? "}\n" : "\n");
	if (line->len > sizeof(held.lines) - held.len)
		write_held();
	if (!held.back || line->len > sizeof(held.lines)) {
		write_out(line->data, line->len);
		return;
	}
	memcpy(held.lines + held.len, line->data, line->len);
	held.len += line->len;
}

void
log_hold(void)
{
	held.back = true;
}

void
log_release(void)
{
	int errnum = errno;

	held.back = false;
	write_held();
	errno = errnum;
}

void
log_event(enum log_level level, const char *event, ...)
{
	auto_buffer line = BUFFER_INIT(LINE_MAX_BYTES);
	int errnum = errno;
	va_list ap;

	if (level < settings.least)
		return;
	begin_line(&line, level, event);
	va_start(ap, event);
	add_pairs(&line, ap);
	va_end(ap);
	write_line(&line);
	errno = errnum;
}

void
log_failure(enum log_level level, const char *event, const struct err *err, ...)
{
	auto_buffer line = BUFFER_INIT(LINE_MAX_BYTES);
	int errnum = errno;
	va_list ap;

	if (level < settings.least)
		return;
	begin_line(&line, level, event);
	add(&line, "error", err_slug(err->code));
	add(&line, "detail", err->detail);
	va_start(ap, err);
	add_pairs(&line, ap);
	va_end(ap);
	write_line(&line);
	errno = errnum;
}
