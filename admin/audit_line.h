/* Records of the audit log as search and tail print them. */
#ifndef ADMIN_AUDIT_LINE_H
#define ADMIN_AUDIT_LINE_H

#include "admin/tool.h"
#include "lib/audit_line.h"

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
