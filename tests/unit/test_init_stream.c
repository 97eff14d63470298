/* task-init's ring between the task's pipe and the control socket. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "runner/init/stream.h"

/* A stream whose task we are. */
struct pair {
	struct stream *stream;
	int writer;
};

static void
pair_done(struct pair *pair)
{
	if (pair->stream->pipe >= 0)
		close(pair->stream->pipe);
	cleanup_fd(&pair->writer);
	free(pair->stream);
}

static struct pair
pair_make(void)
{
	struct pair pair = {alloc_zero(1, sizeof(struct stream)), -1};
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	stream_open_take(pair.stream, fds[0]);
	pair.writer = fds[1];
	return pair;
}
#define PAIR AUTO(pair_done) struct pair

static void
write_all(const struct pair *pair, const char *data, size_t len)
{
	assert_int_equal(write(pair->writer, data, len), len);
}

/* What would be sent, as one run of bytes; it counts as sent. */
static size_t
send_next(struct stream *stream, size_t max, char *ret)
{
	struct iovec pieces[2];
	size_t len, at = 0;
	int count = stream_peek(stream, max, pieces, &len);

	for (int i = 0; i < count; i++) {
		memcpy(ret + at, pieces[i].iov_base, pieces[i].iov_len);
		at += pieces[i].iov_len;
	}
	assert_int_equal(at, len);
	stream->sent += len;
	return len;
}

static void
test_what_is_written_is_sent_in_order(void **state)
{
	PAIR pair = pair_make();
	char got[16];

	(void)state;
	write_all(&pair, "abcdef", 6);
	stream_read(pair.stream);
	assert_int_equal(send_next(pair.stream, 4, got), 4);
	assert_memory_equal(got, "abcd", 4);
	assert_int_equal(send_next(pair.stream, 4, got), 2);
	assert_memory_equal(got, "ef", 2);
	assert_int_equal(send_next(pair.stream, 4, got), 0);
	/* An empty pipe is not an end. */
	stream_read(pair.stream);
	assert_false(stream_is_finished(pair.stream));
}

static void
test_a_full_ring_takes_no_more_until_it_is_acknowledged(void **state)
{
	static char block[4096];
	PAIR pair = pair_make();
	static char got[STREAM_RING];

	(void)state;
	while (stream_has_room(pair.stream)) {
		write_all(&pair, block, sizeof(block));
		stream_read(pair.stream);
	}
	assert_int_equal(pair.stream->end, STREAM_RING);
	write_all(&pair, "x", 1);
	stream_read(pair.stream);
	assert_int_equal(pair.stream->end, STREAM_RING);
	/* Sent is not yet received. */
	assert_int_equal(send_next(pair.stream, SIZE_MAX, got), STREAM_RING);
	assert_false(stream_has_room(pair.stream));
	assert_true(stream_acknowledge(pair.stream, 1));
	stream_read(pair.stream);
	assert_int_equal(send_next(pair.stream, SIZE_MAX, got), 1);
	assert_int_equal(got[0], 'x');
}

static void
test_a_run_around_the_ring_s_end_stays_in_order(void **state)
{
	PAIR pair = pair_make();
	uint8_t expected = 0;

	(void)state;
	/* An odd size, so that every run lies elsewhere. */
	for (int turn = 0; turn < 300; turn++) {
		char block[4099], got[4099];

		for (size_t i = 0; i < sizeof(block); i++)
			block[i] = (char)(uint8_t)(expected + i);
		write_all(&pair, block, sizeof(block));
		while (pair.stream->end - pair.stream->sent < sizeof(block))
			stream_read(pair.stream);
		assert_int_equal(
		    send_next(pair.stream, sizeof(got), got), sizeof(got));
		assert_memory_equal(got, block, sizeof(block));
		assert_true(stream_acknowledge(pair.stream, pair.stream->sent));
		expected = (uint8_t)(expected + sizeof(block));
	}
	assert_true(pair.stream->end > 4 * (uint64_t)STREAM_RING);
}

static void
test_acknowledging_what_was_not_sent_is_refused(void **state)
{
	PAIR pair = pair_make();
	char got[8];

	(void)state;
	write_all(&pair, "abcdef", 6);
	stream_read(pair.stream);
	assert_false(stream_acknowledge(pair.stream, 1));
	send_next(pair.stream, 4, got);
	assert_false(stream_acknowledge(pair.stream, 5));
	assert_true(stream_acknowledge(pair.stream, 4));
	assert_false(stream_acknowledge(pair.stream, 3));
	assert_true(stream_acknowledge(pair.stream, 4));
}

static void
test_draining_ends_though_somebody_goes_on_writing(void **state)
{
	PAIR pair = pair_make();
	char got[16];

	(void)state;
	write_all(&pair, "last", 4);
	stream_drain(pair.stream);
	write_all(&pair, "later", 5);
	stream_read(pair.stream);
	assert_int_equal(pair.stream->pipe, -1);
	assert_int_equal(send_next(pair.stream, sizeof(got), got), 4);
	assert_memory_equal(got, "last", 4);
	assert_true(stream_is_finished(pair.stream));
}

static void
test_draining_an_empty_pipe_ends_at_once(void **state)
{
	PAIR pair = pair_make();

	(void)state;
	stream_drain(pair.stream);
	assert_true(stream_is_finished(pair.stream));
	stream_drain(pair.stream);
	stream_read(pair.stream);
	assert_true(stream_is_finished(pair.stream));
}

static void
test_draining_waits_for_room_in_the_ring(void **state)
{
	static char block[4096], got[STREAM_RING];
	PAIR pair = pair_make();

	(void)state;
	while (stream_has_room(pair.stream)) {
		write_all(&pair, block, sizeof(block));
		stream_read(pair.stream);
	}
	write_all(&pair, "end", 3);
	stream_drain(pair.stream);
	stream_read(pair.stream);
	assert_int_equal(pair.stream->end, STREAM_RING);
	send_next(pair.stream, SIZE_MAX, got);
	assert_true(stream_acknowledge(pair.stream, STREAM_RING));
	stream_read(pair.stream);
	assert_int_equal(send_next(pair.stream, 16, got), 3);
	assert_memory_equal(got, "end", 3);
	assert_true(stream_is_finished(pair.stream));
}

static void
test_a_closed_stream_is_finished_when_all_is_sent(void **state)
{
	PAIR pair = pair_make();
	char got[8];

	(void)state;
	write_all(&pair, "x", 1);
	close(pair.writer);
	pair.writer = -1;
	stream_read(pair.stream);
	stream_read(pair.stream);
	assert_int_equal(pair.stream->pipe, -1);
	assert_false(stream_is_finished(pair.stream));
	send_next(pair.stream, 8, got);
	assert_true(stream_is_finished(pair.stream));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_is_written_is_sent_in_order),
	    cmocka_unit_test(
		test_a_full_ring_takes_no_more_until_it_is_acknowledged),
	    cmocka_unit_test(test_a_run_around_the_ring_s_end_stays_in_order),
	    cmocka_unit_test(test_acknowledging_what_was_not_sent_is_refused),
	    cmocka_unit_test(
		test_draining_ends_though_somebody_goes_on_writing),
	    cmocka_unit_test(test_draining_an_empty_pipe_ends_at_once),
	    cmocka_unit_test(test_draining_waits_for_room_in_the_ring),
	    cmocka_unit_test(test_a_closed_stream_is_finished_when_all_is_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
