/* SHA-256, hexadecimal, base64: known answers and strict refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/digest.h"

static void
test_sha256_known_answers(void **state)
{
	char hex[SHA256_HEX];

	(void)state;
	/* FIPS 180-2, appendix B. */
	digest_sha256_hex("abc", 3, hex);
	assert_string_equal(hex,
	    "ba7816bf8f01cfea414140de5dae2223"
	    "b00361a396177a9cb410ff61f20015ad");
	digest_sha256_hex("", 0, hex);
	assert_string_equal(hex,
	    "e3b0c44298fc1c149afbf4c8996fb924"
	    "27ae41e4649b934ca495991b7852b855");
	digest_sha256_hex(
	    "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
	    hex);
	assert_string_equal(hex,
	    "248d6a61d20638b8e5c026930c3e6039"
	    "a33ce45964ff2167f6ecedd419db06c1");
}

static void
test_hex_goes_there_and_back(void **state)
{
	uint8_t bytes[256];
	uint8_t again[256] = {0};
	char hex[513];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	hex_encode(bytes, sizeof(bytes), hex);
	assert_int_equal(strlen(hex), 512);
	assert_memory_equal(hex + 2 * 0xab, "ab", 2);
	assert_true(hex_decode(hex, 512, again, sizeof(again)));
	assert_memory_equal(again, bytes, sizeof(bytes));
}

static void
test_hex_of_another_form_is_refused(void **state)
{
	static const struct {
		const char *text;
		size_t len;
	} cases[] = {{"", 0}, {"0", 1}, {"012", 3}, {"01", 2}, {"010203", 6},
	    {"01AB", 4}, {"0x01", 4}, {" 101", 4}, {"01\0", 4}, {"01g0", 4}};
	uint8_t bytes[2] = {7, 7};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_false(hex_decode(cases[i].text, cases[i].len, bytes, 2));
	}
	assert_int_equal(bytes[0], 7);
	assert_true(hex_decode("01ab", 4, bytes, 2));
	assert_int_equal(bytes[1], 0xab);
}

static void
test_base64url_known_answers(void **state)
{
	/* RFC 4648 section 10, without padding. */
	static const struct {
		const char *text, *coded;
	} cases[] = {{"", ""}, {"f", "Zg"}, {"fo", "Zm8"}, {"foo", "Zm9v"},
	    {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"},
	    {"\xfb\xff\xfe", "-__-"}};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		auto_free char *coded =
		    base64url_encode(cases[i].text, strlen(cases[i].text));
		auto_free uint8_t *bytes = NULL;
		size_t len = 99;

		assert_string_equal(coded, cases[i].coded);
		assert_true(
		    base64url_decode(coded, strlen(coded), &bytes, &len));
		assert_int_equal(len, strlen(cases[i].text));
		assert_string_equal((char *)bytes, cases[i].text);
	}
}

static void
test_base64url_in_a_second_spelling_is_refused(void **state)
{
	static const char *const cases[] = {"Z", "Zg==", "Zg=", "Zh", "Zm9",
	    "Zm 8", "Zm8 ", " Zm8", "Zm+/", "Zm8\n", "Zm9vY", "Z*",
	    "\xc3\xa4zz"};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		auto_free uint8_t *bytes = NULL;
		size_t len = 99;

		if (base64url_decode(cases[i], strlen(cases[i]), &bytes, &len))
			fail_msg("\"%s\" was accepted", cases[i]);
		assert_null(bytes);
		assert_int_equal(len, 99);
	}
}

static void
test_base64url_refuses_a_nul(void **state)
{
	auto_free uint8_t *bytes = NULL;
	size_t len = 0;

	(void)state;
	assert_false(base64url_decode("AA\0A", 4, &bytes, &len));
	assert_false(base64url_decode("\0\0\0\0", 4, &bytes, &len));
}

