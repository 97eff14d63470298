/* What a program does to itself first, looked at from outside in a child. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/packet.h"
#include "lib/process.h"
#include "tests/unit/child.h"
#include "tests/unit/folder.h"

static int
look_after_harden(void *arg)
{
	static const __rlimit_resource_t given_up[] = {RLIMIT_CORE,
	    RLIMIT_MEMLOCK, RLIMIT_MSGQUEUE, RLIMIT_NICE, RLIMIT_RTPRIO};
	struct err err = {0};
	struct rlimit limit;
	struct sigaction action;
	int high = fcntl(STDERR_FILENO, F_DUPFD, 100);

	(void)arg;
	if (process_harden(&err) != 0)
		return 1;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 2;
	if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
		return 3;
	for (size_t i = 0; i < COUNT(given_up); i++) {
		if (getrlimit(given_up[i], &limit) != 0 || limit.rlim_max != 0)
			return 4;
	}
	if (umask(0) != 077)
		return 5;
	if (sigaction(SIGPIPE, NULL, &action) != 0 ||
	    action.sa_handler != SIG_IGN)
		return 6;
	if (fcntl(high, F_GETFD) >= 0 || fcntl(3, F_GETFD) >= 0)
		return 7;
	if (fcntl(STDERR_FILENO, F_GETFD) < 0)
		return 8;
	return 0;
}

static void
test_harden_gives_up_what_is_not_needed(void **state)
{
	(void)state;
	assert_int_equal(child_exit_status(look_after_harden, NULL), 0);
}

static int
look_at_standard_streams(void *arg)
{
	struct err err = {0};

	(void)arg;
	close(STDIN_FILENO);
	close(STDERR_FILENO);
	if (process_harden(&err) != 0)
		return 1;
	/* Free numbers begin behind standard error. */
	return fcntl(STDERR_FILENO, F_GETFD) >= 0 &&
		open("/dev/null", O_RDONLY | O_CLOEXEC) == 3
	    ? 0
	    : 2;
}

static void
test_harden_lets_nothing_take_the_place_of_standard_error(void **state)
{
	(void)state;
	assert_int_equal(child_exit_status(look_at_standard_streams, NULL), 0);
}

static int
try_as_root(void *arg)
{
	struct err err = {0};

	(void)arg;
	return process_harden(&err) == 0 ? 0 : 1;
}

static void
test_harden_refuses_root(void **state)
{
	struct err err = {0};

	(void)state;
	/* As another user it goes on: the refusal is root's alone. */
	assert_int_equal(child_exit_status(try_as_root, NULL), 0);
	if (geteuid() != 0)
		return;
	assert_int_equal(process_harden(&err), -1);
	assert_int_equal(err.code, ERR_INTERNAL);
	assert_non_null(strstr(err.detail, "root"));
	/* Refused before anything was changed. */
	assert_int_equal(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
}

static int
listen_when_hardened(void *arg)
{
	struct err err = {0};
	int listener = -1;

	if (process_harden(&err) != 0)
		return 1;
	/* /proc/self/fd must still lead there when not dumpable. */
	if (packet_listen(arg, "x.sock", 0600, &listener, &err) != 0)
		return 2;
	return 0;
}

static void
test_a_hardened_process_can_still_bind_by_relative_name(void **state)
{
	if (geteuid() == 0)
		assert_int_equal(chown(*state, CHILD_ID, CHILD_ID), 0);
	assert_int_equal(child_exit_status(listen_when_hardened, *state), 0);
}

static int
bind_notify(const char *path, size_t len)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(len < sizeof(address.sun_path));
	memcpy(address.sun_path, path, len);
	assert_int_equal(
	    bind(fd, (struct sockaddr *)&address,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
	    0);
	return fd;
}

static void
expect_notification(int fd, const char *expected)
{
	char text[64] = {0};
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	assert_int_equal(n, strlen(expected));
	assert_string_equal(text, expected);
}

static void
test_notify_reaches_a_path(void **state)
{
	auto_free char *path = folder_path(*state, "notify");
	auto_fd int fd = bind_notify(path, strlen(path) + 1);

	setenv("NOTIFY_SOCKET", path, 1);
	process_notify_open();
	unsetenv("NOTIFY_SOCKET");
	process_notify("READY=1");
	expect_notification(fd, "READY=1");
}

static void
test_notify_reaches_an_abstract_name(void **state)
{
	char name[64] = {0};
	int n =
	    snprintf(name, sizeof(name), "@taskgate-test-%ld", (long)getpid());
	auto_fd int fd = -1;

	(void)state;
	setenv("NOTIFY_SOCKET", name, 1);
	name[0] = '\0';
	fd = bind_notify(name, (size_t)n);
	process_notify_open();
	unsetenv("NOTIFY_SOCKET");
	process_notify("STOPPING=1");
	expect_notification(fd, "STOPPING=1");
}

static void
test_notify_without_anybody_does_nothing(void **state)
{
	static const char *const names[] = {
	    "", "x", "relative", "/", "/nonexistent/notify", "@"};
	char endless[300];
	size_t before;

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	process_notify_open();
	before = folder_count("/proc/self/fd");
	process_notify("READY=1");
	for (size_t i = 0; i < COUNT(names); i++) {
		setenv("NOTIFY_SOCKET", names[i], 1);
		process_notify_open();
		process_notify("READY=1");
	}
	memset(endless, '/', sizeof(endless) - 1);
	endless[sizeof(endless) - 1] = '\0';
	setenv("NOTIFY_SOCKET", endless, 1);
	process_notify_open();
	process_notify("READY=1");
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(folder_count("/proc/self/fd"), before);
}

#define IN_FOLDER(test) \
	cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_harden_gives_up_what_is_not_needed),
	    cmocka_unit_test(
		test_harden_lets_nothing_take_the_place_of_standard_error),
	    cmocka_unit_test(test_harden_refuses_root),
	    IN_FOLDER(test_a_hardened_process_can_still_bind_by_relative_name),
	    IN_FOLDER(test_notify_reaches_a_path),
	    cmocka_unit_test(test_notify_reaches_an_abstract_name),
	    cmocka_unit_test(test_notify_without_anybody_does_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
