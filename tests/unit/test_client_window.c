/* What of standard input is under way, and where it goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/window.h"
#include "lib/cleanup.h"

#define auto_window AUTO(window_done) struct window

/* Byte k of the whole input. */
static char
byte_at(uint64_t k)
{
	return (char)(k * 131 + (k >> 8) * 7);
}

static void
add(struct window *window, size_t len)
{
	auto_free char *data = malloc(len);
	uint64_t start = window->base + window->len;

	assert_non_null(data);
	for (size_t i = 0; i < len; i++)
		data[i] = byte_at(start + i);
	window_add(window, data, len);
}

/* Sends up to `len` and holds them against their place in the whole. */
static size_t
send_some(struct window *window, size_t len)
{
	auto_free char *data = malloc(len);
	uint64_t start = window_offset(window);
	size_t sent = window_send(window, data, len);

	for (size_t i = 0; i < sent; i++)
		assert_int_equal(data[i], byte_at(start + i));
	return sent;
}

static void
test_what_is_added_is_sent_once_and_in_order(void **state)
{
	auto_window window = {0};

	(void)state;
	add(&window, 1000);
	assert_int_equal(send_some(&window, 300), 300);
	add(&window, 10);
	assert_int_equal(send_some(&window, 5000), 710);
	assert_int_equal(send_some(&window, 5000), 0);
	assert_int_equal(window_offset(&window), 1010);
	assert_int_equal(window_unsent(&window), 0);
}

static void
test_it_goes_on_where_the_server_stands(void **state)
{
	auto_window window = {0};

	(void)state;
	add(&window, 1000);
	assert_int_equal(send_some(&window, 1000), 1000);
	/* The connection was lost; 400 had arrived. */
	assert_true(window_go_on(&window, 400));
	assert_int_equal(window_offset(&window), 400);
	assert_int_equal(send_some(&window, 1000), 600);
	assert_true(window_go_on(&window, 1000));
	assert_int_equal(window_unsent(&window), 0);
	assert_int_equal(window_room(&window), WINDOW_MAX);
	add(&window, 5);
	assert_int_equal(send_some(&window, 10), 5);
}

static void
test_what_cannot_be_is_refused(void **state)
{
	auto_window window = {0};

	(void)state;
	add(&window, 100);
	assert_true(window_go_on(&window, 50));
	assert_false(window_go_on(&window, 49));
	assert_false(window_go_on(&window, 101));
	assert_false(window_go_on(&window, UINT64_MAX));
	/* Nothing changed. */
	assert_int_equal(window_offset(&window), 50);
	assert_true(window_go_on(&window, 100));
}

static void
test_it_never_holds_more_than_its_bound(void **state)
{
	auto_window window = {0};
	size_t total = 0;

	(void)state;
	while (window_room(&window) > 0) {
		size_t len = window_room(&window) < 100000
		    ? window_room(&window)
		    : 100000;

		add(&window, len);
		total += len;
	}
	assert_int_equal(total, WINDOW_MAX);
	assert_int_equal(window.size, WINDOW_MAX);
	assert_true(window_go_on(&window, 1));
	assert_int_equal(window_room(&window), 1);
}

static void
test_nothing_is_read_behind_the_end(void **state)
{
	auto_window window = {0};

	(void)state;
	add(&window, 3);
	window_end(&window);
	assert_int_equal(window_room(&window), 0);
	assert_int_equal(send_some(&window, 10), 3);
	assert_true(window_go_on(&window, 0));
	assert_int_equal(send_some(&window, 10), 3);
}

static void
test_a_window_that_breaks_at_every_byte_loses_none(void **state)
{
	auto_window window = {0};
	uint64_t received = 0;

	(void)state;
	add(&window, 300);
	window_end(&window);
	while (received < 300) {
		send_some(&window, 7);
		assert_true(window_go_on(&window, ++received));
	}
	assert_int_equal(window_unsent(&window), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_is_added_is_sent_once_and_in_order),
	    cmocka_unit_test(test_it_goes_on_where_the_server_stands),
	    cmocka_unit_test(test_what_cannot_be_is_refused),
	    cmocka_unit_test(test_it_never_holds_more_than_its_bound),
	    cmocka_unit_test(test_nothing_is_read_behind_the_end),
	    cmocka_unit_test(
		test_a_window_that_breaks_at_every_byte_loses_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
