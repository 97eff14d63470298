#include "lib/merkle.h"

#include <inttypes.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"

void
merkle_hash_leaf(const void *data, size_t len, uint8_t ret[SHA256_BYTES])
{
	auto_free uint8_t *leaf = alloc_zero(1 + len, 1);

	memcpy(leaf + 1, data, len);
	digest_sha256(leaf, 1 + len, ret);
}

/* `ret` may be one of the two. */
static void
hash_children(const uint8_t left[SHA256_BYTES],
    const uint8_t right[SHA256_BYTES], uint8_t ret[SHA256_BYTES])
{
	uint8_t node[1 + 2 * SHA256_BYTES] = {1};

	memcpy(node + 1, left, SHA256_BYTES);
	memcpy(node + 1 + SHA256_BYTES, right, SHA256_BYTES);
	digest_sha256(node, sizeof(node), ret);
}

static bool
is_same(const uint8_t a[SHA256_BYTES], const uint8_t b[SHA256_BYTES])
{
	return memcmp(a, b, SHA256_BYTES) == 0;
}

/* -- whether proofs hold */

/* A place on the way up: of the node, and of the tree's last one, on the same
 * level. */
struct climb {
	uint64_t at, last;
};

static void
rise(struct climb *climb)
{
	climb->at >>= 1;
	climb->last >>= 1;
}

/* The node is a right child, or the last of its level and has none beside it
 * until it is one. */
static bool
has_left(const struct climb *climb)
{
	return (climb->at & 1) != 0 || climb->at == climb->last;
}

static void
rise_to_right(struct climb *climb)
{
	while ((climb->at & 1) == 0 && climb->at != 0)
		rise(climb);
}

bool
merkle_includes(uint64_t size, const uint8_t root[SHA256_BYTES], uint64_t index,
    const uint8_t leaf[SHA256_BYTES], const struct merkle_proof *proof)
{
	struct climb climb = {index, size - 1};
	uint8_t hash[SHA256_BYTES];

	if (index >= size || proof->count > MERKLE_PROOF_MAX)
		return false;
	memcpy(hash, leaf, SHA256_BYTES);
	for (size_t i = 0; i < proof->count; i++) {
		if (climb.last == 0)
			return false;
		if (has_left(&climb)) {
			hash_children(proof->hashes[i], hash, hash);
			rise_to_right(&climb);
		} else {
			hash_children(hash, proof->hashes[i], hash);
		}
		rise(&climb);
	}
	return climb.last == 0 && is_same(hash, root);
}

