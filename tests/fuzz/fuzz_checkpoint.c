/*
 * A note: refused, or a checkpoint that is read the same once it is signed
 * again. The key is one that the seeds are signed with.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/checkpoint.h"
#include "lib/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ORIGIN "example.com/log"

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
	static EVP_PKEY *key;
	struct checkpoint found, again;
	struct err err = {0};

	if (key == NULL)
		key = EVP_PKEY_new_raw_private_key(
		    EVP_PKEY_ED25519, NULL, secret, sizeof(secret));
	if (checkpoint_open(
		(const char *)data, size, ORIGIN, key, &found, &err) != 0) {
		require(err.detail[0] != '\0');
		return 0;
	}
	auto_free char *note = checkpoint_sign(&found, key);

	require(checkpoint_open(
		    note, strlen(note), ORIGIN, key, &again, &err) == 0);
	require(again.size == found.size &&
	    memcmp(again.root, found.root, SHA256_BYTES) == 0);
	return 0;
}
