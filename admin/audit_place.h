/*
 * A record's place in the log: the proof that what was signed has it there.
 */
#ifndef ADMIN_AUDIT_PLACE_H
#define ADMIN_AUDIT_PLACE_H

#include "admin/audit_log.h"
#include "lib/audit_rows.h"
#include "lib/merkle.h"

/* The tree's nodes, as the database has them. */
struct audit_nodes {
	sqlite3_stmt *leaf, *node;
};
/* ERR_CONFLICT: it has none. */
int
audit_nodes_open(sqlite3 *database, struct audit_nodes *ret, struct err *err);
void audit_nodes_close(struct audit_nodes *nodes);
/* For lib/merkle.h; `nodes` is borrowed. */
struct merkle_source audit_nodes_source(struct audit_nodes *nodes);

/* The proof, and whether it holds: of the record's bytes, or where they are
 * gone of its leaf. */
int audit_place_prove(struct audit_nodes *nodes, const struct checkpoint *head,
    const struct audit_row *row, struct merkle_proof *ret_proof,
    bool *ret_holds, struct err *err);

#endif
