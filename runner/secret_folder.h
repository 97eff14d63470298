/*
 * The runner's secret folder: its owner, its mode and those of its files,
 * looked at on the open descriptor each time. What a file holds goes from the
 * kernel to the kernel (a sealed memfd): it is never in this process's memory,
 * so that there is nothing to wipe, to dump or to log.
 */
#ifndef RUNNER_SECRET_FOLDER_H
#define RUNNER_SECRET_FOLDER_H

#include <stddef.h>

#include "lib/err.h"

#define SECRET_BYTES_MAX ((size_t)64 * 1024)

/* It and what leads to it is root's or the runner's own and nobody else can
 * change it; to others it is closed. */
int secret_folder_check(const char *folder, struct err *err);

/*
 * The secret in a file of the folder: a regular file of the runner's or root's,
 * closed to group and others, of 1 to SECRET_BYTES_MAX bytes. ERR_NOT_FOUND:
 * there is none. The folder is checked as well.
 */
int secret_folder_open(
    const char *folder, const char *file, int *ret_fd, struct err *err);

#endif
