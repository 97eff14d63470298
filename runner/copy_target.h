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
	size_t begun; /* bytes of a line that it was given the beginning of */
	bool cut; /* the last line there has no end, and never gets its rest */
};

void copy_target_close(struct copy_target *target);
/*
 * As much as goes now. `lines`, each with its end, begin with the first that
 * was not counted yet in *ret_written, which is the bytes of whole lines, also
 * on failure; one that was begun goes on where it stopped, or from its
 * beginning where the place was given to another file or reader meanwhile.
 * ERR_BUSY: nobody reads it, or not fast enough; ERR_UNAVAILABLE: it cannot be
 * written.
 */
int copy_target_write(struct copy_target *target, const char *lines, size_t len,
    size_t *ret_written, struct err *err);
/* What a file was given is on the disk. */
int copy_target_sync(struct copy_target *target, struct err *err);

#endif
