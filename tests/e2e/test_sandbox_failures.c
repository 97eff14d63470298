/*
 * What becomes of a task when something around it fails: the image, the
 * container, the engine, its answers, the runner before us.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "runner/sandbox_factory.h"
#include "runner/sandbox_removal.h"
#include "tests/e2e/fault_proxy.h"
#include "tests/e2e/sandbox_site.h"

static void
run_image(struct record *record, const char *image)
{
	const char *args[] = {"true"};
	struct site_order order;

	site_default_order(&order);
	order.spec.image = image;
	order.command.args = args;
	order.command.nargs = 1;
	site_run(record, &order);
}

static void
assert_no_image(const char *image)
{
	RECORD r = {0};

	run_image(&r, image);
	assert_int_equal(r.end.how, SANDBOX_NOT_STARTED);
	assert_int_equal(r.end.failure, SANDBOX_FAILURE_IMAGE);
	assert_false(r.ready);
}

static void
test_an_image_that_is_not_there_is_said_to_be_missing(void **state)
{
	RECORD r = {0};

	(void)state;
	run_image(&r, "taskgate-test/nowhere");
	assert_int_equal(r.end.failure, SANDBOX_FAILURE_IMAGE);
	assert_non_null(strstr(r.end.detail, "no image"));
	assert_non_null(strstr(r.end.detail, "taskgate-test/nowhere"));
	assert_no_image(IMAGE ":other");
	assert_no_image("sha256:0000000000000000000000000000000000000000000000"
			"000000000000000000");
}

static void
test_what_is_no_image_s_name_never_reaches_the_engine(void **state)
{
	(void)state;
	assert_no_image("");
	assert_no_image("../containers/json");
	assert_no_image("a?b=c");
	assert_no_image("a b");
	assert_no_image("a\nb");
	assert_no_image("a%2fb");
}

static void
test_an_image_can_be_named_by_its_id_but_not_by_a_part_of_it(void **state)
{
	char id[80], part[32];
	RECORD by_name = {0};
	RECORD by_id = {0};
	RECORD by_both = {0};

	(void)state;
	run_image(&by_name, IMAGE);
	assert_int_equal(by_name.end.how, SANDBOX_EXITED);
	snprintf(id, sizeof(id), "%s", by_name.image_id);
	run_image(&by_id, id);
	assert_int_equal(by_id.end.how, SANDBOX_EXITED);
	auto_free char *both = alloc_printf(IMAGE "@%s", id);
	run_image(&by_both, both);
	assert_int_equal(by_both.end.how, SANDBOX_EXITED);
	assert_string_equal(by_both.image_id, id);

	/* The engine itself would take each of these for the image. */
	snprintf(part, sizeof(part), "%.12s", id + strlen("sha256:"));
	assert_no_image(part);
	snprintf(part, sizeof(part), "%.20s", id);
	assert_no_image(part);
	assert_no_image(id + strlen("sha256:"));
	auto_free char *other = alloc_printf("taskgate-test/other@%s", id);
	assert_no_image(other);
}

static void
engine_call(const char *method, const char *path)
{
	site_command("curl -sSf -o /dev/null -X %s --unix-socket '%s' "
		     "'http://engine%s'",
	    method, site.engine + strlen("unix://"), path);
}

static void
kill_from_outside(struct record *record)
{
	auto_free char *path =
	    alloc_printf("/containers/%s/kill", record->container);

	engine_call("POST", path);
}

static void
test_a_container_that_is_killed_from_outside_is_lost(void **state)
{
	RECORD r = {.on_started = kill_from_outside};

	(void)state;
	site_run_shell(&r, "sleep 1000");
	assert_int_equal(r.end.how, SANDBOX_LOST);
	assert_non_null(strstr(r.end.detail, "137"));
	assert_false(r.end.oom_killed);
}

static void
remove_from_outside(struct record *record)
{
	auto_free char *path =
	    alloc_printf("/containers/%s?force=1", record->container);

	engine_call("DELETE", path);
}

static void
test_a_container_that_is_removed_from_outside_is_lost(void **state)
{
	RECORD r = {.on_started = remove_from_outside};

	(void)state;
	site_run_shell(&r, "sleep 1000");
	assert_int_equal(r.end.how, SANDBOX_LOST);
}

