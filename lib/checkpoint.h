/*
 * A log's signed head: C2SP tlog-checkpoint, a signed note by one Ed25519 key.
 *
 *	ORIGIN
 *	SIZE
 *	BASE64(ROOT)
 *	(an empty line)
 *	U+2014 ORIGIN BASE64(key id, signature)
 *
 * The key's name is the origin, and its id the first four bytes of
 * SHA-256(name, a newline, 1, public key). Others, such as witnesses, may have
 * signed as well: their lines stand beside ours and are passed over.
 */
#ifndef LIB_CHECKPOINT_H
#define LIB_CHECKPOINT_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/digest.h"
#include "lib/err.h"

#define CHECKPOINT_ORIGIN_MAX 128
/* With the signatures of a few witnesses. */
#define CHECKPOINT_MAX (16 * 1024)
#define CHECKPOINT_SIGNATURES_MAX 32

struct checkpoint {
	char origin[CHECKPOINT_ORIGIN_MAX + 1];
	uint64_t size; /* below 2^63 */
	uint8_t root[SHA256_BYTES];
};

/* 1 to 128 printable characters of ASCII but blanks and `+`. */
bool checkpoint_is_origin(const char *text);

/* Of the log of the runner with this id. The caller frees. */
char *checkpoint_origin(const char *runner_id);

/* The whole note; the caller frees. The key is a private one (Ed25519). */
char *checkpoint_sign(const struct checkpoint *checkpoint, EVP_PKEY *key);
/*
 * Reads a note of this origin and verifies it with the public key.
 * ERR_UNPROCESSABLE: it is no checkpoint; ERR_CONFLICT: of another log, or
 * not signed by this key. What it says, not only that it was signed, stands
 * in *ret.
 */
int checkpoint_open(const char *note, size_t len, const char *origin,
    EVP_PKEY *key, struct checkpoint *ret, struct err *err);

#endif
