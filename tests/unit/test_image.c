/* Names of images: what is the same, what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "policy/image.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void
test_names_are_filled_in_as_the_table_says(void **state)
{
	static const struct {
		const char *text;
		const char *reference;
		enum image_kind kind;
	} table[] = {
	    {"demo/busybox", "demo/busybox:latest", IMAGE_TAG},
	    {"demo/busybox:latest", "demo/busybox:latest", IMAGE_TAG},
	    {"demo/busybox:1.36", "demo/busybox:1.36", IMAGE_TAG},
	    {"demo/busybox:V1_0", "demo/busybox:V1_0", IMAGE_TAG},
	    {"demo/busybox:_x", "demo/busybox:_x", IMAGE_TAG},
	    {"busybox", "busybox:latest", IMAGE_TAG},
	    {"docker.io/library/busybox", "docker.io/library/busybox:latest",
		IMAGE_TAG},
	    {"localhost:5000/a", "localhost:5000/a:latest", IMAGE_TAG},
	    {"localhost:5000/a/b:c", "localhost:5000/a/b:c", IMAGE_TAG},
	    {"a__b/c.d/e--f_g", "a__b/c.d/e--f_g:latest", IMAGE_TAG},
	    {"cafe:latest", "cafe:latest", IMAGE_TAG},
	    {"demo/cafe", "demo/cafe:latest", IMAGE_TAG},
	    {"demo/busybox@sha256:" HEX, "demo/busybox@sha256:" HEX,
		IMAGE_DIGEST},
	    {"localhost:5000/a@sha256:" HEX, "localhost:5000/a@sha256:" HEX,
		IMAGE_DIGEST},
	    {"sha256:" HEX, "sha256:" HEX, IMAGE_ID},
	};

	(void)state;
	for (size_t k = 0; k < COUNT(table); k++) {
		char reference[IMAGE_REFERENCE] = "";
		enum image_kind kind = IMAGE_TAG;
		const char *why = image_read(table[k].text, reference, &kind);

		if (why != NULL)
			fail_msg("%s: %s", table[k].text, why);
		assert_string_equal(reference, table[k].reference);
		assert_int_equal(kind, table[k].kind);
	}
}

static void
test_what_is_no_name_is_refused(void **state)
{
	static const char *const table[] = {
	    "",
	    " ",
	    "/",
	    "demo/",
	    "/busybox",
	    "demo//busybox",
	    "Demo/busybox",
	    "demo/Busybox",
	    "demo/busybox:",
	    "demo/busybox:.a",
	    "demo/busybox:-a",
	    "demo/busybox:a:b",
	    "demo/busybox:a/b",
	    "demo/busybox:a b",
	    "demo/busy box",
	    "demo/busybox\n",
	    "-demo/busybox",
	    "demo-/busybox",
	    "demo/.busybox",
	    "demo/a..b",
	    "demo/a___b",
	    "demo/../busybox",
	    "demo/busybox?x=1",
	    "demo/busybox#x",
	    "demo/%62usybox",
	    "https://demo/busybox",
	    "host:/a",
	    "host:x/a",
	    "host:123456/a",
	    "demo/b\xc3\xbcsybox",
	    "demo/busybox@",
	    "demo/busybox@sha256:",
	    "demo/busybox@sha256:abc",
	    "demo/busybox@sha512:" HEX HEX,
	    "demo/busybox@sha256:" HEX "0",
	    "demo/busybox:1@sha256:" HEX,
	    "@sha256:" HEX,
	    "sha256:abc",
	    "sha256",
	    "sha256:latest",
	    "sha512:abc",
	    "cafe",
	    "0123456789ab",
	    HEX,
	};

	(void)state;
	for (size_t k = 0; k < COUNT(table); k++) {
		char reference[IMAGE_REFERENCE] = "untouched";
		enum image_kind kind = IMAGE_TAG;
		const char *why = image_read(table[k], reference, &kind);

		if (why == NULL)
			fail_msg("%s is %s", table[k], reference);
		assert_string_equal(reference, "untouched");
	}
}

static void
test_longest_name_is_accepted_and_one_more_is_not(void **state)
{
	char text[IMAGE_MAX + 2];
	char reference[IMAGE_REFERENCE];
	enum image_kind kind;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[IMAGE_MAX - strlen(":latest")] = '\0';
	assert_null(image_read(text, reference, &kind));
	assert_int_equal(strlen(reference), IMAGE_MAX);
	text[IMAGE_MAX - strlen(":latest")] = 'x';
	text[IMAGE_MAX - strlen(":latest") + 1] = '\0';
	assert_non_null(image_read(text, reference, &kind));
	text[IMAGE_MAX - strlen(":latest") + 1] = 'x';
	memcpy(text + IMAGE_MAX - 2, ":1", 3);
	assert_null(image_read(text, reference, &kind));
	memcpy(text + IMAGE_MAX - 2, ":12", 4);
	assert_non_null(image_read(text, reference, &kind));
}

static void
test_tag_has_128_bytes_and_no_more(void **state)
{
	char text[140] = "a:";
	char reference[IMAGE_REFERENCE];
	enum image_kind kind;

	(void)state;
	memset(text + 2, 'x', 129);
	assert_non_null(image_read(text, reference, &kind));
	text[2 + 128] = '\0';
	assert_null(image_read(text, reference, &kind));
}

static void
test_kind_of_a_pattern_is_read_off_its_text(void **state)
{
	bool add_latest;

	(void)state;
	assert_int_equal(image_pattern_kind("demo/*", &add_latest), IMAGE_TAG);
	assert_true(add_latest);
	assert_int_equal(
	    image_pattern_kind("demo/*:*", &add_latest), IMAGE_TAG);
	assert_false(add_latest);
	assert_int_equal(
	    image_pattern_kind("host:5000/**", &add_latest), IMAGE_TAG);
	assert_true(add_latest);
	assert_int_equal(
	    image_pattern_kind("demo/*@sha256:*", &add_latest), IMAGE_DIGEST);
	assert_false(add_latest);
	assert_int_equal(image_pattern_kind("sha256:*", &add_latest), IMAGE_ID);
	assert_false(add_latest);
}

static void
test_what_means_latest_is_written_in_two_ways(void **state)
{
	static const struct {
		const char *text, *other; /* NULL: none */
	} table[] = {
	    {"demo/busybox", "demo/busybox:latest"},
	    {"demo/busybox:latest", "demo/busybox"},
	    {"localhost:5000/a", "localhost:5000/a:latest"},
	    {"localhost:5000/a:latest", "localhost:5000/a"},
	    {"demo/busybox:1.36", NULL},
	    {"demo/latest:1", NULL},
	    {"demo/busybox@sha256:" HEX, NULL},
	    {"sha256:" HEX, NULL},
	    {"Demo", NULL},
	    {"", NULL},
	};

	(void)state;
	for (size_t k = 0; k < COUNT(table); k++) {
		char other[IMAGE_REFERENCE];
		bool has_one = image_respell(table[k].text, other);

		assert_int_equal(has_one, table[k].other != NULL);
		if (has_one)
			assert_string_equal(other, table[k].other);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names_are_filled_in_as_the_table_says),
	    cmocka_unit_test(test_what_is_no_name_is_refused),
	    cmocka_unit_test(test_longest_name_is_accepted_and_one_more_is_not),
	    cmocka_unit_test(test_tag_has_128_bytes_and_no_more),
	    cmocka_unit_test(test_kind_of_a_pattern_is_read_off_its_text),
	    cmocka_unit_test(test_what_means_latest_is_written_in_two_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
