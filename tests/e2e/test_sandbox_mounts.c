/*
 * A source that is another thing when the engine mounts it than when it was
 * looked at. Whoever can do that has to be root, as this test is: all that
 * others could do is refused before (tests/unit/test_mount_source.c). What was
 * mounted is compared all the same, before anything of the image runs.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "runner/sandbox_state.h"
#include "tests/e2e/fault_proxy.h"
#include "tests/e2e/sandbox_site.h"

/* Between the runner and the engine: no container starts before a test says
 * so. */
static pid_t proxy;
static int gate[2]; /* ours, the proxy's */

#define PLACE "/var/lib/taskgate-test-XXXXXX"

struct place {
	char folder[sizeof(PLACE)];
	char source[64], other[64], aside[64];
	char mounts[256];
};

static void
write_name(const char *folder)
{
	site_command("mkdir -m 755 '%s' && echo '%s' >'%s/name'", folder,
	    strrchr(folder, '/') + 1, folder);
}

static void
remove_place(struct place *place)
{
	site_command("rm -rf '%s'", place->folder);
}

static void
make_place(struct place *place)
{
	strcpy(place->folder, PLACE);
	assert_non_null(mkdtemp(place->folder));
	assert_int_equal(chmod(place->folder, 0755), 0);
	snprintf(
	    place->source, sizeof(place->source), "%s/source", place->folder);
	snprintf(place->other, sizeof(place->other), "%s/other", place->folder);
	snprintf(place->aside, sizeof(place->aside), "%s/aside", place->folder);
	snprintf(place->mounts, sizeof(place->mounts),
	    "[{\"source\":\"%s\",\"target\":\"/shown\"}]", place->source);
	write_name(place->source);
	write_name(place->other);
}

static void
swap(const struct place *place)
{
	assert_int_equal(rename(place->source, place->aside), 0);
	assert_int_equal(rename(place->other, place->source), 0);
	assert_int_equal(rename(place->aside, place->other), 0);
}

/* The engine is asked to start it, and does not hear of that yet. */
static void
launch(struct record *record, const struct place *place)
{
	static const char *const args[] = {"cat", "/shown/name"};
	struct pollfd held = {gate[0], POLLIN, 0};
	int64_t end_ms = clock_boot_ms() + DEADLINE_MS;
	struct site_order order;
	char byte;

	site_default_order(&order);
	order.spec.mounts = place->mounts;
	order.command.args = args;
	order.command.nargs = 2;
	site_launch(record, &order);
	while (poll(&held, 1, 5) == 0) {
		assert_true(clock_boot_ms() < end_ms);
		uv_run(&site.loop, UV_RUN_NOWAIT);
	}
	assert_int_equal(read(gate[0], &byte, 1), 1);
	assert_int_equal(record->sandbox->state, SANDBOX_AWAITED);
}

/* Now it does. What comes of it is not heard here before the loop turns. */
static void
let_start(void)
{
	assert_int_equal(write(gate[0], "", 1), 1);
}

static void
await_engine(const struct record *record)
{
	const struct timespec pause = {0, 20 * 1000 * 1000};

	for (int i = 0; i < DEADLINE_MS / 20; i++) {
		auto_free char *text =
		    site_command_output("curl -sS --unix-socket '%s' "
					"http://engine/containers/%s/json",
			site.engine + strlen("unix://"),
			record->sandbox->container);

		if (strstr(text, "\"Running\":true") != NULL)
			return;
		nanosleep(&pause, NULL);
	}
	fail_msg("it does not run");
}

static void
assert_refused(struct record *record)
{
	UNTIL(record->ended);
	assert_false(record->ready);
	assert_int_equal(record->end.how, SANDBOX_NOT_STARTED);
	assert_int_equal(record->end.failure, SANDBOX_FAILURE_MOUNT);
	assert_string_equal(record->end.detail,
	    "what is to be mounted at /shown must not be; the runner's log "
	    "says why");
	assert_string_equal(site_text(record, STREAM_STDOUT), "");
}

static void
test_what_stands_there_is_shown(void **state)
{
	AUTO(remove_place) struct place place;
	RECORD r = {0};

	(void)state;
	make_place(&place);
	launch(&r, &place);
	let_start();
	UNTIL(r.ended);
	assert_int_equal(r.end.how, SANDBOX_EXITED);
	assert_string_equal(site_text(&r, STREAM_STDOUT), "source\n");
}

