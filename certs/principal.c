/*
 * Role: makes a principal of a verified certificate and a token bound to it.
 * Trusts the authority and the clock it is given.
 * Must never accept a token that another certificate could show.
 */
#include "certs/principal.h"

#include <openssl/crypto.h>
#include <string.h>

#include "certs/token_cache.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"

int
authority_load(const char *ca_bundle, const char *token_keys_directory,
    const char *issuer, const char *audience, int64_t lifetime_max_s,
    struct authority *ret, struct err *err)
{
	if (issuer[0] == '\0' || audience[0] == '\0')
		return err_set(err, ERR_UNPROCESSABLE,
		    "issuer and audience must not be empty");
	if (lifetime_max_s <= 0)
		return err_set(err, ERR_UNPROCESSABLE,
		    "the longest lifetime of a token must be positive");

	struct authority found = {.lifetime_max_s = lifetime_max_s};
	found.trust = trust_load(ca_bundle, err);
	if (found.trust == NULL)
		return -1;
	found.keys = token_keys_load(token_keys_directory, err);
	if (found.keys == NULL) {
		trust_free(found.trust);
		return -1;
	}
	found.issuer = alloc_string(issuer);
	found.audience = alloc_string(audience);
	*ret = found;
	return 0;
}

void
authority_done(struct authority *authority)
{
	trust_free(authority->trust);
	token_keys_free(authority->keys);
	free(authority->issuer);
	free(authority->audience);
	*authority = (struct authority){0};
}

static int
verify_token(const struct authority *authority, struct token_cache *cache,
    const char *token, size_t len, int64_t now_s, struct token_claims *ret,
    struct err *err)
{
	const struct token_expectation expected = {
	    .issuer = authority->issuer,
	    .audience = authority->audience,
	    .lifetime_max_s = authority->lifetime_max_s,
	};
	uint8_t digest[SHA256_BYTES];

	if (cache == NULL || len > TOKEN_MAX)
		return token_verify(
		    authority->keys, &expected, token, len, now_s, ret, err);

	digest_sha256(token, len, digest);
	const struct token_claims *known = token_cache_find(cache, digest);
	if (known != NULL) {
		if (token_check_time(known, now_s, err) != 0)
			return -1;
		*ret = *known;
		return 0;
	}
	if (token_verify(
		authority->keys, &expected, token, len, now_s, ret, err) != 0)
		return -1;
	token_cache_put(cache, digest, ret);
	return 0;
}

/* RFC 8705 3. Both thumbprints are the one base64url form of 32 bytes, so they
 * are equal exactly when the digests are. */
static int
check_binding(const struct certificate *certificate,
    const struct token_claims *claims, struct err *err)
{
	if (CRYPTO_memcmp(certificate->thumbprint, claims->thumbprint,
		SHA256_BASE64URL) != 0)
		return err_set(err, ERR_UNAUTHENTICATED,
		    "token: it is bound to another certificate");
	if (strcmp(certificate->subject, claims->subject) != 0)
		return err_set(err, ERR_UNAUTHENTICATED,
		    "token: its sub is not the certificate's subject");
	return 0;
}

int
principal_authenticate(const struct authority *authority,
    struct token_cache *cache, const struct certificate *certificate,
    const char *token, size_t len, int64_t now_s, struct principal *ret,
    struct err *err)
{
	struct token_claims claims;

	if (certificate_check_time(certificate, now_s, err) != 0 ||
	    verify_token(authority, cache, token, len, now_s, &claims, err) !=
		0 ||
	    check_binding(certificate, &claims, err) != 0)
		return -1;
	ret->certificate = *certificate;
	ret->token = claims;
	return 0;
}

int
principal_require(
    const struct principal *principal, enum scope scope, struct err *err)
{
	if ((principal->token.scopes & scope) == scope)
		return 0;
	return err_set(err, ERR_INSUFFICIENT_SCOPE,
	    "the token lacks the scope %s", scope_name(scope));
}
