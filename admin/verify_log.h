/*
 * Whether an audit log is what was signed: every record against its leaf and
 * its indexed columns, the indexes, every stored node of the tree, the signed
 * head, and a checkpoint that was kept elsewhere. Reads the database itself and
 * believes nothing of it: the runner has no part in this.
 */
#ifndef ADMIN_VERIFY_LOG_H
#define ADMIN_VERIFY_LOG_H

#include <sqlite3.h>

#include "admin/verify_report.h"
#include "lib/audit_keys.h"

struct verify_question {
	const char *origin; /* of the log */
	struct audit_keys keys; /* one of them signed */
	const struct checkpoint *from; /* kept elsewhere; NULL: none */
};

/* Of one moment, also while the runner writes. -1: it cannot be read at all;
 * whatever is wrong with what can be read is in the report. */
int verify_log(sqlite3 *database, const struct verify_question *question,
    struct verify_report *ret, struct err *err);

#endif
