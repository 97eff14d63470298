/* The bounded buffer, and memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"

static void
test_append_keeps_a_nul_behind_the_last_byte(void **state)
{
	auto_buffer buffer = BUFFER_INIT(1024);

	(void)state;
	buffer_append_string(&buffer, "one");
	buffer_append(&buffer, "\0two", 4);
	assert_int_equal(buffer.len, 7);
	assert_memory_equal(buffer.data, "one\0two", 8);
	assert_false(buffer.full);
}

static void
test_append_takes_the_maximum_and_not_one_more(void **state)
{
	auto_buffer buffer = BUFFER_INIT(8);

	(void)state;
	buffer_append(&buffer, "12345678", 8);
	assert_int_equal(buffer.len, 8);
	assert_false(buffer.full);
	buffer_append(&buffer, "9", 1);
	assert_true(buffer.full);
	assert_string_equal(buffer.data, "12345678");
}

static void
test_append_past_the_bound_changes_nothing(void **state)
{
	auto_buffer buffer = BUFFER_INIT(4);

	(void)state;
	buffer_append(&buffer, "12", 2);
	buffer_append(&buffer, "345", 3);
	buffer_printf(&buffer, "%d", 345);
	assert_true(buffer.full);
	assert_string_equal(buffer.data, "12");
	/* What fits still goes in: the caller looks at `full` once. */
	buffer_append(&buffer, "34", 2);
	assert_string_equal(buffer.data, "1234");
	assert_true(buffer.full);
}

static void
test_append_of_a_huge_length_does_not_overflow(void **state)
{
	auto_buffer buffer = BUFFER_INIT(SIZE_MAX);

	(void)state;
	buffer_append(&buffer, "x", 1);
	buffer_append(&buffer, "x", SIZE_MAX - 1);
	assert_true(buffer.full);
	assert_int_equal(buffer.len, 1);
}

static void
test_appending_its_own_growth_keeps_all_bytes(void **state)
{
	auto_buffer buffer = BUFFER_INIT(100000);

	(void)state;
	for (int i = 0; i < 10000; i++)
		buffer_printf(&buffer, "%04d,", i);
	assert_int_equal(buffer.len, 50000);
	assert_memory_equal(buffer.data + 5 * 1234, "1234,", 5);
	assert_string_equal(buffer.data + 49995, "9999,");
}

static void
test_consume_drops_from_the_front(void **state)
{
	auto_buffer buffer = BUFFER_INIT(16);

	(void)state;
	buffer_consume(&buffer, 0);
	buffer_append_string(&buffer, "abcdef");
	buffer_consume(&buffer, 2);
	assert_string_equal(buffer.data, "cdef");
	buffer_consume(&buffer, 4);
	assert_int_equal(buffer.len, 0);
	assert_string_equal(buffer.data, "");
}

static void
test_cut_drops_from_the_end(void **state)
{
	auto_buffer buffer = BUFFER_INIT(8);

	(void)state;
	buffer_cut(&buffer, 0);
	buffer_append_string(&buffer, "abcdef");
	buffer_cut(&buffer, 6);
	assert_string_equal(buffer.data, "abcdef");
	buffer_cut(&buffer, 2);
	assert_string_equal(buffer.data, "ab");
	buffer_append_string(&buffer, "ghijkl");
	assert_string_equal(buffer.data, "abghijkl");
}

static void
test_long_and_short_texts_are_printed_whole(void **state)
{
	(void)state;
	for (int len = 500; len < 530; len++) {
		auto_buffer buffer = BUFFER_INIT(1000);

		buffer_printf(&buffer, "<%0*d>", len - 2, 7);
		assert_int_equal(buffer.len, len);
		assert_int_equal(strlen(buffer.data), len);
		assert_string_equal(buffer.data + len - 3, "07>");
	}
}

static void
test_take_hands_over_and_empties(void **state)
{
	auto_buffer buffer = BUFFER_INIT(16);
	auto_free char *nothing = NULL;
	auto_free char *text = NULL;

	(void)state;
	nothing = buffer_take(&buffer);
	assert_string_equal(nothing, "");
	buffer_append_string(&buffer, "abc");
	text = buffer_take(&buffer);
	assert_string_equal(text, "abc");
	assert_null(buffer.data);
	assert_int_equal(buffer.len, 0);
	buffer_append_string(&buffer, "de");
	assert_string_equal(buffer.data, "de");
}

static void
test_alloc_of_nothing_is_not_null(void **state)
{
	auto_free void *none = alloc_zero(0, 8);
	auto_free void *resized = alloc_resize(NULL, 0, 8);
	auto_free char *bytes = alloc_bytes("", 0);

	(void)state;
	assert_non_null(none);
	assert_non_null(resized);
	assert_string_equal(bytes, "");
}

static void
test_alloc_bytes_copies_past_a_nul(void **state)
{
	auto_free char *bytes = alloc_bytes("a\0b", 3);
	auto_free char *text = alloc_printf("%s-%d", "x", 7);

	(void)state;
	assert_memory_equal(bytes, "a\0b", 4);
	assert_string_equal(text, "x-7");
}

/* Whether the process is still there behind `act`. (A sanitizer ends it in its
 * own way.) */
static bool
survives(void (*act)(void))
{
	pid_t child = fork();
	int status = 0;

	assert_true(child >= 0);
	if (child == 0) {
		/* What it says is expected. */
		close(STDERR_FILENO);
		act();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void
ask_for_an_overflow(void)
{
	free(alloc_zero(SIZE_MAX / 2, 4));
}

static void
consume_too_much(void)
{
	auto_buffer buffer = BUFFER_INIT(8);

	buffer_consume(&buffer, 1);
}

static void
cut_too_little(void)
{
	auto_buffer buffer = BUFFER_INIT(8);

	buffer_cut(&buffer, 1);
}

static void
say_die(void)
{
	die("%s", "enough");
}

static void
do_nothing(void)
{
}

static void
test_programmers_errors_end_the_process(void **state)
{
	(void)state;
	assert_true(survives(do_nothing));
	assert_false(survives(say_die));
	assert_false(survives(consume_too_much));
	assert_false(survives(cut_too_little));
	assert_false(survives(ask_for_an_overflow));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_append_keeps_a_nul_behind_the_last_byte),
	    cmocka_unit_test(test_append_takes_the_maximum_and_not_one_more),
	    cmocka_unit_test(test_append_past_the_bound_changes_nothing),
	    cmocka_unit_test(test_append_of_a_huge_length_does_not_overflow),
	    cmocka_unit_test(test_appending_its_own_growth_keeps_all_bytes),
	    cmocka_unit_test(test_consume_drops_from_the_front),
	    cmocka_unit_test(test_cut_drops_from_the_end),
	    cmocka_unit_test(test_long_and_short_texts_are_printed_whole),
	    cmocka_unit_test(test_take_hands_over_and_empties),
	    cmocka_unit_test(test_alloc_of_nothing_is_not_null),
	    cmocka_unit_test(test_alloc_bytes_copies_past_a_nul),
	    cmocka_unit_test(test_programmers_errors_end_the_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