static void
test_a_container_that_dies_before_its_order_was_not_started(void **state)
{
	RECORD r = {.on_ready = kill_from_outside};

	(void)state;
	site_run_shell(&r, "sleep 1000");
	assert_int_equal(r.end.how, SANDBOX_NOT_STARTED);
	assert_true(r.end.retry);
	assert_int_equal(r.end.failure, SANDBOX_FAILURE_ENGINE);
}

static void
stop_gently(struct record *record)
{
	auto_free char *path =
	    alloc_printf("/containers/%s/stop?t=1", record->container);

	if (strcmp(site_text(record, STREAM_STDOUT), "set\n") == 0)
		engine_call("POST", path);
}

/* It is not the task's own end, whatever the task does with a TERM. */
static void
test_an_operator_s_stop_loses_the_task(void **state)
{
	RECORD r = {.on_output = stop_gently};

	(void)state;
	site_run_shell(&r,
	    "trap 'exit 6' TERM; echo set; "
	    "while :; do sleep 0.05; done");
	assert_int_equal(r.end.how, SANDBOX_LOST);
}

/* Another factory in place of the site's. */
static void
change_factory(const char *engine)
{
	UNTIL(sandbox_factory_pending(site.factory) == 0);
	sandbox_factory_free(site.factory);
	site_make_factory(engine);
}

static void
restore_factory(void)
{
	change_factory(site.engine);
	UNTIL(site.ready);
}

static void
test_an_engine_that_is_not_there_is_waited_for(void **state)
{
	static const struct fault none = {
	    "never in any answer", "never in any answer"};
	auto_free char *path = site_path("later.sock");
	auto_free char *engine = alloc_printf("unix://%s", path);
	RECORD early = {0};

	(void)state;
	change_factory(engine);
	UNTIL(site.reason[0] != '\0');
	assert_non_null(strstr(site.reason, path));
	site_run_shell(&early, "true");
	assert_int_equal(early.end.how, SANDBOX_NOT_STARTED);
	assert_int_equal(early.end.failure, SANDBOX_FAILURE_ENGINE);

	/* It comes, it goes, it comes again. */
	for (int i = 0; i < 2; i++) {
		RECORD late = {0};
		pid_t proxy = fault_proxy_start(
		    path, site.engine + strlen("unix://"), &none);

		UNTIL(site.ready);
		site_run_shell(&late, "exit 2");
		assert_int_equal(late.end.exit_code, 2);
		UNTIL(sandbox_factory_pending(site.factory) == 0);
		fault_proxy_stop(proxy);
		UNTIL(!site.ready);
	}
	restore_factory();
}

/* The engine's answers stop while the task runs; its end is known all the
 * same, and the container goes when the engine is back. */
static void
test_an_engine_that_goes_away_does_not_take_the_result_along(void **state)
{
	static const struct fault none = {
	    "never in any answer", "never in any answer"};
	auto_free char *path = site_path("away.sock");
	auto_free char *engine = alloc_printf("unix://%s", path);
	pid_t proxy =
	    fault_proxy_start(path, site.engine + strlen("unix://"), &none);
	RECORD r = {0};

	(void)state;
	change_factory(engine);
	UNTIL(site.ready);
	site_launch_shell(
	    &r, "trap 'exit 11' TERM; echo set; while :; do sleep 0.05; done");
	UNTIL(r.output[STREAM_STDOUT].len > 0);
	fault_proxy_stop(proxy);
	sandbox_signal(r.sandbox, SIGTERM);
	UNTIL(r.ended);
	assert_int_equal(r.end.exit_code, 11);
	UNTIL(!site.ready);
	assert_int_equal(sandbox_factory_pending(site.factory), 1);
	proxy = fault_proxy_start(path, site.engine + strlen("unix://"), &none);
	UNTIL(site.ready && sandbox_factory_pending(site.factory) == 0);
	fault_proxy_stop(proxy);
	assert_int_equal(site_count_containers(), 0);
	restore_factory();
}

