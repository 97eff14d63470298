/* Where live copies go: that no line is ever in two pieces, whatever happens
 * to the file or to who reads it. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "runner/copy_target.h"
#include "tests/unit/folder.h"

#define FIRST "{\"seq\":1,\"event\":\"first\"}\n"
#define SECOND "{\"seq\":2,\"event\":\"second\"}\n"
#define THIRD "{\"seq\":3,\"event\":\"third\"}\n"
#define LONG_LINE 200000 /* more than a pipe has room for */

/* No file gets longer than this: a disk that is full. */
static void
limit_files(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static int
tear_down(void **state)
{
	limit_files(RLIM_INFINITY);
	return folder_remove(state);
}

static void
assert_file(const char *folder, const char *name, const char *expected)
{
	auto_free char *path = folder_path(folder, name);
	struct err err;
	size_t len = 0;
	auto_free char *text = file_read(path, 1 << 20, &len, &err);

	if (text == NULL)
		fail_msg("%s", err.detail);
	assert_string_equal(text, expected);
}

static void
move(const char *folder, const char *from, const char *to)
{
	auto_free char *old = folder_path(folder, from);
	auto_free char *new = folder_path(folder, to);

	assert_int_equal(rename(old, new), 0);
}

/* All but `room` bytes of the second line go to the file. */
static void
write_until_full(struct copy_target *target, size_t room)
{
	static const char lines[] = FIRST SECOND;
	size_t written = 0;
	struct err err;

	limit_files(sizeof(lines) - 1 - room);
	assert_int_equal(
	    copy_target_write(target, lines, sizeof(lines) - 1, &written, &err),
	    -1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	/* What is not whole is not counted. */
	assert_int_equal(written, strlen(FIRST));
}

static void
assert_written(struct copy_target *target, const char *lines)
{
	size_t written = 0;
	struct err err;

	if (copy_target_write(target, lines, strlen(lines), &written, &err) !=
	    0)
		fail_msg("%s", err.detail);
	assert_int_equal(written, strlen(lines));
}

static void
test_a_line_goes_on_where_it_stopped(void **state)
{
	auto_free char *path = folder_path(*state, "copy");
	AUTO(copy_target_close)
	struct copy_target target = {.path = path, .fd = -1};

	write_until_full(&target, 5);
	limit_files(RLIM_INFINITY);
	assert_written(&target, SECOND THIRD);
	assert_file(*state, "copy", FIRST SECOND THIRD);
}

static void
test_a_line_gets_its_rest_in_the_file_that_has_its_beginning(void **state)
{
	auto_free char *path = folder_path(*state, "copy");
	AUTO(copy_target_close)
	struct copy_target target = {.path = path, .fd = -1};

	write_until_full(&target, 5);
	move(*state, "copy", "rotated");
	limit_files(RLIM_INFINITY);
	assert_written(&target, SECOND THIRD);
	assert_file(*state, "rotated", FIRST SECOND);
	assert_file(*state, "copy", THIRD);
}

static void
test_a_line_is_begun_anew_where_its_file_takes_no_more(void **state)
{
	auto_free char *path = folder_path(*state, "copy");
	auto_free char *end = alloc_string(SECOND);
	auto_free char *cut = NULL;
	AUTO(copy_target_close)
	struct copy_target target = {.path = path, .fd = -1};

	write_until_full(&target, 5);
	move(*state, "copy", "rotated");
	/* The limit stands, and the new file has room for one line. */
	assert_written(&target, SECOND);
	end[strlen(end) - 5] = '\0';
	cut = alloc_printf(FIRST "%s", end);
	assert_file(*state, "rotated", cut);
	assert_file(*state, "copy", SECOND);
}

/* Another whose last line a crash cut off, too. */
static void
test_what_was_cut_off_gets_its_end_in_each_file_that_is_opened(void **state)
{
	static const char *const names[] = {"copy", "other"};
	auto_free char *path = folder_path(*state, "copy");
	AUTO(copy_target_close)
	struct copy_target target = {.path = path, .fd = -1};
	struct err err;

	for (size_t i = 0; i < COUNT(names); i++) {
		auto_free char *one = folder_path(*state, names[i]);

		assert_int_equal(file_write(one, "{\"se", 4, 0600, &err), 0);
	}
	assert_written(&target, FIRST);
	assert_file(*state, "copy", "{\"se\n" FIRST);
	move(*state, "other", "copy");
	assert_written(&target, SECOND);
	assert_file(*state, "copy", "{\"se\n" SECOND);
}

static char *
make_long(void)
{
	char *line = alloc_zero(LONG_LINE + 1, 1);

	memset(line, 'x', LONG_LINE - 1);
	line[LONG_LINE - 1] = '\n';
	return line;
}

static int
open_reader(const char *fifo)
{
	int fd = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* All that is there now, behind what `text` has. */
static void
drain(int fd, char *text, size_t size)
{
	size_t len = strlen(text);
	ssize_t n;

	while ((n = read(fd, text + len, size - len - 1)) > 0)
		len += (size_t)n;
	text[len] = '\0';
}

/* Writes and reads in turn, until it is through. */
static void
pass(struct copy_target *target, const char *lines, int reader, char *text,
    size_t size)
{
	size_t at = 0, written;
	struct err err;
	int result;

	do {
		result = copy_target_write(
		    target, lines + at, strlen(lines) - at, &written, &err);
		if (result != 0)
			assert_int_equal(err.code, ERR_BUSY);
		at += written;
		drain(reader, text, size);
	} while (result != 0);
	assert_int_equal(at, strlen(lines));
}

static void
test_who_reads_a_fifo_next_gets_the_line_from_its_beginning(void **state)
{
	const size_t size = (size_t)4 * LONG_LINE;
	auto_free char *path = folder_path(*state, "copy");
	auto_free char *lines = make_long();
	auto_free char *text = alloc_zero(size, 1);
	AUTO(copy_target_close)
	struct copy_target target = {.path = path, .fd = -1};
	size_t written = 0;
	struct err err;

	assert_int_equal(mkfifo(path, 0600), 0);
	{
		auto_fd int reader = open_reader(path);

		assert_int_equal(copy_target_write(
				     &target, lines, LONG_LINE, &written, &err),
		    -1);
		drain(reader, text, size);
		assert_in_range(strlen(text), 1, LONG_LINE - 1);
	}
	/* Nobody reads. */
	assert_int_equal(
	    copy_target_write(&target, lines, LONG_LINE, &written, &err), -1);
	assert_int_equal(err.code, ERR_BUSY);
	assert_int_equal(written, 0);

	auto_fd int reader = open_reader(path);

	text[0] = '\0';
	pass(&target, lines, reader, text, size);
	assert_int_equal(text[0], '\n');
	assert_string_equal(text + 1, lines);
}

static void
test_a_long_line_goes_through_a_fifo_in_one_piece(void **state)
{
	const size_t size = (size_t)4 * LONG_LINE;
	auto_free char *path = folder_path(*state, "copy");
	auto_free char *line = make_long();
	auto_free char *lines = alloc_printf(FIRST "%s" SECOND, line);
	auto_free char *text = alloc_zero(size, 1);
	AUTO(copy_target_close)
	struct copy_target target = {.path = path, .fd = -1};

	assert_int_equal(mkfifo(path, 0600), 0);

	auto_fd int reader = open_reader(path);

	pass(&target, lines, reader, text, size);
	assert_string_equal(text, lines);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_make, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_a_line_goes_on_where_it_stopped),
	    TEST(test_a_line_gets_its_rest_in_the_file_that_has_its_beginning),
	    TEST(test_a_line_is_begun_anew_where_its_file_takes_no_more),
	    TEST(
		test_what_was_cut_off_gets_its_end_in_each_file_that_is_opened),
	    TEST(test_who_reads_a_fifo_next_gets_the_line_from_its_beginning),
	    TEST(test_a_long_line_goes_through_a_fifo_in_one_piece),
	};

	signal(SIGXFSZ, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
