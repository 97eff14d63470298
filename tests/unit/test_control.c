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

/* Of another version only the version is read, whatever follows. */
static bool
is_foreign(const struct control_frame *frame)
{
	return frame->type == CONTROL_HELLO &&
	    frame->hello.version != CONTROL_VERSION;
}

/* NULL: one without bytes behind its head. */
static const struct control_data *
get_data(const struct control_frame *frame)
{
	if (frame->type == CONTROL_OUTPUT)
		return &frame->output;
	if (frame->type == CONTROL_FILE)
		return &frame->file;
	return frame->type == CONTROL_INPUT ? &frame->input : NULL;
}

static void
accept_frame(const struct corpus_case *one)
{
	const struct control_data *data;
	struct control_frame frame;
	uint8_t again[CONTROL_HEAD_MAX];
	size_t len, head;
	auto_free char *bytes = corpus_read(one, "bytes", &len);

	if (!control_decode(bytes, len, &frame))
		fail_msg("%s is refused", one->name);
	/* There is one way to write each frame. */
	head = control_encode(&frame, again);
	assert_true(head <= sizeof(again));
	data = get_data(&frame);
	if (data != NULL) {
		assert_int_equal(head, CONTROL_DATA_HEAD);
		assert_int_equal(head + data->len, len);
		assert_ptr_equal(data->data, bytes + head);
	} else if (!is_foreign(&frame)) {
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
	struct control_frame frame;
	size_t len, least;
	auto_free char *bytes = corpus_read(one, "bytes", &len);

	assert_true(control_decode(bytes, len, &frame));
	/* Bytes end where their packet ends. */
	least = is_foreign(&frame)     ? 8
	    : get_data(&frame) != NULL ? CONTROL_DATA_HEAD + 1
				       : len;
	for (size_t cut = 0; cut < len; cut++) {
		if (decode_copy(bytes, cut) != (cut >= least))
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
	struct control_frame frame;
	size_t len;
	auto_free char *bytes = corpus_read(one, "bytes", &len);

	assert_true(control_decode(bytes, len, &frame));
	if (get_data(&frame) != NULL || is_foreign(&frame))
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
test_a_hello_keeps_its_progress(void **state)
{
	struct control_frame frame = {.type = CONTROL_HELLO}, again;
	uint8_t bytes[CONTROL_HEAD_MAX];

	(void)state;
	frame.hello.version = CONTROL_VERSION;
	frame.hello.state = CONTROL_ENDED;
	frame.hello.started[0] = 1;
	frame.hello.written[0] = 1 + CONTROL_OUTPUT_WINDOW;
	frame.hello.started[1] = 3;
	frame.hello.written[1] = 4;
	frame.hello.input = 5;
	frame.hello.input_ended = true;
	assert_true(
	    control_decode(bytes, control_encode(&frame, bytes), &again));
	assert_int_equal(again.hello.state, CONTROL_ENDED);
	assert_int_equal(again.hello.started[0], 1);
	assert_int_equal(again.hello.written[0], 1 + CONTROL_OUTPUT_WINDOW);
	assert_int_equal(again.hello.started[1], 3);
	assert_int_equal(again.hello.written[1], 4);
	assert_int_equal(again.hello.input, 5);
	assert_true(again.hello.input_ended);
}

static void
test_each_frame_belongs_to_one_side(void **state)
{
	(void)state;
	assert_true(control_is_to_runner(CONTROL_HELLO));
	assert_true(control_is_to_runner(CONTROL_FILE_END));
	assert_false(control_is_to_runner(CONTROL_ORDER));
	assert_false(control_is_to_runner(CONTROL_DONE));
}

static void
accept_order(const struct corpus_case *one)
{
	static struct control_order order;
	size_t len;
	auto_free char *bytes = corpus_read(one, "bytes", &len);
	uint8_t head[CONTROL_ORDER_HEAD];

	if (!control_decode_order(bytes, len, &order))
		fail_msg("%s is refused", one->name);
	assert_true(order.nargs >= 1);
	assert_null(order.args[order.nargs]);
	assert_null(order.env[order.nenv]);
	assert_null(order.inputs[order.ninputs]);
	assert_null(order.outputs[order.noutputs]);
	assert_null(order.secrets[order.nsecrets]);
	control_encode_order_head(&order, head);
	assert_memory_equal(head, bytes, sizeof(head));
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
	order.nargs = 1;
	order.deadline_s = 1;
	control_encode_order_head(&order, (uint8_t *)bytes);
	memset(bytes + CONTROL_ORDER_HEAD + 1, 'x',
	    CONTROL_ORDER_MAX - CONTROL_ORDER_HEAD);
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
	    cmocka_unit_test(test_a_hello_keeps_its_progress),
	    cmocka_unit_test(test_each_frame_belongs_to_one_side),
	    cmocka_unit_test(test_orders_are_read_exactly),
	    cmocka_unit_test(test_an_order_of_more_than_the_maximum_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
