/*
 * The store: the database on a thread of its own, so that the loop never waits
 * for a disk.
 *
 * What one turn of the loop hands in is one transaction, each operation in a
 * savepoint of its own; while a transaction is being written, what comes next
 * gathers into the following one. An operation's done() is called on the loop
 * once the commit is durable, or with what went wrong: then nothing of it was
 * written. Operations are carried out, and reported, in the order in which
 * they came, but for reads, which see the transaction they came with.
 */
#ifndef RUNNER_STORE_H
#define RUNNER_STORE_H

#include <stdbool.h>
#include <uv.h>

#include "lib/err.h"
#include "runner/audit_head.h"
#include "runner/database.h"

/* First member of whoever embeds it; owned by the store until done(). */
struct store_op {
	bool reads; /* changes nothing; outside of the transaction */
	/* On the store's thread. -1: all that it did is undone. */
	int (*run)(
	    struct store_op *op, struct database *database, struct err *err);
	/* On the loop. NULL: durable. May free the operation. */
	void (*done)(struct store_op *op, const struct err *err);
	/* the store's own: */
	struct store_op *next;
	struct err err;
	bool failed;
	bool written; /* its transaction had something to write */
};

struct store;

/* What signs the head of the audit log, in each commit that adds records. */
struct store_signer {
	EVP_PKEY *key; /* Ed25519, private; borrowed for the call */
	const char *origin; /* as checkpoint_is_origin() has it; likewise */
};

/* `changed` is called on the loop whenever store_reason() has changed. */
struct store *
store_open(uv_loop_t *loop, const char *path, const struct store_signer *signer,
    void (*changed)(void *arg), void *arg, struct err *err);
/* How the life before this one left it. */
const struct database_past *store_past(const struct store *store);
/* What comes after it is signed with this key; a reference is taken. */
void store_set_key(struct store *store, EVP_PKEY *key);
void store_submit(struct store *store, struct store_op *op);
/* NULL, or in one line why nothing can be written. The store tries again each
 * second by itself; what succeeds because it had nothing to write is no sign
 * that anything could be. */
const char *store_reason(const struct store *store);
/* When it began, by the wall clock; also of what is over. */
int64_t store_failed_ms(const struct store *store);
/* Times that nothing could be written of this, those of the store included. */
uint64_t store_faults(struct store *store, enum fault fault);
/* Transactions that were committed, and the operations in them. */
uint64_t store_commits(const struct store *store);
uint64_t store_written(const struct store *store);
/* Operations that are not done yet. */
size_t store_pending(const struct store *store);

/* Everything that was handed in is written, and all that came of it; done() has
 * been called. Blocks. */
void store_drain(struct store *store);
/* After that the file is whole and nothing may be handed in. The memory goes
 * when the loop has turned. */
void store_close(struct store *store);

#endif
