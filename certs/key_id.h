/*
 * The name of a key of ours, private or public.
 */
#ifndef CERTS_KEY_ID_H
#define CERTS_KEY_ID_H

#include <openssl/evp.h>

#define KEY_ID 17 /* with the NUL */
/* The head of the SHA-256 of its public part's DER; a token key's `kid`. */
void key_id(EVP_PKEY *key, char ret[KEY_ID]);

#endif
