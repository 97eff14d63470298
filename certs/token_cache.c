/*
 * Role: remembers tokens that verified, since libjwt parses the PEM anew and a
 * verification costs some hundred microseconds.
 * Trusts its caller to put in only what verified.
 * Must never keep a token's bytes, or give an entry for other bytes.
 */
#include "certs/token_cache.h"

#include <string.h>

#include "lib/alloc.h"

/* An entry may stand in any of these places of its row. */
#define WAYS 4

struct entry {
	bool used;
	uint8_t digest[SHA256_BYTES];
	struct token_claims claims;
};

struct token_cache {
	size_t nrows;
	struct entry entries[]; /* WAYS for each row */
};

struct token_cache *
token_cache_new(size_t entries)
{
	size_t nrows = entries < WAYS ? 1 : entries / WAYS;
	struct token_cache *cache =
	    alloc_zero(1, sizeof(*cache) + nrows * WAYS * sizeof(struct entry));

	cache->nrows = nrows;
	return cache;
}

void
token_cache_clear(struct token_cache *cache)
{
	memset(
	    cache->entries, 0, cache->nrows * WAYS * sizeof(cache->entries[0]));
}

void
token_cache_free(struct token_cache *cache)
{
	free(cache);
}

static struct entry *
find_row(struct token_cache *cache, const uint8_t digest[SHA256_BYTES])
{
	uint64_t number;

	memcpy(&number, digest, sizeof(number));
	return &cache->entries[(number % cache->nrows) * WAYS];
}

const struct token_claims *
token_cache_find(struct token_cache *cache, const uint8_t digest[SHA256_BYTES])
{
	struct entry *row = find_row(cache, digest);

	for (size_t k = 0; k < WAYS; k++) {
		if (row[k].used &&
		    memcmp(row[k].digest, digest, SHA256_BYTES) == 0)
			return &row[k].claims;
	}
	return NULL;
}

/* A free place, else the one whose token ends first. */
static struct entry *
choose_place(struct entry *row)
{
	struct entry *place = &row[0];

	for (size_t k = 0; k < WAYS; k++) {
		if (!row[k].used)
			return &row[k];
		if (row[k].claims.expires_s < place->claims.expires_s)
			place = &row[k];
	}
	return place;
}

void
token_cache_put(struct token_cache *cache, const uint8_t digest[SHA256_BYTES],
    const struct token_claims *claims)
{
	struct entry *place = choose_place(find_row(cache, digest));

	place->used = true;
	memcpy(place->digest, digest, SHA256_BYTES);
	place->claims = *claims;
}
