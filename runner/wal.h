/*
 * SQLite's write-ahead log as an earlier life left it: how much of it was
 * committed, and how much a crash cut off. SQLite drops the latter without a
 * word; here it is counted, so that it can be put on record.
 *
 * The format: https://www.sqlite.org/fileformat2.html#walformat
 */
#ifndef RUNNER_WAL_H
#define RUNNER_WAL_H

#include <stdint.h>
#include <stdio.h>

#include "lib/err.h"

struct wal_state {
	int64_t committed_bytes; /* taken up by whoever opens it */
	int64_t torn_bytes; /* of a transaction that did not come to its end */
};

/* Of a file that is at its beginning. ERR_UNAVAILABLE: it cannot be read. */
int wal_examine(FILE *file, struct wal_state *ret, struct err *err);

#endif
