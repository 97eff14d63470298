/*
 * Role: what every verb of the operator's tool shares at its edge.
 * Trusts the operator; nothing that a stranger wrote.
 * Must never print a control byte of a record, a certificate or a token.
 */
#include "admin/tool.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/quantity.h"
#include "lib/terminal.h"

#define PROGRAM "taskgate-admin"

/* As the client's: 1 no, 2 usage, 3 not found, 8 unreachable. */
static const struct {
	enum err_code code;
	int status;
} statuses[] = {
    {ERR_NOT_FOUND, 3},
    {ERR_DENIED, 5},
    {ERR_CONFLICT, 6},
    {ERR_UNAVAILABLE, 8},
};

int
tool_fail(const struct err *err)
{
	auto_free char *detail = terminal_neutralise(err->detail);

	fprintf(stderr, PROGRAM ": %s\n", detail);
	for (size_t k = 0; k < COUNT(statuses); k++) {
		if (statuses[k].code == err->code)
			return statuses[k].status;
	}
	return 1;
}

void
tool_note(const char *format, ...)
{
	auto_free char *raw = NULL;
	auto_free char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&raw, format, args) < 0)
		die("out of memory");
	va_end(args);
	text = terminal_neutralise(raw);
	fprintf(stderr, PROGRAM ": note: %s\n", text);
}

const char *
tool_directory(const struct invocation *invocation)
{
	const char *directory = option_value(invocation, "dir");

	return directory != NULL ? directory : TOOL_DIRECTORY;
}

int64_t
tool_now_s(void)
{
	return clock_wall_ms() / 1000;
}

char *
tool_time(int64_t wall_s)
{
	char text[CLOCK_TEXT];

	clock_format(wall_s * 1000, text);
	return alloc_string(text);
}

int
tool_reason(const struct invocation *invocation, size_t max, const char **ret,
    struct err *err)
{
	const char *reason = option_value(invocation, "reason");

	if (reason != NULL && (*reason == '\0' || strlen(reason) > max))
		return err_set(
		    err, ERR_UNPROCESSABLE, "--reason: 1 to %zu bytes", max);
	*ret = reason;
	return 0;
}

int
tool_duration(const struct invocation *invocation, const char *name,
    int64_t fallback_s, int64_t *ret_s, struct err *err)
{
	const char *text = option_value(invocation, name);

	if (text == NULL) {
		*ret_s = fallback_s;
		return 0;
	}
	int64_t seconds;
	if (!quantity_parse_duration(text, &seconds) || seconds < 1)
		return err_set(err, ERR_UNPROCESSABLE,
		    "--%s: \"%s\" is not a duration such as 90s, 5m, 1h or 1d",
		    name, text);
	*ret_s = seconds;
	return 0;
}

static char *
read_standard_input(size_t max, size_t *ret_len, struct err *err)
{
	auto_buffer all = BUFFER_INIT(max);
	char piece[4096];
	size_t n;

	while ((n = fread(piece, 1, sizeof(piece), stdin)) > 0)
		buffer_append(&all, piece, n);
	if (ferror(stdin)) {
		err_errno(err, "read standard input");
		return NULL;
	}
	if (all.full) {
		err_set(err, ERR_TOO_LARGE,
		    "standard input: more than %zu bytes", max);
		return NULL;
	}
	*ret_len = all.len;
	return buffer_take(&all);
}

char *
tool_read(const char *path, size_t max, size_t *ret_len, struct err *err)
{
	return strcmp(path, "-") == 0 ? read_standard_input(max, ret_len, err)
				      : file_read(path, max, ret_len, err);
}

int
tool_format(
    const struct invocation *invocation, enum tool_format *ret, struct err *err)
{
	static const char *const names[] = {
	    [FORMAT_TABLE] = "table",
	    [FORMAT_JSON] = "json",
	    [FORMAT_JSONL] = "jsonl",
	    [FORMAT_ID] = "id",
	};
	const char *text = option_value(invocation, "format");

	for (size_t k = 0; k < COUNT(names); k++) {
		if (text == NULL || strcmp(names[k], text) == 0) {
			*ret = (enum tool_format)k;
			return 0;
		}
	}
	return err_set(err, ERR_UNPROCESSABLE,
	    "--format: \"%s\" is not one of table, json, jsonl, id", text);
}

