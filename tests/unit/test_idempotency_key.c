/* What a request's nonce may be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/idempotency_key.h"

static void
test_keys_are_short_and_plain(void **state)
{
	char longest[IDEMPOTENCY_KEY_MAX + 2];

	(void)state;
	memset(longest, 'k', sizeof(longest));
	longest[64] = '\0';
	assert_true(idempotency_key_is_valid("a"));
	assert_true(idempotency_key_is_valid("AZaz09-_"));
	assert_true(idempotency_key_is_valid(longest));
	longest[64] = 'k';
	longest[65] = '\0';
	assert_false(idempotency_key_is_valid(longest));
	assert_false(idempotency_key_is_valid(""));
	assert_false(idempotency_key_is_valid("a b"));
	assert_false(idempotency_key_is_valid("a\r\nX: y"));
	assert_false(idempotency_key_is_valid("\xc3\xa4"));
}

/* Byte by byte, against the rule as it is written. */
static void
test_each_byte_is_judged(void **state)
{
	(void)state;
	for (int byte = 1; byte < 256; byte++) {
		const char key[] = {'k', (char)byte, '\0'};
		bool allowed = (byte >= 'A' && byte <= 'Z') ||
		    (byte >= 'a' && byte <= 'z') ||
		    (byte >= '0' && byte <= '9') || byte == '_' || byte == '-';

		assert_int_equal(idempotency_key_is_valid(key), allowed);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_keys_are_short_and_plain),
	    cmocka_unit_test(test_each_byte_is_judged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
