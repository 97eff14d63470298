/*
 * Merkle trees as RFC 9162 2.1 has them: hashes, proofs, and whether a proof
 * holds. Pure but for the source of the nodes.
 *
 * Leaves are numbered from 0. A node of level l and index i stands for the
 * 2^l leaves from i * 2^l on; only such complete ones are ever stored or asked
 * for, level 0 being the leaves' own hashes.
 */
#ifndef LIB_MERKLE_H
#define LIB_MERKLE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/digest.h"
#include "lib/err.h"

#define MERKLE_LEVELS 63
/* As many leaves as there are levels to keep the edge of. */
#define MERKLE_SIZE_MAX ((UINT64_C(1) << MERKLE_LEVELS) - 1)
/* Of a tree of fewer than 2^63 leaves no proof has more. */
#define MERKLE_PROOF_MAX (MERKLE_LEVELS + 1)

/* 2.1.1: a zero byte stands before a leaf, a one before two children. */
void merkle_hash_leaf(const void *data, size_t len, uint8_t ret[SHA256_BYTES]);

struct merkle_proof {
	size_t count;
	uint8_t hashes[MERKLE_PROOF_MAX][SHA256_BYTES];
};

/* 2.1.3.2: the tree of `size` leaves with this root has this leaf. */
bool
merkle_includes(uint64_t size, const uint8_t root[SHA256_BYTES], uint64_t index,
    const uint8_t leaf[SHA256_BYTES], const struct merkle_proof *proof);
/* 2.1.4.2: the second tree begins with all of the first, which is not empty. */
bool merkle_extends(uint64_t size1, const uint8_t root1[SHA256_BYTES],
    uint64_t size2, const uint8_t root2[SHA256_BYTES],
    const struct merkle_proof *proof);

/* A tree that grows at its end: what is needed of it, and no more. */
struct merkle_edge {
	uint64_t size;
	/* Of each level whose bit is set in `size`, the last node. */
	uint8_t nodes[MERKLE_LEVELS][SHA256_BYTES];
};

/* Calls complete() (NULL: nobody keeps them) for each node of level 1 and above
 * that this leaf completes; -1 where it says so, or the tree is full, and then
 * nothing has changed. */
typedef int merkle_complete(void *arg, unsigned level, uint64_t index,
    const uint8_t hash[SHA256_BYTES], struct err *err);
int merkle_append(struct merkle_edge *edge, const uint8_t leaf[SHA256_BYTES],
    merkle_complete *complete, void *arg, struct err *err);
/* Of no leaves: the hash of nothing. */
void merkle_root(const struct merkle_edge *edge, uint8_t ret[SHA256_BYTES]);

struct merkle_source {
	int (*node)(void *arg, unsigned level, uint64_t index,
	    uint8_t ret[SHA256_BYTES], struct err *err);
	void *arg;
};

/* The edge of a tree of `size` leaves. */
int merkle_load(const struct merkle_source *source, uint64_t size,
    struct merkle_edge *ret, struct err *err);
/* index < size; 0 < size1 <= size2: else ERR_NOT_FOUND. */
int merkle_prove_inclusion(const struct merkle_source *source, uint64_t size,
    uint64_t index, struct merkle_proof *ret, struct err *err);
int merkle_prove_extension(const struct merkle_source *source, uint64_t size1,
    uint64_t size2, struct merkle_proof *ret, struct err *err);

#endif
