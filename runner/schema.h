/*
 * The tables of the runner's database, and the way from each earlier version
 * to this one.
 */
#ifndef RUNNER_SCHEMA_H
#define RUNNER_SCHEMA_H

#include "runner/database.h"

#define SCHEMA_VERSION 10

/* 0: the file is empty. ERR_CONFLICT: a newer version's, or none of ours.
 * Changes nothing. */
int schema_version(
    struct database *database, int64_t *ret_version, struct err *err);
/* Before anything else is written to an empty file. */
int schema_begin(struct database *database, struct err *err);
/*
 * Brings the file from this version to ours, wholly or not at all: what was
 * broken off begins anew at the next start. `directory`: where there is room
 * for a copy of it.
 */
int schema_migrate(struct database *database, int64_t version,
    const char *directory, struct err *err);

#endif
