/* Whole files: sizes, modes, owners, and paths that others can change. */
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
#include "tests/unit/folder.h"

static void
write_plain(const char *path, const char *text, mode_t mode)
{
	auto_file FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void
test_read_gives_content_and_length(void **state)
{
	auto_free char *path = folder_path(*state, "a");
	struct err err = {0};
	auto_free char *text = NULL;
	size_t len = 0;

	write_plain(path, "hello\n", 0644);
	text = file_read(path, 6, &len, &err);
	assert_non_null(text);
	assert_string_equal(text, "hello\n");
	assert_int_equal(len, 6);
}

static void
test_read_takes_the_maximum_and_not_one_more(void **state)
{
	auto_free char *path = folder_path(*state, "a");
	struct err err = {0};
	auto_free char *text = NULL;

	write_plain(path, "123456", 0644);
	text = file_read(path, 6, NULL, &err);
	assert_non_null(text);
	assert_null(file_read(path, 5, NULL, &err));
	assert_int_equal(err.code, ERR_TOO_LARGE);
	assert_non_null(strstr(err.detail, path));
}

static void
test_read_of_an_empty_file_is_empty(void **state)
{
	auto_free char *path = folder_path(*state, "a");
	struct err err = {0};
	auto_free char *text = NULL;
	size_t len = 7;

	write_plain(path, "", 0644);
	text = file_read(path, 0, &len, &err);
	assert_non_null(text);
	assert_int_equal(len, 0);
}

static void
test_read_refuses_what_is_no_file(void **state)
{
	auto_free char *fifo = folder_path(*state, "fifo");
	struct err err = {0};

	/* A FIFO without a writer would hold a plain open(2) for ever. */
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_null(file_read(fifo, 10, NULL, &err));
	assert_int_equal(err.code, ERR_UNPROCESSABLE);
	assert_null(file_read(*state, 10, NULL, &err));
	assert_null(file_read("/dev/zero", 10, NULL, &err));
}

static void
test_read_of_what_is_not_there_is_not_found(void **state)
{
	auto_free char *path = folder_path(*state, "none");
	struct err err = {0};

	assert_null(file_read(path, 10, NULL, &err));
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_non_null(strstr(err.detail, "No such file"));
}

static void
test_secret_is_refused_unless_closed_to_others(void **state)
{
	static const mode_t open_modes[] = {
	    0640, 0620, 0610, 0604, 0602, 0601, 0644, 0660, 0777};
	static const mode_t closed_modes[] = {0600, 0400, 0700, 0200};
	auto_free char *path = folder_path(*state, "key");
	struct err err = {0};

	write_plain(path, "hunter2", 0600);
	for (size_t i = 0; i < COUNT(open_modes); i++) {
		assert_int_equal(chmod(path, open_modes[i]), 0);
		assert_null(file_read_secret(path, 100, NULL, &err));
		assert_non_null(strstr(err.detail, "chmod 600"));
		assert_null(strstr(err.detail, "hunter2"));
	}
	for (size_t i = 0; i < COUNT(closed_modes); i++) {
		auto_free char *text = NULL;

		assert_int_equal(chmod(path, closed_modes[i]), 0);
		text = file_read_secret(path, 100, NULL, &err);
		/* 0200 can be read by root alone. */
		if (closed_modes[i] != 0200 || geteuid() == 0)
			assert_non_null(text);
	}
}

static void
test_secret_of_another_owner_is_refused(void **state)
{
	auto_free char *path = folder_path(*state, "key");
	struct err err = {0};

	write_plain(path, "secret", 0600);
	/* Only root can give a file away; others meet /proc/1's owner. */
	if (geteuid() != 0 || chown(path, 4242, 4242) != 0) {
		assert_null(
		    file_read_secret("/etc/passwd", 1 << 20, NULL, &err));
		return;
	}
	assert_null(file_read_secret(path, 100, NULL, &err));
	assert_non_null(strstr(err.detail, "uid 4242"));
}

static void
expect_content(const char *path, const char *expected, mode_t mode)
{
	struct err err = {0};
	auto_free char *text = file_read(path, 1000, NULL, &err);
	struct stat st;

	assert_non_null(text);
	assert_string_equal(text, expected);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, mode);
}

static void
test_write_makes_the_file_with_its_mode(void **state)
{
	auto_free char *path = folder_path(*state, "out");
	struct err err = {0};
	mode_t old = umask(077);

	assert_int_equal(file_write(path, "one", 3, 0644, &err), 0);
	umask(old);
	expect_content(path, "one", 0644);
	assert_int_equal(folder_count(*state), 1);
}