static void
test_one_that_is_swapped_while_it_is_mounted_is_refused(void **state)
{
	AUTO(remove_place) struct place place;
	RECORD r = {0};

	(void)state;
	make_place(&place);
	launch(&r, &place);
	/* The other is there while the engine looks, and only then. */
	swap(&place);
	let_start();
	await_engine(&r);
	swap(&place);
	assert_refused(&r);
}

static void
test_one_that_is_swapped_after_it_was_mounted_is_refused(void **state)
{
	AUTO(remove_place) struct place place;
	RECORD r = {0};

	(void)state;
	make_place(&place);
	launch(&r, &place);
	let_start();
	await_engine(&r);
	swap(&place);
	assert_refused(&r);
}

static void
test_one_that_becomes_a_link_while_it_is_mounted_is_refused(void **state)
{
	AUTO(remove_place) struct place place;
	RECORD r = {0};

	(void)state;
	make_place(&place);
	launch(&r, &place);
	/* To what it was: device and inode are the same. */
	assert_int_equal(rename(place.source, place.aside), 0);
	assert_int_equal(symlink(place.aside, place.source), 0);
	let_start();
	assert_refused(&r);
}

static void
wait_here(struct record *record)
{
	(void)record;
}

static void
test_one_that_waits_is_current_until_its_source_is_swapped(void **state)
{
	AUTO(remove_place) struct place place;
	RECORD r = {.on_ready = wait_here};

	(void)state;
	make_place(&place);
	launch(&r, &place);
	let_start();
	UNTIL(r.ready);
	assert_true(sandbox_is_current(r.sandbox));
	swap(&place);
	assert_false(sandbox_is_current(r.sandbox));
	swap(&place);
	assert_true(sandbox_is_current(r.sandbox));
	assert_int_equal(chmod(place.source, 0777), 0);
	assert_false(sandbox_is_current(r.sandbox));
	sandbox_destroy(r.sandbox);
}

static void
test_one_that_is_adopted_before_its_order_is_looked_at_again(void **state)
{
	AUTO(remove_place) struct place place;
	RECORD first = {.on_ready = wait_here},
	       second = {.on_ready = wait_here};
	struct sandbox_saved saved;

	(void)state;
	make_place(&place);
	launch(&first, &place);
	let_start();
	UNTIL(first.ready);
	site_save(&first, &saved);
	saved.mounts = place.mounts;
	sandbox_abandon(take(first.sandbox));
	swap(&place);
	memcpy(second.id, first.id, sizeof(second.id));
	site_adopt(&second, &saved);
	UNTIL(second.ready);
	assert_false(sandbox_is_current(second.sandbox));
	swap(&place);
	assert_true(sandbox_is_current(second.sandbox));
	sandbox_destroy(second.sandbox);
}

static int
set_up(void **state)
{
	auto_free char *path = NULL, *engine = NULL;

	if (site_set_up(state) != 0)
		return -1;
	path = site_path("proxy.sock");
	engine = alloc_printf("unix://%s", path);
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, gate), 0);
	proxy = fault_proxy_start_holding(
	    path, site.engine + strlen("unix://"), "/start ", gate[1]);
	sandbox_factory_free(site.factory);
	site_make_factory(engine);
	UNTIL(site.ready);
	return 0;
}

static int
tear_down(void **state)
{
	int result = site_tear_down(state);

	fault_proxy_stop(proxy);
	close(gate[0]);
	close(gate[1]);
	return result;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_stands_there_is_shown),
	    cmocka_unit_test(
		test_one_that_is_adopted_before_its_order_is_looked_at_again),
	    cmocka_unit_test(
		test_one_that_is_swapped_while_it_is_mounted_is_refused),
	    cmocka_unit_test(
		test_one_that_is_swapped_after_it_was_mounted_is_refused),
	    cmocka_unit_test(
		test_one_that_becomes_a_link_while_it_is_mounted_is_refused),
	    cmocka_unit_test(
		test_one_that_waits_is_current_until_its_source_is_swapped),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
