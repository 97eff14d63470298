/* Sinks that never block, and streams that lose no byte and show none
 * twice. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/stream.h"
#include "lib/cleanup.h"

#define TASK "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a11"

/* Until nothing more can be read without waiting. */
static size_t
drain(int fd)
{
	char data[65536];
	struct pollfd poll_fd = {fd, POLLIN, 0};
	size_t total = 0;

	while (poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLIN) != 0) {
		ssize_t n = read(fd, data, sizeof(data));

		if (n <= 0)
			break;
		total += (size_t)n;
	}
	return total;
}

static void
test_a_sink_with_a_full_pipe_waits_and_does_not_block(void **state)
{
	static char data[16384];
	int fds[2];
	struct sink sink;
	size_t taken = 0, arrived = 0;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	sink_init(&sink, fds[1]);
	while (sink_write(&sink, data, sizeof(data)))
		taken += sizeof(data);
	assert_true(sink_is_waiting(&sink));
	assert_false(sink_is_closed(&sink));
	/* A pipe holds 64 KiB; one piece more waits. */
	assert_in_range(taken, 65536, 65536 + sizeof(data));
	while (sink_is_waiting(&sink)) {
		arrived += drain(fds[0]);
		sink_flush(&sink);
	}
	arrived += drain(fds[0]);
	assert_int_equal(arrived, taken);
	assert_true(sink_write(&sink, "x", 1));
	sink_done(&sink);
	close(fds[0]);
	close(fds[1]);
}

static void
test_a_sink_notices_that_its_reader_has_gone(void **state)
{
	int fds[2];
	struct sink sink;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(fds), 0);
	close(fds[0]);
	sink_init(&sink, fds[1]);
	assert_true(sink_write(&sink, "x", 1));
	assert_true(sink_is_closed(&sink));
	assert_int_equal(sink.errnum, EPIPE);
	assert_true(sink_write(&sink, "y", 1));
	assert_false(sink_is_waiting(&sink));
	sink_done(&sink);
	close(fds[1]);
}

static void
test_a_sink_on_a_full_device_says_so(void **state)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct sink sink;

	(void)state;
	assert_true(fd >= 0);
	sink_init(&sink, fd);
	assert_true(sink_write(&sink, "x", 1));
	assert_int_equal(sink.errnum, ENOSPC);
	sink_done(&sink);
	close(fd);
}

static void
test_memory_keeps_what_fits_and_is_closed_then(void **state)
{
	struct sink sink;

	(void)state;
	sink_init_memory(&sink, 8);
	assert_true(sink_write(&sink, "12345", 5));
	assert_true(sink_write(&sink, "678", 3));
	assert_false(sink_is_closed(&sink));
	assert_true(sink_write(&sink, "9", 1));
	assert_true(sink_is_closed(&sink));
	assert_int_equal(sink.kept.len, 8);
	assert_memory_equal(sink.kept.data, "12345678", 8);
	sink_done(&sink);
	sink_init_memory(&sink, 4);
	assert_true(sink_write(&sink, "123456", 6));
	assert_true(sink_is_closed(&sink));
	assert_memory_equal(sink.kept.data, "1234", 4);
	sink_done(&sink);
}

struct flow {
	struct sink sink;
	struct stream stream;
};

static void
flow_init(struct flow *flow)
{
	sink_init_memory(&flow->sink, 1024);
	flow->stream = (struct stream){
	    .name = "stdout",
	    .sink = &flow->sink,
	    .follow = true,
	};
}

static struct http_reply
lost(void)
{
	return (struct http_reply){
	    .cause = RETRY_LOST, .error = "lost", .retry_after_s = -1};
}

static struct http_reply
answered(int status)
{
	return (struct http_reply){
	    .status = status,
	    .cause =
		status == 503 || status == 429 ? RETRY_PUT_OFF : RETRY_NEVER,
	    .retry_after_s = -1,
	};
}

static void
test_a_lost_stream_goes_on_where_it_was(void **state)
{
	struct flow flow;
	struct http_reply reply = lost();
	auto_free char *first = NULL;
	auto_free char *second = NULL;

	(void)state;
	flow_init(&flow);
	first = stream_path(&flow.stream, TASK);
	assert_string_equal(
	    first, "/v1/tasks/" TASK "/output?stream=stdout&offset=0&follow=1");
	assert_true(stream_take(&flow.stream, "hello", 5));
	assert_int_equal(
	    stream_judge(&flow.stream, &retry_stream, &reply, 1000, 0),
	    STREAM_AGAIN);
	assert_false(flow.stream.ended);
	assert_in_range(flow.stream.due_ms, 1050, 1100);
	second = stream_path(&flow.stream, TASK);
	assert_string_equal(second,
	    "/v1/tasks/" TASK "/output?stream=stdout&offset=5&follow=1");
	sink_done(&flow.sink);
}

static void
test_bytes_that_the_sink_refused_are_not_counted(void **state)
{
	static char data[16384];
	int fds[2];
	struct sink sink;
	struct stream stream = {.name = "stderr", .sink = &sink};
	int64_t taken = 0;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	sink_init(&sink, fds[1]);
	while (stream_take(&stream, data, sizeof(data)))
		taken += (int64_t)sizeof(data);
	assert_true(stream.paused);
	assert_int_equal(stream.offset, taken);
	sink_done(&sink);
	close(fds[0]);
	close(fds[1]);
}

