/*
 * A body by a pipe: it is taken as there is room, and whole only where its
 * length was told and has come.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "runner/upload.h"

#define DEADLINE_MS 20000

struct bench {
	uv_loop_t loop;
	struct upload *upload;
	int fd; /* the writer's; -1: closed */
	size_t room, most; /* largest piece that came */
	bool close_at_once;
	struct buffer got;
	unsigned ended;
	bool whole;
};

static size_t
on_room(void *arg)
{
	const struct bench *bench = arg;

	return bench->room;
}

static void
on_data(void *arg, const void *data, size_t len)
{
	struct bench *bench = arg;

	assert_true(len <= bench->room);
	bench->room -= len;
	bench->most = len > bench->most ? len : bench->most;
	buffer_append(&bench->got, data, len);
	if (bench->close_at_once)
		upload_close(bench->upload);
}

static void
on_ended(void *arg, bool whole)
{
	struct bench *bench = arg;

	bench->ended++;
	bench->whole = whole;
}

static const struct upload_events events = {
    .room = on_room,
    .data = on_data,
    .ended = on_ended,
};

static void
open_bench(struct bench *bench)
{
	struct err err;

	*bench = (struct bench){.room = SIZE_MAX};
	bench->got.max = SIZE_MAX;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(uv_loop_init(&bench->loop), 0);
	assert_int_equal(upload_open(&bench->loop, &events, bench,
			     &bench->upload, &bench->fd, &err),
	    0);
	assert_int_equal(fcntl(bench->fd, F_SETFL, O_NONBLOCK), 0);
}

static void
hang_up(struct bench *bench)
{
	close(bench->fd);
	bench->fd = -1;
}

static void
close_bench(struct bench *bench)
{
	upload_close(bench->upload);
	uv_run(&bench->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&bench->loop), 0);
	if (bench->fd >= 0)
		close(bench->fd);
	buffer_done(&bench->got);
}

static void
turn(struct bench *bench)
{
	for (int i = 0; i < 8; i++)
		uv_run(&bench->loop, UV_RUN_NOWAIT);
}

