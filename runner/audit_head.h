/*
 * The head of the audit log: a Merkle tree over the records (lib/merkle.h)
 * that grows with every transaction which adds some, and is signed within it
 * (lib/checkpoint.h). So whoever changes, removes, reorders or cuts off
 * records later leaves a tree that is not the signed one.
 *
 * On the store's thread alone, but for making it.
 */
#ifndef RUNNER_AUDIT_HEAD_H
#define RUNNER_AUDIT_HEAD_H

#include "lib/checkpoint.h"
#include "lib/merkle.h"
#include "runner/database.h"

struct audit_head {
	EVP_PKEY *key; /* a reference of its own */
	char origin[CHECKPOINT_ORIGIN_MAX + 1];
	bool loaded;
	struct merkle_edge edge; /* of what is committed */
	struct merkle_edge next; /* of the transaction under way */
};

/* The key is Ed25519's; `origin` as checkpoint_is_origin() has it. */
void
audit_head_init(struct audit_head *head, EVP_PKEY *key, const char *origin);
/* In place of the one that there is. */
void audit_head_set_key(struct audit_head *head, EVP_PKEY *key);
void audit_head_done(struct audit_head *head);

/* Last in a transaction: takes in the records that are new in it.
 * ERR_UNAVAILABLE: the records that are there are not those that were signed;
 * nothing can be added to them. */
int audit_head_seal(
    struct audit_head *head, struct database *database, struct err *err);
/* The transaction is durable. */
void audit_head_committed(struct audit_head *head);

/* The tree of what is committed, as lib/merkle.h asks for it: `arg` is the
 * database. ERR_UNAVAILABLE: a part of it is missing. */
int audit_head_find_node(void *arg, unsigned level, uint64_t index,
    uint8_t ret[SHA256_BYTES], struct err *err);

#endif
