/*
 * What the audit log can prove of itself, to whoever holds its public key:
 * that a record is in it, that it begins with what was signed before, and how a
 * task ended (lib/receipt.h). Read from the nodes that are stored, so that it
 * costs as much in a log of a million records as in one of twenty.
 *
 * On the store's thread, outside of a transaction.
 */
#ifndef RUNNER_AUDIT_PROOF_H
#define RUNNER_AUDIT_PROOF_H

#include "lib/merkle.h"
#include "runner/database.h"

struct audit_signed {
	char *note; /* the checkpoint; owned */
	int64_t size;
};

/* ERR_UNAVAILABLE: nothing has been signed. */
int audit_signed_read(
    struct database *database, struct audit_signed *ret, struct err *err);
void audit_signed_done(struct audit_signed *head);

/* ERR_NOT_FOUND: no such record is in a tree of this size. */
int audit_prove_inclusion(struct database *database, int64_t size, int64_t seq,
    struct merkle_proof *ret, struct err *err);
int audit_prove_extension(struct database *database, int64_t size1,
    int64_t size2, struct merkle_proof *ret, struct err *err);

/* The caller frees. ERR_NOT_FOUND: its end is not in the log, or no longer. */
int audit_receipt(struct database *database, const char *task, char **ret,
    size_t *ret_len, struct err *err);

#endif