/* A value as people read it. The caller frees. */
static char *
show(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_STRING:
		return alloc_string(json_string_value(value));
	case JSON_INTEGER:
		return alloc_printf(
		    "%lld", (long long)json_integer_value(value));
	case JSON_TRUE:
		return alloc_string("yes");
	case JSON_FALSE:
		return alloc_string("no");
	case JSON_ARRAY: {
		auto_buffer all = BUFFER_INIT(65536);
		size_t k;
		const json_t *one;
		json_array_foreach(value, k, one)
		{
			auto_free char *text = show(one);
			buffer_printf(&all, "%s%s", k > 0 ? ", " : "", text);
		}
		return buffer_take(&all);
	}
	default:
		return alloc_string("");
	}
}

static char *
show_member(const json_t *object, const char *member)
{
	const json_t *value = json_object_get(object, member);

	return value != NULL ? show(value) : alloc_string("");
}

static void
print_table(const struct view *view, const json_t *list)
{
	const char *headings[16] = {NULL};
	size_t k;
	const json_t *one;

	for (size_t j = 0; j < view->ncolumns; j++)
		headings[j] = view->columns[j].heading;
	struct table *table = table_new(headings, view->ncolumns);
	json_array_foreach(list, k, one)
	{
		char *cells[16] = {NULL};
		for (size_t j = 0; j < view->ncolumns; j++)
			cells[j] = show_member(one, view->columns[j].member);
		table_add(table, (const char *const *)cells);
		for (size_t j = 0; j < view->ncolumns; j++)
			free(cells[j]);
	}
	table_print(table, stdout);
	table_free(table);
}

static void
print_lines(const struct view *view, const json_t *object)
{
	int width = 0;

	for (size_t j = 0; j < view->ncolumns; j++) {
		int len = (int)strlen(view->columns[j].heading);
		width = len > width ? len : width;
	}
	for (size_t j = 0; j < view->ncolumns; j++) {
		const struct column *column = &view->columns[j];
		if (json_object_get(object, column->member) == NULL)
			continue;
		auto_free char *text = show_member(object, column->member);
		auto_free char *safe = terminal_neutralise(text);
		printf("%-*s  %s\n", width, column->heading, safe);
	}
}

static void
print_json(const json_t *json, size_t flags)
{
	/* On a terminal no byte of it may be a control: jansson escapes C0
	 * alone. */
	if (isatty(STDOUT_FILENO))
		flags |= JSON_ENSURE_ASCII;
	json_dumpf(json, stdout, flags);
	putchar('\n');
}

static void
print_jsonl(const json_t *list)
{
	size_t k;
	const json_t *one;

	json_array_foreach(list, k, one) print_json(one, JSON_COMPACT);
}

static void
print_id(const struct view *view, const json_t *object)
{
	auto_free char *text = show_member(object, view->id);
	auto_free char *safe = terminal_neutralise(text);

	puts(safe);
}

int
tool_print_list(const struct invocation *invocation, const struct view *view,
    const json_t *list, struct err *err)
{
	enum tool_format format;
	size_t k;
	const json_t *one;

	if (tool_format(invocation, &format, err) != 0)
		return -1;
	switch (format) {
	case FORMAT_TABLE:
		print_table(view, list);
		break;
	case FORMAT_JSON:
		print_json(list, JSON_INDENT(2));
		break;
	case FORMAT_JSONL:
		print_jsonl(list);
		break;
	case FORMAT_ID:
		json_array_foreach(list, k, one) print_id(view, one);
		break;
	}
	return 0;
}

int
tool_print_one(const struct invocation *invocation, const struct view *view,
    const json_t *object, struct err *err)
{
	enum tool_format format;

	if (tool_format(invocation, &format, err) != 0)
		return -1;
	switch (format) {
	case FORMAT_TABLE:
		print_lines(view, object);
		break;
	case FORMAT_JSON:
		print_json(object, JSON_INDENT(2));
		break;
	case FORMAT_JSONL:
		print_json(object, JSON_COMPACT);
		break;
	case FORMAT_ID:
		print_id(view, object);
		break;
	}
	return 0;
}

void
tool_next(const struct invocation *invocation, const char *format, ...)
{
	enum tool_format chosen;
	struct err err;
	va_list args;

	if (tool_format(invocation, &chosen, &err) != 0 ||
	    chosen != FORMAT_TABLE)
		return;
	fputs("\nNext: ", stdout);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}
