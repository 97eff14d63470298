/*
 * A record of the audit log as people read it. Whatever a stranger wrote comes
 * out without its control bytes.
 */
#ifndef ADMIN_AUDIT_LINE_H
#define ADMIN_AUDIT_LINE_H

#include <jansson.h>

#include "admin/tool.h"

/* A member as text, of the record itself or of a part of it; "" if there is
 * none. The caller frees. */
char *
audit_line_member(const json_t *record, const char *part, const char *member);

/* On one line, without control bytes. The caller frees. */
char *audit_line(const json_t *record);

/* Prints records one by one, in the format that was asked for. */
struct audit_printer {
	enum tool_format format;
	int64_t count;
};

int audit_printer_begin(const struct invocation *invocation,
    struct audit_printer *ret, struct err *err);
void audit_printer_add(struct audit_printer *printer, const json_t *record);
/* All of it has been written; -1 where it could not be. */
int audit_printer_end(struct audit_printer *printer, struct err *err);

#endif
