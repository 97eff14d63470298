/*
 * Role: remembers certificates that verified; a chain costs some hundred
 * microseconds.
 * Must never give an entry for other bytes, or one that has ended.
 */
#include "certs/certificate_cache.h"

#include "certs/digest_cache.h"
#include "certs/openssl.h"
#include "lib/alloc.h"

static void
drop(void *value)
{
	struct verified_certificate *verified = value;

	EVP_PKEY_free(verified->key);
}

struct certificate_cache {
	struct digest_cache *by_digest;
};

struct certificate_cache *
certificate_cache_new(size_t entries)
{
	struct certificate_cache *cache = alloc_zero(1, sizeof(*cache));

	cache->by_digest = digest_cache_new(
	    entries, sizeof(struct verified_certificate), drop);
	return cache;
}

void
certificate_cache_clear(struct certificate_cache *cache)
{
	digest_cache_clear(cache->by_digest);
}

void
certificate_cache_free(struct certificate_cache *cache)
{
	if (cache == NULL)
		return;
	digest_cache_free(cache->by_digest);
	free(cache);
}

int
certificate_cache_verify(struct certificate_cache *cache,
    const struct trust *trust, const uint8_t *der, size_t len, int64_t now_s,
    const struct verified_certificate **ret, struct err *err)
{
	struct digest_cache *known = cache->by_digest;
	struct verified_certificate verified;
	uint8_t digest[SHA256_BYTES];

	digest_sha256(der, len, digest);
	const struct verified_certificate *found =
	    digest_cache_find(known, digest);
	if (found == NULL) {
		if (certificate_verify_with_key(
			trust, der, len, now_s, &verified, err) != 0)
			return -1;
		found = digest_cache_put(
		    known, digest, &verified, verified.certificate.not_after_s);
	}
	if (certificate_check_time(&found->certificate, now_s, err) != 0)
		return -1;
	*ret = found;
	return 0;
}
