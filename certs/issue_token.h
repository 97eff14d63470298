/*
 * Tokens made. A trust line: only the operator's tool links this.
 */
#ifndef CERTS_ISSUE_TOKEN_H
#define CERTS_ISSUE_TOKEN_H

#include <openssl/evp.h>
#include <stdint.h>

#include "certs/token.h"
#include "lib/err.h"

/* All borrowed. */
struct token_order {
	const char *issuer;
	const char *audience;
	const char *subject;
	const char *thumbprint; /* of the certificate that it is bound to */
	unsigned scopes; /* bits of enum scope */
	const char *const *roles;
	size_t nroles;
	int64_t now_s;
	int64_t lifetime_s;
};

/*
 * ES256 with the `kid` that key_id() gives. The caller wipes the token
 * (auto_secret) and has the identifier `jti` in ret_id. ERR_UNPROCESSABLE: a
 * subject, role or key that no token may have, or a token too long.
 */
int issue_token(const struct token_order *order, EVP_PKEY *key,
    char **ret_token, char ret_id[TOKEN_ID_MAX + 1], struct err *err);

#endif
