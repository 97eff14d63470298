/*
 * Certificates that verified, with their keys, by the SHA-256 of their DER:
 * bounded, one thread's own. What it gives holds now; it is the caller's to
 * clear it when what verifies changes (CA bundle, revocation).
 */
#ifndef CERTS_CERTIFICATE_CACHE_H
#define CERTS_CERTIFICATE_CACHE_H

#include "certs/certificate.h"

struct certificate_cache;
struct certificate_cache *certificate_cache_new(size_t entries);
void certificate_cache_clear(struct certificate_cache *cache);
void certificate_cache_free(struct certificate_cache *cache);

/* As certificate_verify_der(). *ret is borrowed until the next call, or until
 * the cache is cleared. */
int certificate_cache_verify(struct certificate_cache *cache,
    const struct trust *trust, const uint8_t *der, size_t len, int64_t now_s,
    const struct verified_certificate **ret, struct err *err);

#endif
