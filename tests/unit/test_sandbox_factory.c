/* What a factory of sandboxes refuses to begin with, and its folders. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "runner/sandbox.h"
#include "runner/sandbox_folder.h"
#include "tests/unit/folder.h"

#define RUNNER "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a11"
#define PROFILE "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[]}"

struct place {
	char *init, *seccomp, *directory;
	struct sandbox_configuration configuration;
};

static void
write_file(const char *path, const char *text, mode_t mode)
{
	struct err err;

	if (file_write(path, text, strlen(text), mode, &err) != 0)
		fail_msg("%s", err.detail);
}

static void
place_make(struct place *place, const char *folder)
{
	place->init = folder_path(folder, "task-init");
	place->seccomp = folder_path(folder, "seccomp.json");
	place->directory = folder_path(folder, "sandboxes");
	write_file(place->init, "#!/bin/sh\n", 0755);
	write_file(place->seccomp, PROFILE, 0644);
	place->configuration = (struct sandbox_configuration){
	    .engine = "unix:///nowhere/docker.sock",
	    .runner_id = RUNNER,
	    .directory = place->directory,
	    .init_path = place->init,
	    .seccomp_path = place->seccomp,
	    .uid = 61000,
	    .gid = 61000,
	};
}

static void
place_done(struct place *place)
{
	free(place->init);
	free(place->seccomp);
	free(place->directory);
}
#define PLACE AUTO(place_done) struct place

/* Whether it can be made; what is wrong otherwise goes to *ret. */
static bool
begins(const struct place *place, struct err *ret)
{
	uv_loop_t loop;
	struct sandbox_factory *factory;

	uv_loop_init(&loop);
	factory = sandbox_factory_new(&loop, &place->configuration, ret);
	sandbox_factory_free(factory);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	return factory != NULL;
}

static void
assert_begins(const struct place *place)
{
	struct err err;

	if (!begins(place, &err))
		fail_msg("%s", err.detail);
}

static void
assert_refuses(const struct place *place, const char *says)
{
	struct err err;

	assert_false(begins(place, &err));
	if (strstr(err.detail, says) == NULL)
		fail_msg("\"%s\" does not say %s", err.detail, says);
}

static void
test_a_good_place_is_taken_and_the_control_folders_are_closed(void **state)
{
	PLACE place = {0};
	struct stat st;

	place_make(&place, *state);
	assert_begins(&place);
	assert_int_equal(stat(place.directory, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	auto_free char *hosts =
	    alloc_printf("%s/" SANDBOX_FOLDER_HOSTS, place.directory);
	assert_int_equal(stat(hosts, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0444);
	/* And again, with what is there. */
	assert_begins(&place);
}

static void
test_a_task_init_that_others_can_change_is_refused(void **state)
{
	PLACE place = {0};

	place_make(&place, *state);
	assert_int_equal(chmod(place.init, 0777), 0);
	assert_refuses(&place, "task-init");
	assert_int_equal(chmod(place.init, 0644), 0);
	assert_refuses(&place, "not a program");
	assert_int_equal(unlink(place.init), 0);
	assert_refuses(&place, "task-init");
}

static void
test_a_profile_that_is_unsafe_or_allows_by_default_is_refused(void **state)
{
	PLACE place = {0};

	place_make(&place, *state);
	assert_int_equal(chmod(place.seccomp, 0666), 0);
	assert_refuses(&place, "seccomp");
	write_file(
	    place.seccomp, "{\"defaultAction\":\"SCMP_ACT_ALLOW\"}", 0644);
	assert_refuses(&place, "defaultAction");
	write_file(place.seccomp, "{}", 0644);
	assert_refuses(&place, "defaultAction");
	write_file(
	    place.seccomp, "{\"defaultAction\":\"SCMP_ACT_ERRNO\",", 0644);
	assert_refuses(&place, "seccomp");
	assert_int_equal(unlink(place.seccomp), 0);
	assert_refuses(&place, "seccomp");
}

static void
test_control_folders_that_others_can_enter_are_refused(void **state)
{
	PLACE place = {0};

	place_make(&place, *state);
	assert_int_equal(mkdir(place.directory, 0755), 0);
	assert_int_equal(chmod(place.directory, 0755), 0);
	assert_refuses(&place, "0700");
	assert_int_equal(chmod(place.directory, 0700), 0);
	assert_begins(&place);
}

static void
test_an_engine_or_id_that_is_none_is_refused(void **state)
{
	PLACE place = {0};

	place_make(&place, *state);
	place.configuration.engine = "tcp://127.0.0.1:2375";
	assert_refuses(&place, "unix://");
	place.configuration.engine = "unix://relative";
	assert_refuses(&place, "unix://");
	place.configuration.engine = "unix:///nowhere/docker.sock";
	place.configuration.runner_id = "x";
	assert_refuses(&place, "UUID");
}

static void
count_folder(void *arg, const char *sandbox)
{
	assert_true(uuid_is_valid(sandbox));
	++*(int *)arg;
}

static void
test_a_control_folder_has_its_modes_whatever_the_umask_is(void **state)
{
	auto_free char *parent = folder_path(*state, "parent");
	auto_free char *folder = alloc_printf("%s/" RUNNER, parent);
	auto_free char *sock = alloc_printf("%s/socket", folder);
	mode_t umask_before = umask(0777);
	struct stat st;
	struct err err;
	int listener = -1, count = 0;

	assert_int_equal(sandbox_folder_prepare(parent, &err), 0);
	assert_int_equal(
	    sandbox_folder_make(parent, RUNNER, &listener, &err), 0);
	umask(umask_before);
	assert_int_equal(stat(folder, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0701);
	assert_int_equal(stat(sock, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0602);
	/* One that is there already is somebody else's. */
	int second = -1;
	assert_int_equal(
	    sandbox_folder_make(parent, RUNNER, &second, &err), -1);
	assert_int_equal(
	    sandbox_folder_list(parent, count_folder, &count, &err), 0);
	assert_int_equal(count, 1);
	close(listener);
	sandbox_folder_remove(parent, RUNNER);
	sandbox_folder_remove(parent, RUNNER);
	assert_int_equal(access(folder, F_OK), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_a_good_place_is_taken_and_the_control_folders_are_closed,
		folder_make, folder_remove),
	    cmocka_unit_test_setup_teardown(
		test_a_task_init_that_others_can_change_is_refused, folder_make,
		folder_remove),
	    cmocka_unit_test_setup_teardown(
		test_a_profile_that_is_unsafe_or_allows_by_default_is_refused,
		folder_make, folder_remove),
	    cmocka_unit_test_setup_teardown(
		test_control_folders_that_others_can_enter_are_refused,
		folder_make, folder_remove),
	    cmocka_unit_test_setup_teardown(
		test_an_engine_or_id_that_is_none_is_refused, folder_make,
		folder_remove),
	    cmocka_unit_test_setup_teardown(
		test_a_control_folder_has_its_modes_whatever_the_umask_is,
		folder_make, folder_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
