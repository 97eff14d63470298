/*
 * What of the audit log may go: the text of old records, and of one record what
 * a stranger wrote. Hashes and salted hashes stay, so that the rest verifies as
 * before; and a record of the going itself says what it was, or `audit verify`
 * takes it for a loss.
 *
 * On the store's thread, within a transaction.
 */
#ifndef RUNNER_AUDIT_GONE_H
#define RUNNER_AUDIT_GONE_H

#include <stdbool.h>

#include "runner/audit.h"

/* Drops the text of some of those records from before `before_ms` that still
 * have it, the oldest first and none beyond the first that is younger;
 * *ret_more where there may be others. */
int audit_drop_texts(struct database *database, int64_t before_ms,
    int64_t wall_ms, bool *ret_more, struct err *err);

struct audit_redaction {
	int64_t seq;
	int64_t uid; /* whose it is */
	const char *reason;
	int64_t wall_ms;
	const char *policy_sha256; /* NULL: none is in force */
};

/* ERR_NOT_FOUND: there is no such record, or only its hash; ERR_CONFLICT:
 * nothing, or nothing any more, stands beside it. */
int audit_redact(struct database *database,
    const struct audit_redaction *redaction, struct err *err);

#endif
