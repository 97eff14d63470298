/*
 * A record as a server shows it: refused, or one whose leaf is that of its own
 * canonical bytes. Its proof, too, is read or refused.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/merkle.h"
#include "lib/proof.h"
#include "lib/record.h"

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
	AUTO(record_parts_done) struct record_parts parts = {0};
	uint8_t leaf[SHA256_BYTES], again[SHA256_BYTES];
	struct err err = {0};
	struct merkle_proof proof;
	auto_json *shown = json_parse_strict((const char *)data, size, &err);
	int64_t seq = 0;
	size_t len;

	if (!json_is_object(shown))
		return 0;
	record_split(shown, &parts);
	if (proof_read(parts.inclusion, &proof, &err) == 0) {
		auto_json *written = proof_write(&proof);

		require(json_equal(written, parts.inclusion) == 1);
	}
	if (record_hash(&parts, &seq, leaf, &err) != 0) {
		require(err.detail[0] != '\0');
		return 0;
	}
	auto_free char *text = json_encode_canonical(parts.record, &len);

	merkle_hash_leaf(text, len, again);
	require(seq > 0 && memcmp(leaf, again, sizeof(leaf)) == 0);
	return 0;
}
