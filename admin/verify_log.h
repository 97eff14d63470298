/*
 * Whether an audit log is what was signed: every record against its leaf and
 * its indexed columns, every stored node of the tree, the signed head, and a
 * checkpoint that was kept elsewhere. Reads the database itself and believes
 * nothing of it: the runner has no part in this.
 */
#ifndef ADMIN_VERIFY_LOG_H
#define ADMIN_VERIFY_LOG_H

#include <sqlite3.h>

#include "lib/audit_keys.h"

#define VERIFY_FINDINGS_MAX 50

struct verify_finding {
	int64_t seq; /* 0: of no one record */
	char what[200]; /* nothing of a stranger's in it */
};

struct verify_question {
	const char *origin; /* of the log */
	struct audit_keys keys; /* one of them signed */
	const struct checkpoint *from; /* kept elsewhere; NULL: none */
};

struct verify_report {
	int64_t records;
	int64_t dropped; /* of these, without their text, as is on record */
	int64_t redacted; /* without what a client wrote, likewise */
	uint8_t root[SHA256_BYTES]; /* of what is there */
	struct checkpoint head; /* as signed; size 0: none that is good */
	size_t nfindings; /* all of them */
	struct verify_finding findings[VERIFY_FINDINGS_MAX]; /* the first */
};

/* Of one moment, also while the runner writes. -1: it cannot be read at all;
 * whatever is wrong with what can be read is in the report. */
int verify_log(sqlite3 *database, const struct verify_question *question,
    struct verify_report *ret, struct err *err);

#endif
