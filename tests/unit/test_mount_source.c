/* Sources of mounts: which folder a path leads to, and all that must not be
 * one. In a folder that root alone can change, as real ones have to be. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "runner/mount_source.h"
#include "tests/unit/folder.h"

#define STRANGER 61003

static const struct mount_guard nothing = {.count = 0};

/* /a/b/pictures with a file in it. */
static int
set_up(void **state)
{
	char path[] = "/var/lib/taskgate-test-XXXXXX";
	char *folder;

	if (mkdtemp(path) == NULL || chmod(path, 0755) != 0)
		return -1;
	folder = alloc_string(path);
	static const char *const folders[] = {"a", "a/b", "a/b/pictures"};

	for (size_t i = 0; i < COUNT(folders); i++) {
		auto_free char *one = folder_path(folder, folders[i]);

		if (mkdir(one, 0755) != 0 || chmod(one, 0755) != 0)
			return -1;
	}
	auto_free char *file = folder_path(folder, "a/b/pictures/one.png");
	auto_fd int fd = open(file, O_WRONLY | O_CREAT, 0644);

	*state = folder;
	return fd < 0 ? -1 : 0;
}

static void
assert_found(
    const char *folder, const char *name, const struct mount_guard *guard)
{
	auto_free char *path = folder_path(folder, name);
	struct control_inode found;
	struct stat st;
	struct err err;

	if (mount_source_find(path, guard, &found, &err) != 0)
		fail_msg("%s", err.detail);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(found.device, st.st_dev);
	assert_int_equal(found.inode, st.st_ino);
}

