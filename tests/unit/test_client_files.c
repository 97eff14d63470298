/* Files of a task on this side: their names, their targets, and how far they
 * have come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/file_spec.h"
#include "client/interrupt.h"
#include "client/progress.h"
#include "client/standard_input.h"
#include "client/target.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "tests/unit/folder.h"

static void
test_an_input_is_called_as_its_file_or_as_is_said(void **state)
{
	static const struct {
		const char *text, *path, *name;
	} good[] = {{"a.txt", "a.txt", "a.txt"}, {"/x/y/z", "/x/y/z", "z"},
	    {"../b=c", "../b", "c"}, {"k=v=n.bin", "k=v", "n.bin"}};
	static const char *const bad[] = {
	    "", "=n", "a=", "a=b/c", ".profile", "a=-x", "a b", "dir/"};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		AUTO(file_spec_done) struct file_spec spec = {0};
		struct err err;

		assert_int_equal(
		    file_spec_read_input(good[i].text, &spec, &err), 0);
		assert_string_equal(spec.path, good[i].path);
		assert_string_equal(spec.name, good[i].name);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct file_spec spec;
		struct err err;

		if (file_spec_read_input(bad[i], &spec, &err) == 0)
			fail_msg("\"%s\" was accepted", bad[i]);
	}
}

static void
test_an_output_goes_where_is_said_or_here(void **state)
{
	AUTO(file_spec_done) struct file_spec here = {0};
	AUTO(file_spec_done) struct file_spec there = {0};
	static const char *const bad[] = {"", "=f", "a/b=f", "a=", ".x"};
	struct err err;
	bool has_path;

	(void)state;
	assert_int_equal(
	    file_spec_read_output("r.csv", &here, &has_path, &err), 0);
	assert_false(has_path);
	assert_string_equal(here.path, "r.csv");
	assert_int_equal(
	    file_spec_read_output("r.csv=/a/b=c", &there, &has_path, &err), 0);
	assert_true(has_path);
	assert_string_equal(there.name, "r.csv");
	assert_string_equal(there.path, "/a/b=c");
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct file_spec spec;

		if (file_spec_read_output(bad[i], &spec, &has_path, &err) == 0)
			fail_msg("\"%s\" was accepted", bad[i]);
	}
}

static void
test_a_name_of_129_bytes_is_too_long(void **state)
{
	char name[130];

	(void)state;
	memset(name, 'n', sizeof(name));
	name[129] = '\0';
	assert_false(file_spec_name_is_valid(name));
	name[128] = '\0';
	assert_true(file_spec_name_is_valid(name));
}

static void
expect_text(const char *path, const char *text)
{
	auto_file FILE *file = fopen(path, "r");
	char data[64] = "";

	assert_non_null(file);
	assert_int_equal(fread(data, 1, sizeof(data) - 1, file), strlen(text));
	assert_string_equal(data, text);
}

static int
put(const char *path, const char *text, const char *digest_of)
{
	struct target target;
	uint8_t digest[SHA256_BYTES];
	struct err err;
	int result = target_open(&target, path, &err);

	if (result != 0)
		return -1;
	digest_sha256(digest_of, strlen(digest_of), digest);
	result = target_begin(&target, &err);
	if (result == 0) {
		target_write(&target, text, strlen(text));
		result = target_put(&target, digest, &err);
	}
	target_close(&target);
	return result;
}

static void
test_a_target_is_replaced_whole_or_not_at_all(void **state)
{
	auto_free char *path = folder_path(*state, "out");

	assert_int_equal(put(path, "old", "old"), 0);
	expect_text(path, "old");
	assert_int_equal(put(path, "cut", "cut short"), -1);
	expect_text(path, "old");
	assert_int_equal(put(path, "new", "new"), 0);
	expect_text(path, "new");
	/* No other file is left beside it. */
	assert_int_equal(folder_count(*state), 1);
}

