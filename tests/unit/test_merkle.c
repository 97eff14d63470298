/*
 * Trees against the definitions of RFC 9162 2.1, written down once more as
 * they stand there; and where TASKGATE_VECTORS is set, against proofs that
 * others have made.
 */
#include "lib/merkle.h"

#include <dirent.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"

#define LEAVES 130

typedef uint8_t hash_bytes[SHA256_BYTES];

/* Each leaf is its number. */
static void
leaf_hash(uint64_t index, hash_bytes ret)
{
	uint8_t data[8];

	for (int i = 0; i < 8; i++)
		data[i] = (uint8_t)(index >> (8 * i));
	merkle_hash_leaf(data, sizeof(data), ret);
}

/* -- the definitions */

static uint64_t
split(uint64_t n)
{
	uint64_t k = 1;

	while (2 * k < n)
		k *= 2;
	return k;
}

/* 2.1.1: MTH(D[begin:end]) */
static void
tree_hash(uint64_t begin, uint64_t end, hash_bytes ret)
{
	uint8_t node[1 + 2 * SHA256_BYTES] = {1};
	uint64_t k;

	if (end - begin == 1) {
		leaf_hash(begin, ret);
		return;
	}
	k = split(end - begin);
	tree_hash(begin, begin + k, node + 1);
	tree_hash(begin + k, end, node + 1 + SHA256_BYTES);
	digest_sha256(node, sizeof(node), ret);
}

static void
add_hash(struct merkle_proof *proof, uint64_t begin, uint64_t end)
{
	tree_hash(begin, end, proof->hashes[proof->count++]);
}

/* 2.1.3.1: PATH(m, D[begin:end]) */
static void
path(uint64_t m, uint64_t begin, uint64_t end, struct merkle_proof *proof)
{
	uint64_t k;

	if (end - begin == 1)
		return;
	k = split(end - begin);
	if (m < k) {
		path(m, begin, begin + k, proof);
		add_hash(proof, begin + k, end);
	} else {
		path(m - k, begin + k, end, proof);
		add_hash(proof, begin, begin + k);
	}
}

/* 2.1.4.1: SUBPROOF(m, D[begin:end], whole) */
static void
subproof(uint64_t m, uint64_t begin, uint64_t end, bool whole,
    struct merkle_proof *proof)
{
	uint64_t n = end - begin, k;

	if (m == n) {
		if (!whole)
			add_hash(proof, begin, end);
		return;
	}
	k = split(n);
	if (m <= k) {
		subproof(m, begin, begin + k, whole, proof);
		add_hash(proof, begin + k, end);
	} else {
		subproof(m - k, begin + k, end, false, proof);
		add_hash(proof, begin, begin + k);
	}
}

static void
assert_same_proof(
    const struct merkle_proof *found, const struct merkle_proof *expected)
{
	assert_int_equal(found->count, expected->count);
	assert_memory_equal(
	    found->hashes, expected->hashes, expected->count * SHA256_BYTES);
}

/* -- what has been stored of a tree */

struct shelf {
	hash_bytes nodes[8][LEAVES];
	bool has[8][LEAVES];
	int calls, fail_at; /* the call of keep() that fails; 0: none */
};

static int
keep(void *arg, unsigned level, uint64_t index, const uint8_t *hash,
    struct err *err)
{
	struct shelf *shelf = arg;

	if (++shelf->calls == shelf->fail_at)
		return err_set(err, ERR_UNAVAILABLE, "no room");
	assert_false(shelf->has[level][index]);
	shelf->has[level][index] = true;
	memcpy(shelf->nodes[level][index], hash, SHA256_BYTES);
	return 0;
}

static int
find(void *arg, unsigned level, uint64_t index, uint8_t *ret, struct err *err)
{
	const struct shelf *shelf = arg;

	if (level == 0) {
		leaf_hash(index, ret);
		return 0;
	}
	if (!shelf->has[level][index])
		return err_set(err, ERR_NOT_FOUND, "no such node");
	memcpy(ret, shelf->nodes[level][index], SHA256_BYTES);
	return 0;
}

