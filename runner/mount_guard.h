/*
 * What of the host no mount shows, whatever a rule says.
 *
 * A place is known by device and inode, whatever leads to it. The way there is
 * gone as the kernel goes it, and what lies on it is guarded too: whoever can
 * write to a folder that holds a place, or a link that leads to it, can put
 * another there. So no source of a mount is a place, lies in one, holds one or
 * holds what leads to one.
 */
#ifndef RUNNER_MOUNT_GUARD_H
#define RUNNER_MOUNT_GUARD_H

#include <stddef.h>

#include "lib/err.h"
#include "runner/control.h"

#define MOUNT_GUARD_MAX 24
struct mount_guard {
	const char *places[MOUNT_GUARD_MAX]; /* absolute; borrowed */
	size_t count;
	const char *named[1]; /* known by name alone; likewise */
	size_t nnamed;
};

/* Puts in what belongs to the machine and to container engines. */
void mount_guard_init(struct mount_guard *guard);
/* NULL: nothing. Of one that is not there, what is to hold it is guarded. */
void mount_guard_add(struct mount_guard *guard, const char *place);
/* One that nobody looks at, since it may be on another machine, and to look
 * may take for ever: without links in it. NULL: nothing. */
void mount_guard_add_named(struct mount_guard *guard, const char *place);

/*
 * `way`: what `source` lies in, from the root on, and itself at the end; at
 * least one. ERR_UNPROCESSABLE: it is guarded, or whether it is cannot be seen,
 * as where the runner may not enter a folder on the way to a place.
 */
int mount_guard_check(const struct mount_guard *guard, const char *source,
    const struct control_inode *way, size_t count, struct err *err);

#endif
