/* Secrets through task-init: where they lie, whose they are, and what happens
 * where they cannot be placed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/packet.h"
#include "tests/unit/init_site.h"

static int
seal(const char *text)
{
	struct err err;
	int fd = -1;

	assert_int_equal(packet_seal(text, strlen(text), &fd, &err), 0);
	return fd;
}

static void
need(bool condition)
{
	if (!condition)
		_exit(98);
}

static void
make_folder(void)
{
	need(mkdir("/run", 0755) == 0);
	need(mkdir("/run/secrets", 0755) == 0);
}

static void
make_place(void)
{
	make_folder();
	need(mount("secrets", "/run/secrets", "tmpfs", MS_NOSUID | MS_NODEV,
		 "mode=0700,uid=64321,gid=64321,size=64k") == 0);
}

/* A folder of the tmpfs that is the root here, but for that no place. */
static void
make_file_there(void)
{
	make_place();
	need(mknod("/run/secrets/token", S_IFREG | 0666, 0) == 0);
}

static void
make_another_kind(void)
{
	make_folder();
	need(mount("proc", "/run/secrets", "proc", 0, NULL) == 0);
}

static void
order(struct init_site *site, const char *script, const char *const *secrets,
    const char *const *contents)
{
	const char *args[] = {"sh", "-c", script, NULL};
	int fds[CONTROL_SECRETS_MAX];
	struct init_order order = {
	    .args = args, .secrets = secrets, .secret_fds = fds};
	size_t count = 0;

	for (; contents[count] != NULL; count++)
		fds[count] = seal(contents[count]);
	init_site_start(site);
	init_site_order(site, &order);
	while (count > 0)
		close(fds[--count]);
}

static void
test_they_are_the_tasks_alone_and_in_order(void **state)
{
	static const char *const names[] = {"token", "long.key", NULL};
	static const char *const contents[] = {"hunter2", "abc\ndef\n", NULL};
	INIT_SITE site = {.prepare = make_place};

	(void)state;
	order(&site,
	    "cd /run/secrets; cat token; echo; cat long.key; stat -c %a:%u *;"
	    " stat -c %a .; ls /proc/1/fd 2>&1 | wc -l",
	    names, contents);
	init_site_until(&site, CONTROL_EXIT);
	assert_string_equal(site.output[0].data,
	    "hunter2\nabc\ndef\n400:64321\n400:64321\n500\n1\n");
}

static void
assert_fails(void (*prepare)(void), uint32_t index, int errnum)
{
	static const char *const names[] = {"other", "token", NULL};
	static const char *const contents[] = {"a", "b", NULL};
	INIT_SITE site = {.prepare = prepare};

	order(&site, "echo ran", names, contents);
	init_site_until(&site, CONTROL_START_FAILED);
	assert_int_equal(site.failure.stage, CONTROL_AT_SECRET);
	assert_int_equal(site.failure.index, index);
	assert_int_equal(site.failure.errnum, errnum);
}

static void
test_without_a_place_for_them_nothing_starts(void **state)
{
	(void)state;
	assert_fails(NULL, 0, ENOENT);
	assert_fails(make_another_kind, 0, EINVAL);
	assert_fails(make_file_there, 1, EEXIST);
}

static void
test_one_that_does_not_fit_means_not_started(void **state)
{
	static const char *const names[] = {"token", NULL};
	static char large[80 * 1024];
	const char *contents[] = {large, NULL};
	INIT_SITE site = {.prepare = make_place};

	(void)state;
	memset(large, 'x', sizeof(large) - 1);
	order(&site, "echo ran", names, contents);
	init_site_until(&site, CONTROL_START_FAILED);
	assert_int_equal(site.failure.stage, CONTROL_AT_SECRET);
	assert_int_equal(site.failure.errnum, ENOSPC);
}

static void
test_more_or_fewer_descriptors_than_names_are_refused(void **state)
{
	static const char *const names[] = {"token", "other", NULL};
	const char *args[] = {"true", NULL};
	const int fd = seal("a");
	struct init_order order = {
	    .args = args, .secrets = names, .secret_fds = &fd, .nfds = 1};
	INIT_SITE site = {.prepare = make_place};

	(void)state;
	init_site_start(&site);
	init_site_order(&site, &order);
	init_site_until(&site, CONTROL_START_FAILED);
	assert_int_equal(site.failure.stage, CONTROL_AT_ORDER);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_they_are_the_tasks_alone_and_in_order),
	    cmocka_unit_test(test_without_a_place_for_them_nothing_starts),
	    cmocka_unit_test(test_one_that_does_not_fit_means_not_started),
	    cmocka_unit_test(
		test_more_or_fewer_descriptors_than_names_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
