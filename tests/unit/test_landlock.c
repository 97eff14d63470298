/* Each version of the interface that the kernel may have: what it cannot hold
 * back is let go, and the rest is held. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/landlock.h"
#include "tests/unit/child.h"
#include "tests/unit/folder.h"

struct trial {
	const char *folder;
	int newest;
};

static int
open_in(const char *folder, const char *name, int flags)
{
	auto_free char *path = folder_path(folder, name);
	auto_fd int fd = open(path, flags | O_CLOEXEC, 0600);

	return fd >= 0 ? 0 : errno;
}

static bool
enforce(const struct trial *trial)
{
	auto_free char *reading = folder_path(trial->folder, "reading");
	auto_free char *writing = folder_path(trial->folder, "writing");
	AUTO(landlock_close) struct landlock landlock = {.fd = -1};
	struct err err;

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	    landlock_open(trial->newest, &landlock, &err) == 0 &&
	    landlock_allow(&landlock, reading, LANDLOCK_READ, &err) == 0 &&
	    landlock_allow(&landlock, writing, LANDLOCK_WRITE, &err) == 0 &&
	    landlock_allow(&landlock, reading, LANDLOCK_CONNECT, &err) == 0 &&
	    landlock_enforce(&landlock, &err) == 0;
}

/* 0, or the number of what is not as it should be. */
static int
look_inside(void *arg)
{
	const struct trial *trial = arg;
	const char *folder = trial->folder;

	if (!enforce(trial))
		return 1;
	if (open_in(folder, "reading/file", O_RDONLY) != 0)
		return 2;
	if (open_in(folder, "reading/file", O_WRONLY) != EACCES)
		return 3;
	if (open_in(folder, "reading/new", O_WRONLY | O_CREAT) != EACCES)
		return 4;
	if (open_in(folder, "writing/file", O_RDWR | O_CREAT | O_TRUNC) != 0)
		return 5;
	if (open_in(folder, "other", O_RDONLY) != EACCES)
		return 6;
	return 0;
}

static void
make_site(const char *folder)
{
	static const char *const names[] = {"reading", "writing"};
	auto_free char *listed = folder_path(folder, "reading/file");
	auto_free char *other = folder_path(folder, "other");
	struct err err;

	assert_int_equal(chmod(folder, 0755), 0);
	for (size_t i = 0; i < COUNT(names); i++) {
		auto_free char *path = folder_path(folder, names[i]);

		assert_int_equal(mkdir(path, 0700), 0);
		assert_int_equal(chmod(path, 0777), 0);
	}
	assert_int_equal(file_write(listed, "x", 1, 0666, &err), 0);
	assert_int_equal(file_write(other, "x", 1, 0644, &err), 0);
}

static void
test_every_version_holds_back_files(void **state)
{
	AUTO(landlock_close) struct landlock landlock;
	struct err err;

	make_site(*state);
	assert_int_equal(landlock_open(LANDLOCK_NEWEST, &landlock, &err), 0);
	for (int newest = 2; newest <= landlock.abi; newest++) {
		struct trial trial = {*state, newest};

		assert_int_equal(child_exit_status(look_inside, &trial), 0);
	}
}

/* The first cannot let a file be moved to another folder. */
static void
test_the_first_version_is_none(void **state)
{
	AUTO(landlock_close) struct landlock landlock;
	struct err err;

	(void)state;
	assert_int_equal(landlock_open(1, &landlock, &err), 0);
	assert_int_equal(landlock.abi, 0);
	assert_int_equal(
	    landlock_allow(&landlock, "/nonexistent", LANDLOCK_READ, &err), 0);
	assert_int_equal(landlock_enforce(&landlock, &err), 0);
}

static void
test_what_is_not_there_cannot_be_allowed(void **state)
{
	AUTO(landlock_close) struct landlock landlock;
	struct err err = {0};

	(void)state;
	assert_int_equal(landlock_open(LANDLOCK_NEWEST, &landlock, &err), 0);
	if (landlock.abi == 0)
		return;
	assert_int_equal(
	    landlock_allow(&landlock, "/nonexistent", LANDLOCK_READ, &err), -1);
	assert_int_equal(err.errnum, ENOENT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_every_version_holds_back_files,
		folder_make, folder_remove),
	    cmocka_unit_test(test_the_first_version_is_none),
	    cmocka_unit_test(test_what_is_not_there_cannot_be_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
