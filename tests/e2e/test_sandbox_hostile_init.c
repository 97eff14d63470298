/*
 * A task-init that lies. It never does; but the runner does not rely on it:
 * whatever comes over the control socket harms one task at most.
 */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "tests/e2e/false_init.h"
#include "tests/e2e/sandbox_site.h"

static void
wait_for_it(struct record *record)
{
	/* No order: what comes next comes without one. */
	(void)record;
}

static void
run_lie(struct record *record, enum false_init_lie lie)
{
	const char *args[] = {"true"};
	struct site_order order;

	site_default_order(&order);
	order.command.args = args;
	order.command.nargs = 1;
	order.spec.limits[LIMIT_TMP] = (lie + 1) * sysconf(_SC_PAGESIZE);
	if (lie == LIE_EXIT_BEFORE_ORDER || lie == LIE_HELLO_TWICE)
		record->on_ready = wait_for_it;
	site_run(record, &order);
	UNTIL(sandbox_factory_pending(site.factory) == 0);
	assert_int_equal(site_count_containers(), 0);
	assert_int_equal(site_count_folders(), 0);
}

static void
test_the_truth_is_believed(void **state)
{
	RECORD r = {0};

	(void)state;
	run_lie(&r, LIE_NONE);
	assert_int_equal(r.end.how, SANDBOX_EXITED);
}

static void
test_a_lie_before_the_order_means_not_started(void **state)
{
	(void)state;
	for (enum false_init_lie lie = LIE_VERSION; lie <= LIE_SILENT_END;
	     lie++) {
		RECORD r = {0};

		run_lie(&r, lie);
		if (r.end.how != SANDBOX_NOT_STARTED ||
		    r.end.failure != SANDBOX_FAILURE_ENGINE || r.started)
			fail_msg("lie %d ends as %d", lie, r.end.how);
	}
}

static void
test_a_lie_after_the_order_means_lost(void **state)
{
	(void)state;
	for (enum false_init_lie lie = LIE_OUTPUT_BEFORE_START; lie < LIE_COUNT;
	     lie++) {
		RECORD r = {0};

		run_lie(&r, lie);
		if (r.end.how != SANDBOX_LOST)
			fail_msg("lie %d ends as %d", lie, r.end.how);
	}
}

static int
set_up(void **state)
{
	if (site_set_up(state) != 0)
		return -1;
	site_command("install -m 0755 '%s/tests/false_init' '%s/task-init'",
	    BINARY_DIR, site.folder);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_truth_is_believed),
	    cmocka_unit_test(test_a_lie_before_the_order_means_not_started),
	    cmocka_unit_test(test_a_lie_after_the_order_means_lost),
	};

	return cmocka_run_group_tests(tests, set_up, site_tear_down);
}