static void
test_base64_known_answers(void **state)
{
	/* RFC 4648 section 10. */
	static const struct {
		const char *text, *coded;
	} cases[] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"},
	    {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"},
	    {"\xfb\xff\xfe", "+//+"}};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		auto_free char *coded =
		    base64_encode(cases[i].text, strlen(cases[i].text));
		auto_free uint8_t *bytes = NULL;
		size_t len = 99;

		assert_string_equal(coded, cases[i].coded);
		assert_true(base64_decode(coded, strlen(coded), &bytes, &len));
		assert_int_equal(len, strlen(cases[i].text));
		assert_string_equal((char *)bytes, cases[i].text);
	}
}

static void
test_base64_in_a_second_spelling_is_refused(void **state)
{
	static const char *const cases[] = {"Z", "Zg",
	    "Zg=", "Zg===", "Zh==", "Zm9=", "Zm8", "Zm8==", "=",
	    "==", "===", "====", "Z===", "Zm 8", "Zm8 ", "Zm8=\n",
	    "\nZm8=", "Zm-_", "Zg==Zg==", "Z=g=", "Zm9vYg",
	    "Z*==", "Zm8=Zm8=", "\xc3\xa4zz"};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		auto_free uint8_t *bytes = NULL;
		size_t len = 99;

		if (base64_decode(cases[i], strlen(cases[i]), &bytes, &len))
			fail_msg("\"%s\" was accepted", cases[i]);
		assert_null(bytes);
		assert_int_equal(len, 99);
	}
	auto_free uint8_t *bytes = NULL;
	size_t len = 0;

	assert_false(base64_decode("AA\0=", 4, &bytes, &len));
}

static void
test_base64_of_every_length_goes_there_and_back(void **state)
{
	uint8_t bytes[200];

	(void)state;
	random_bytes(bytes, sizeof(bytes));
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		auto_free char *coded = base64_encode(bytes, len);
		auto_free uint8_t *again = NULL;
		size_t again_len = 0;

		assert_int_equal(strlen(coded), (len + 2) / 3 * 4);
		assert_true(
		    base64_decode(coded, strlen(coded), &again, &again_len));
		assert_int_equal(again_len, len);
		assert_memory_equal(again, bytes, len);
	}
}

static void
test_every_last_character_has_one_spelling(void **state)
{
	unsigned accepted = 0;

	(void)state;
	/* One byte: of the second character's 64 values 4 are canonical. */
	for (int c = 1; c < 256; c++) {
		const char text[2] = {'A', (char)c};
		auto_free uint8_t *bytes = NULL;
		size_t len = 0;

		accepted += base64url_decode(text, 2, &bytes, &len);
	}
	assert_int_equal(accepted, 4);
}

static void
test_base64url_of_every_length_goes_there_and_back(void **state)
{
	uint8_t bytes[200];

	(void)state;
	random_bytes(bytes, sizeof(bytes));
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		auto_free char *coded = base64url_encode(bytes, len);
		auto_free uint8_t *again = NULL;
		size_t again_len = 0;

		assert_int_equal(strlen(coded), (len * 4 + 2) / 3);
		assert_true(
		    base64url_decode(coded, strlen(coded), &again, &again_len));
		assert_int_equal(again_len, len);
		assert_memory_equal(again, bytes, len);
	}
}

static void
test_random_bytes_differ(void **state)
{
	uint8_t one[32] = {0}, two[32] = {0};

	(void)state;
	random_bytes(one, sizeof(one));
	random_bytes(two, sizeof(two));
	assert_memory_not_equal(one, two, sizeof(one));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sha256_known_answers),
	    cmocka_unit_test(test_hex_goes_there_and_back),
	    cmocka_unit_test(test_hex_of_another_form_is_refused),
	    cmocka_unit_test(test_base64url_known_answers),
	    cmocka_unit_test(test_base64url_in_a_second_spelling_is_refused),
	    cmocka_unit_test(test_base64url_refuses_a_nul),
	    cmocka_unit_test(test_base64_known_answers),
	    cmocka_unit_test(test_base64_in_a_second_spelling_is_refused),
	    cmocka_unit_test(test_base64_of_every_length_goes_there_and_back),
	    cmocka_unit_test(test_every_last_character_has_one_spelling),
	    cmocka_unit_test(
		test_base64url_of_every_length_goes_there_and_back),
	    cmocka_unit_test(test_random_bytes_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
