/*
 * A receipt: refused, or one that is spelt the same again, since nothing else
 * would do. The key is the one that the seeds are signed with.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/receipt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* RFC 8032 7.1, test 1. */
static const uint8_t secret[32] = {0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a,
    0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5,
    0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f,
    0x60};

static void
require(bool condition)
{
	if (!condition)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct audit_keys keys;
	struct receipt receipt;
	struct err err = {0};
	size_t len;

	if (keys.count == 0)
		keys = (struct audit_keys){
		    {EVP_PKEY_new_raw_private_key(
			EVP_PKEY_ED25519, NULL, secret, sizeof(secret))},
		    1};
	if (receipt_open((const char *)data, size, &keys, &receipt, &err) !=
	    0) {
		require(err.detail[0] != '\0');
		return 0;
	}
	auto_free char *again = json_encode_canonical(receipt.document, &len);

	require(len + 1 == size && memcmp(again, data, len) == 0);
	require(receipt.seq > 0 && receipt.head.size >= (uint64_t)receipt.seq);
	receipt_done(&receipt);
	return 0;
}