static void
test_a_whole_reply_ends_the_stream(void **state)
{
	struct flow flow;
	struct http_reply reply = answered(200);

	(void)state;
	flow_init(&flow);
	assert_int_equal(
	    stream_judge(&flow.stream, &retry_stream, &reply, 1000, 0),
	    STREAM_ENDED);
	assert_true(flow.stream.ended);
	sink_done(&flow.sink);
}

static void
test_an_offset_behind_the_end_is_the_end_only_after_some_bytes(void **state)
{
	struct flow flow;
	struct http_reply reply = answered(422);

	(void)state;
	flow_init(&flow);
	assert_int_equal(
	    stream_judge(&flow.stream, &retry_stream, &reply, 1000, 0),
	    STREAM_FAILED);
	flow.stream.offset = 1;
	assert_int_equal(
	    stream_judge(&flow.stream, &retry_stream, &reply, 1000, 0),
	    STREAM_ENDED);
	sink_done(&flow.sink);
}

static void
test_refusals_are_final_and_unavailability_is_not(void **state)
{
	static const int final[] = {401, 403, 404, 400, 500};
	struct flow flow;
	struct http_reply reply;

	(void)state;
	flow_init(&flow);
	for (size_t i = 0; i < COUNT(final); i++) {
		reply = answered(final[i]);
		assert_int_equal(
		    stream_judge(&flow.stream, &retry_stream, &reply, 1000, 0),
		    STREAM_FAILED);
	}
	reply = answered(503);
	reply.retry_after_s = 2;
	assert_int_equal(
	    stream_judge(&flow.stream, &retry_stream, &reply, 1000, 0),
	    STREAM_AGAIN);
	assert_int_equal(flow.stream.due_ms, 3000);
	sink_done(&flow.sink);
}

static void
test_a_server_that_never_was_there_is_not_waited_for(void **state)
{
	struct flow flow;
	struct http_reply reply = {
	    .cause = RETRY_NOT_CONNECTED, .error = "x", .retry_after_s = -1};

	(void)state;
	flow_init(&flow);
	assert_int_equal(
	    stream_judge(&flow.stream, &retry_call, &reply, 1000, 0),
	    STREAM_FAILED);
	assert_int_equal(
	    stream_judge(&flow.stream, &retry_stream, &reply, 1000, 0),
	    STREAM_AGAIN);
	sink_done(&flow.sink);
}

static void
test_it_is_given_up_after_long_silence_but_not_after_long_work(void **state)
{
	struct flow flow;
	struct http_reply reply = lost();
	int64_t now = 1000;

	(void)state;
	flow_init(&flow);
	/* An hour of losses, with a byte between any two. */
	for (int i = 0; i < 720; i++) {
		assert_true(stream_take(&flow.stream, "x", 1));
		assert_int_equal(
		    stream_judge(&flow.stream, &retry_stream, &reply, now, 0),
		    STREAM_AGAIN);
		now += 5000;
	}
	while (stream_judge(&flow.stream, &retry_stream, &reply, now, 0) ==
	    STREAM_AGAIN)
		now = flow.stream.due_ms;
	assert_in_range(
	    now, 1000 + 720 * 5000, 1000 + 720 * 5000 + retry_stream.budget_ms);
	sink_done(&flow.sink);
}

static void
test_an_end_before_all_bytes_came_is_not_believed_at_once(void **state)
{
	struct flow flow;
	int64_t now = 1000;
	unsigned times = 0;

	(void)state;
	flow_init(&flow);
	assert_true(stream_take(&flow.stream, "hello", 5));
	flow.stream.ended = true;
	assert_int_equal(
	    stream_check_length(&flow.stream, 5, now), STREAM_ENDED);
	assert_int_equal(
	    stream_check_length(&flow.stream, -1, now), STREAM_ENDED);
	assert_true(flow.stream.ended);
	while (stream_check_length(&flow.stream, 6, now) == STREAM_AGAIN) {
		assert_false(flow.stream.ended);
		flow.stream.ended = true;
		now = flow.stream.due_ms;
		assert_true(++times < 10000);
	}
	assert_in_range(now, 2000, 1000 + retry_stream.budget_ms);
	sink_done(&flow.sink);
}

static void
test_a_closed_sink_wants_no_more_bytes(void **state)
{
	struct flow flow;

	(void)state;
	flow_init(&flow);
	flow.sink.kept.full = true;
	assert_int_equal(
	    stream_check_length(&flow.stream, 100, 1000), STREAM_ENDED);
	sink_done(&flow.sink);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		test_a_sink_with_a_full_pipe_waits_and_does_not_block),
	    cmocka_unit_test(test_a_sink_notices_that_its_reader_has_gone),
	    cmocka_unit_test(test_a_sink_on_a_full_device_says_so),
	    cmocka_unit_test(test_memory_keeps_what_fits_and_is_closed_then),
	    cmocka_unit_test(test_a_lost_stream_goes_on_where_it_was),
	    cmocka_unit_test(test_bytes_that_the_sink_refused_are_not_counted),
	    cmocka_unit_test(test_a_whole_reply_ends_the_stream),
	    cmocka_unit_test(
		test_an_offset_behind_the_end_is_the_end_only_after_some_bytes),
	    cmocka_unit_test(test_refusals_are_final_and_unavailability_is_not),
	    cmocka_unit_test(
		test_a_server_that_never_was_there_is_not_waited_for),
	    cmocka_unit_test(
		test_it_is_given_up_after_long_silence_but_not_after_long_work),
	    cmocka_unit_test(
		test_an_end_before_all_bytes_came_is_not_believed_at_once),
	    cmocka_unit_test(test_a_closed_sink_wants_no_more_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
