/* Signed heads of the log, as others write and read them. */
#include "lib/checkpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "tests/unit/audit_key.h"
#include "tests/unit/corpus.h"

static struct checkpoint
make_head(uint64_t size)
{
	struct checkpoint head = {.origin = AUDIT_ORIGIN, .size = size};

	digest_sha256(&size, sizeof(size), head.root);
	return head;
}

static int
open_note(
    const char *note, EVP_PKEY *key, struct checkpoint *ret, struct err *err)
{
	return checkpoint_open(note, strlen(note), AUDIT_ORIGIN, key, ret, err);
}

static void
test_what_was_signed_is_read_again(void **state)
{
	static const uint64_t sizes[] = {0, 1, 9, 10, 1234567, INT64_MAX};
	EVP_PKEY *key = audit_key_make(AUDIT_KEY_FIRST);

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct checkpoint head = make_head(sizes[i]), found;
		auto_free char *note = checkpoint_sign(&head, key);
		struct err err;

		assert_int_equal(open_note(note, key, &found, &err), 0);
		assert_string_equal(found.origin, AUDIT_ORIGIN);
		assert_int_equal(found.size, head.size);
		assert_memory_equal(found.root, head.root, SHA256_BYTES);
	}
	EVP_PKEY_free(key);
}

static void
test_any_bit_changed_is_found(void **state)
{
	EVP_PKEY *key = audit_key_make(AUDIT_KEY_FIRST);
	struct checkpoint head = make_head(77), found;
	auto_free char *note = checkpoint_sign(&head, key);
	size_t len = strlen(note);
	struct err err;

	(void)state;
	for (size_t bit = 0; bit < 8 * len; bit++) {
		note[bit / 8] ^= (char)(1 << bit % 8);
		assert_int_equal(
		    checkpoint_open(note, len, AUDIT_ORIGIN, key, &found, &err),
		    -1);
		note[bit / 8] ^= (char)(1 << bit % 8);
	}
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(
		    checkpoint_open(note, cut, AUDIT_ORIGIN, key, &found, &err),
		    -1);
	EVP_PKEY_free(key);
}

static void
test_another_key_or_log_is_told(void **state)
{
	EVP_PKEY *key = audit_key_make(AUDIT_KEY_FIRST),
		 *other = audit_key_make(AUDIT_KEY_FIRST + 1);
	struct checkpoint head = make_head(3), found;
	auto_free char *note = checkpoint_sign(&head, key);
	struct err err;

	(void)state;
	assert_int_equal(open_note(note, other, &found, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_int_equal(checkpoint_open(note, strlen(note),
			     "example.com/other", key, &found, &err),
	    -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
}

static void
test_witnesses_may_have_signed_before_and_behind(void **state)
{
	EVP_PKEY *key = audit_key_make(AUDIT_KEY_FIRST),
		 *witness = audit_key_make(AUDIT_KEY_FIRST + 1);
	struct checkpoint head = make_head(3), found;
	auto_free char *note = checkpoint_sign(&head, key);
	const char *line = strstr(note, "\xe2\x80\x94");
	auto_free char *both = alloc_printf("%.*s\xe2\x80\x94 w.example "
					    "AAAAAA==\n%s\xe2\x80\x94 "
					    "%s AAAAAA==\n",
	    (int)(line - note), note, line, AUDIT_ORIGIN);
	auto_free char *alone = checkpoint_sign(&head, witness);
	struct err err;

	(void)state;
	assert_int_equal(open_note(both, key, &found, &err), 0);
	assert_int_equal(open_note(alone, key, &found, &err), -1);
	EVP_PKEY_free(key);
	EVP_PKEY_free(witness);
}

static void
test_too_many_or_too_much_is_refused(void **state)
{
	EVP_PKEY *key = audit_key_make(AUDIT_KEY_FIRST);
	struct checkpoint head = make_head(3), found;
	auto_free char *note = checkpoint_sign(&head, key);
	struct err err;

	(void)state;
	for (int i = 0; i < CHECKPOINT_SIGNATURES_MAX - 1; i++) {
		char *more =
		    alloc_printf("%s\xe2\x80\x94 w.example AAAAAA==\n", note);

		free(note);
		note = more;
	}
	assert_int_equal(open_note(note, key, &found, &err), 0);
	auto_free char *more =
	    alloc_printf("%s\xe2\x80\x94 w.example AAAAAA==\n", note);

	assert_int_equal(open_note(more, key, &found, &err), -1);
	assert_int_equal(err.code, ERR_UNPROCESSABLE);
	auto_free char *large = alloc_zero(CHECKPOINT_MAX + 1, 1);

	memset(large, 'a', CHECKPOINT_MAX + 1);
	assert_int_equal(checkpoint_open(large, CHECKPOINT_MAX + 1,
			     AUDIT_ORIGIN, key, &found, &err),
	    -1);
	EVP_PKEY_free(key);
}

static void
test_origins_are_printable_words(void **state)
{
	char longest[CHECKPOINT_ORIGIN_MAX + 2];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	longest[CHECKPOINT_ORIGIN_MAX + 1] = '\0';
	assert_false(checkpoint_is_origin(longest));
	longest[CHECKPOINT_ORIGIN_MAX] = '\0';
	assert_true(checkpoint_is_origin(longest));
	assert_true(checkpoint_is_origin("urn:uuid:1/log"));
	assert_false(checkpoint_is_origin(""));
	assert_false(checkpoint_is_origin("two words"));
	assert_false(checkpoint_is_origin("a+b"));
	assert_false(checkpoint_is_origin("a\nb"));
	assert_false(checkpoint_is_origin("\xc3\xa4"));
}

static int
read_case(const struct corpus_case *one, struct err *err)
{
	EVP_PKEY *key = audit_key_make(AUDIT_KEY_FIRST);
	struct checkpoint found;
	size_t len = 0;
	auto_free char *note = corpus_read(one, "note", &len);
	int result = checkpoint_open(note, len, AUDIT_ORIGIN, key, &found, err);

	EVP_PKEY_free(key);
	return result;
}

static void
accept_case(const struct corpus_case *one)
{
	struct err err = {0};

	if (read_case(one, &err) != 0)
		fail_msg("%s: %s", one->name, err.detail);
}

static void
reject_case(const struct corpus_case *one)
{
	struct err err = {0};

	if (read_case(one, &err) == 0)
		fail_msg("%s: was accepted", one->name);
	assert_true(err.detail[0] != '\0');
}

static void
test_the_corpus_is_read_as_it_says(void **state)
{
	(void)state;
	corpus_each("checkpoint", "accept", accept_case);
	corpus_each("checkpoint", "reject", reject_case);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_was_signed_is_read_again),
	    cmocka_unit_test(test_any_bit_changed_is_found),
	    cmocka_unit_test(test_another_key_or_log_is_told),
	    cmocka_unit_test(test_witnesses_may_have_signed_before_and_behind),
	    cmocka_unit_test(test_too_many_or_too_much_is_refused),
	    cmocka_unit_test(test_origins_are_printable_words),
	    cmocka_unit_test(test_the_corpus_is_read_as_it_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
