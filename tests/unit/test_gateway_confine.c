/* What somebody in the gateway's place can do, and what the gateway must. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/confine.h"
#include "lib/cleanup.h"
#include "tests/unit/attempts.h"

static int
confine_as_gateway(
    const struct attempt_site *site, int *ret_landlock, struct err *err)
{
	char listed[256], socket_path[256];
	const struct config config = {
	    .certificate = listed,
	    .key = listed,
	    .ca = listed,
	    .token_keys = listed,
	    .policy = listed,
	    .runner_socket = socket_path,
	};

	snprintf(listed, sizeof(listed), "%s/etc/listed", site->folder);
	snprintf(socket_path, sizeof(socket_path), "%s/run/gateway.sock",
	    site->folder);
	return gateway_confine(&config, ret_landlock, err);
}

static int
write_state(const struct attempt_site *site)
{
	return attempts_open(site, "state/new", O_WRONLY | O_CREAT);
}

static int
open_null_for_writing(const struct attempt_site *site)
{
	return attempts_open(site, "/dev/null", O_WRONLY);
}

static int
open_datagrams(const struct attempt_site *site)
{
	(void)site;
	return attempts_socket(AF_UNIX, SOCK_DGRAM);
}

static int
connect_to_engine(const struct attempt_site *site)
{
	return attempts_connect(site, "engine/docker.sock", SOCK_STREAM);
}

static int
listen_again(const struct attempt_site *site)
{
	return listen(site->listener, 1) == 0 ? 0 : 1;
}

static int
connect_to_runner(const struct attempt_site *site)
{
	return attempts_connect(site, "run/gateway.sock", SOCK_SEQPACKET);
}

static int
accept_connection(const struct attempt_site *site)
{
	auto_fd int fd =
	    accept4(site->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	return fd >= 0 ? 0 : 1;
}

static const struct attempt attempts[] = {
    ATTEMPT(write_state, ATTEMPT_FAILS, 2),
    ATTEMPT(open_null_for_writing, ATTEMPT_FAILS, 2),
    /* These without Landlock too: seccomp looks at the call. */
    ATTEMPT(write_state, ATTEMPT_FAILS, 0),
    ATTEMPT(open_datagrams, ATTEMPT_FAILS, 0),
    ATTEMPT(connect_to_engine, ATTEMPT_FAILS, 0),
    ATTEMPT(listen_again, ATTEMPT_FAILS, 0),
    ATTEMPT(connect_to_runner, ATTEMPT_SUCCEEDS, 0),
    ATTEMPT(accept_connection, ATTEMPT_SUCCEEDS, 0),
};

static void
test_a_captured_gateway_is_held_back(void **state)
{
	struct attempt_site *site = *state;

	site->confine = confine_as_gateway;
	attempts_check_common(site);
	attempts_check(site, attempts, COUNT(attempts));
}

static void
test_the_gateway_without_landlock_is_held_back_all_the_same(void **state)
{
	struct attempt_site *site = *state;

	site->confine = confine_as_gateway;
	attempts_check_without_landlock(site);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		test_a_captured_gateway_is_held_back, attempts_set_up,
		attempts_tear_down),
	    cmocka_unit_test_setup_teardown(
		test_the_gateway_without_landlock_is_held_back_all_the_same,
		attempts_set_up, attempts_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
