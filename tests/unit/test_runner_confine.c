/* What somebody in the runner's place can do, and what the runner must. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/packet.h"
#include "runner/confine.h"
#include "tests/unit/attempts.h"

static int
confine_as_runner(
    const struct attempt_site *site, int *ret_landlock, struct err *err)
{
	char hidden[256], listed[256], engine[256], run[256], own[256];
	const struct config config = {
	    .engine = engine,
	    .state = own,
	    .run = run,
	    .policy = listed,
	    .ca = listed,
	    .token_keys = listed,
	    .audit_key = listed,
	    .task_init = listed,
	    .seccomp = listed,
	    .secrets = hidden,
	};

	snprintf(listed, sizeof(listed), "%s/etc/listed", site->folder);
	snprintf(hidden, sizeof(hidden), "%s/hidden", site->folder);
	snprintf(run, sizeof(run), "%s/run", site->folder);
	snprintf(own, sizeof(own), "%s/state", site->folder);
	snprintf(engine, sizeof(engine), "unix://%s/engine/docker.sock",
	    site->folder);
	return runner_confine(&config, ret_landlock, err);
}

static int
write_beside_the_engines_socket(const struct attempt_site *site)
{
	return attempts_open(site, "engine/new", O_WRONLY | O_CREAT);
}

static int
connect_to_engine(const struct attempt_site *site)
{
	return attempts_connect(site, "engine/docker.sock", SOCK_STREAM);
}

/* As on a restart: another file under the same name. */
static int
listen_anew(const struct attempt_site *site)
{
	auto_fd int fd = -1;
	struct err err;

	return packet_listen(attempts_path(site, "run"), "gateway.sock", 0666,
		   &fd, &err) == 0
	    ? attempts_connect(site, "run/gateway.sock", SOCK_SEQPACKET)
	    : 1;
}

static int
move_within_state(const struct attempt_site *site)
{
	if (mkdir(attempts_path(site, "state/folder"), 0700) != 0 &&
	    errno != EEXIST)
		return errno;
	if (attempts_open(site, "state/blob", O_WRONLY | O_CREAT) != 0)
		return 1;
	return renameat(AT_FDCWD, attempts_path(site, "state/blob"), AT_FDCWD,
		   attempts_path(site, "state/folder/blob")) == 0
	    ? 0
	    : errno;
}

static int
read_a_secret(const struct attempt_site *site)
{
	return attempts_open(site, "hidden/token", O_RDONLY);
}

static int
write_a_secret(const struct attempt_site *site)
{
	return attempts_open(site, "hidden/token", O_WRONLY);
}

static int
read_randomness(const struct attempt_site *site)
{
	return attempts_open(site, "/dev/urandom", O_RDONLY);
}

static const struct attempt attempts[] = {
    ATTEMPT(write_beside_the_engines_socket, ATTEMPT_FAILS, 2),
    ATTEMPT(connect_to_engine, ATTEMPT_SUCCEEDS, 0),
    ATTEMPT(listen_anew, ATTEMPT_SUCCEEDS, 0),
    ATTEMPT(move_within_state, ATTEMPT_SUCCEEDS, 0),
    ATTEMPT(read_a_secret, ATTEMPT_SUCCEEDS, 0),
    ATTEMPT(write_a_secret, ATTEMPT_FAILS, 1),
    ATTEMPT(read_randomness, ATTEMPT_SUCCEEDS, 0),
};

static void
test_a_captured_runner_is_held_back(void **state)
{
	struct attempt_site *site = *state;

	site->confine = confine_as_runner;
	attempts_check_common(site);
	attempts_check(site, attempts, COUNT(attempts));
}

static void
test_the_runner_without_landlock_is_held_back_all_the_same(void **state)
{
	struct attempt_site *site = *state;

	site->confine = confine_as_runner;
	attempts_check_without_landlock(site);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_a_captured_runner_is_held_back,
		attempts_set_up, attempts_tear_down),
	    cmocka_unit_test_setup_teardown(
		test_the_runner_without_landlock_is_held_back_all_the_same,
		attempts_set_up, attempts_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