static void
test_write_replaces_as_a_whole(void **state)
{
	auto_free char *path = folder_path(*state, "out");
	auto_fd int before = -1;
	struct err err = {0};
	char text[8] = {0};

	write_plain(path, "old", 0666);
	before = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(file_write(path, "newer", 5, 0600, &err), 0);
	expect_content(path, "newer", 0600);
	/* Who had it open still sees the old one. */
	assert_int_equal(read(before, text, sizeof(text)), 3);
	assert_string_equal(text, "old");
}

static void
test_write_replaces_a_link_and_does_not_follow_it(void **state)
{
	auto_free char *victim = folder_path(*state, "victim");
	auto_free char *link = folder_path(*state, "link");
	struct err err = {0};

	write_plain(victim, "untouched", 0644);
	assert_int_equal(symlink(victim, link), 0);
	assert_int_equal(file_write(link, "x", 1, 0600, &err), 0);
	expect_content(victim, "untouched", 0644);
	expect_content(link, "x", 0600);
}

static void
test_replace_keeps_mode_and_owner(void **state)
{
	auto_free char *path = folder_path(*state, "key");
	struct err err = {0};
	struct stat before, after;

	write_plain(path, "old", 0640);
	if (geteuid() == 0)
		assert_int_equal(chown(path, 4242, 4343), 0);
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(file_replace(path, "new", 3, &err), 0);
	expect_content(path, "new", 0640);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(after.st_uid, before.st_uid);
	assert_int_equal(after.st_gid, before.st_gid);
	assert_int_equal(folder_count(*state), 1);
}

