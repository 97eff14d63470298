#include "runner/audit_readers.h"

#include <string.h>

bool
audit_readers_add(
    struct audit_readers *readers, const char *text, size_t len, int64_t now_ms)
{
	uint8_t digest[SHA256_BYTES];
	size_t oldest = 0;

	digest_sha256(text, len, digest);
	for (size_t i = 0; i < AUDIT_READERS_MAX; i++) {
		if (readers->list[i].ms != 0 &&
		    memcmp(readers->list[i].digest, digest, sizeof(digest)) ==
			0) {
			if (now_ms - readers->list[i].ms < AUDIT_READERS_MS)
				return false;
			readers->list[i].ms = now_ms;
			return true;
		}
		if (readers->list[i].ms < readers->list[oldest].ms)
			oldest = i;
	}
	memcpy(readers->list[oldest].digest, digest, sizeof(digest));
	readers->list[oldest].ms = now_ms;
	return true;
}
