/*
 * The one form of a signed request: which algorithm belongs to a key, and the
 * bytes that are signed. What verifying and signing have in common, and
 * private to them.
 */
#ifndef CERTS_SIGNATURE_FORM_H
#define CERTS_SIGNATURE_FORM_H

#include "certs/signature.h"
#include "lib/buffer.h"

#define SIGNATURE_LABEL "taskgate="
#define SIGNATURE_COMPONENTS                       \
	"(\"@method\" \"@path\" \"authorization\"" \
	" \"content-digest\" \"idempotency-key\")"
#define SIGNATURE_TAG ";tag=\"taskgate\""

struct signature_algorithm {
	const char *name; /* RFC 9421 6.2.2 */
	int kind; /* of key: EVP_PKEY_... */
	const char *group; /* of an EC key */
	const EVP_MD *(*digest)(void); /* NULL: the algorithm's own */
	size_t number_bytes; /* of each of an ECDSA signature's two; 0: none */
};

/* NULL: a certificate could not have this key. */
const struct signature_algorithm *signature_form_algorithm(EVP_PKEY *key);

/* A context that hashes and pads as the algorithm says, once it has been
 * initialised with it. */
int signature_form_set_padding(
    const struct signature_algorithm *algorithm, EVP_PKEY_CTX *context);

/* RFC 9421 2.5: one line a component, then the parameters as they stand behind
 * the label. */
void signature_form_base(const struct signed_request *request,
    const char *parameters, struct buffer *ret);

#endif