static void
test_replace_makes_nothing_and_follows_nothing(void **state)
{
	auto_free char *victim = folder_path(*state, "victim");
	auto_free char *link = folder_path(*state, "link");
	auto_free char *missing = folder_path(*state, "missing");
	struct err err = {0};

	assert_int_equal(file_replace(missing, "x", 1, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	write_plain(victim, "untouched", 0644);
	assert_int_equal(symlink(victim, link), 0);
	assert_int_equal(file_replace(link, "x", 1, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	expect_content(victim, "untouched", 0644);
	assert_int_equal(folder_count(*state), 2);
}

static void
test_write_survives_what_a_crash_left_behind(void **state)
{
	auto_free char *path = folder_path(*state, "out");
	auto_free char *left =
	    alloc_printf("%s/.out.%ld", (char *)*state, (long)getpid());
	struct err err = {0};

	write_plain(left, "half", 0600);
	assert_int_equal(file_write(path, "whole", 5, 0600, &err), 0);
	expect_content(path, "whole", 0600);
	assert_int_equal(folder_count(*state), 1);
}

static void
test_write_that_fails_leaves_nothing(void **state)
{
	auto_free char *path = folder_path(*state, "none/out");
	auto_free char *directory = folder_path(*state, "directory");
	auto_free char *inside = folder_path(*state, "directory/x");
	struct err err = {0};

	assert_int_equal(file_write(path, "x", 1, 0600, &err), -1);
	assert_non_null(strstr(err.detail, "none"));
	/* A directory that is not empty cannot be renamed over. */
	assert_int_equal(mkdir(directory, 0700), 0);
	write_plain(inside, "x", 0600);
	assert_int_equal(file_write(directory, "x", 1, 0600, &err), -1);
	assert_int_equal(folder_count(*state), 1);
}

static void
test_make_directory_makes_all_above(void **state)
{
	auto_free char *path = folder_path(*state, "a/b/c");
	auto_free char *above = folder_path(*state, "a/b");
	auto_free char *slash = alloc_printf("%s/", path);
	struct err err = {0};
	struct stat st;
	mode_t old = umask(077);

	assert_int_equal(file_make_directory(path, 0701, &err), 0);
	umask(old);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0701);
	assert_int_equal(stat(above, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	/* Again, and with a slash behind: there already. */
	assert_int_equal(file_make_directory(path, 0700, &err), 0);
	assert_int_equal(file_make_directory(slash, 0700, &err), 0);
}

static void
test_make_directory_refuses_a_file_in_the_way(void **state)
{
	auto_free char *file = folder_path(*state, "f");
	auto_free char *below = folder_path(*state, "f/d");
	struct err err = {0};

	write_plain(file, "", 0600);
	assert_int_equal(file_make_directory(file, 0700, &err), -1);
	assert_int_equal(file_make_directory(below, 0700, &err), -1);
	assert_int_equal(file_make_directory("", 0700, &err), -1);
}

static void
expect_unsafe(const char *path, uid_t also, const char *reason)
{
	struct err err = {0};

	if (file_check_path_is_safe(path, also, &err) == 0)
		fail_msg("%s counts as safe", path);
	if (strstr(err.detail, reason) == NULL)
		fail_msg("%s: \"%s\", not \"%s\"", path, err.detail, reason);
}

static void
test_path_that_only_root_can_change_is_safe(void **state)
{
	struct err err = {0};

	(void)state;
	assert_int_equal(file_check_path_is_safe("/", (uid_t)-1, &err), 0);
	assert_int_equal(
	    file_check_path_is_safe("/etc/passwd", (uid_t)-1, &err), 0);
	assert_int_equal(
	    file_check_path_is_safe("//etc//passwd", (uid_t)-1, &err), 0);
}

static void
test_path_through_what_others_can_change_is_unsafe(void **state)
{
	auto_free char *directory = folder_path(*state, "d");
	auto_free char *file = folder_path(*state, "d/f");
	auto_free char *link = folder_path(*state, "l");
	auto_free char *through = folder_path(*state, "l/f");
	auto_free char *dots = folder_path(*state, "d/../d/f");
	struct err err = {0};
	uid_t self = geteuid();

	assert_int_equal(mkdir(directory, 0755), 0);
	write_plain(file, "x", 0644);
	assert_int_equal(symlink("d", link), 0);
	assert_int_equal(file_check_path_is_safe(file, self, &err), 0);
	expect_unsafe(link, self, "a symbolic link");
	expect_unsafe(through, self, "a symbolic link");
	expect_unsafe(dots, self, "\"..\"");
	assert_int_equal(chmod(file, 0664), 0);
	expect_unsafe(file, self, "0664");
	assert_int_equal(chmod(file, 0644), 0);
	assert_int_equal(chmod(directory, 0775), 0);
	expect_unsafe(file, self, "0775");
	/* The sticky bit keeps others from replacing what is in it. */
	assert_int_equal(chmod(directory, 01777), 0);
	assert_int_equal(file_check_path_is_safe(file, self, &err), 0);
	expect_unsafe("relative/path", self, "not an absolute path");
	expect_unsafe("", self, "not an absolute path");
	expect_unsafe("/nonexistent/x", self, "No such file");
}

static void
test_path_of_another_owner_is_unsafe(void **state)
{
	auto_free char *file = folder_path(*state, "f");
	struct err err = {0};

	write_plain(file, "x", 0644);
	if (geteuid() != 0) {
		/* Our own files: another's, seen from root. */
		expect_unsafe(file, (uid_t)-1, "belongs to uid");
		return;
	}
	assert_int_equal(chown(file, 4242, 4242), 0);
	expect_unsafe(file, (uid_t)-1, "uid 4242");
	assert_int_equal(file_check_path_is_safe(file, 4242, &err), 0);
}

#define IN_FOLDER(test) \
	cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_FOLDER(test_read_gives_content_and_length),
	    IN_FOLDER(test_read_takes_the_maximum_and_not_one_more),
	    IN_FOLDER(test_read_of_an_empty_file_is_empty),
	    IN_FOLDER(test_read_refuses_what_is_no_file),
	    IN_FOLDER(test_read_of_what_is_not_there_is_not_found),
	    IN_FOLDER(test_secret_is_refused_unless_closed_to_others),
	    IN_FOLDER(test_secret_of_another_owner_is_refused),
	    IN_FOLDER(test_write_makes_the_file_with_its_mode),
	    IN_FOLDER(test_write_replaces_as_a_whole),
	    IN_FOLDER(test_write_replaces_a_link_and_does_not_follow_it),
	    IN_FOLDER(test_replace_keeps_mode_and_owner),
	    IN_FOLDER(test_replace_makes_nothing_and_follows_nothing),
	    IN_FOLDER(test_write_survives_what_a_crash_left_behind),
	    IN_FOLDER(test_write_that_fails_leaves_nothing),
	    IN_FOLDER(test_make_directory_makes_all_above),
	    IN_FOLDER(test_make_directory_refuses_a_file_in_the_way),
	    IN_FOLDER(test_path_that_only_root_can_change_is_safe),
	    IN_FOLDER(test_path_through_what_others_can_change_is_unsafe),
	    IN_FOLDER(test_path_of_another_owner_is_unsafe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
