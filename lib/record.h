/*
 * A record of the audit log away from it (docs/protocol.md, "A record of the
 * audit log"): what is hashed, and what a stranger wrote beside it. Pure.
 */
#ifndef LIB_RECORD_H
#define LIB_RECORD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/digest.h"
#include "lib/err.h"

#define RECORD_SALT_BYTES 16
/* Of a reason that an operator gives. */
#define RECORD_REASON_MAX 200

/* A record and what stands beside it, apart. Owned. */
struct record_parts {
	json_t *record; /* as it was hashed */
	json_t *untrusted; /* NULL: nothing, or it was taken out */
	json_t *salt; /* likewise */
	json_t *leaf; /* likewise */
	json_t *inclusion; /* likewise: the proof that came with it */
	/* Marks of what is not there any more; true or NULL. */
	json_t *dropped, *redacted, *unreadable;
};

/* Of a record as it is shown, all members in one object, which stays the
 * caller's. */
void record_split(const json_t *shown, struct record_parts *ret);
void record_parts_done(struct record_parts *parts);

/*
 * Its number and the hash of its leaf. ERR_UNPROCESSABLE: it is no record;
 * ERR_CONFLICT: what stands beside it is not what was hashed with it.
 */
int record_hash(const struct record_parts *parts, int64_t *ret_seq,
    uint8_t ret_leaf[SHA256_BYTES], struct err *err);

/*
 * The same of one as it is shown, whose body may have been dropped: then its
 * leaf is taken as it is, and the proof is of the leaf and the number alone.
 * What is not proved is not there, but for the time, which is a time.
 */
int record_read_leaf(const struct record_parts *parts, int64_t *ret_seq,
    uint8_t ret_leaf[SHA256_BYTES], struct err *err);
/* A client wrote something, and it was taken out, whatever the marks say. */
bool record_is_redacted(const struct record_parts *parts);

/* untrusted_sha256, in hexadecimal: of the salt's bytes and the canonical
 * form. */
void record_hash_untrusted(const uint8_t salt[RECORD_SALT_BYTES],
    const char *text, size_t len, char ret[SHA256_HEX]);

#endif
