/*
 * SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF",
 * 2012): a keyed sum, so that who does not know the key can choose nothing with
 * the sum that other things have. For tables and comparisons in one process:
 * too short, and of too few rounds, for what is stored or sent. Pure.
 */
#ifndef LIB_SIPHASH_H
#define LIB_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash {
	uint64_t v0, v1, v2, v3;
	uint64_t tail; /* bytes that fill no word yet, the first one lowest */
	size_t len; /* of all that was added */
};

/* key: 128 random bits (random_bytes()). Nothing has to be freed. */
void siphash_init(struct siphash *ret, const uint64_t key[2]);
/* Piece by piece is the same as all at once. `data` may be NULL without `len`.
 */
void siphash_add(struct siphash *hash, const void *data, size_t len);
/* Of what was added; more may be added afterwards. */
uint64_t siphash_sum(const struct siphash *hash);

#endif