static void
assert_path_refused(
    const char *path, const struct mount_guard *guard, const char *words)
{
	struct control_inode found;
	struct err err;

	if (mount_source_find(path, guard, &found, &err) == 0)
		fail_msg("%s is a source", path);
	assert_int_equal(err.code, ERR_UNPROCESSABLE);
	if (strstr(err.detail, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.detail, words);
}

static void
assert_refused(const char *folder, const char *name, const char *words)
{
	auto_free char *path = folder_path(folder, name);

	assert_path_refused(path, &nothing, words);
}

static void
test_folders_and_files_are_found_whoever_owns_them(void **state)
{
	auto_free char *path = folder_path(*state, "a/b/pictures");

	assert_found(*state, "a/b/pictures", &nothing);
	assert_found(*state, "a/b/pictures/one.png", &nothing);
	/* A task's user, that is to write there. */
	assert_int_equal(chown(path, STRANGER, STRANGER), 0);
	assert_int_equal(chmod(path, 0700), 0);
	assert_found(*state, "a/b/pictures", &nothing);
}

static void
test_what_is_not_there_is_told_apart(void **state)
{
	auto_free char *path = folder_path(*state, "a/none/pictures");
	struct control_inode found;
	struct err err;

	assert_int_equal(mount_source_find(path, &nothing, &found, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_non_null(strstr(err.detail, "a/none: "));
}

static void
test_a_link_anywhere_in_the_path_is_refused(void **state)
{
	auto_free char *link = folder_path(*state, "a/link");

	assert_int_equal(symlink("b", link), 0);
	assert_refused(*state, "a/link", "a/link: a symbolic link");
	assert_refused(*state, "a/link/pictures", "a/link: a symbolic link");
	assert_int_equal(unlink(link), 0);
	assert_int_equal(symlink("/nowhere", link), 0);
	assert_refused(*state, "a/link", "a/link: a symbolic link");
}

static void
test_a_folder_that_others_can_write_is_refused_also_above(void **state)
{
	static const char *const names[] = {"a/b/pictures", "a/b", "a"};
	static const mode_t modes[] = {0775, 0757, 0777, 01777};

	for (size_t i = 0; i < COUNT(names); i++) {
		auto_free char *path = folder_path(*state, names[i]);

		for (size_t k = 0; k < COUNT(modes); k++) {
			assert_int_equal(chmod(path, modes[k]), 0);
			assert_refused(*state, "a/b/pictures", "lets others");
		}
		assert_int_equal(chmod(path, 0755), 0);
		assert_found(*state, "a/b/pictures", &nothing);
	}
}

static void
test_a_folder_above_that_is_not_root_s_is_refused(void **state)
{
	auto_free char *path = folder_path(*state, "a");

	assert_int_equal(chown(path, STRANGER, 0), 0);
	assert_refused(*state, "a/b/pictures", "a: belongs to uid 61003");
}

static void
make_socket(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(
	    bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(chmod(path, 0600), 0);
}

static void
test_what_is_neither_folder_nor_file_is_refused(void **state)
{
	auto_free char *socket = folder_path(*state, "a/socket");
	auto_free char *fifo = folder_path(*state, "a/fifo");
	auto_free char *device = folder_path(*state, "a/device");

	make_socket(socket);
	assert_refused(*state, "a/socket", "neither a folder nor");
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_refused(*state, "a/fifo", "neither a folder nor");
	assert_int_equal(mknod(device, S_IFCHR | 0600, 0x103), 0);
	assert_refused(*state, "a/device", "neither a folder nor");
	assert_refused(*state, "a/b/pictures/one.png/x", "not a folder");
}

static void
test_what_is_guarded_is_no_source_nor_what_holds_it_or_lies_in_it(void **state)
{
	static const char *const guarded[] = {"a/b", "a/b/pictures/one.png"};
	static const char *const names[][4] = {
	    {"a", "a/b", "a/b/pictures", "a/b/pictures/one.png"},
	    {"a", "a/b", "a/b/pictures", "a/b/pictures/one.png"}};
	auto_free char *beside = folder_path(*state, "beside");

	assert_int_equal(mkdir(beside, 0755), 0);
	for (size_t i = 0; i < COUNT(guarded); i++) {
		auto_free char *place = folder_path(*state, guarded[i]);
		struct mount_guard guard = {.count = 0};

		mount_guard_add(&guard, NULL);
		mount_guard_add(&guard, place);
		mount_guard_add(&guard, "/nowhere");
		for (size_t k = 0; k < COUNT(names[i]); k++) {
			auto_free char *path = folder_path(*state, names[i][k]);

			assert_path_refused(path, &guard, "no task may have");
		}
		assert_found(*state, "beside", &guard);
	}
}

/* By whatever name: what counts is where it is. */
static void
test_a_guarded_place_is_known_under_another_name(void **state)
{
	auto_free char *link = folder_path(*state, "link");
	auto_free char *path = folder_path(*state, "a/b");
	auto_free char *hard = folder_path(*state, "beside");
	auto_free char *file = folder_path(*state, "a/b/pictures/one.png");
	struct mount_guard guard = {.count = 0};

	assert_int_equal(symlink("a/b", link), 0);
	mount_guard_add(&guard, link);
	assert_path_refused(path, &guard, "no task may have");
	guard.count = 0;
	mount_guard_add(&guard, file);
	assert_int_equal(linkat(AT_FDCWD, file, AT_FDCWD, hard, 0), 0);
	assert_path_refused(hard, &guard, "no task may have");
}

static void
link_to(const char *folder, const char *name, const char *target)
{
	auto_free char *path = folder_path(folder, name);

	assert_int_equal(symlink(target, path), 0);
}

/* As in /etc/site -> ../hop/site -> /.../a/b. */
static void
test_each_link_to_a_guarded_place_is_guarded_too(void **state)
{
	static const char *const names[] = {
	    "etc", "hop", "a", "a/b", "a/b/pictures", "a/b/pictures/one.png"};
	static const char *const folders[] = {"etc", "hop", "beside"};
	auto_free char *target = folder_path(*state, "a/b");
	struct mount_guard guard = {.count = 0};

	for (size_t i = 0; i < COUNT(folders); i++) {
		auto_free char *folder = folder_path(*state, folders[i]);

		assert_int_equal(mkdir(folder, 0755), 0);
	}
	link_to(*state, "etc/site", "../hop/site");
	link_to(*state, "hop/site", target);
	auto_free char *place = folder_path(*state, "etc/site//pictures/");

	mount_guard_add(&guard, place);
	for (size_t i = 0; i < COUNT(names); i++) {
		auto_free char *path = folder_path(*state, names[i]);

		assert_path_refused(path, &guard, "no task may have");
	}
	assert_found(*state, "beside", &guard);
}

static void
test_what_is_to_hold_a_guarded_place_is_guarded(void **state)
{
	static const char *const absent[] = {"a/none", "a/none/deeper",
	    "a/dangling", "a/b/pictures/one.png/none"};

	link_to(*state, "a/dangling", "none/of/it");
	for (size_t i = 0; i < COUNT(absent); i++) {
		auto_free char *place = folder_path(*state, absent[i]);
		auto_free char *above = folder_path(*state, "a");
		auto_free char *beside = folder_path(*state, "beside");
		struct mount_guard guard = {.count = 0};

		mount_guard_add(&guard, place);
		assert_path_refused(above, &guard, "no task may have");
		mkdir(beside, 0755);
		assert_found(*state, "beside", &guard);
	}
}

/* Not taken for one that is not there. */
static void
test_a_guarded_place_that_cannot_be_seen_lets_nothing_be_mounted(void **state)
{
	char name[NAME_MAX + 2];
	auto_free char *path = folder_path(*state, "a/b/pictures");
	auto_free char *loop = folder_path(*state, "loop/place");
	struct mount_guard guard = {.count = 0};

	link_to(*state, "loop", "loop");
	mount_guard_add(&guard, loop);
	assert_path_refused(path, &guard, "cannot be seen");
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	auto_free char *named = folder_path(*state, name);

	guard.places[0] = named;
	assert_path_refused(path, &guard, "cannot be seen");
}

/* A path of more bytes than the kernel takes at once leads there too. */
static void
test_a_guarded_place_is_found_however_long_its_path(void **state)
{
	auto_free char *path = folder_path(*state, "a/b");
	char *place = folder_path(*state, "a");

	while (strlen(place) < (size_t)3 * PATH_MAX) {
		char *longer = alloc_printf("%s/../a", place);

		free(place);
		place = longer;
	}
	auto_free char *guarded = alloc_printf("%s/b", place);
	struct mount_guard guard = {.count = 0};

	free(place);
	mount_guard_add(&guard, guarded);
	assert_path_refused(path, &guard, "is or lies in");
}

static void
become_stranger(void)
{
	if (setgroups(0, NULL) != 0 ||
	    setresgid(STRANGER, STRANGER, STRANGER) != 0 ||
	    setresuid(STRANGER, STRANGER, STRANGER) != 0)
		_exit(90);
}

/* What a runner that is not root says of `source`: 0, or an enum err_code. */
static int
find_as_stranger(const char *source, const struct mount_guard *guard)
{
	int status = -1;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		struct control_inode found;
		struct err err = {0};

		become_stranger();
		_exit(mount_source_find(source, guard, &found, &err) == 0
			? 0
			: (int)err.code);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
test_a_runner_needs_to_enter_only_what_leads_there(void **state)
{
	auto_free char *path = folder_path(*state, "a/b/pictures");
	auto_free char *closed = folder_path(*state, "closed");
	auto_free char *in_it = folder_path(*state, "closed/place");
	struct mount_guard guard = {.count = 0};

	/* Neither the task's own folder, */
	assert_int_equal(chmod(path, 0700), 0);
	assert_int_equal(mkdir(closed, 0700), 0);
	mount_guard_init(&guard);
	/* nor a guarded one, */
	mount_guard_add(&guard, closed);
	assert_int_equal(find_as_stranger(path, &guard), 0);
	assert_int_equal(find_as_stranger(closed, &guard), ERR_UNPROCESSABLE);
	/* but those above it: what is in there leads who knows where. */
	mount_guard_add(&guard, in_it);
	assert_int_equal(find_as_stranger(path, &guard), ERR_UNPROCESSABLE);
	assert_found(*state, "a/b/pictures", &guard);
}

static void
test_what_may_be_away_is_known_by_its_name(void **state)
{
	static const char *const refused[] = {
	    "a", "a/b", "a/b/pictures", "a/b/pictures/one.png"};
	auto_free char *place = folder_path(*state, "a/b");
	auto_free char *beside = folder_path(*state, "a/bc");
	struct mount_guard guard = {.count = 0};

	assert_int_equal(mkdir(beside, 0755), 0);
	mount_guard_add_named(&guard, NULL);
	mount_guard_add_named(&guard, place);
	for (size_t i = 0; i < COUNT(refused); i++) {
		auto_free char *path = folder_path(*state, refused[i]);

		assert_path_refused(path, &guard, "no task may have");
	}
	assert_found(*state, "a/bc", &guard);
}

static void
test_the_machine_s_own_is_guarded_always(void **state)
{
	static const char *const paths[] = {
	    "/proc", "/proc/1/root", "/sys", "/dev", "/dev/shm", "/"};
	struct mount_guard guard;

	(void)state;
	mount_guard_init(&guard);
	for (size_t i = 0; i < COUNT(paths); i++)
		assert_path_refused(paths[i], &guard, "");
}

static void
test_a_file_system_of_the_kernel_s_is_refused_wherever_it_is(void **state)
{
	auto_free char *path = folder_path(*state, "a/b/pictures");

	assert_int_equal(mount("proc", path, "proc", 0, NULL), 0);
	assert_refused(*state, "a/b/pictures/1", "of the kernel's own");
	assert_int_equal(umount(path), 0);
	assert_found(*state, "a/b/pictures", &nothing);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, folder_remove)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_folders_and_files_are_found_whoever_owns_them),
	    TEST(test_what_is_not_there_is_told_apart),
	    TEST(test_a_link_anywhere_in_the_path_is_refused),
	    TEST(test_a_folder_that_others_can_write_is_refused_also_above),
	    TEST(test_a_folder_above_that_is_not_root_s_is_refused),
	    TEST(test_what_is_neither_folder_nor_file_is_refused),
	    TEST(
		test_what_is_guarded_is_no_source_nor_what_holds_it_or_lies_in_it),
	    TEST(test_a_guarded_place_is_known_under_another_name),
	    TEST(test_each_link_to_a_guarded_place_is_guarded_too),
	    TEST(test_what_is_to_hold_a_guarded_place_is_guarded),
	    TEST(
		test_a_guarded_place_that_cannot_be_seen_lets_nothing_be_mounted),
	    TEST(test_a_guarded_place_is_found_however_long_its_path),
	    TEST(test_a_runner_needs_to_enter_only_what_leads_there),
	    TEST(test_what_may_be_away_is_known_by_its_name),
	    TEST(test_the_machine_s_own_is_guarded_always),
	    TEST(test_a_file_system_of_the_kernel_s_is_refused_wherever_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
