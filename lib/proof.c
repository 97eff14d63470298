#include "lib/proof.h"

#include "lib/alloc.h"

json_t *
proof_write(const struct merkle_proof *proof)
{
	json_t *array = json_array();
	char hex[SHA256_HEX];

	for (size_t i = 0; i < proof->count; i++) {
		hex_encode(proof->hashes[i], SHA256_BYTES, hex);
		json_array_append_new(array, json_string(hex));
	}
	return array;
}

int
proof_read(const json_t *array, struct merkle_proof *ret, struct err *err)
{
	struct merkle_proof proof = {.count = json_array_size(array)};

	if (!json_is_array(array) || proof.count > MERKLE_PROOF_MAX)
		return err_set(err, ERR_UNPROCESSABLE,
		    "a proof that is no array of at most %d hashes",
		    MERKLE_PROOF_MAX);
	for (size_t i = 0; i < proof.count; i++) {
		const json_t *hash = json_array_get(array, i);

		if (!json_is_string(hash) ||
		    !hex_decode(json_string_value(hash),
			json_string_length(hash), proof.hashes[i],
			SHA256_BYTES))
			return err_set(err, ERR_UNPROCESSABLE,
			    "hash %zu of a proof is none", i);
	}
	*ret = proof;
	return 0;
}
