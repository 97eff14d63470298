/* Addresses: what is read is what is written, and nothing else is read. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/address.h"
#include "lib/cleanup.h"

static void
test_addresses_come_back_as_they_were_written(void **state)
{
	static const char *const texts[] = {"127.0.0.1:8443", "0.0.0.0:0",
	    "255.255.255.255:65535", "[::1]:8443", "[::]:1",
	    "[2001:db8::17]:443"};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct address address;
		char text[ADDRESS_TEXT];
		struct err err = {0};

		assert_int_equal(address_parse(texts[i], &address, &err), 0);
		address_format(&address, text);
		assert_string_equal(text, texts[i]);
	}
}

static void
test_what_is_no_address_and_port_is_refused(void **state)
{
	static const char *const texts[] = {"", ":", "127.0.0.1", "8443",
	    "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:99999999999",
	    "127.0.0.1:-1", "127.0.0.1:+1", "127.0.0.1: 1", "127.0.0.1:1x",
	    "localhost:8443", "127.1:80", "127.0.0.256:80", "::1:8443", "[::1]",
	    "[::1]8443", "[127.0.0.1]:80", "[]:80", "[::1:80", "::1]:80",
	    "[fe80::1%eth0]:80", ":8443", "256.0.0.1:80",
	    "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]:80"};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct address address = {.len = 77};
		struct err err = {0};

		if (address_parse(texts[i], &address, &err) != -1)
			fail_msg("\"%s\" was accepted", texts[i]);
		assert_int_equal(err.code, ERR_UNPROCESSABLE);
		assert_int_equal(address.len, 77);
	}
}

static void
test_host_has_one_name_for_one_peer(void **state)
{
	static const char *const pairs[][2] = {
	    {"192.0.2.1:5", "192.0.2.1"},
	    {"[::ffff:192.0.2.1]:5", "192.0.2.1"},
	    {"[2001:DB8::1]:5", "2001:db8::1"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(pairs); i++) {
		struct address address;
		char text[ADDRESS_TEXT];
		struct err err;

		assert_int_equal(address_parse(pairs[i][0], &address, &err), 0);
		address_format_host(&address, text);
		assert_string_equal(text, pairs[i][1]);
	}
}

static void
test_other_families_have_no_text(void **state)
{
	struct address address = {.name = {.ss_family = AF_UNIX}, .len = 2};
	char text[ADDRESS_TEXT] = "x";

	(void)state;
	address_format(&address, text);
	assert_string_equal(text, "");
	strcpy(text, "x");
	address_format_host(&address, text);
	assert_string_equal(text, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_addresses_come_back_as_they_were_written),
	    cmocka_unit_test(test_what_is_no_address_and_port_is_refused),
	    cmocka_unit_test(test_host_has_one_name_for_one_peer),
	    cmocka_unit_test(test_other_families_have_no_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
