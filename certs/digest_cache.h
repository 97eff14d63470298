/*
 * Values by the SHA-256 of what they were made from: bounded, one thread's
 * own. Private to certs/.
 */
#ifndef CERTS_DIGEST_CACHE_H
#define CERTS_DIGEST_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/digest.h"

struct digest_cache;

/* `drop` is called for each value that goes; NULL: nothing is to be done. */
struct digest_cache *
digest_cache_new(size_t entries, size_t value_size, void (*drop)(void *value));
void digest_cache_clear(struct digest_cache *cache);
void digest_cache_free(struct digest_cache *cache);

/* Borrowed until the next put or clear; NULL: not there. */
const void *digest_cache_find(
    const struct digest_cache *cache, const uint8_t digest[SHA256_BYTES]);
/* Takes over what the value owns; the value that ends first makes room.
 * Returns it in its place, borrowed likewise. */
const void *digest_cache_put(struct digest_cache *cache,
    const uint8_t digest[SHA256_BYTES], const void *value, int64_t expires_s);

#endif
