/*
 * Signed requests: HTTP Message Signatures (RFC 9421) over the body's digest
 * (RFC 9530), in exactly one form, so that both sides write the signature base
 * from a template and nobody needs a general parser. docs/api.md gives the
 * form to those who sign.
 *
 * Trusts the key and the clock that it is given. Pure: no clock of its own.
 */
#ifndef CERTS_SIGNATURE_H
#define CERTS_SIGNATURE_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/digest.h"
#include "lib/err.h"

#define SIGNATURE_LIFETIME_MAX_S 300
#define SIGNATURE_LEEWAY_S 60 /* between two hosts' clocks */
#define SIGNATURE_INPUT_MAX 320 /* bytes; each form of ours is shorter */
#define SIGNATURE_VALUE_MAX 1408 /* an RSA key of 8192 bits */
#define SIGNATURE_CONTENT_DIGEST 64 /* with the NUL */

/* What is signed; all borrowed. Whoever verifies says what it is about to do
 * and what it was given; no text holds anything but printable ASCII. */
struct signed_request {
	const char *method;
	const char *path; /* without a query */
	const char *token; /* "authorization" is "Bearer " and this */
	const uint8_t *body_sha256;
	const char *idempotency_key; /* NULL: none, which is refused */
};

/* Two header fields as they came, or NULL; borrowed. */
struct signature {
	const char *input; /* Signature-Input */
	const char *value; /* Signature */
};

/* Whether a request claims to be signed. */
static inline bool
signature_is_there(const struct signature *signature)
{
	return signature->input != NULL || signature->value != NULL;
}

struct signature_key {
	EVP_PKEY *key; /* of one certificate; borrowed */
	const char *thumbprint; /* of that certificate */
};

/* The Content-Digest of a body in our form. */
void signature_content_digest(const uint8_t body_sha256[SHA256_BYTES],
    char ret[SIGNATURE_CONTENT_DIGEST]);

/* ERR_UNAUTHENTICATED: it is not signed, and had to be. */
int signature_require(struct err *err);

/* ERR_UNAUTHENTICATED with the first thing that is wrong; the detail holds no
 * byte of the request's. */
int signature_verify(const struct signed_request *request,
    const struct signature *signature, const struct signature_key *key,
    int64_t now_s, struct err *err);

#endif