/* Runs a task through the fault; *ret_reason is the factory's. */
static void
run_through(const struct fault *fault, struct record *record)
{
	auto_free char *path = site_path("proxy.sock");
	auto_free char *engine = alloc_printf("unix://%s", path);
	pid_t proxy =
	    fault_proxy_start(path, site.engine + strlen("unix://"), fault);

	change_factory(engine);
	UNTIL(site.ready || site.reason[0] != '\0');
	site_run_shell(record, "echo never");
	UNTIL(sandbox_factory_pending(site.factory) == 0);
	fault_proxy_stop(proxy);
	restore_factory();
	assert_int_equal(site_count_containers(), 0);
	assert_int_equal(site_count_folders(), 0);
}

/* What the engine says it made is not what was asked for: it is removed. */
static void
test_a_container_that_is_not_as_asked_is_never_started(void **state)
{
	static const struct {
		struct fault fault;
		const char *member;
	} cases[] = {
	    {{"\"Privileged\":false", "\"Privileged\":true "}, "Privileged"},
	    {{"\"NetworkMode\":\"none\"", "\"NetworkMode\":\"host\""},
		"NetworkMode"},
	    {{"\"ReadonlyRootfs\":true", "\"ReadonlyRootfs\":null"},
		"ReadonlyRootfs"},
	    {{"\"PidMode\":\"\",", "\"PidMode\":4 ,"}, "PidMode"},
	    {{"\"User\":\"61234", "\"User\":\"00000"}, "User"},
	    {{"\"RW\":false", "\"RW\":true "}, "Mounts"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		RECORD r = {0};

		run_through(&cases[i].fault, &r);
		assert_int_equal(r.end.how, SANDBOX_NOT_STARTED);
		assert_int_equal(r.end.failure, SANDBOX_FAILURE_ENGINE);
		assert_false(r.ready);
		assert_non_null(strstr(r.end.detail, cases[i].member));
	}
}

static void
test_an_answer_that_is_cut_or_no_json_fails_the_task_and_leaves_nothing(
    void **state)
{
	static const struct fault cases[] = {
	    {"\"Warnings\"", NULL}, /* of create: its id is lost */
	    {"{\"Id\":", NULL},
	    {"\"Warnings\":", "\"Warnings\";"},
	    {"\"HostConfig\":", "\"HostConfig\"}"},
	    {"{\"Id\":\"????????", "{\"Id\":\"../../..."},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		RECORD r = {0};

		run_through(&cases[i], &r);
		assert_int_equal(r.end.how, SANDBOX_NOT_STARTED);
		assert_false(r.ready);
	}
}

static void
test_an_engine_of_another_age_is_told_apart_clearly(void **state)
{
	static const struct {
		struct fault fault;
		const char *says;
	} cases[] = {
	    {{"\"ApiVersion\":\"1.??\"", "\"ApiVersion\":\"1.40\""}, "1.40"},
	    {{"\"MinAPIVersion\":\"1.??\"", "\"MinAPIVersion\":\"1.99\""},
		"1.99"},
	    {{"\"ApiVersion\":\"1.??\"", "\"ApiVersion\":\"2.41\""},
		"does not say"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		auto_free char *path = site_path("proxy.sock");
		auto_free char *engine = alloc_printf("unix://%s", path);
		pid_t proxy = fault_proxy_start(
		    path, site.engine + strlen("unix://"), &cases[i].fault);

		change_factory(engine);
		UNTIL(site.ready || site.reason[0] != '\0');
		assert_false(site.ready);
		assert_non_null(strstr(site.reason, cases[i].says));
		fault_proxy_stop(proxy);
	}
	restore_factory();
}

static void
abandon(struct record *record)
{
	/* As a crash would: nothing is removed, nothing is waited for. */
	record->ended = true;
	sandbox_factory_free(site.factory);
	site.factory = NULL;
}

static void
test_what_a_runner_before_us_left_is_removed_before_ready(void **state)
{
	RECORD r = {.on_started = abandon};

	(void)state;
	site_launch_shell(&r, "sleep 1000");
	UNTIL(r.ended);
	assert_int_equal(site_count_containers(), 1);
	assert_int_equal(site_count_folders(), 1);
	site_make_factory(site.engine);
	UNTIL(site.ready);
	assert_int_equal(site_count_containers(), 0);
	assert_int_equal(site_count_folders(), 0);
}

static void
test_a_container_of_another_runner_is_left_alone(void **state)
{
	auto_free char *mine = site.runner_id;
	char other[UUID_TEXT];
	RECORD r = {0};

	(void)state;
	site_launch_shell(
	    &r, "trap 'exit 8' TERM; echo set; while :; do sleep 0.05; done");
	UNTIL(r.output[STREAM_STDOUT].len > 0);
	/* A second factory, of another runner, begins meanwhile. */
	struct sandbox_factory *first = site.factory;
	uuid_make(clock_wall_ms(), other);
	site.runner_id = other;
	site_make_factory(site.engine);
	UNTIL(site.ready);
	UNTIL(sandbox_factory_pending(site.factory) == 0);
	sandbox_factory_free(site.factory);
	site.factory = first;
	site.runner_id = take(mine);
	sandbox_signal(r.sandbox, SIGTERM);
	UNTIL(r.ended);
	assert_int_equal(r.end.exit_code, 8);
}

struct removing {
	struct sandbox_removals *removals;
	unsigned tries;
};

/* The engine is back, in the same turn of the loop as an answer of it. */
static void
on_tried(void *arg)
{
	struct removing *removing = arg;

	if (removing->tries++ == 0)
		sandbox_removals_hurry(removing->removals);
}

static void
test_a_removal_that_waits_for_its_turn_is_asked_for_once(void **state)
{
	enum { REMOVALS = 8 };
	struct removing removing = {0};

	(void)state;
	removing.removals = sandbox_removals_new(
	    &site.loop, site.factory->engine, site.factory->directory);
	sandbox_removals_watch(removing.removals, on_tried, &removing);
	for (int k = 0; k < REMOVALS; k++) {
		auto_free char *nowhere =
		    alloc_printf("taskgate-nowhere-%d", k);
		char id[UUID_TEXT];

		uuid_make(clock_wall_ms(), id);
		sandbox_removals_add(
		    removing.removals, id, nowhere, SANDBOX_REMOVAL_NOW);
	}
	/* Both answers that are waited for come in one turn. */
	uv_timer_start(&site.alarm, site_alarm, DEADLINE_MS, 0);
	while (sandbox_removals_count(removing.removals) > 0) {
		usleep(20000);
		uv_run(&site.loop, UV_RUN_NOWAIT);
	}
	uv_timer_stop(&site.alarm);
	assert_int_equal(removing.tries, REMOVALS);
	sandbox_removals_free(removing.removals);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		test_an_image_that_is_not_there_is_said_to_be_missing),
	    cmocka_unit_test(
		test_what_is_no_image_s_name_never_reaches_the_engine),
	    cmocka_unit_test(
		test_an_image_can_be_named_by_its_id_but_not_by_a_part_of_it),
	    cmocka_unit_test(
		test_a_container_that_is_killed_from_outside_is_lost),
	    cmocka_unit_test(
		test_a_container_that_is_removed_from_outside_is_lost),
	    cmocka_unit_test(
		test_a_container_that_dies_before_its_order_was_not_started),
	    cmocka_unit_test(test_an_operator_s_stop_loses_the_task),
	    cmocka_unit_test(test_an_engine_that_is_not_there_is_waited_for),
	    cmocka_unit_test(
		test_an_engine_that_goes_away_does_not_take_the_result_along),
	    cmocka_unit_test(
		test_a_container_that_is_not_as_asked_is_never_started),
	    cmocka_unit_test(
		test_an_answer_that_is_cut_or_no_json_fails_the_task_and_leaves_nothing),
	    cmocka_unit_test(
		test_an_engine_of_another_age_is_told_apart_clearly),
	    cmocka_unit_test(
		test_what_a_runner_before_us_left_is_removed_before_ready),
	    cmocka_unit_test(test_a_container_of_another_runner_is_left_alone),
	    cmocka_unit_test(
		test_a_removal_that_waits_for_its_turn_is_asked_for_once),
	};

	return cmocka_run_group_tests(tests, site_set_up, site_tear_down);
}
