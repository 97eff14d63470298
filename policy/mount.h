/*
 * What a rule lets its tasks see of the host's file system. Pure: which paths
 * can be written in a rule; what stands there is looked at by the runner.
 *
 *	[{"source": "/srv/pictures", "target": "/pictures", "read_only": true}]
 */
#ifndef POLICY_MOUNT_H
#define POLICY_MOUNT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"

#define MOUNTS_MAX 16
#define MOUNT_PATH_MAX 1024 /* bytes */

/* Strings are borrowed from the JSON. */
struct mount {
	const char *source; /* on the host */
	const char *target; /* in the container */
	bool read_only;
};

struct mounts {
	json_t *json; /* owned */
	struct mount list[MOUNTS_MAX]; /* sorted by target */
	size_t count;
};

/* ERR_UNPROCESSABLE, "path: reason". */
int mounts_read(
    const json_t *json, const char *path, struct mounts *ret, struct err *err);
/* The one spelling of them, which mounts_parse() reads back; the caller
 * frees. */
char *mounts_text(const struct mounts *mounts);
/* NULL: none. */
int mounts_parse(const char *text, struct mounts *ret, struct err *err);
/* As whoever may use them is told: where they are on the host is the
 * operator's to know. An array; the caller frees. */
json_t *mounts_show(const char *text);
void mounts_done(struct mounts *mounts);

/* Whether a path is another one or lies in it. */
bool mount_path_is_within(const char *path, const char *other);

#endif
