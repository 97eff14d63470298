/*
 * OpenSSL's objects by scope (lib/cleanup.h), and what its error queue says in
 * one line. Header only.
 */
#ifndef CERTS_OPENSSL_H
#define CERTS_OPENSSL_H

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdbool.h>

#include "lib/cleanup.h"

DEFINE_CLEANUP(BIO, BIO_free);
DEFINE_CLEANUP(BIGNUM, BN_free);
DEFINE_CLEANUP(ECDSA_SIG, ECDSA_SIG_free);
DEFINE_CLEANUP(EVP_MD_CTX, EVP_MD_CTX_free);
DEFINE_CLEANUP(EVP_PKEY, EVP_PKEY_free);
DEFINE_CLEANUP(X509, X509_free);
DEFINE_CLEANUP(X509_REQ, X509_REQ_free);
DEFINE_CLEANUP(X509_STORE, X509_STORE_free);
DEFINE_CLEANUP(X509_STORE_CTX, X509_STORE_CTX_free);
DEFINE_CLEANUP(X509_EXTENSION, X509_EXTENSION_free);
DEFINE_CLEANUP(GENERAL_NAMES, GENERAL_NAMES_free);
DEFINE_CLEANUP(EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free);

/* For PEM_read_*: an encrypted file fails instead of asking the terminal. */
static inline int
openssl_no_password(char *text, int size, int writing, void *arg)
{
	(void)text;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

/* PEM_read_* gave nothing: whether that was the end of the text. */
static inline bool
openssl_pem_ended(void)
{
	unsigned long last = ERR_peek_last_error();

	return ERR_GET_LIB(last) == ERR_LIB_PEM &&
	    ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
}

/* Of the newest error; static storage of OpenSSL's. */
static inline const char *
openssl_reason(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	return reason != NULL ? reason : "no reason given";
}

#endif
