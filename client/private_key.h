/*
 * A private key out of PEM, without a password.
 */
#ifndef CLIENT_PRIVATE_KEY_H
#define CLIENT_PRIVATE_KEY_H

#include <openssl/evp.h>

/* The caller frees; NULL: it is none, or would want a password. */
EVP_PKEY *private_key_read(const char *pem);

#endif
