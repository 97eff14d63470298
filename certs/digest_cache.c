/*
 * Role: keeps what was costly to find out.
 * Trusts its callers to put in only what verified, and to hold what they find
 * against the clock.
 * Must never give a value for other bytes.
 */
#include "certs/digest_cache.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"

/* A value may stand in any of these places of its row. */
#define WAYS 4

struct entry {
	bool used;
	uint8_t digest[SHA256_BYTES];
	int64_t expires_s;
};

struct digest_cache {
	size_t nrows;
	size_t value_size;
	void (*drop)(void *value);
	struct entry *entries; /* WAYS for each row */
	uint8_t *values; /* one for each entry */
};

struct digest_cache *
digest_cache_new(size_t entries, size_t value_size, void (*drop)(void *value))
{
	struct digest_cache *cache = alloc_zero(1, sizeof(*cache));

	cache->nrows = entries < WAYS ? 1 : entries / WAYS;
	cache->value_size = value_size;
	cache->drop = drop;
	cache->entries =
	    alloc_zero(cache->nrows * WAYS, sizeof(*cache->entries));
	cache->values = alloc_zero(cache->nrows * WAYS, value_size);
	return cache;
}

static void *
value_at(const struct digest_cache *cache, size_t k)
{
	return cache->values + k * cache->value_size;
}

static void
empty(struct digest_cache *cache, size_t k)
{
	/* Zero already, and memory that nobody has touched costs nothing. */
	if (!cache->entries[k].used)
		return;
	if (cache->drop != NULL)
		cache->drop(value_at(cache, k));
	cache->entries[k].used = false;
	memset(value_at(cache, k), 0, cache->value_size);
}

void
digest_cache_clear(struct digest_cache *cache)
{
	for (size_t k = 0; k < cache->nrows * WAYS; k++)
		empty(cache, k);
}

void
digest_cache_free(struct digest_cache *cache)
{
	if (cache == NULL)
		return;
	digest_cache_clear(cache);
	free(cache->entries);
	free(cache->values);
	free(cache);
}

static size_t
find_row(const struct digest_cache *cache, const uint8_t digest[SHA256_BYTES])
{
	uint64_t number;

	memcpy(&number, digest, sizeof(number));
	return (number % cache->nrows) * WAYS;
}

const void *
digest_cache_find(
    const struct digest_cache *cache, const uint8_t digest[SHA256_BYTES])
{
	size_t row = find_row(cache, digest);

	for (size_t k = row; k < row + WAYS; k++) {
		if (cache->entries[k].used &&
		    memcmp(cache->entries[k].digest, digest, SHA256_BYTES) == 0)
			return value_at(cache, k);
	}
	return NULL;
}

/* A free place, else the one whose value ends first. */
static size_t
choose_place(const struct digest_cache *cache, size_t row)
{
	size_t place = row;

	for (size_t k = row; k < row + WAYS; k++) {
		if (!cache->entries[k].used)
			return k;
		if (cache->entries[k].expires_s <
		    cache->entries[place].expires_s)
			place = k;
	}
	return place;
}

const void *
digest_cache_put(struct digest_cache *cache, const uint8_t digest[SHA256_BYTES],
    const void *value, int64_t expires_s)
{
	size_t place = choose_place(cache, find_row(cache, digest));
	struct entry *entry = &cache->entries[place];

	empty(cache, place);
	entry->used = true;
	entry->expires_s = expires_s;
	memcpy(entry->digest, digest, SHA256_BYTES);
	memcpy(value_at(cache, place), value, cache->value_size);
	return value_at(cache, place);
}
