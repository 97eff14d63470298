#include "admin/audit_line.h"

#include <stdio.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/terminal.h"

/* -- one line */

char *
audit_line_member(const json_t *record, const char *part, const char *member)
{
	const json_t *object =
	    part != NULL ? json_object_get(record, part) : record;
	const json_t *value = json_object_get(object, member);

	if (json_is_integer(value))
		return alloc_printf(
		    "%lld", (long long)json_integer_value(value));
	return alloc_string(
	    json_is_string(value) ? json_string_value(value) : "");
}

/* What a line shows behind the sentence. */
static const struct {
	const char *label;
	const char *part;
	const char *member;
} shown[] = {
    {"subject", "principal", "subject"},
    {"uid", "principal", "uid"},
    {"address", "principal", "address"},
    {"task", "object", "task"},
    {"image", "untrusted", "image"},
    {"image", "object", "image_id"},
    {"rule", NULL, "rule"},
    {"outcome", NULL, "outcome"},
    /* Last: it may be long and hold blanks. */
    {"why", "untrusted", "detail"},
};

/* What is not there any more, or never was a record. */
static const struct {
	const char *member;
	const char *text;
} missing[] = {
    {"dropped", "  [dropped]"},
    {"unreadable", "  [unreadable: see audit verify]"},
    {"redacted", "  [redacted]"},
};

char *
audit_line(const json_t *record)
{
	auto_buffer line = BUFFER_INIT(65536);
	auto_free char *time = audit_line_member(record, NULL, "time");
	auto_free char *severity = audit_line_member(record, NULL, "severity");
	auto_free char *event = audit_line_member(record, NULL, "event");
	auto_free char *message = audit_line_member(record, NULL, "message");
	auto_free char *whole = NULL;

	buffer_printf(&line, "%6lld  %s  %-7s  %-20s  %s",
	    (long long)json_integer_value(json_object_get(record, "seq")), time,
	    severity, event, message);
	for (size_t k = 0; k < COUNT(shown); k++) {
		auto_free char *text =
		    audit_line_member(record, shown[k].part, shown[k].member);
		if (*text != '\0')
			buffer_printf(&line, "  %s=%s", shown[k].label, text);
	}
	for (size_t k = 0; k < COUNT(missing); k++) {
		if (json_is_true(json_object_get(record, missing[k].member)))
			buffer_append_string(&line, missing[k].text);
	}
	whole = buffer_take(&line);
	return terminal_neutralise(whole);
}

/* -- many */

int
audit_printer_begin(const struct invocation *invocation,
    struct audit_printer *ret, struct err *err)
{
	*ret = (struct audit_printer){0};
	return tool_format(invocation, &ret->format, err);
}

/* On a terminal no byte may be a control: jansson escapes C0 alone. */
static void
dump(const json_t *record, size_t flags)
{
	if (isatty(STDOUT_FILENO))
		flags |= JSON_ENSURE_ASCII;
	json_dumpf(record, stdout, flags);
}

void
audit_printer_add(struct audit_printer *printer, const json_t *record)
{
	auto_free char *line = NULL;

	switch (printer->format) {
	case FORMAT_TABLE:
		line = audit_line(record);
		puts(line);
		break;
	case FORMAT_JSON:
		/* An array that never stands in memory as a whole. */
		fputs(printer->count == 0 ? "[\n" : ",\n", stdout);
		dump(record, JSON_INDENT(2));
		break;
	case FORMAT_JSONL:
		dump(record, JSON_COMPACT);
		putchar('\n');
		break;
	case FORMAT_ID:
		line = audit_line_member(record, NULL, "seq");
		puts(line);
		break;
	}
	printer->count++;
}

int
audit_printer_end(struct audit_printer *printer, struct err *err)
{
	if (printer->format == FORMAT_JSON)
		fputs(printer->count == 0 ? "[]\n" : "\n]\n", stdout);
	if (fflush(stdout) != 0 || ferror(stdout))
		return err_errno(err, "write to standard output");
	return 0;
}
