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

#include "lib/err.h"
#include "runner/control.h"
#include "runner/mount_guard.h"

/*
 * Which folder or regular file this is now. ERR_NOT_FOUND: none.
 * ERR_UNPROCESSABLE: a symbolic link, something else than a folder or file, or
 * one that is guarded; a folder on the way that is not root's alone to change;
 * or the source itself can be written by group or others.
 */
int mount_source_find(const char *source, const struct mount_guard *guard,
    struct control_inode *ret, struct err *err);

#endif
