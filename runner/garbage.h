/*
 * Files that no row refers to any more, until they are removed: named in the
 * transaction in which the last row went, so that a crash in between leaves
 * nothing behind. On the store's thread.
 */
#ifndef RUNNER_GARBAGE_H
#define RUNNER_GARBAGE_H

#include "runner/database.h"

#define GARBAGE_BLOB "blob" /* its SHA-256 */
#define GARBAGE_TASK "task" /* its id: output and files */
#define GARBAGE_NAME_MAX 80

int garbage_add(struct database *database, const char *kind, const char *name,
    struct err *err);
/* The next ones; -1, or how many. */
int garbage_list(struct database *database, const char *kind,
    char (*ret)[GARBAGE_NAME_MAX], int max, struct err *err);
int garbage_forget(struct database *database, const char *kind,
    const char *name, struct err *err);

#endif