static struct shelf *
grow(uint64_t size, struct merkle_edge *edge)
{
	struct shelf *shelf = alloc_zero(1, sizeof(*shelf));
	hash_bytes leaf;
	struct err err;

	*edge = (struct merkle_edge){0};
	for (uint64_t i = 0; i < size; i++) {
		leaf_hash(i, leaf);
		assert_int_equal(
		    merkle_append(edge, leaf, keep, shelf, &err), 0);
	}
	return shelf;
}

/* -- tests */

static void
test_the_empty_tree_is_the_hash_of_nothing(void **state)
{
	const struct merkle_edge edge = {0};
	hash_bytes root, nothing;

	(void)state;
	merkle_root(&edge, root);
	digest_sha256("", 0, nothing);
	assert_memory_equal(root, nothing, sizeof(root));
}

static void
test_roots_are_those_of_the_definition_at_every_size(void **state)
{
	struct merkle_edge edge = {0}, loaded;
	auto_free struct shelf *shelf = alloc_zero(1, sizeof(*shelf));
	const struct merkle_source source = {find, shelf};
	struct err err;

	(void)state;
	for (uint64_t size = 1; size <= LEAVES; size++) {
		hash_bytes leaf, root, expected;

		leaf_hash(size - 1, leaf);
		assert_int_equal(
		    merkle_append(&edge, leaf, keep, shelf, &err), 0);
		merkle_root(&edge, root);
		tree_hash(0, size, expected);
		assert_memory_equal(root, expected, sizeof(root));
		assert_int_equal(merkle_load(&source, size, &loaded, &err), 0);
		merkle_root(&loaded, root);
		assert_memory_equal(root, expected, sizeof(root));
	}
}

static void
test_each_leaf_has_a_proof_at_every_size(void **state)
{
	struct merkle_edge edge;
	auto_free struct shelf *shelf = grow(LEAVES, &edge);
	const struct merkle_source source = {find, shelf};
	struct err err;

	(void)state;
	for (uint64_t size = 1; size <= LEAVES; size++) {
		hash_bytes root;

		tree_hash(0, size, root);
		for (uint64_t i = 0; i < size; i++) {
			struct merkle_proof found = {0}, expected = {0};
			hash_bytes leaf;

			leaf_hash(i, leaf);
			path(i, 0, size, &expected);
			assert_int_equal(merkle_prove_inclusion(
					     &source, size, i, &found, &err),
			    0);
			assert_same_proof(&found, &expected);
			assert_true(
			    merkle_includes(size, root, i, leaf, &found));
			assert_false(merkle_includes(
			    size, root, (i + 1) % (size + 1), leaf, &found));
		}
	}
}

static void
test_each_size_extends_every_smaller_one(void **state)
{
	struct merkle_edge edge;
	auto_free struct shelf *shelf = grow(LEAVES, &edge);
	const struct merkle_source source = {find, shelf};
	struct err err;

	(void)state;
	for (uint64_t size2 = 1; size2 <= LEAVES; size2++) {
		hash_bytes root1, root2;

		tree_hash(0, size2, root2);
		for (uint64_t size1 = 1; size1 <= size2; size1++) {
			struct merkle_proof found = {0}, expected = {0};

			tree_hash(0, size1, root1);
			subproof(size1, 0, size2, true, &expected);
			assert_int_equal(merkle_prove_extension(&source, size1,
					     size2, &found, &err),
			    0);
			assert_same_proof(&found, &expected);
			assert_true(
			    merkle_extends(size1, root1, size2, root2, &found));
			root1[size1 % SHA256_BYTES] ^= 1;
			assert_false(
			    merkle_extends(size1, root1, size2, root2, &found));
		}
	}
}

