/*
 * A record of the audit log as people read it. Whatever a stranger wrote comes
 * out without its control bytes.
 */
#ifndef LIB_AUDIT_LINE_H
#define LIB_AUDIT_LINE_H

#include <jansson.h>

/* A member as text, of the record itself or of a part of it; "" if there is
 * none. The caller frees. */
char *
audit_line_member(const json_t *record, const char *part, const char *member);

/* On one line, without control bytes. The caller frees. */
char *audit_line(const json_t *record);

#endif
