/*
 * The public keys that an audit log's heads may be signed with: the one in use
 * and those before it, as the operator hands them out (audit.pub).
 */
#ifndef LIB_AUDIT_KEYS_H
#define LIB_AUDIT_KEYS_H

#include "lib/checkpoint.h"

#define AUDIT_KEYS_MAX 256
/* Of a file with so many of them. */
#define AUDIT_KEYS_FILE_MAX ((size_t)256 * 1024)

struct audit_keys {
	EVP_PKEY *list[AUDIT_KEYS_MAX]; /* Ed25519 */
	size_t count;
};

/* All that stand in a text, which is PEM and holds one at least; behind those
 * that are there. ERR_UNPROCESSABLE; what was added before stays. */
int audit_keys_add(
    struct audit_keys *keys, const char *pem, size_t len, struct err *err);
void audit_keys_done(struct audit_keys *keys);

/* checkpoint_open() with the one that fits. `origin` NULL: of whichever log
 * these keys signed. */
int audit_keys_open(const struct audit_keys *keys, const char *note, size_t len,
    const char *origin, struct checkpoint *ret, struct err *err);

#endif
