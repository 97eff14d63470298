/* The frames between runner and task-init, and the order's body. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "runner/control.h"
#include "tests/unit/corpus.h"

static void
accept_frame(const struct corpus_case *one)
{
	struct control_frame frame;
	uint8_t again[CONTROL_HEAD_MAX];
	size_t len, head;
	auto_free char *bytes = corpus_read(one, "bytes", &len);

	if (!control_decode(bytes, len, &frame))
		fail_msg("%s is refused", one->name);
	/* There is one way to write each frame. */
	head = control_encode(&frame, again);
	assert_true(head <= sizeof(again));
	if (frame.type == CONTROL_OUTPUT) {
		assert_int_equal(head, CONTROL_OUTPUT_HEAD);
		assert_int_equal(head + frame.output.len, len);
		assert_ptr_equal(frame.output.data, bytes + head);
	} else {
		assert_int_equal(head, len);
	}
	assert_memory_equal(again, bytes, head);
}

static void
reject_frame(const struct corpus_case *one)
{
	struct control_frame frame = {.type = CONTROL_DONE};
	size_t len;
	auto_free char *bytes = corpus_read(one, "bytes", &len);

	if (control_decode(bytes, len, &frame))
		fail_msg("%s is accepted", one->name);
	/* Outputs are written only on success. */
	assert_int_equal(frame.type, CONTROL_DONE);
}

static void
test_good_frames_are_read_and_written_alike(void **state)
{
	(void)state;
	corpus_each("control", "accept", accept_frame);
}

static void
test_bad_frames_are_refused(void **state)
{
	(void)state;
	corpus_each("control", "reject", reject_frame);
}

/* A copy of exactly this length, so that a read past it is seen. */
static bool
decode_copy(const char *bytes, size_t len)
{
	struct control_frame frame;
	auto_free char *copy = malloc(len > 0 ? len : 1);

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	return control_decode(copy, len, &frame);
}

static void
truncate_frame(const struct corpus_case *one)
{
	size_t len;
	auto_free char *bytes = corpus_read(one, "bytes", &len);
	bool is_output = bytes[0] == CONTROL_OUTPUT;

	for (size_t cut = 0; cut < len; cut++) {
		/* Output ends where its packet ends. */
		if (decode_copy(bytes, cut) !=
		    (is_output && cut > CONTROL_OUTPUT_HEAD))
			fail_msg("%s cut to %zu bytes", one->name, cut);
		if (cut > 1024)
			break;
	}
}

static void
test_every_truncation_is_refused(void **state)
{
	(void)state;
	corpus_each("control", "accept", truncate_frame);
}

static void
lengthen_frame(const struct corpus_case *one)
{
	size_t len;
	auto_free char *bytes = corpus_read(one, "bytes", &len);

	if (bytes[0] == CONTROL_OUTPUT)
		return;
	/* The NUL that stands behind. */
	assert_false(decode_copy(bytes, len + 1));
}

static void
test_a_trailing_byte_is_refused(void **state)
{
	(void)state;
	corpus_each("control", "accept", lengthen_frame);
}

static void
test_an_exit_keeps_its_numbers(void **state)
{
	struct control_frame frame = {.type = CONTROL_EXIT}, again;
	uint8_t bytes[CONTROL_HEAD_MAX];

	(void)state;
	frame.exit.killed = true;
	frame.exit.status = 11;
	frame.exit.user_us = 0x1122334455667788;
	frame.exit.system_us = 2;
	frame.exit.memory_peak = INT64_MAX;
	frame.exit.oom_kills = 4;
	frame.exit.written[0] = 5;
	frame.exit.written[1] = 6;
	assert_true(
	    control_decode(bytes, control_encode(&frame, bytes), &again));
	assert_true(again.exit.killed);
	assert_int_equal(again.exit.status, 11);
	assert_true(again.exit.user_us == 0x1122334455667788);
	assert_int_equal(again.exit.system_us, 2);
	assert_true(again.exit.memory_peak == INT64_MAX);
	assert_int_equal(again.exit.oom_kills, 4);
	assert_int_equal(again.exit.written[0], 5);
	assert_int_equal(again.exit.written[1], 6);
	/* Little-endian, whatever the machine is. */
	assert_int_equal(bytes[8], 0x88);
}

static void
accept_order(const struct corpus_case *one)
{
	static struct control_order order;
	size_t len;
	auto_free char *bytes = corpus_read(one, "bytes", &len);

	if (!control_decode_order(bytes, len, &order))
		fail_msg("%s is refused", one->name);
	assert_true(order.nargs >= 1);
	assert_null(order.args[order.nargs]);
	assert_null(order.env[order.nenv]);
	for (size_t cut = 0; cut < len && cut < 4096; cut++) {
		auto_free char *copy = alloc_bytes(bytes, cut);

		if (control_decode_order(copy, cut, &order))
			fail_msg("%s cut to %zu bytes", one->name, cut);
	}
}

static void
reject_order(const struct corpus_case *one)
{
	static struct control_order order;
	size_t len;
	auto_free char *bytes = corpus_read(one, "bytes", &len);

	if (control_decode_order(bytes, len, &order))
		fail_msg("%s is accepted", one->name);
}

static void
test_orders_are_read_exactly(void **state)
{
	(void)state;
	corpus_each("order", "accept", accept_order);
	corpus_each("order", "reject", reject_order);
}

static void
test_an_order_of_more_than_the_maximum_is_refused(void **state)
{
	static struct control_order order;
	auto_free char *bytes = alloc_zero(CONTROL_ORDER_MAX + 1, 1);

	(void)state;
	/* One argument, as long as there is room. */
	memset(bytes + CONTROL_ORDER_HEAD + 1, 'x',
	    CONTROL_ORDER_MAX - CONTROL_ORDER_HEAD);
	control_put_u32((uint8_t *)bytes, 1);
	bytes[CONTROL_ORDER_MAX - 1] = '\0';
	assert_true(control_decode_order(bytes, CONTROL_ORDER_MAX, &order));
	bytes[CONTROL_ORDER_MAX - 1] = 'x';
	bytes[CONTROL_ORDER_MAX] = '\0';
	assert_false(
	    control_decode_order(bytes, CONTROL_ORDER_MAX + 1, &order));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good_frames_are_read_and_written_alike),
	    cmocka_unit_test(test_bad_frames_are_refused),
	    cmocka_unit_test(test_every_truncation_is_refused),
	    cmocka_unit_test(test_a_trailing_byte_is_refused),
	    cmocka_unit_test(test_an_exit_keeps_its_numbers),
	    cmocka_unit_test(test_orders_are_read_exactly),
	    cmocka_unit_test(test_an_order_of_more_than_the_maximum_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
