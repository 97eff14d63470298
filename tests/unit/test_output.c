/* Output: its cap, its files, and those who follow it. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/digest.h"
#include "runner/file_digest.h"
#include "runner/output.h"
#include "tests/unit/folder.h"

#define TASK "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a11"
#define LARGE (4 * 1024 * 1024)

struct fixture {
	uv_loop_t loop;
	struct output_store store;
};

static void
open_fixture(struct fixture *fixture, const char *folder)
{
	auto_free char *path = folder_path(folder, "output");
	struct err err;

	signal(SIGPIPE, SIG_IGN);
	uv_loop_init(&fixture->loop);
	if (output_store_open(&fixture->loop, path, &fixture->store, &err) != 0)
		fail_msg("%s", err.detail);
}

static void
close_fixture(struct fixture *fixture)
{
	uv_run(&fixture->loop, UV_RUN_DEFAULT);
	assert_int_equal(fixture->store.followers, 0);
	assert_int_equal(uv_loop_close(&fixture->loop), 0);
	output_store_close(&fixture->store);
}

/* What can be read now; -1: nothing yet. */
static ssize_t
read_now(int fd, char *data, size_t size)
{
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return read(fd, data, size);
}

static void
check_file(const struct fixture *fixture, enum stream stream, int64_t offset,
    const char *expected)
{
	char data[64] = "";
	struct err err;
	auto_fd int fd = -1;

	if (output_open(&fixture->store, TASK, stream, offset, &fd, &err) != 0)
		fail_msg("%s", err.detail);
	assert_int_equal(read(fd, data, sizeof(data)), strlen(expected));
	assert_memory_equal(data, expected, strlen(expected));
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE,
	    *expected == '\0' && output_size(&fixture->store, TASK, stream) == 0
		? O_RDWR /* a sealed memfd: nothing can be written either */
		: O_RDONLY);
	assert_int_equal(write(fd, "x", 1), -1);
}

static void
test_the_cap_is_over_both_streams_together(void **state)
{
	struct fixture fixture;
	struct output *output;

	open_fixture(&fixture, *state);
	output = output_new(&fixture.store, TASK, 10);
	output_write(output, STREAM_STDOUT, "abcdef", 6);
	output_write(output, STREAM_STDERR, "gh", 2);
	assert_false(output_is_truncated(output));
	output_write(output, STREAM_STDOUT, "ij", 2);
	assert_false(output_is_truncated(output));
	output_write(output, STREAM_STDERR, "", 0);
	assert_false(output_is_truncated(output));
	output_write(output, STREAM_STDERR, "k", 1);
	assert_true(output_is_truncated(output));
	assert_int_equal(output_kept(output, STREAM_STDOUT), 8);
	assert_int_equal(output_kept(output, STREAM_STDERR), 2);
	assert_null(output_failure(output));
	check_file(&fixture, STREAM_STDOUT, 0, "abcdefij");
	check_file(&fixture, STREAM_STDOUT, 6, "ij");
	check_file(&fixture, STREAM_STDERR, 0, "gh");
	output_release(output);
	close_fixture(&fixture);
}

static void
test_what_does_not_fit_whole_is_cut(void **state)
{
	struct fixture fixture;
	struct output *output;

	open_fixture(&fixture, *state);
	output = output_new(&fixture.store, TASK, 3);
	output_write(output, STREAM_STDOUT, "abcdef", 6);
	assert_true(output_is_truncated(output));
	check_file(&fixture, STREAM_STDOUT, 0, "abc");
	output_release(output);
	close_fixture(&fixture);
}

static void
test_a_stream_without_a_byte_has_no_file(void **state)
{
	struct fixture fixture;
	struct output *output;
	auto_free char *folder = folder_path(*state, "output");

	open_fixture(&fixture, *state);
	output = output_new(&fixture.store, TASK, 0);
	output_write(output, STREAM_STDERR, "x", 1);
	assert_true(output_is_truncated(output));
	assert_int_equal(folder_count(folder), 0);
	assert_int_equal(output_size(&fixture.store, TASK, STREAM_STDERR), 0);
	check_file(&fixture, STREAM_STDERR, 0, "");
	output_release(output);
	close_fixture(&fixture);
}

