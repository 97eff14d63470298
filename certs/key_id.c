/*
 * Role: names keys. Pure.
 */
#include "certs/key_id.h"

#include "certs/openssl.h"
#include "lib/alloc.h"
#include "lib/digest.h"

void
key_id(EVP_PKEY *key, char ret[KEY_ID])
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(key, &der);
	uint8_t digest[SHA256_BYTES];

	if (len <= 0)
		die("cannot encode a public key: %s", openssl_reason());
	digest_sha256(der, (size_t)len, digest);
	OPENSSL_free(der);
	hex_encode(digest, (KEY_ID - 1) / 2, ret);
}
