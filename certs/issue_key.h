/*
 * Private keys of ours: made, read, written. Part of the issuing library,
 * which only the operator's tool links.
 */
#ifndef CERTS_ISSUE_KEY_H
#define CERTS_ISSUE_KEY_H

#include <openssl/evp.h>

#include "certs/key_id.h"
#include "lib/err.h"

enum issue_key_kind {
	ISSUE_KEY_P256, /* certificates and tokens */
	ISSUE_KEY_ED25519 /* the audit log */
};

/* Dies where the library cannot make one. */
EVP_PKEY *issue_key_new(enum issue_key_kind kind);
/* One PEM block without a password. ERR_UNPROCESSABLE. */
EVP_PKEY *issue_key_parse(const char *pem, size_t len, struct err *err);

/* PKCS #8 in PEM. The caller wipes it: auto_secret. */
char *issue_key_encode(EVP_PKEY *key);
char *issue_key_encode_public(EVP_PKEY *key);

/* Wipes and frees a string that held a secret. */
void issue_secret_free(char **secret);
#define auto_secret __attribute__((cleanup(issue_secret_free)))

#endif