static void
test_a_target_that_is_begun_anew_starts_at_its_first_byte(void **state)
{
	auto_free char *path = folder_path(*state, "out");
	uint8_t digest[SHA256_BYTES];
	struct target target;
	struct err err;

	digest_sha256("whole", 5, digest);
	assert_int_equal(target_open(&target, path, &err), 0);
	assert_int_equal(target_begin(&target, &err), 0);
	target_write(&target, "who", 3);
	assert_int_equal(target_begin(&target, &err), 0);
	target_write(&target, "whole", 5);
	assert_int_equal(target_put(&target, digest, &err), 0);
	target_close(&target);
	expect_text(path, "whole");
	assert_int_equal(folder_count(*state), 1);
}

static void
test_a_target_that_is_no_regular_file_stays(void **state)
{
	auto_free char *aim = folder_path(*state, "aim");
	auto_free char *link = folder_path(*state, "link");
	auto_free char *folder = folder_path(*state, "folder");
	auto_free char *nowhere = folder_path(*state, "none/out");

	assert_int_equal(put(aim, "mine", "mine"), 0);
	assert_int_equal(symlink("aim", link), 0);
	assert_int_equal(mkdir(folder, 0700), 0);
	assert_int_equal(put(link, "x", "x"), -1);
	assert_int_equal(put(folder, "x", "x"), -1);
	assert_int_equal(put(nowhere, "x", "x"), -1);
	assert_int_equal(put(*state, "x", "x"), -1);
	expect_text(aim, "mine");
	assert_int_equal(folder_count(*state), 3);
	assert_int_equal(rmdir(folder), 0);
}

static void
test_progress_says_how_far_how_fast_and_how_long(void **state)
{
	char text[PROGRESS_TEXT];

	(void)state;
	progress_describe("model.bin", 50 << 20, 200 << 20, 10000, text);
	assert_string_equal(text,
	    "model.bin   25%  50.0 MiB of 200.0 MiB  5.0 MiB/s  0:30 left");
	progress_describe("empty", 0, 0, 0, text);
	assert_string_equal(text, "empty  100%  0 B of 0 B  0 B/s  -:-- left");
}

static void
test_standard_input_is_text_where_it_can_be(void **state)
{
	auto_json *text = standard_input_render("a\n", 2);
	auto_json *nul = standard_input_render("a\0", 2);
	auto_json *other = standard_input_render("\xff", 1);

	(void)state;
	assert_string_equal(
	    json_string_value(json_object_get(text, "text")), "a\n");
	assert_string_equal(
	    json_string_value(json_object_get(nul, "base64")), "YQA=");
	assert_string_equal(
	    json_string_value(json_object_get(other, "base64")), "/w==");
}

static void
test_the_first_cancels_the_second_kills_the_third_leaves(void **state)
{
	unsigned count = 0;

	(void)state;
	assert_int_equal(interrupt_decide(&count, true), INTERRUPT_CANCEL);
	assert_int_equal(interrupt_decide(&count, true), INTERRUPT_KILL);
	assert_int_equal(interrupt_decide(&count, true), INTERRUPT_LEAVE);
	count = 0;
	assert_int_equal(interrupt_decide(&count, false), INTERRUPT_NOTED);
	assert_int_equal(interrupt_decide(&count, false), INTERRUPT_LEAVE);
}

#define IN_FOLDER(test) \
	cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_an_input_is_called_as_its_file_or_as_is_said),
	    cmocka_unit_test(test_an_output_goes_where_is_said_or_here),
	    cmocka_unit_test(test_a_name_of_129_bytes_is_too_long),
	    IN_FOLDER(test_a_target_is_replaced_whole_or_not_at_all),
	    IN_FOLDER(
		test_a_target_that_is_begun_anew_starts_at_its_first_byte),
	    IN_FOLDER(test_a_target_that_is_no_regular_file_stays),
	    cmocka_unit_test(test_progress_says_how_far_how_fast_and_how_long),
	    cmocka_unit_test(test_standard_input_is_text_where_it_can_be),
	    cmocka_unit_test(
		test_the_first_cancels_the_second_kills_the_third_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
