/*
 * Certificates out of PEM.
 */
#ifndef CLIENT_CERTIFICATES_H
#define CLIENT_CERTIFICATES_H

#include <openssl/x509.h>

#include "lib/err.h"

/* All of a text, at least one, in its order. The caller gives them back with
 * certificates_freep(). NULL: there is none, or one that cannot be read;
 * ERR_UNPROCESSABLE. */
STACK_OF(X509) * certificates_read(const char *pem, struct err *err);
void certificates_freep(STACK_OF(X509) * *certificates);

#endif
