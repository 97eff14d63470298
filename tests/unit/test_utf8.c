/* UTF-8, against every sequence of up to three bytes by the rule of RFC 3629,
 * and the neutral form of what a stranger wrote. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/utf8.h"

/* The only spelling of a character. */
static size_t
encode(uint32_t c, char ret[4])
{
	static const uint8_t marks[] = {0, 0, 0xc0, 0xe0, 0xf0};
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	for (size_t i = n - 1; i > 0; i--) {
		ret[i] = (char)(0x80 | (c & 0x3f));
		c >>= 6;
	}
	ret[0] = (char)(marks[n] | c);
	return n;
}

static void
test_every_character_is_read_back(void **state)
{
	(void)state;
	for (uint32_t c = 0; c < 0x110000; c++) {
		char text[4] = {0};
		size_t n = encode(c, text);
		uint32_t found = 0;
		bool surrogate = c >= 0xd800 && c < 0xe000;

		assert_int_equal(
		    utf8_decode(text, n, &found), surrogate ? 0 : n);
		if (!surrogate)
			assert_int_equal(found, c);
		assert_int_equal(
		    utf8_decode(text, n - 1, NULL), 0); /* cut by one */
	}
}

static void
test_no_other_sequence_is_a_character(void **state)
{
	size_t found = 0;

	(void)state;
	/* All of three bytes: each is what its first bytes spell, or none. */
	for (uint32_t word = 0; word < 0x1000000; word++) {
		const char text[3] = {
		    (char)(word >> 16), (char)(word >> 8), (char)word};
		uint32_t c = 0;
		char again[4];

		if ((word & 0xff0000) < 0xc00000)
			continue;
		if (utf8_decode(text, 3, &c) == 0)
			continue;
		found++;
		if (memcmp(text, again, encode(c, again)) != 0)
			fail_msg("%06x reads as U+%04X", word, c);
	}
	/* 30 leads of 64 with any third byte, and those of three bytes. */
	assert_int_equal(found, 30 * 64 * 256 + 0x10000 - 0x800 - 0x800);
}

static void
test_what_no_character_begins_is_refused(void **state)
{
	static const char *const cases[] = {"\x80", "\xbf", "\xc0\x80",
	    "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
	    "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xfe", "\xff",
	    "\xf8\x88\x80\x80\x80"};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_false(utf8_is_valid(cases[i], strlen(cases[i])));
	}
	assert_true(utf8_is_valid("", 0));
	assert_true(utf8_is_valid("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 10));
}

static void
test_controls_are_known(void **state)
{
	static const uint32_t controls[] = {0, 0x1b, 0x1f, 0x7f, 0x80, 0x9b,
	    0x9f, 0x61c, 0x200e, 0x200f, 0x2028, 0x202a, 0x202e, 0x2066,
	    0x2069};
	static const uint32_t others[] = {' ', '~', 0xa0, 0x61b, 0x200d, 0x2010,
	    0x202f, 0x2065, 0x206a, 0x1f600};

	(void)state;
	for (size_t i = 0; i < COUNT(controls); i++)
		assert_true(utf8_is_control(controls[i]));
	for (size_t i = 0; i < COUNT(others); i++)
		assert_false(utf8_is_control(others[i]));
}

static void
test_neutral_form_shows_controls_and_stray_bytes(void **state)
{
	auto_buffer out = BUFFER_INIT(1024);
	static const char text[] = "a\x1b[31m\xc3\xa4\xc2\x9b\xff\0\xe2\x80\xae"
				   "z\xc3";

	(void)state;
	utf8_append_neutral(&out, text, sizeof(text) - 1);
	assert_string_equal(out.data,
	    "a\\x1b[31m\xc3\xa4\\xc2\\x9b\\xff\\x00\\xe2\\x80\\xaez\\xc3");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_character_is_read_back),
	    cmocka_unit_test(test_no_other_sequence_is_a_character),
	    cmocka_unit_test(test_what_no_character_begins_is_refused),
	    cmocka_unit_test(test_controls_are_known),
	    cmocka_unit_test(test_neutral_form_shows_controls_and_stray_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
