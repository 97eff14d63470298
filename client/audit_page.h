/*
 * Pages of the audit log from the server. Nothing of one is believed, or shown,
 * before the head that came with it has proved to be signed by our key, and
 * each record to be in that log.
 */
#ifndef CLIENT_AUDIT_PAGE_H
#define CLIENT_AUDIT_PAGE_H

#include "client/session.h"
#include "lib/audit_keys.h"
#include "lib/merkle.h"

struct audit_page {
	json_t *document; /* owned */
	const json_t *records; /* borrowed: an array */
	const char *note; /* likewise */
	struct checkpoint head; /* what it says */
	int64_t next; /* 0: that was all */
};

/* `path`: "/v1/audit?...", with proofs=1 where records are to be checked. */
int audit_page_get(struct session *session, const char *path,
    const struct audit_keys *keys, struct audit_page *ret,
    struct failure *failure);
void audit_page_done(struct audit_page *page);

/* Each record by its own proof. ERR_CONFLICT names the one that is not in the
 * log; of one whose body was dropped the leaf is proved. Takes the proofs
 * away. */
int audit_page_check(const struct audit_page *page, struct err *err);

/*
 * The whole log, record by record: every one is there, and together they are
 * what was signed. `from` (NULL: none) is a checkpoint that was kept.
 */
struct audit_whole {
	struct checkpoint head; /* to be reached */
	const struct checkpoint *from;
	struct merkle_edge edge; /* of the records so far */
	bool from_met;
	int64_t dropped, redacted;
};

void audit_whole_begin(struct audit_whole *whole, const struct checkpoint *head,
    const struct checkpoint *from);
/* The next one, as it is shown. ERR_CONFLICT: it is not, or was changed. */
int audit_whole_add(
    struct audit_whole *whole, const json_t *record, struct err *err);
/* ERR_CONFLICT: it is not the log that was signed, or not that of `from`. */
int audit_whole_end(struct audit_whole *whole, struct err *err);

#endif
