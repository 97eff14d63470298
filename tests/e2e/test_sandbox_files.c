/*
 * Files into a task's /tmp and out of it: what they hold, and what becomes of
 * those that are not as they should be.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "tests/e2e/sandbox_site.h"

static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g"};

static void
run_with_files(struct record *record, const char *script,
    const struct sandbox_input *inputs, size_t ninputs, size_t noutputs)
{
	const char *args[] = {"sh", "-c", script};
	struct site_order order;

	site_default_order(&order);
	order.command.args = args;
	order.command.nargs = 3;
	order.command.inputs = inputs;
	order.command.ninputs = ninputs;
	order.command.outputs = names;
	order.command.noutputs = noutputs;
	site_run(record, &order);
}

static int
make_file(size_t len)
{
	int fd = memfd_create("input", MFD_CLOEXEC);

	assert_true(fd >= 0);
	for (size_t i = 0; i < len; i += 16)
		dprintf(fd, "%015zu\n", i);
	assert_int_equal(ftruncate(fd, (off_t)len), 0);
	return fd;
}

static void
test_inputs_are_there_when_the_program_starts(void **state)
{
	RECORD r = {0};
	auto_fd int first = make_file(160);
	auto_fd int empty = make_file(0);
	const struct sandbox_input inputs[] = {
	    {"data.txt", first}, {"empty", empty}};

	(void)state;
	run_with_files(&r,
	    "cd /tmp; wc -c <data.txt; wc -c <empty; head -n 2 data.txt; "
	    "stat -c '%a %U' data.txt; ls",
	    inputs, 2, 0);
	assert_string_equal(site_text(&r, STREAM_STDOUT),
	    "160\n0\n"
	    "000000000000000\n000000000000016\n"
	    "644 UNKNOWN\ndata.txt\nempty\n");
	/* Ours is where it was. */
	assert_int_equal(lseek(first, 0, SEEK_CUR), 160);
}

static void
test_as_many_inputs_as_there_may_be_are_placed(void **state)
{
	RECORD r = {0};
	char text[32][16];
	struct sandbox_input inputs[32];
	auto_fd int fd = make_file(1024);

	(void)state;
	for (int i = 0; i < 32; i++) {
		snprintf(text[i], sizeof(text[i]), "in%d", i);
		inputs[i] = (struct sandbox_input){text[i], fd};
	}
	run_with_files(&r, "cat /tmp/in* | wc -c", inputs, 32, 0);
	assert_string_equal(site_text(&r, STREAM_STDOUT), "32768\n");
}

static void
test_an_input_that_does_not_fit_means_not_started(void **state)
{
	RECORD r = {0};
	auto_fd int fd = make_file((1 << 20) + 1);
	const struct sandbox_input input = {"large", fd};

	(void)state;
	run_with_files(&r, "echo never", &input, 1, 0);
	assert_int_equal(r.end.how, SANDBOX_NOT_STARTED);
	assert_int_equal(r.end.failure, SANDBOX_FAILURE_INPUT);
	assert_int_equal(r.end.errnum, ENOSPC);
	assert_false(r.started);
}

static void
test_outputs_are_taken_whole_and_in_their_order(void **state)
{
	RECORD r = {0};
	char line[24];

	(void)state;
	run_with_files(
	    &r, "seq 1000000 1060000 >/tmp/b; : >/tmp/a; exit 4", NULL, 0, 2);
	assert_int_equal(r.end.exit_code, 4);
	assert_int_equal(r.nfiles, 2);
	assert_int_equal(r.files[0].status, SANDBOX_FILE_KEPT);
	assert_int_equal(r.files[0].size, 0);
	assert_int_equal(r.files[1].status, SANDBOX_FILE_KEPT);
	assert_int_equal(r.files[1].size, 60001 * 8);
	assert_int_equal(r.files[1].bytes.len, 60001 * 8);
	for (int i = 0; i <= 60000; i++) {
		snprintf(line, sizeof(line), "%d\n", 1000000 + i);
		assert_memory_equal(r.files[1].bytes.data + 8 * i, line, 8);
	}
}