#define TURN_UNTIL(bench, condition)                               \
	do {                                                       \
		int64_t end_ms = clock_boot_ms() + DEADLINE_MS;    \
		while (!(condition)) {                             \
			uv_run(&(bench)->loop, UV_RUN_NOWAIT);     \
			if (clock_boot_ms() > end_ms)              \
				fail_msg("never: %s", #condition); \
		}                                                  \
	} while (0)

static void
say(struct bench *bench, const char *text)
{
	assert_int_equal(
	    write(bench->fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void
test_body_is_whole_when_its_length_was_told_and_came(void **state)
{
	struct bench bench;

	(void)state;
	open_bench(&bench);
	say(&bench, "hello ");
	turn(&bench);
	say(&bench, "world");
	hang_up(&bench);
	turn(&bench);
	/* The end of the pipe alone is nothing. */
	assert_int_equal(bench.ended, 0);
	assert_false(upload_is_finished(bench.upload));
	upload_finish(bench.upload, 11);
	assert_true(upload_is_finished(bench.upload));
	assert_int_equal(bench.ended, 0); /* not from within a call */
	TURN_UNTIL(&bench, bench.ended == 1);
	assert_true(bench.whole);
	assert_int_equal(bench.got.len, 11);
	assert_memory_equal(bench.got.data, "hello world", 11);
	close_bench(&bench);
}

static void
test_length_may_be_told_before_the_bytes_are_read(void **state)
{
	struct bench bench;

	(void)state;
	open_bench(&bench);
	bench.room = 0;
	say(&bench, "hello");
	turn(&bench);
	upload_finish(bench.upload, 5);
	turn(&bench);
	assert_int_equal(bench.ended, 0);
	assert_int_equal(bench.got.len, 0);
	bench.room = SIZE_MAX;
	upload_resume(bench.upload);
	/* Not even the end of the pipe is waited for. */
	TURN_UNTIL(&bench, bench.ended == 1);
	assert_true(bench.whole);
	assert_int_equal(bench.got.len, 5);
	close_bench(&bench);
}

static void
test_empty_body_is_whole(void **state)
{
	struct bench bench;

	(void)state;
	open_bench(&bench);
	upload_finish(bench.upload, 0);
	TURN_UNTIL(&bench, bench.ended == 1);
	assert_true(bench.whole);
	close_bench(&bench);
}

static void
test_body_that_is_shorter_or_longer_than_was_told_is_not_whole(void **state)
{
	static const uint64_t lengths[] = {0, 4, 6, UINT64_MAX};

	(void)state;
	for (size_t i = 0; i < COUNT(lengths); i++) {
		struct bench bench;

		open_bench(&bench);
		say(&bench, "hello");
		turn(&bench);
		upload_finish(bench.upload, lengths[i]);
		hang_up(&bench);
		TURN_UNTIL(&bench, bench.ended == 1);
		assert_false(bench.whole);
		turn(&bench);
		assert_int_equal(bench.ended, 1);
		close_bench(&bench);
	}
}

static void
test_nothing_is_read_that_there_is_no_room_for(void **state)
{
	struct bench bench;
	char block[4096] = {0};
	size_t written = 0;
	ssize_t n;

	(void)state;
	open_bench(&bench);
	bench.room = 1000;
	do {
		n = write(bench.fd, block, sizeof(block));
		written += n > 0 ? (size_t)n : 0;
		turn(&bench);
	} while (n > 0);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(bench.got.len, 1000);
	/* What the pipe holds, and no more, waits. */
	assert_true(written <= 1000 + 128 * 1024);
	bench.room = SIZE_MAX;
	upload_resume(bench.upload);
	TURN_UNTIL(&bench, bench.got.len == written);
	close_bench(&bench);
}

static void
test_closing_from_within_an_event_is_the_end(void **state)
{
	struct bench bench;

	(void)state;
	open_bench(&bench);
	bench.close_at_once = true;
	say(&bench, "hello");
	turn(&bench);
	assert_int_equal(bench.got.len, 5);
	assert_int_equal(write(bench.fd, "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	turn(&bench);
	assert_int_equal(bench.ended, 0);
	bench.upload = NULL; /* its memory is gone */
	uv_run(&bench.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&bench.loop), 0);
	hang_up(&bench);
	buffer_done(&bench.got);
}

static void
test_much_comes_through_in_bounded_pieces(void **state)
{
	struct bench bench;
	char block[65536];
	size_t written = 0;

	(void)state;
	open_bench(&bench);
	memset(block, 'x', sizeof(block));
	while (written < 8 * 1024 * 1024) {
		ssize_t n = write(bench.fd, block, sizeof(block));

		if (n < 0)
			assert_int_equal(errno, EAGAIN);
		written += n > 0 ? (size_t)n : 0;
		uv_run(&bench.loop, UV_RUN_NOWAIT);
	}
	upload_finish(bench.upload, written);
	hang_up(&bench);
	TURN_UNTIL(&bench, bench.ended == 1);
	assert_true(bench.whole);
	assert_int_equal(bench.got.len, written);
	assert_true(bench.most <= 65536);
	close_bench(&bench);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		test_body_is_whole_when_its_length_was_told_and_came),
	    cmocka_unit_test(test_length_may_be_told_before_the_bytes_are_read),
	    cmocka_unit_test(test_empty_body_is_whole),
	    cmocka_unit_test(
		test_body_that_is_shorter_or_longer_than_was_told_is_not_whole),
	    cmocka_unit_test(test_nothing_is_read_that_there_is_no_room_for),
	    cmocka_unit_test(test_closing_from_within_an_event_is_the_end),
	    cmocka_unit_test(test_much_comes_through_in_bounded_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
