/*
 * Where a live copy of the audit log goes: a file that may be renamed away by
 * whoever rotates it, a FIFO, or standard output, be it a file, a pipe or the
 * journal's socket. Only a disk can make it wait; it belongs on a thread that
 * may.
 */
#ifndef RUNNER_COPY_TARGET_H
#define RUNNER_COPY_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"

struct copy_target {
	const char *path; /* borrowed; NULL: standard output */
	int fd; /* -1: not open */
	bool mended; /* what a crash cut off has its end */
};

void copy_target_close(struct copy_target *target);
/* As much as goes now; *ret_written also on failure. ERR_BUSY: nobody reads
 * it, or not fast enough; ERR_UNAVAILABLE: it cannot be written. */
int copy_target_write(struct copy_target *target, const char *data, size_t len,
    size_t *ret_written, struct err *err);
/* What a file was given is on the disk. */
int copy_target_sync(struct copy_target *target, struct err *err);

#endif
