/*
 * A principal: who is asking, by a certificate and a token bound to it. Both
 * gateway and runner make one, each for itself.
 */
#ifndef CERTS_PRINCIPAL_H
#define CERTS_PRINCIPAL_H

#include "certs/certificate.h"
#include "certs/token.h"

/* What every verifier needs; loaded once, read-only afterwards. */
struct authority {
	struct trust *trust;
	struct token_keys *keys;
	char *issuer;
	char *audience;
	int64_t lifetime_max_s;
};

int authority_load(const char *ca_bundle, const char *token_keys_directory,
    const char *issuer, const char *audience, int64_t lifetime_max_s,
    struct authority *ret, struct err *err);
void authority_done(struct authority *authority);

struct principal {
	struct certificate certificate;
	struct token_claims token; /* all zero where no token was asked for */
};

/*
 * Token and binding for a certificate that is already verified: `sub` equals
 * its subject, `cnf` its thumbprint (in constant time).
 * ERR_UNAUTHENTICATED. A bounded cache of verified tokens, keyed by SHA-256
 * and bounded by `exp`, may stand behind this: `cache` is the caller's thread's
 * own, or NULL.
 */
struct token_cache;
struct token_cache *token_cache_new(size_t entries);
void token_cache_clear(struct token_cache *cache);
void token_cache_free(struct token_cache *cache);

int principal_authenticate(const struct authority *authority,
    struct token_cache *cache, const struct certificate *certificate,
    const char *token, size_t len, int64_t now_s, struct principal *ret,
    struct err *err);

/* ERR_INSUFFICIENT_SCOPE names the scope that is missing. */
int principal_require(
    const struct principal *principal, enum scope scope, struct err *err);

#endif
