/*
 * Receipts from the server: fetched, verified with our own key before anything
 * of them is used, put in place whole.
 */
#ifndef CLIENT_RECEIPTS_H
#define CLIENT_RECEIPTS_H

#include "client/session.h"
#include "client/target.h"
#include "lib/receipt.h"

struct kept_receipt {
	char *text; /* as it is verified; owned */
	size_t len;
	struct receipt receipt;
};

void kept_receipt_done(struct kept_receipt *kept);
#define auto_kept_receipt AUTO(kept_receipt_done) struct kept_receipt

/* Of a task. */
int receipts_fetch(struct session *session, const char *task,
    const struct audit_keys *keys, struct kept_receipt *ret,
    struct failure *failure);
/* Of a file. */
int receipts_read(const char *path, const struct audit_keys *keys,
    struct kept_receipt *ret, struct failure *failure);
/* To a target that is open. */
int receipts_put(const struct kept_receipt *kept, struct target *target,
    struct failure *failure);

/* For a person. */
void receipts_show(const struct receipt *receipt);

#endif
