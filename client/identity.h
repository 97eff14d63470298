/*
 * Who we are to a server: the context's certificate, what stands between it
 * and the CA, and its private key, taken apart once for all who use them.
 * Holds a secret; identity_done() wipes it.
 */
#ifndef CLIENT_IDENTITY_H
#define CLIENT_IDENTITY_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "lib/err.h"

struct identity {
	X509 *certificate; /* NULL: not read */
	STACK_OF(X509) * chain; /* what follows it; perhaps empty */
	EVP_PKEY *key; /* the certificate's */
};

/* Both are PEM. ERR_UNPROCESSABLE: one of them cannot be used, or they do not
 * belong together. */
int identity_read(const char *certificate, const char *key,
    struct identity *ret, struct err *err);
void identity_done(struct identity *identity);

#define auto_identity __attribute__((cleanup(identity_done))) struct identity

#endif