static bool
is_power_of_two(uint64_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

/* The first tree's last complete node, which both trees have, and how many of
 * the proof's hashes gave it. */
static size_t
first_common(uint64_t size1, const uint8_t root1[SHA256_BYTES],
    const struct merkle_proof *proof, struct climb *climb,
    uint8_t ret[SHA256_BYTES])
{
	while ((climb->at & 1) != 0)
		rise(climb);
	if (is_power_of_two(size1)) {
		memcpy(ret, root1, SHA256_BYTES);
		return 0;
	}
	memcpy(ret, proof->hashes[0], SHA256_BYTES);
	return 1;
}

bool
merkle_extends(uint64_t size1, const uint8_t root1[SHA256_BYTES],
    uint64_t size2, const uint8_t root2[SHA256_BYTES],
    const struct merkle_proof *proof)
{
	struct climb climb = {size1 - 1, size2 - 1};
	uint8_t first[SHA256_BYTES], second[SHA256_BYTES];
	size_t i;

	if (size1 == 0 || size1 > size2 || proof->count > MERKLE_PROOF_MAX)
		return false;
	if (size1 == size2)
		return proof->count == 0 && is_same(root1, root2);
	if (proof->count == 0)
		return false;
	i = first_common(size1, root1, proof, &climb, first);
	memcpy(second, first, SHA256_BYTES);
	for (; i < proof->count; i++) {
		if (climb.last == 0)
			return false;
		if (has_left(&climb)) {
			hash_children(proof->hashes[i], first, first);
			hash_children(proof->hashes[i], second, second);
			rise_to_right(&climb);
		} else {
			hash_children(second, proof->hashes[i], second);
		}
		rise(&climb);
	}
	return climb.last == 0 && is_same(first, root1) &&
	    is_same(second, root2);
}

/* -- the edge */

int
merkle_append(struct merkle_edge *edge, const uint8_t leaf[SHA256_BYTES],
    merkle_complete *complete, void *arg, struct err *err)
{
	uint64_t index = edge->size;
	uint8_t hash[SHA256_BYTES];
	unsigned level = 0;

	if (edge->size >= MERKLE_SIZE_MAX)
		return err_set(err, ERR_UNPROCESSABLE,
		    "a tree has no more than %" PRIu64 " leaves",
		    MERKLE_SIZE_MAX);
	memcpy(hash, leaf, SHA256_BYTES);
	for (; (index & 1) != 0; index >>= 1) {
		hash_children(edge->nodes[level], hash, hash);
		level++;
		if (complete != NULL &&
		    complete(arg, level, index >> 1, hash, err) != 0)
			return -1;
	}
	memcpy(edge->nodes[level], hash, SHA256_BYTES);
	edge->size++;
	return 0;
}

void
merkle_root(const struct merkle_edge *edge, uint8_t ret[SHA256_BYTES])
{
	bool found = false;

	if (edge->size == 0)
		digest_sha256("", 0, ret);
	for (unsigned level = 0; level < MERKLE_LEVELS; level++) {
		if ((edge->size >> level & 1) == 0)
			continue;
		if (found)
			hash_children(edge->nodes[level], ret, ret);
		else
			memcpy(ret, edge->nodes[level], SHA256_BYTES);
		found = true;
	}
}

int
merkle_load(const struct merkle_source *source, uint64_t size,
    struct merkle_edge *ret, struct err *err)
{
	*ret = (struct merkle_edge){.size = size};
	for (unsigned level = 0; level < MERKLE_LEVELS; level++) {
		if ((size >> level & 1) != 0 &&
		    source->node(source->arg, level, (size >> level) - 1,
			ret->nodes[level], err) != 0)
			return -1;
	}
	return 0;
}

/* -- proofs */

/* Leaves from `begin` on, `count` of them; a subtree, so that `begin` is a
 * multiple of the greatest power of two that is in it. */
struct range {
	uint64_t begin, count;
};

/* The greatest power of two below `n`, which is 2 at least. */
static uint64_t
left_part(uint64_t n)
{
	uint64_t half = 1;

	while (half < n - half)
		half *= 2;
	return half;
}

/* The left part stays. */
static struct range
cut_right(struct range *whole)
{
	uint64_t left = left_part(whole->count);
	struct range right = {whole->begin + left, whole->count - left};

	whole->count = left;
	return right;
}

static int
fetch(const struct merkle_source *source, struct range range,
    uint8_t ret[SHA256_BYTES], struct err *err)
{
	unsigned level = 0;

	while (range.count >> level != 1)
		level++;
	return source->node(source->arg, level, range.begin >> level, ret, err);
}

/* Its complete parts grow smaller to the right, and are joined from there. */
static int
hash_range(const struct merkle_source *source, struct range range,
    uint8_t ret[SHA256_BYTES], struct err *err)
{
	uint8_t parts[MERKLE_LEVELS][SHA256_BYTES];
	size_t n = 0;

	while (!is_power_of_two(range.count)) {
		struct range right = cut_right(&range);

		if (fetch(source, range, parts[n], err) != 0)
			return -1;
		n++;
		range = right;
	}
	if (fetch(source, range, ret, err) != 0)
		return -1;
	while (n-- > 0)
		hash_children(parts[n], ret, ret);
	return 0;
}

/* The ranges come from the root down, the proof goes up from the leaf. */
static int
hash_ranges(const struct merkle_source *source, const struct range *ranges,
    size_t n, struct merkle_proof *ret, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		if (hash_range(
			source, ranges[n - 1 - i], ret->hashes[i], err) != 0)
			return -1;
	}
	ret->count = n;
	return 0;
}

int
merkle_prove_inclusion(const struct merkle_source *source, uint64_t size,
    uint64_t index, struct merkle_proof *ret, struct err *err)
{
	struct range ranges[MERKLE_PROOF_MAX];
	struct range whole = {0, size};
	size_t n = 0;

	if (index >= size || size >> MERKLE_LEVELS != 0)
		return err_set(err, ERR_NOT_FOUND,
		    "a tree of %" PRIu64 " leaves has no leaf %" PRIu64, size,
		    index);
	while (whole.count > 1) {
		struct range right = cut_right(&whole);

		if (index < right.begin) {
			ranges[n++] = right;
		} else {
			ranges[n++] = whole;
			whole = right;
		}
	}
	return hash_ranges(source, ranges, n, ret, err);
}

int
merkle_prove_extension(const struct merkle_source *source, uint64_t size1,
    uint64_t size2, struct merkle_proof *ret, struct err *err)
{
	struct range ranges[MERKLE_PROOF_MAX];
	struct range whole = {0, size2};
	size_t n = 0;

	if (size1 == 0 || size1 > size2 || size2 >> MERKLE_LEVELS != 0)
		return err_set(err, ERR_NOT_FOUND,
		    "a tree of %" PRIu64 " leaves does not extend one of "
		    "%" PRIu64,
		    size2, size1);
	while (whole.begin + whole.count != size1) {
		struct range right = cut_right(&whole);

		if (size1 <= right.begin) {
			ranges[n++] = right;
		} else {
			ranges[n++] = whole;
			whole = right;
		}
	}
	/* Whoever has the first tree's root knows it, if that is all of it. */
	if (whole.begin > 0)
		ranges[n++] = whole;
	return hash_ranges(source, ranges, n, ret, err);
}
