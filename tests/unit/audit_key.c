#include "tests/unit/audit_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t secret[32] = {AUDIT_KEY_FIRST, 0x61, 0xb1, 0x9d, 0xef,
    0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44,
    0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c,
    0xae, 0x7f, 0x60};

EVP_PKEY *
audit_key_make(uint8_t first)
{
	uint8_t bytes[sizeof(secret)];
	EVP_PKEY *key;

	memcpy(bytes, secret, sizeof(bytes));
	bytes[0] = first;
	key = EVP_PKEY_new_raw_private_key(
	    EVP_PKEY_ED25519, NULL, bytes, sizeof(bytes));
	assert_non_null(key);
	return key;
}

const struct store_signer *
audit_key_signer(void)
{
	static struct store_signer signer;

	if (signer.key == NULL)
		signer = (struct store_signer){
		    audit_key_make(AUDIT_KEY_FIRST), AUDIT_ORIGIN};
	return &signer;
}