static void
test_what_is_no_plain_file_is_said_to_be_so(void **state)
{
	RECORD r = {0};

	(void)state;
	run_with_files(&r,
	    "cd /tmp; ln -s /etc/passwd b; mkdir c; mkfifo d; "
	    "truncate -s 1G e; echo x >f; chmod 0 f; ln f g",
	    NULL, 0, 7);
	assert_int_equal(r.end.exit_code, 0);
	assert_int_equal(r.nfiles, 7);
	assert_int_equal(r.files[0].status, SANDBOX_FILE_MISSING);
	assert_int_equal(r.files[1].status, SANDBOX_FILE_LINK);
	assert_int_equal(r.files[2].status, SANDBOX_FILE_NOT_REGULAR);
	assert_int_equal(r.files[3].status, SANDBOX_FILE_NOT_REGULAR);
	assert_int_equal(r.files[4].status, SANDBOX_FILE_TOO_LARGE);
	assert_int_equal(r.files[4].size, 1 << 30);
	assert_int_equal(r.files[5].status, SANDBOX_FILE_UNREADABLE);
	for (int i = 0; i < 7; i++)
		assert_int_equal(r.files[i].bytes.len, 0);
}

static void
test_a_file_may_be_as_large_as_its_place_and_no_larger(void **state)
{
	RECORD most = {0};
	RECORD more = {0};

	(void)state;
	run_with_files(&most, "truncate -s 1M /tmp/a", NULL, 0, 1);
	assert_int_equal(most.files[0].status, SANDBOX_FILE_KEPT);
	assert_int_equal(most.files[0].bytes.len, 1 << 20);
	run_with_files(&more, "truncate -s 1048577 /tmp/a", NULL, 0, 1);
	assert_int_equal(more.files[0].status, SANDBOX_FILE_TOO_LARGE);
}

static void
test_an_input_can_be_an_output_again(void **state)
{
	RECORD r = {0};
	auto_fd int fd = make_file(32);
	const struct sandbox_input input = {"a", fd};

	(void)state;
	run_with_files(&r, "echo more >>/tmp/a", &input, 1, 1);
	assert_int_equal(r.files[0].status, SANDBOX_FILE_KEPT);
	assert_string_equal(
	    r.files[0].bytes.data, "000000000000000\n000000000000016\nmore\n");
}

/* What the task leaves running could change a file that is being read. */
static void
test_nobody_changes_a_file_once_the_task_has_ended(void **state)
{
	RECORD r = {0};

	(void)state;
	/* Both have a page from the beginning: either could fill /tmp before
	 * the other runs. */
	run_with_files(&r,
	    "cd /tmp; echo >a; echo >b; "
	    "(while :; do echo y >>b; done) & "
	    "setsid sh -c 'while :; do echo x; done >>a' & "
	    "for f in a b; do "
	    "while [ $(wc -c <$f) = 1 ]; do :; done; done",
	    NULL, 0, 2);
	assert_int_equal(r.end.how, SANDBOX_EXITED);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(r.files[i].status, SANDBOX_FILE_KEPT);
		assert_int_equal(r.files[i].size, r.files[i].bytes.len);
	}
}

static void
kill_now(struct record *record)
{
	sandbox_kill(record->sandbox);
}

static void
test_kill_after_the_end_leaves_files_out_and_the_end_as_it_was(void **state)
{
	RECORD r = {.on_exited = kill_now};

	(void)state;
	run_with_files(&r, "echo x >/tmp/a; exit 5", NULL, 0, 1);
	assert_int_equal(r.end.how, SANDBOX_EXITED);
	assert_int_equal(r.end.exit_code, 5);
}

static void
test_a_killed_task_s_files_are_taken_too(void **state)
{
	RECORD r = {.on_output = kill_now};

	(void)state;
	run_with_files(&r, "echo x >/tmp/a; echo up; sleep 1000", NULL, 0, 1);
	assert_int_equal(r.end.how, SANDBOX_KILLED);
	assert_int_equal(r.nfiles, 1);
	assert_string_equal(r.files[0].bytes.data, "x\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_inputs_are_there_when_the_program_starts),
	    cmocka_unit_test(test_as_many_inputs_as_there_may_be_are_placed),
	    cmocka_unit_test(test_an_input_that_does_not_fit_means_not_started),
	    cmocka_unit_test(test_outputs_are_taken_whole_and_in_their_order),
	    cmocka_unit_test(test_what_is_no_plain_file_is_said_to_be_so),
	    cmocka_unit_test(
		test_a_file_may_be_as_large_as_its_place_and_no_larger),
	    cmocka_unit_test(test_an_input_can_be_an_output_again),
	    cmocka_unit_test(
		test_nobody_changes_a_file_once_the_task_has_ended),
	    cmocka_unit_test(
		test_kill_after_the_end_leaves_files_out_and_the_end_as_it_was),
	    cmocka_unit_test(test_a_killed_task_s_files_are_taken_too),
	};

	return cmocka_run_group_tests(tests, site_set_up, site_tear_down);
}
