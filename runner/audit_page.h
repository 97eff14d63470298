/*
 * A page of the audit log for somebody at a distance: the records that answer
 * a question, each with the proof that it is in the log whose signed head
 * stands beside them. Bounded in records, bytes, and in how much of the log is
 * looked at: what is behind that comes with the next.
 *
 * Within one transaction that only reads.
 */
#ifndef RUNNER_AUDIT_PAGE_H
#define RUNNER_AUDIT_PAGE_H

#include "lib/audit_rows.h"
#include "lib/buffer.h"
#include "runner/database.h"

#define AUDIT_PAGE_LIMIT 1000
#define AUDIT_PAGE_BYTES ((size_t)4 * 1024 * 1024)
/* Sequence numbers that are looked at for one, as a rule. */
#define AUDIT_PAGE_SCAN INT64_C(262144)

struct audit_page_query {
	/* `limit` is 1 to AUDIT_PAGE_LIMIT; `newest`: the newest first. */
	struct audit_filter filter;
	int64_t scan; /* sequence numbers that are looked at, at most */
	bool proofs;
};

struct audit_page {
	char *text; /* {"checkpoint", "records", "next"?}; owned */
	size_t len;
	/* Where to go on: `after`, or `before` of the newest; 0: that was
	 * all. */
	int64_t next;
};

int
audit_page_read(struct database *database, const struct audit_page_query *query,
    struct audit_page *ret, struct err *err);

#endif