static void
test_a_proof_with_any_bit_changed_does_not_hold(void **state)
{
	struct merkle_edge edge;
	auto_free struct shelf *shelf = grow(LEAVES, &edge);
	const struct merkle_source source = {find, shelf};
	struct merkle_proof inclusion = {0}, extension = {0};
	hash_bytes root1, root2, leaf;
	struct err err;

	(void)state;
	tree_hash(0, 77, root1);
	tree_hash(0, LEAVES, root2);
	leaf_hash(76, leaf);
	assert_int_equal(
	    merkle_prove_inclusion(&source, LEAVES, 76, &inclusion, &err), 0);
	assert_int_equal(
	    merkle_prove_extension(&source, 77, LEAVES, &extension, &err), 0);
	for (size_t bit = 0; bit < inclusion.count * SHA256_BYTES * 8; bit++) {
		uint8_t *byte = &inclusion.hashes[0][0] + bit / 8;

		*byte ^= (uint8_t)(1 << bit % 8);
		assert_false(
		    merkle_includes(LEAVES, root2, 76, leaf, &inclusion));
		*byte ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t bit = 0; bit < extension.count * SHA256_BYTES * 8; bit++) {
		uint8_t *byte = &extension.hashes[0][0] + bit / 8;

		*byte ^= (uint8_t)(1 << bit % 8);
		assert_false(
		    merkle_extends(77, root1, LEAVES, root2, &extension));
		*byte ^= (uint8_t)(1 << bit % 8);
	}
	inclusion.count++;
	assert_false(merkle_includes(LEAVES, root2, 76, leaf, &inclusion));
	inclusion.count -= 2;
	assert_false(merkle_includes(LEAVES, root2, 76, leaf, &inclusion));
	inclusion.count = MERKLE_PROOF_MAX + 1;
	assert_false(merkle_includes(LEAVES, root2, 76, leaf, &inclusion));
}

