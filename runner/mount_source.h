/*
 * What a rule's mount would show of the host, looked at step by step on open
 * descriptors.
 *
 * The engine resolves the path once more, as root, after any look of ours. So
 * a source is good only if nobody but root can lead its path elsewhere; and
 * what task-init finds mounted is compared with what is found here, by device
 * and inode, before anything of the image runs.
 */
#ifndef RUNNER_MOUNT_SOURCE_H
#define RUNNER_MOUNT_SOURCE_H

#include <stddef.h>

#include "lib/err.h"
#include "runner/control.h"

/* Files and folders that no mount shows: none is one of them, lies in one or
 * holds one. Those that are not there are passed over. Borrowed. */
#define MOUNT_GUARD_MAX 24
struct mount_guard {
	const char *places[MOUNT_GUARD_MAX];
	size_t count;
};

/* Puts in what belongs to the machine and to container engines. */
void mount_guard_init(struct mount_guard *guard);
/* NULL: nothing. */
void mount_guard_add(struct mount_guard *guard, const char *place);

/*
 * Which folder or regular file this is now. ERR_NOT_FOUND: none.
 * ERR_UNPROCESSABLE: a symbolic link, something else than a folder or file, or
 * one that is guarded; a folder on the way that is not root's alone to change;
 * or the source itself can be written by group or others.
 */
int mount_source_find(const char *source, const struct mount_guard *guard,
    struct control_inode *ret, struct err *err);

#endif
