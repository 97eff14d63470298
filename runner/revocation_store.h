/*
 * What was revoked, as rows. On the store's thread.
 */
#ifndef RUNNER_REVOCATION_STORE_H
#define RUNNER_REVOCATION_STORE_H

#include "certs/revocations.h"
#include "runner/database.h"

/* Adds them all to *set. ERR_CONFLICT: a row that no release of ours wrote. */
int revocation_store_load(
    struct database *database, struct revocations *set, struct err *err);
/* In the place of an earlier one of the same value. */
int revocation_store_keep(struct database *database,
    const struct revocation *revocation, struct err *err);
int revocation_store_remove(struct database *database,
    enum revocation_kind kind, const char *value, struct err *err);

#endif
