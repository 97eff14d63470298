#include "admin/audit_line.h"

#include <stdio.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/terminal.h"

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
	auto_free char *seq = NULL;

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
		seq = audit_line_member(record, NULL, "seq");
		line = terminal_neutralise(seq);
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
