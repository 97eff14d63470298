/* Errors: one line of UTF-8 whatever comes in, and the table behind them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/utf8.h"

static void
test_set_returns_minus_one_and_fills_all(void **state)
{
	struct err err = {.errnum = 5};

	(void)state;
	assert_int_equal(err_set(&err, ERR_DENIED, "rule %s", "x"), -1);
	assert_int_equal(err.code, ERR_DENIED);
	assert_int_equal(err.errnum, 0);
	assert_string_equal(err.detail, "rule x");
}

static void
test_errno_is_kept_and_told(void **state)
{
	struct err err = {0};

	(void)state;
	errno = ENOENT;
	assert_int_equal(err_errno(&err, "open %s", "/x"), -1);
	assert_int_equal(err.code, ERR_INTERNAL);
	assert_int_equal(err.errnum, ENOENT);
	assert_string_equal(err.detail, "open /x: No such file or directory");
}

static void
test_prefix_keeps_code_and_errno(void **state)
{
	struct err err = {0};

	(void)state;
	errno = EACCES;
	err_errno(&err, "open");
	err.code = ERR_NOT_FOUND;
	assert_int_equal(err_prefix(&err, "load %d", 7), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(err.errnum, EACCES);
	assert_string_equal(err.detail, "load 7: open: Permission denied");
}

static void
test_a_detail_may_be_made_of_itself(void **state)
{
	struct err err = {0};

	(void)state;
	err_set(&err, ERR_CONFLICT, "inner");
	err_set(&err, ERR_DENIED, "outer (%s)", err.detail);
	assert_string_equal(err.detail, "outer (inner)");
}

static void
test_a_detail_is_one_line_of_utf8(void **state)
{
	struct err err = {0};

	(void)state;
	err_set(&err, ERR_DENIED,
	    "a\nb\tc\x1b[2Jd\x7f"
	    "e\xff"
	    "f\xc3\xa4g\xc3");
	assert_string_equal(err.detail, "a b c [2Jd e?f\xc3\xa4g?");
	assert_true(utf8_is_valid(err.detail, strlen(err.detail)));
}

static void
test_a_detail_is_cut_between_characters(void **state)
{
	(void)state;
	/* Each offset of a three-byte character against the end. */
	for (size_t lead = 0; lead < 3; lead++) {
		struct err err = {0};
		char text[2 * ERR_DETAIL_MAX];
		size_t n = lead;

		memset(text, 'x', lead);
		for (; n + 3 < sizeof(text); n += 3)
			memcpy(text + n, "\xe2\x82\xac", 3);
		text[n] = '\0';
		err_set(&err, ERR_DENIED, "%s", text);
		assert_true(strlen(err.detail) > ERR_DETAIL_MAX - 5);
		assert_true(utf8_is_valid(err.detail, strlen(err.detail)));
		assert_null(strchr(err.detail, '?'));
	}
}

static void
test_a_detail_of_the_maximum_is_whole_and_one_more_is_cut(void **state)
{
	char text[ERR_DETAIL_MAX + 1];
	struct err err = {0};

	(void)state;
	memset(text, 'x', sizeof(text));
	text[ERR_DETAIL_MAX - 1] = '\0';
	err_set(&err, ERR_DENIED, "%s", text);
	assert_int_equal(strlen(err.detail), ERR_DETAIL_MAX - 1);
	text[ERR_DETAIL_MAX - 1] = 'y';
	text[ERR_DETAIL_MAX] = '\0';
	err_set(&err, ERR_DENIED, "%s", text);
	assert_int_equal(strlen(err.detail), ERR_DETAIL_MAX - 1);
	assert_null(strchr(err.detail, 'y'));
}

static void
test_every_slug_names_its_code_and_no_other(void **state)
{
	(void)state;
	for (int code = ERR_NONE + 1; code < ERR_COUNT_; code++) {
		const char *slug = err_slug((enum err_code)code);

		assert_int_equal(err_from_slug(slug), code);
		assert_int_equal(
		    strspn(slug, "abcdefghijklmnopqrstuvwxyz-"), strlen(slug));
		assert_true(err_status((enum err_code)code) >= 400);
		assert_true(err_status((enum err_code)code) < 600);
		assert_true(strlen(err_title((enum err_code)code)) > 0);
	}
}

static void
test_unknown_slugs_and_codes_are_internal(void **state)
{
	(void)state;
	assert_int_equal(err_from_slug("no-such-thing"), ERR_INTERNAL);
	assert_int_equal(err_from_slug(""), ERR_INTERNAL);
	assert_int_equal(err_from_slug("none"), ERR_INTERNAL);
	assert_int_equal(err_status((enum err_code)9999), 500);
	assert_string_equal(err_slug((enum err_code)9999), "internal");
	assert_false(err_detail_is_public((enum err_code)9999));
}

static void
test_only_the_details_of_internal_errors_are_private(void **state)
{
	(void)state;
	assert_false(err_detail_is_public(ERR_INTERNAL));
	assert_true(err_detail_is_public(ERR_DENIED));
	assert_int_equal(err_status(ERR_UNAUTHENTICATED), 401);
	assert_int_equal(err_status(ERR_HEAD_TOO_LARGE), 431);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_set_returns_minus_one_and_fills_all),
	    cmocka_unit_test(test_errno_is_kept_and_told),
	    cmocka_unit_test(test_prefix_keeps_code_and_errno),
	    cmocka_unit_test(test_a_detail_may_be_made_of_itself),
	    cmocka_unit_test(test_a_detail_is_one_line_of_utf8),
	    cmocka_unit_test(test_a_detail_is_cut_between_characters),
	    cmocka_unit_test(
		test_a_detail_of_the_maximum_is_whole_and_one_more_is_cut),
	    cmocka_unit_test(test_every_slug_names_its_code_and_no_other),
	    cmocka_unit_test(test_unknown_slugs_and_codes_are_internal),
	    cmocka_unit_test(
		test_only_the_details_of_internal_errors_are_private),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
