/*
 * Blobs as rows. Everything here runs on the store's thread, which is where it
 * is decided whether a file is referred to: nothing else adds a row or takes a
 * file away.
 */
#ifndef RUNNER_BLOB_STORE_H
#define RUNNER_BLOB_STORE_H

#include <stdbool.h>

#include "certs/principal.h"
#include "runner/audit.h"
#include "runner/database.h"

struct blob_row {
	char subject[SUBJECT_MAX + 1];
	char sha256[SHA256_HEX];
	int64_t size;
};

/* What each subject has, as it is counted. */
typedef void blob_store_sum(void *arg, const char *subject, int64_t bytes);
int blob_store_sums(
    struct database *database, blob_store_sum *sum, void *arg, struct err *err);

/* 1: the subject has it; 0: it does not; -1. */
int blob_store_get(struct database *database, const char *subject,
    const char *sha256, int64_t *ret_size, struct err *err);
/* The same, and it counts as used now. */
int blob_store_use(struct database *database, const char *subject,
    const char *sha256, int64_t now_ms, struct err *err);
int blob_store_insert(struct database *database, const struct blob_row *row,
    int64_t now_ms, struct err *err);
/* 1: some subject has it. */
int blob_store_is_referred(
    struct database *database, const char *sha256, struct err *err);

/* The next that was not used since then, at most `max`, leaves its subject;
 * what a waiting task is to read counts as used `now_ms`. Files that nobody has
 * any more become garbage. *ret_left: how many left. -1, or how many were seen.
 */
int
blob_store_expire(struct database *database, int64_t before_ms, int64_t now_ms,
    struct blob_row *rows, int max, int *ret_left, struct err *err);

#endif
