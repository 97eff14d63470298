/*
 * Files that a task leaves: fetched when it has ended, each beside its target
 * under a name of its own, compared with what the server says of it, and put
 * in place whole or not at all.
 */
#ifndef CLIENT_COLLECTION_H
#define CLIENT_COLLECTION_H

#include <jansson.h>

#include "client/deposit.h"
#include "client/file_spec.h"
#include "client/session.h"

struct collection {
	struct file_spec list[FILES_MAX];
	bool has_path[FILES_MAX];
	size_t count;
};

/* The files of --output. */
int collection_open(const struct invocation *invocation,
    struct collection *collection, struct failure *failure);
void collection_close(struct collection *collection);

/* "outputs" of the order; nothing where there are none. */
void collection_add(const struct collection *collection, json_t *order);
/* That each can be written where it is wanted, before anything is done. */
int
collection_check(const struct collection *collection, struct failure *failure);

/*
 * All of them that the finished task `document` has. What cannot be had is
 * told, each with a sentence; *ret_missing counts it. -1: interrupted.
 */
int
collection_fetch(const struct collection *collection, struct session *session,
    const json_t *document, size_t *ret_missing, struct failure *failure);

#endif
