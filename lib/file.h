/*
 * Whole files, carefully. Every descriptor is close-on-exec.
 */
#ifndef LIB_FILE_H
#define LIB_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/err.h"

/* The content of a regular file of at most `max` bytes, a NUL behind it. The
 * caller frees. *ret_len may be NULL. */
char *file_read(const char *path, size_t max, size_t *ret_len, struct err *err);

/*
 * As file_read(), for keys and tokens: refused unless the file is regular,
 * belongs to the effective user or to root, and grants nothing to group or
 * others.
 */
char *file_read_secret(
    const char *path, size_t max, size_t *ret_len, struct err *err);

/* Writes beside, syncs, renames, syncs the directory. */
int file_write(const char *path, const void *data, size_t len, mode_t mode,
    struct err *err);

/* The same in the place of a file that is there, whose mode and owner it gets.
 */
int
file_replace(const char *path, const void *data, size_t len, struct err *err);

/* mkdir -p; the mode is that of the last directory, 0755 of those above. */
int file_make_directory(const char *path, mode_t mode, struct err *err);

/*
 * Whether nobody but root (and `also`, or (uid_t)-1) can change what `path`
 * leads to: no component is a symbolic link, belongs to another user, or can
 * be written by group or others (a directory with the sticky bit may be).
 */
int file_check_path_is_safe(const char *path, uid_t also, struct err *err);

#endif