static void
test_what_cannot_be_kept_is_not_appended(void **state)
{
	struct merkle_edge edge, before;
	auto_free struct shelf *shelf = grow(63, &edge);
	hash_bytes leaf;
	struct err err = {0};

	(void)state;
	before = edge;
	leaf_hash(63, leaf);
	shelf->fail_at = shelf->calls + 3;
	assert_int_equal(merkle_append(&edge, leaf, keep, shelf, &err), -1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	assert_memory_equal(&edge, &before, sizeof(edge));
}

static void
test_a_full_tree_takes_no_more(void **state)
{
	struct merkle_edge edge = {.size = MERKLE_SIZE_MAX - 1}, before;
	hash_bytes leaf;
	struct err err = {0};

	(void)state;
	leaf_hash(0, leaf);
	assert_int_equal(merkle_append(&edge, leaf, NULL, NULL, &err), 0);
	assert_int_equal(edge.size, MERKLE_SIZE_MAX);
	before = edge;
	assert_int_equal(merkle_append(&edge, leaf, NULL, NULL, &err), -1);
	assert_int_equal(err.code, ERR_UNPROCESSABLE);
	assert_memory_equal(&edge, &before, sizeof(edge));
}

static void
test_what_is_not_there_cannot_be_proved(void **state)
{
	struct merkle_edge edge;
	auto_free struct shelf *shelf = grow(5, &edge);
	const struct merkle_source source = {find, shelf};
	struct merkle_proof proof;
	struct err err;

	(void)state;
	assert_int_equal(
	    merkle_prove_inclusion(&source, 5, 5, &proof, &err), -1);
	assert_int_equal(
	    merkle_prove_extension(&source, 0, 5, &proof, &err), -1);
	assert_int_equal(
	    merkle_prove_extension(&source, 6, 5, &proof, &err), -1);
	assert_int_equal(
	    merkle_prove_inclusion(&source, UINT64_MAX, 5, &proof, &err), -1);
	/* A node that was lost. */
	assert_int_equal(
	    merkle_prove_inclusion(&source, 9, 8, &proof, &err), -1);
}

/* -- outside cases */

struct suite {
	size_t held, refused;
};

/* As the cases write hashes; some roots are no hashes at all, which only makes
 * them other ones. False: one of the proof is of another length. */
static bool
read_hash(const json_t *text, bool exact, hash_bytes ret)
{
	auto_free uint8_t *data = NULL;
	size_t len = 0;
	const char *value = json_string_value(text);

	memset(ret, 0, SHA256_BYTES);
	if (value == NULL)
		return false;
	assert_true(base64_decode(value, strlen(value), &data, &len));
	memcpy(ret, data, len < SHA256_BYTES ? len : SHA256_BYTES);
	return len == SHA256_BYTES || !exact;
}

static bool
read_proof(const json_t *list, struct merkle_proof *ret)
{
	*ret = (struct merkle_proof){.count = json_array_size(list)};
	if (ret->count > MERKLE_PROOF_MAX)
		return false;
	for (size_t i = 0; i < ret->count; i++) {
		if (!read_hash(json_array_get(list, i), true, ret->hashes[i]))
			return false;
	}
	return true;
}

/* Some are beyond what an integer of jansson's holds. */
static uint64_t
number(const json_t *object, const char *name)
{
	double value = json_number_value(json_object_get(object, name));

	return value < 0x1p64 ? (uint64_t)value : UINT64_MAX;
}

static bool
inclusion_holds(const json_t *one)
{
	struct merkle_proof proof;
	hash_bytes root, leaf;

	return read_proof(json_object_get(one, "proof"), &proof) &&
	    read_hash(json_object_get(one, "root"), true, root) &&
	    read_hash(json_object_get(one, "leafHash"), true, leaf) &&
	    merkle_includes(number(one, "treeSize"), root,
		number(one, "leafIdx"), leaf, &proof);
}

static bool
extension_holds(const json_t *one)
{
	struct merkle_proof proof;
	hash_bytes root1, root2;

	return read_proof(json_object_get(one, "proof"), &proof) &&
	    read_hash(json_object_get(one, "root1"), false, root1) &&
	    read_hash(json_object_get(one, "root2"), false, root2) &&
	    merkle_extends(number(one, "size1"), root1, number(one, "size2"),
		root2, &proof);
}

static void
run_case(const char *file, bool (*holds)(const json_t *), struct suite *suite)
{
	json_error_t error;
	json_t *one = json_load_file(file, JSON_DECODE_INT_AS_REAL, &error);
	bool expected;

	assert_non_null(one);
	expected = !json_is_true(json_object_get(one, "wantErr"));
	if (holds(one) != expected)
		fail_msg("%s: expected to %s", file,
		    expected ? "hold" : "be refused");
	*(expected ? &suite->held : &suite->refused) += 1;
	json_decref(one);
}

static void
run_folder(
    const char *folder, bool (*holds)(const json_t *), struct suite *suite)
{
	DIR *directory = opendir(folder);
	const struct dirent *entry;

	if (directory == NULL)
		fail_msg("no folder %s", folder);
	while ((entry = readdir(directory)) != NULL) {
		auto_free char *below =
		    alloc_printf("%s/%s", folder, entry->d_name);

		if (entry->d_name[0] == '.')
			continue;
		if (strstr(entry->d_name, ".json") != NULL)
			run_case(below, holds, suite);
		else
			run_folder(below, holds, suite);
	}
	closedir(directory);
}

static void
test_outside_proofs_hold_or_not_as_they_say(void **state)
{
	const char *vectors = getenv("TASKGATE_VECTORS");
	/* Leaf, and root of eight leaves, of those cases. */
	static const char leaf_0[] =
	    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
	hash_bytes leaf, expected;
	struct suite inclusion = {0}, extension = {0};

	(void)state;
	merkle_hash_leaf("", 0, leaf);
	assert_true(hex_decode(leaf_0, 64, expected, sizeof(expected)));
	assert_memory_equal(leaf, expected, sizeof(leaf));
	if (vectors == NULL)
		return;
	auto_free char *included =
	    alloc_printf("%s/merkle/testdata/inclusion", vectors);
	auto_free char *consistent =
	    alloc_printf("%s/merkle/testdata/consistency", vectors);

	run_folder(included, inclusion_holds, &inclusion);
	run_folder(consistent, extension_holds, &extension);
	assert_true(inclusion.held > 5 && inclusion.refused > 80);
	assert_true(extension.held > 5 && extension.refused > 80);
	print_message("outside proofs: %zu hold, %zu are refused\n",
	    inclusion.held + extension.held,
	    inclusion.refused + extension.refused);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_empty_tree_is_the_hash_of_nothing),
	    cmocka_unit_test(
		test_roots_are_those_of_the_definition_at_every_size),
	    cmocka_unit_test(test_each_leaf_has_a_proof_at_every_size),
	    cmocka_unit_test(test_each_size_extends_every_smaller_one),
	    cmocka_unit_test(test_a_proof_with_any_bit_changed_does_not_hold),
	    cmocka_unit_test(test_what_cannot_be_kept_is_not_appended),
	    cmocka_unit_test(test_a_full_tree_takes_no_more),
	    cmocka_unit_test(test_what_is_not_there_cannot_be_proved),
	    cmocka_unit_test(test_outside_proofs_hold_or_not_as_they_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
