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
#include "lib/merkle.h"

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

/* What a note says that it is of. Nothing is verified by that: it is for
 * checkpoint_open(), where a key is known, but no log. */
int checkpoint_read_origin(const char *note, size_t len,
    char ret[CHECKPOINT_ORIGIN_MAX + 1], struct err *err);

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
/*
 * That one of the two logs, whichever is longer, begins with all of the other:
 * `proof` (RFC 9162 2.1.4) is empty where they have the same size.
 * ERR_CONFLICT: it does not, or they are not of one origin.
 */
int checkpoint_compare(const struct checkpoint *a, const struct checkpoint *b,
    const struct merkle_proof *proof, struct err *err);

#endif
