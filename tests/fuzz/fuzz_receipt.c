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
#include "tests/fuzz/signing_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
		keys = (struct audit_keys){{signing_key()}, 1};
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
