/*
 * Whether an export of an audit log is what was signed: each record, that none
 * is missing between the first and the last, and that the signed log has all
 * of them there. Needs the public key and nothing else.
 */
#ifndef ADMIN_VERIFY_EXPORT_H
#define ADMIN_VERIFY_EXPORT_H

#include <stdio.h>

#include "admin/verify_log.h"

/* A line of it: a record of 64 KiB and what stands beside it, escaped. */
#define VERIFY_LINE_MAX ((size_t)1024 * 1024)

/* ERR_UNPROCESSABLE: it is no export; ERR_CONFLICT: nobody of these keys has
 * signed its checkpoint. What is wrong with its records is in the report. */
int verify_export(FILE *file, const struct verify_question *question,
    struct verify_report *ret, struct err *err);

#endif
