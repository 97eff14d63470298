/* The folder of secrets and its files: what must not be used is not, and what
 * is used cannot be changed any more. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/packet.h"
#include "runner/secret_folder.h"
#include "tests/unit/folder.h"

#define STRANGER 61003

static void
write_secret(const char *folder, const char *name, size_t len)
{
	auto_free char *path = folder_path(folder, name);
	auto_free char *data = alloc_zero(len + 1, 1);
	struct err err;

	memset(data, 's', len);
	assert_int_equal(file_write(path, data, len, 0600, &err), 0);
}

static void
assert_given(const char *folder, const char *name, size_t len)
{
	auto_free char *data = NULL;
	auto_fd int fd = -1;
	struct err err;
	size_t found;

	if (secret_folder_open(folder, name, &fd, &err) != 0)
		fail_msg("%s", err.detail);
	/* All four seals: whoever has it cannot change it. */
	assert_int_equal(
	    packet_read_sealed(fd, SECRET_BYTES_MAX, &data, &found, &err), 0);
	assert_int_equal(found, len);
	assert_int_equal(strspn(data, "s"), len);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(errno, EPERM);
}

static void
assert_refused(
    const char *folder, const char *name, enum err_code code, const char *words)
{
	struct err err;
	int fd = -1;

	assert_int_equal(secret_folder_open(folder, name, &fd, &err), -1);
	assert_int_equal(fd, -1);
	assert_int_equal(err.code, code);
	if (strstr(err.detail, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.detail, words);
	assert_non_null(strstr(err.detail, folder));
}

static void
test_a_secret_of_each_size_comes_sealed(void **state)
{
	static const size_t sizes[] = {1, 2, 4095, 4096, SECRET_BYTES_MAX};

	for (size_t i = 0; i < COUNT(sizes); i++) {
		write_secret(*state, "token", sizes[i]);
		assert_given(*state, "token", sizes[i]);
	}
}

static void
test_a_secret_that_is_empty_or_too_long_is_refused(void **state)
{
	write_secret(*state, "token", 0);
	assert_refused(*state, "token", ERR_UNPROCESSABLE, "0 bytes");
	write_secret(*state, "token", SECRET_BYTES_MAX + 1);
	assert_refused(*state, "token", ERR_UNPROCESSABLE, "65537 bytes");
}

static void
test_a_secret_that_is_not_there_is_told_apart(void **state)
{
	assert_refused(*state, "token", ERR_NOT_FOUND, "token: is not there");
}

static void
test_a_secret_that_others_may_read_is_refused(void **state)
{
	static const mode_t modes[] = {0640, 0620, 0610, 0604, 0602, 0601};
	auto_free char *path = folder_path(*state, "token");

	write_secret(*state, "token", 5);
	for (size_t i = 0; i < COUNT(modes); i++) {
		assert_int_equal(chmod(path, modes[i]), 0);
		assert_refused(
		    *state, "token", ERR_UNPROCESSABLE, "lets others in");
	}
	assert_int_equal(chmod(path, 0400), 0);
	assert_given(*state, "token", 5);
}

static void
test_a_secret_of_somebody_else_is_refused(void **state)
{
	auto_free char *path = folder_path(*state, "token");

	write_secret(*state, "token", 5);
	assert_int_equal(chown(path, STRANGER, STRANGER), 0);
	assert_refused(
	    *state, "token", ERR_UNPROCESSABLE, "belongs to uid 61003");
}

static void
test_what_is_no_file_is_refused(void **state)
{
	auto_free char *path = folder_path(*state, "token");

	write_secret(*state, "real", 5);
	assert_int_equal(symlink("real", path), 0);
	assert_refused(*state, "token", ERR_UNPROCESSABLE, "a symbolic link");
	assert_int_equal(unlink(path), 0);
	/* Nobody writes to it, and nobody waits for that. */
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_refused(*state, "token", ERR_UNPROCESSABLE, "not a regular");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_refused(*state, "token", ERR_UNPROCESSABLE, "not a regular");
}

static void
test_a_folder_that_others_can_look_into_or_change_is_refused(void **state)
{
	static const mode_t modes[] = {0755, 0701, 0704, 0702, 0770, 0720};
	const char *folder = *state;
	struct err err;

	write_secret(folder, "token", 5);
	for (size_t i = 0; i < COUNT(modes); i++) {
		assert_int_equal(chmod(folder, modes[i]), 0);
		assert_refused(folder, "token", ERR_UNPROCESSABLE, "mode 0");
		assert_int_equal(secret_folder_check(folder, &err), -1);
	}
	/* A group that may look in is the runner's, where it is root's. */
	assert_int_equal(chmod(folder, 0750), 0);
	assert_given(folder, "token", 5);
	assert_int_equal(chown(folder, STRANGER, STRANGER), 0);
	assert_refused(folder, "token", ERR_UNPROCESSABLE, "uid 61003");
	assert_int_equal(chown(folder, 0, 0), 0);
}

static void
test_a_folder_behind_a_link_or_a_stranger_s_is_refused(void **state)
{
	auto_free char *real = folder_path(*state, "real");
	auto_free char *link = folder_path(*state, "link");
	auto_free char *open_one = folder_path(*state, "open");
	auto_free char *inner = folder_path(*state, "open/inner");
	struct err err;

	assert_int_equal(mkdir(real, 0700), 0);
	assert_int_equal(symlink("real", link), 0);
	assert_int_equal(secret_folder_check(real, &err), 0);
	assert_int_equal(secret_folder_check(link, &err), -1);
	assert_non_null(strstr(err.detail, "a symbolic link"));
	assert_int_equal(mkdir(open_one, 0700), 0);
	assert_int_equal(mkdir(inner, 0700), 0);
	assert_int_equal(secret_folder_check(inner, &err), 0);
	assert_int_equal(chmod(open_one, 0777), 0);
	assert_int_equal(secret_folder_check(inner, &err), -1);
	assert_non_null(strstr(err.detail, "lets others change it"));
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_a_secret_of_each_size_comes_sealed),
	    TEST(test_a_secret_that_is_empty_or_too_long_is_refused),
	    TEST(test_a_secret_that_is_not_there_is_told_apart),
	    TEST(test_a_secret_that_others_may_read_is_refused),
	    TEST(test_a_secret_of_somebody_else_is_refused),
	    TEST(test_what_is_no_file_is_refused),
	    TEST(test_a_folder_that_others_can_look_into_or_change_is_refused),
	    TEST(test_a_folder_behind_a_link_or_a_stranger_s_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
