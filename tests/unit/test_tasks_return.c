/*
 * A task whose start is on record and that waits again, where that cannot be
 * written: a real runner and store. That it comes to this by an engine that
 * goes is for tests/e2e.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "runner/tasks_change.h"
#include "tests/unit/folder.h"
#include "tests/unit/runner_site.h"

#define BODY "{\"image\":\"" SITE_IMAGE "\"}"

static void
heard(void *arg, const struct err *err)
{
	(void)arg;
	assert_null(err);
}

/* Its row says that it runs, and cannot be written: it waits again. */
static char *
return_unwritten(struct runner_site *site)
{
	char *id = runner_site_submit(site, "alice", BODY);

	runner_site_run_sql(site,
	    "UPDATE task SET state = 'running', sandbox = 'gone',"
	    " container = 'gone', started_ms = created_ms;"
	    "CREATE TRIGGER unwritable BEFORE UPDATE ON task"
	    " WHEN NEW.state = 'queued'"
	    " BEGIN SELECT RAISE(ABORT, 'unwritable'); END");
	tasks_change_return(tasks_find(&site->runner.tasks, id));
	while (site->runner.tasks.unreturned == 0)
		runner_site_settle(site);
	return id;
}

static void
expect_late(struct runner_site *site)
{
	auto_json *records = runner_site_audit(site);
	const json_t *record;
	size_t i, count = 0;

	json_array_foreach(records, i, record)
	{
		if (strcmp(json_string_value(json_object_get(record, "event")),
			"task.returned") != 0)
			continue;
		assert_true(json_is_true(json_object_get(record, "late")));
		count++;
	}
	assert_int_equal(count, 1);
}

/* As a life that knows nothing but the store tells it. */
static void
expect_waiting(struct runner_site *site, const char *id)
{
	const struct task *task;

	runner_site_restart(site);
	task = tasks_find(&site->runner.tasks, id);
	assert_non_null(task);
	assert_int_equal(task_state(task), TASK_QUEUED);
	assert_true(queue_waits(&task->entry));
	expect_late(site);
}

static void
test_a_return_that_cannot_be_written_is_late_and_not_lost(void **state)
{
	struct runner_site site;
	auto_free char *id = NULL;
	int64_t end_ms;

	runner_site_open(&site, *state);
	id = return_unwritten(&site);
	runner_site_run_sql(&site, "DROP TRIGGER unwritable");
	/* It tries again by itself. */
	for (end_ms = clock_boot_ms() + 30000;
	     site.runner.tasks.unreturned > 0;) {
		assert_true(clock_boot_ms() < end_ms);
		runner_site_settle(&site);
	}
	expect_waiting(&site, id);
	runner_site_close(&site);
}

static void
test_a_return_is_tried_once_more_at_the_end(void **state)
{
	struct runner_site site;
	auto_free char *id = NULL;

	runner_site_open(&site, *state);
	id = return_unwritten(&site);
	uv_timer_stop(&site.runner.tasks.again);
	runner_site_run_sql(&site, "DROP TRIGGER unwritable");
	runner_site_settle(&site);
	expect_waiting(&site, id);
	runner_site_close(&site);
}

/* The end's row is all that is to be said of it then. */
static void
test_a_return_that_an_end_overtakes_is_on_record_alone(void **state)
{
	struct runner_site site;
	auto_free char *id = NULL;
	int64_t end_ms;

	runner_site_open(&site, *state);
	id = return_unwritten(&site);
	tasks_cancel(tasks_find(&site.runner.tasks, id), 0, NULL, heard, NULL);
	for (end_ms = clock_boot_ms() + 30000;
	     site.runner.tasks.unreturned > 0 || site.runner.tasks.count > 0 ||
	     site.runner.tasks.arrears->count > 0;) {
		assert_true(clock_boot_ms() < end_ms);
		runner_site_settle(&site);
	}
	expect_late(&site);
	runner_site_restart(&site);
	assert_int_equal(site.runner.tasks.count, 0);
	runner_site_close(&site);
}

static void
test_an_end_of_the_runner_leaves_nothing_of_it(void **state)
{
	struct runner_site site;
	auto_free char *id = NULL;

	runner_site_open(&site, *state);
	id = return_unwritten(&site);
	runner_site_close(&site);
}

int
main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
	    TEST(test_a_return_that_cannot_be_written_is_late_and_not_lost),
	    TEST(test_a_return_is_tried_once_more_at_the_end),
	    TEST(test_a_return_that_an_end_overtakes_is_on_record_alone),
	    TEST(test_an_end_of_the_runner_leaves_nothing_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
