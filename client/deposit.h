/*
 * Files that a task is given: opened and hashed here, then put with the server
 * under their SHA-256, which the order names.
 */
#ifndef CLIENT_DEPOSIT_H
#define CLIENT_DEPOSIT_H

#include <jansson.h>

#include "client/file_spec.h"
#include "client/session.h"
#include "lib/digest.h"

#define FILES_MAX 32 /* docs/api.md */

struct deposit {
	struct file_spec spec;
	int fd;
	int64_t size;
	uint8_t digest[SHA256_BYTES];
	int64_t sent; /* of it, in the request that is under way */
};

struct deposits {
	struct deposit list[FILES_MAX];
	size_t count;
};

/* The files of --input. */
int deposits_open(const struct invocation *invocation,
    struct deposits *deposits, struct failure *failure);
void deposits_close(struct deposits *deposits);

/* All that the order says of them. */
int deposits_hash(struct deposits *deposits, struct session *session,
    struct failure *failure);
/* And all of them to the server. */
int deposits_send(struct deposits *deposits, struct session *session,
    struct failure *failure);
/* "inputs" of the order; nothing where there are none. */
void deposits_add(const struct deposits *deposits, json_t *order);

#endif
