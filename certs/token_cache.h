/*
 * Tokens that verified, by the SHA-256 of their bytes: bounded, one thread's
 * own. What is found must still be held against the clock and the
 * certificate. Made and cleared through certs/principal.h.
 */
#ifndef CERTS_TOKEN_CACHE_H
#define CERTS_TOKEN_CACHE_H

#include "certs/principal.h"

/* Borrowed until the next put or clear; NULL: not there. */
const struct token_claims *
token_cache_find(struct token_cache *cache, const uint8_t digest[SHA256_BYTES]);
void token_cache_put(struct token_cache *cache,
    const uint8_t digest[SHA256_BYTES], const struct token_claims *claims);

#endif
