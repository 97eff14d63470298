/*
 * Credentials for tests, good and bad ones: an authority of the test's own,
 * certificates with whatever extensions a test asks for, tokens with whatever
 * header and payload. Built with OpenSSL directly, so that they can be what
 * the issuing library would refuse to make. Everything fails the test instead
 * of returning an error.
 */
#ifndef TESTS_UNIT_CREDENTIALS_H
#define TESTS_UNIT_CREDENTIALS_H

#include <jansson.h>
#include <openssl/x509.h>
#include <stdint.h>

#include "certs/principal.h"

#define CREDENTIALS_NOW INT64_C(1800000000)
#define CREDENTIALS_ISSUER "test-issuer"
#define CREDENTIALS_AUDIENCE "urn:taskgate:test"
#define CREDENTIALS_LIFETIME_MAX_S 86400

struct credentials {
	char directory[512]; /* ca.crt, token-keys/ */
	EVP_PKEY *ca_key;
	X509 *ca;
	EVP_PKEY *token_key;
	char token_key_id[TOKEN_ID_MAX + 1];
	struct authority authority;
};

void credentials_init(struct credentials *credentials);
void credentials_done(struct credentials *credentials);

/* A certificate to be: start from recipe_good() and spoil one thing. */
struct recipe {
	EVP_PKEY *key; /* NULL: a new P-256 one */
	EVP_PKEY *issuer_key;
	X509 *issuer; /* NULL: self-signed */
	const char *basic_constraints, *key_usage, *extended_key_usage;
	const char *san; /* OpenSSL's syntax, or NULL */
	const char *raw_uri; /* a URI SAN of raw_uri_len bytes */
	size_t raw_uri_len;
	const char *common_name;
	bool no_subject_key_id, no_authority_key_id;
	long version;
	int64_t from_s, to_s;
};

struct recipe recipe_good(const struct credentials *credentials);
/* An intermediate or another CA, by its issuer. */
struct recipe recipe_authority(X509 *issuer, EVP_PKEY *issuer_key);
/* The caller frees. */
X509 *recipe_cook(const struct recipe *recipe);

/* Header and payload of a token that is in order; to be changed and decref'd.*/
json_t *token_header(const struct credentials *credentials);
json_t *token_payload(const char *subject, const char *thumbprint);
/* Compact forms; the caller frees. */
char *token_sign(const json_t *header, const json_t *payload, EVP_PKEY *key);
char *token_sign_text(const char *header, const char *payload, EVP_PKEY *key);
/* HS256 over the same, keyed with `secret`. */
char *
token_mac(const json_t *header, const json_t *payload, const char *secret);

#endif
