/* What is said of a runner that not all workers are connected to. */
#include "gateway/readiness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"

struct site {
	struct gateway *gateway;
	struct link_state state;
};

/* Two workers and the one who answers, all with the process 7. */
static int
set_up(void **state)
{
	struct site *site = alloc_zero(1, sizeof(*site));

	site->gateway = alloc_zero(1, sizeof(*site->gateway));
	site->gateway->nworkers = 2;
	for (size_t i = 0; i < 2; i++) {
		struct worker *worker = alloc_zero(1, sizeof(*worker));

		worker->counters.runner_connected = 1;
		worker->counters.runner_process = 7;
		worker->counters.revocations_known = 1;
		site->gateway->workers[i] = worker;
	}
	site->state = (struct link_state){.connected = true, .process = 7};
	site->state.said.ready = true;
	site->state.said.reasons = json_array();
	*state = site;
	return 0;
}

static int
tear_down(void **state)
{
	struct site *site = *state;

	json_decref(site->state.said.reasons);
	for (size_t i = 0; i < 2; i++)
		free(site->gateway->workers[i]);
	free(site->gateway);
	free(site);
	return 0;
}

static struct counters *
second(const struct site *site)
{
	return &site->gateway->workers[1]->counters;
}

static void
assert_reason(const struct site *site, const char *reason)
{
	auto_json *reasons = json_array();

	readiness_add_runner(reasons, site->gateway, &site->state);
	assert_int_equal(json_array_size(reasons), reason != NULL ? 1 : 0);
	if (reason != NULL)
		assert_string_equal(
		    json_string_value(json_array_get(reasons, 0)), reason);
}

static void
test_one_runner_for_all_is_ready(void **state)
{
	assert_reason(*state, NULL);
}

static void
test_a_worker_without_it_is_told_of(void **state)
{
	second(*state)->runner_connected = 0;
	assert_reason(*state, "runner: it cannot be reached");
}

static void
test_a_worker_that_holds_on_to_the_one_before_is_told_of(void **state)
{
	struct site *site = *state;

	second(site)->runner_process = 6;
	assert_reason(site, "runner: it cannot be reached");
	/* Whoever answers may be the one. */
	site->gateway->workers[0]->counters.runner_process = 6;
	assert_reason(site, "runner: it cannot be reached");
}

static void
test_one_whose_process_nobody_sees_is_ready(void **state)
{
	struct site *site = *state;

	site->state.process = 0;
	for (size_t i = 0; i < 2; i++)
		site->gateway->workers[i]->counters.runner_process = 0;
	assert_reason(site, NULL);
}

static void
test_a_worker_without_the_revocations_is_told_of(void **state)
{
	second(*state)->revocations_known = 0;
	assert_reason(*state, "runner: it has not said yet who was revoked");
}

static void
test_what_it_says_of_itself_is_passed_on(void **state)
{
	struct site *site = *state;

	site->state.said.ready = false;
	assert_reason(site, "runner: it is not ready");
	json_array_append_new(
	    site->state.said.reasons, json_string("engine: away"));
	assert_reason(site, "engine: away");
	json_decref(take(site->state.said.reasons));
	assert_reason(site, "runner: it has not said yet how it is");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_one_runner_for_all_is_ready),
	    TEST(test_a_worker_without_it_is_told_of),
	    TEST(test_a_worker_that_holds_on_to_the_one_before_is_told_of),
	    TEST(test_one_whose_process_nobody_sees_is_ready),
	    TEST(test_a_worker_without_the_revocations_is_told_of),
	    TEST(test_what_it_says_of_itself_is_passed_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