static void
test_files_are_the_runners_own(void **state)
{
	struct fixture fixture;
	struct output *output;
	auto_free char *path = folder_path(*state, "output/" TASK ".stdout");
	struct stat st;

	open_fixture(&fixture, *state);
	output = output_new(&fixture.store, TASK, 100);
	output_write(output, STREAM_STDOUT, "x", 1);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	output_release(output);
	close_fixture(&fixture);
}

static void
test_a_file_that_stands_there_is_not_written_to(void **state)
{
	struct fixture fixture;
	struct output *output;
	auto_free char *path = folder_path(*state, "output/" TASK ".stdout");

	open_fixture(&fixture, *state);
	assert_int_equal(symlink("/dev/null", path), 0);
	output = output_new(&fixture.store, TASK, 100);
	output_write(output, STREAM_STDOUT, "x", 1);
	assert_string_equal(output_failure(output), strerror(EEXIST));
	assert_true(output_is_truncated(output));
	assert_int_equal(output_kept(output, STREAM_STDOUT), 0);
	output_release(output);
	close_fixture(&fixture);
}

static int
follow(struct output *output, enum stream stream, int64_t offset)
{
	struct err err;
	int fd = -1;

	if (output_follow(output, stream, offset, &fd, &err) != 0)
		fail_msg("%s", err.detail);
	return fd;
}

static void
test_a_follower_gets_what_is_there_and_what_comes(void **state)
{
	struct fixture fixture;
	struct output *output;
	char data[64];

	open_fixture(&fixture, *state);
	output = output_new(&fixture.store, TASK, 100);
	/* Before the first byte, and before there is a file. */
	auto_fd int early = follow(output, STREAM_STDOUT, 0);

	assert_int_equal(read_now(early, data, sizeof(data)), -1);
	output_write(output, STREAM_STDOUT, "abc", 3);
	output_write(output, STREAM_STDERR, "not this", 8);
	auto_fd int late = follow(output, STREAM_STDOUT, 1);

	assert_int_equal(read_now(early, data, sizeof(data)), 3);
	assert_int_equal(read_now(late, data, sizeof(data)), 2);
	assert_memory_equal(data, "bc", 2);
	assert_int_equal(read_now(late, data, sizeof(data)), -1);
	assert_int_equal(errno, EAGAIN);
	output_write(output, STREAM_STDOUT, "de", 2);
	assert_int_equal(read_now(early, data, sizeof(data)), 2);
	assert_int_equal(read_now(late, data, sizeof(data)), 2);
	output_end(output);
	assert_int_equal(read_now(early, data, sizeof(data)), 0);
	assert_int_equal(read_now(late, data, sizeof(data)), 0);
	output_release(output);
	close_fixture(&fixture);
}

static void
test_a_follower_behind_the_end_waits_for_it(void **state)
{
	struct fixture fixture;
	struct output *output;
	char data[64];

	open_fixture(&fixture, *state);
	output = output_new(&fixture.store, TASK, 100);
	auto_fd int fd = follow(output, STREAM_STDOUT, 4);

	output_write(output, STREAM_STDOUT, "abc", 3);
	assert_int_equal(read_now(fd, data, sizeof(data)), -1);
	output_write(output, STREAM_STDOUT, "def", 3);
	assert_int_equal(read_now(fd, data, sizeof(data)), 2);
	assert_memory_equal(data, "ef", 2);
	output_release(output);
	close_fixture(&fixture);
}

static char
pattern(size_t offset)
{
	return (char)(offset * 31 + offset / 4096);
}

