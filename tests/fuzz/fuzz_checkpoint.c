/*
 * A note: refused, or a checkpoint that is read the same once it is signed
 * again. The key is one that the seeds are signed with.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/checkpoint.h"
#include "lib/cleanup.h"
#include "tests/fuzz/signing_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ORIGIN "example.com/log"

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
		key = signing_key();
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
