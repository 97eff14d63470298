/*
 * A file that is written whole or not at all: under a name of its own beside
 * its target, then put in the target's place. What stands there may be a
 * regular file; nothing else is replaced, and no link is followed.
 */
#ifndef CLIENT_TARGET_H
#define CLIENT_TARGET_H

#include <stddef.h>
#include <stdint.h>

#include "lib/digest.h"
#include "lib/err.h"

struct target {
	char *name; /* in its folder */
	int folder;
	int fd; /* -1: not begun */
	char temporary[40]; /* "": there is none */
	void *digest; /* EVP_MD_CTX */
	int64_t len;
	int errnum; /* of the write that failed; the rest is dropped */
};

/* That it can be written, as far as can be seen. */
int target_open(struct target *target, const char *path, struct err *err);
/* What was not put in place is gone. */
void target_close(struct target *target);

/* From its first byte, also anew. */
int target_begin(struct target *target, struct err *err);
void target_write(struct target *target, const char *data, size_t len);
/* Puts it in place, if it is what has this digest. */
int target_put(
    struct target *target, const uint8_t digest[SHA256_BYTES], struct err *err);

#endif