/* Back-pressure is the pipe's: the task goes on, the reader gets it all. */
static void
test_a_slow_reader_gets_every_byte_also_after_the_end(void **state)
{
	struct fixture fixture;
	struct output *output;
	auto_free char *data = alloc_zero(LARGE, 1);
	size_t got = 0;

	open_fixture(&fixture, *state);
	for (size_t i = 0; i < LARGE; i++)
		data[i] = pattern(i);
	output = output_new(&fixture.store, TASK, LARGE);
	auto_fd int fd = follow(output, STREAM_STDOUT, 0);

	for (size_t at = 0; at < LARGE; at += 65536)
		output_write(output, STREAM_STDOUT, data + at, 65536);
	assert_int_equal(output_kept(output, STREAM_STDOUT), LARGE);
	output_end(output);
	output_release(output);
	for (;;) {
		char chunk[1000];
		ssize_t n = read_now(fd, chunk, sizeof(chunk));

		if (n == 0)
			break;
		if (n < 0) {
			assert_int_equal(errno, EAGAIN);
			uv_run(&fixture.loop, UV_RUN_NOWAIT);
			continue;
		}
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(chunk[i], pattern(got + (size_t)i));
		got += (size_t)n;
	}
	assert_int_equal(got, LARGE);
	close_fixture(&fixture);
}

static void
test_a_reader_that_goes_away_is_dropped(void **state)
{
	struct fixture fixture;
	struct output *output;
	int idle, full;

	open_fixture(&fixture, *state);
	output = output_new(&fixture.store, TASK, LARGE);
	idle = follow(output, STREAM_STDERR, 0);
	full = follow(output, STREAM_STDOUT, 0);
	for (size_t at = 0; at < LARGE; at += 65536) {
		static const char zeros[65536];

		output_write(output, STREAM_STDOUT, zeros, sizeof(zeros));
	}
	assert_int_equal(fixture.store.followers, 2);
	close(idle);
	close(full);
	/* Without a byte more of output: the kernel tells. */
	while (fixture.store.followers > 0)
		uv_run(&fixture.loop, UV_RUN_ONCE);
	output_release(output);
	close_fixture(&fixture);
}

static void
test_followers_are_bounded(void **state)
{
	struct fixture fixture;
	struct output *output;
	struct err err = {0};
	int fd = -1;

	open_fixture(&fixture, *state);
	output = output_new(&fixture.store, TASK, 100);
	fixture.store.followers = fixture.store.followers_max;
	assert_int_equal(
	    output_follow(output, STREAM_STDOUT, 0, &fd, &err), -1);
	assert_int_equal(err.code, ERR_BUSY);
	assert_int_equal(fd, -1);
	fixture.store.followers = 0;
	output_release(output);
	close_fixture(&fixture);
}

/* -- digests, and output of an earlier life */

static void
on_digested(void *arg)
{
	*(bool *)arg = true;
}

static void
expect_digest(struct fixture *fixture, struct output *output,
    const char *of_stdout, const char *of_stderr)
{
	bool digested = false;

	output_digest(output, on_digested, &digested);
	while (!digested)
		uv_run(&fixture->loop, UV_RUN_ONCE);
	assert_string_equal(output_sha256(output, STREAM_STDOUT), of_stdout);
	assert_string_equal(output_sha256(output, STREAM_STDERR), of_stderr);
}

static void
test_the_digest_is_of_what_is_kept_and_known_at_once_for_little(void **state)
{
	struct fixture fixture;
	struct output *output;
	bool digested = false;

	open_fixture(&fixture, *state);
	output = output_new(&fixture.store, TASK, 3);
	output_write(output, STREAM_STDOUT, "ab", 2);
	output_write(output, STREAM_STDOUT, "cd", 2);
	output_digest(output, on_digested, &digested);
	assert_true(digested);
	assert_string_equal(output_sha256(output, STREAM_STDOUT),
	    "ba7816bf8f01cfea414140de5dae2223"
	    "b00361a396177a9cb410ff61f20015ad");
	assert_string_equal(
	    output_sha256(output, STREAM_STDERR), SHA256_OF_NOTHING);
	output_release(output);
	close_fixture(&fixture);
}

