/*
 * Role: remembers tokens that verified, since libjwt parses the PEM anew and a
 * verification costs some hundred microseconds.
 * Trusts its caller to put in only what verified.
 * Must never keep a token's bytes.
 */
#include "certs/token_cache.h"

#include "certs/digest_cache.h"
#include "lib/alloc.h"

struct token_cache {
	struct digest_cache *by_digest;
};

struct token_cache *
token_cache_new(size_t entries)
{
	struct token_cache *cache = alloc_zero(1, sizeof(*cache));

	cache->by_digest =
	    digest_cache_new(entries, sizeof(struct token_claims), NULL);
	return cache;
}

void
token_cache_clear(struct token_cache *cache)
{
	digest_cache_clear(cache->by_digest);
}

void
token_cache_free(struct token_cache *cache)
{
	if (cache == NULL)
		return;
	digest_cache_free(cache->by_digest);
	free(cache);
}

const struct token_claims *
token_cache_find(struct token_cache *cache, const uint8_t digest[SHA256_BYTES])
{
	return digest_cache_find(cache->by_digest, digest);
}

void
token_cache_put(struct token_cache *cache, const uint8_t digest[SHA256_BYTES],
    const struct token_claims *claims)
{
	(void)digest_cache_put(
	    cache->by_digest, digest, claims, claims->expires_s);
}