static void
test_output_is_taken_up_where_an_earlier_life_left_it(void **state)
{
	static const size_t places[] = {0, 1, 65536, 200000, LARGE - 1};
	struct fixture fixture;
	auto_free char *data = alloc_zero(LARGE, 1);
	char sha256[SHA256_HEX];

	for (size_t i = 0; i < LARGE; i++)
		data[i] = pattern(i);
	digest_sha256_hex(data, LARGE, sha256);
	open_fixture(&fixture, *state);
	for (size_t i = 0; i < COUNT(places); i++) {
		struct output *output = output_new(&fixture.store, TASK, LARGE);

		output_write(output, STREAM_STDERR, data, places[i]);
		output_release(output);
		output = output_adopt(&fixture.store, TASK, LARGE);
		assert_int_equal(output_kept(output, STREAM_STDERR), places[i]);
		assert_int_equal(output_kept(output, STREAM_STDOUT), 0);
		output_write(
		    output, STREAM_STDERR, data + places[i], LARGE - places[i]);
		assert_false(output_is_truncated(output));
		expect_digest(&fixture, output, SHA256_OF_NOTHING, sha256);
		output_write(output, STREAM_STDOUT, "x", 1);
		assert_true(output_is_truncated(output));
		output_release(output);
		output_remove(&fixture.store, TASK);
		assert_int_equal(
		    output_size(&fixture.store, TASK, STREAM_STDERR), 0);
	}
	close_fixture(&fixture);
}

static void
test_output_with_a_gap_is_cut_and_says_so(void **state)
{
	struct fixture fixture;
	struct output *output;

	open_fixture(&fixture, *state);
	output = output_new(&fixture.store, TASK, 100);
	output_write(output, STREAM_STDOUT, "abc", 3);
	output_release(output);
	output = output_adopt(&fixture.store, TASK, 100);
	assert_false(output_is_truncated(output));
	output_cut(output);
	output_write(output, STREAM_STDOUT, "def", 3);
	assert_true(output_is_truncated(output));
	check_file(&fixture, STREAM_STDOUT, 0, "abc");
	output_release(output);
	close_fixture(&fixture);
}

static void
test_a_link_is_not_taken_up(void **state)
{
	struct fixture fixture;
	struct output *output;
	auto_free char *path = folder_path(*state, "output/" TASK ".stdout");

	open_fixture(&fixture, *state);
	assert_int_equal(symlink("/dev/zero", path), 0);
	output = output_adopt(&fixture.store, TASK, 100);
	assert_string_equal(output_failure(output), strerror(ELOOP));
	assert_true(output_is_truncated(output));
	output_write(output, STREAM_STDOUT, "x", 1);
	assert_int_equal(output_kept(output, STREAM_STDOUT), 0);
	output_release(output);
	close_fixture(&fixture);
}

static void
test_output_can_be_let_go_while_it_is_hashed(void **state)
{
	struct fixture fixture;
	struct output *output;
	auto_free char *data = alloc_zero(LARGE, 1);
	bool digested = false;

	open_fixture(&fixture, *state);
	output = output_new(&fixture.store, TASK, LARGE);
	output_write(output, STREAM_STDOUT, data, LARGE);
	output_digest(output, on_digested, &digested);
	output_release(output);
	close_fixture(&fixture);
	assert_false(digested);
}

int
main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
	    TEST(test_the_cap_is_over_both_streams_together),
	    TEST(test_what_does_not_fit_whole_is_cut),
	    TEST(test_a_stream_without_a_byte_has_no_file),
	    TEST(test_files_are_the_runners_own),
	    TEST(test_a_file_that_stands_there_is_not_written_to),
	    TEST(test_a_follower_gets_what_is_there_and_what_comes),
	    TEST(test_a_follower_behind_the_end_waits_for_it),
	    TEST(test_a_slow_reader_gets_every_byte_also_after_the_end),
	    TEST(test_a_reader_that_goes_away_is_dropped),
	    TEST(test_followers_are_bounded),
	    TEST(
		test_the_digest_is_of_what_is_kept_and_known_at_once_for_little),
	    TEST(test_output_is_taken_up_where_an_earlier_life_left_it),
	    TEST(test_output_with_a_gap_is_cut_and_says_so),
	    TEST(test_a_link_is_not_taken_up),
	    TEST(test_output_can_be_let_go_while_it_is_hashed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
