/* What is put on record late: all of it, in order, within bounds. */
#include "runner/arrears.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "tests/unit/capture.h"

struct taken {
	size_t count;
	int64_t last_ms, untrusted;
	uint64_t lost;
	struct arrears *again; /* what is to get the first once more */
};

static void
take_one(void *arg, struct audit_entry *entry)
{
	struct taken *taken = arg;

	if (entry->event == EVENT_RECORDS_LOST) {
		taken->lost = (uint64_t)json_integer_value(
		    json_object_get(entry->object, "count"));
		audit_entry_free(entry);
		return;
	}
	assert_true(entry->is_late);
	assert_true(entry->wall_ms > taken->last_ms);
	taken->last_ms = entry->wall_ms;
	taken->count++;
	if (json_object_get(entry->untrusted, "text") != NULL)
		taken->untrusted++;
	if (taken->again != NULL)
		arrears_add_take(taken->again, entry);
	else
		audit_entry_free(entry);
}

static void
add(struct arrears *arrears, int64_t number, const char *untrusted)
{
	struct audit_entry *entry =
	    audit_entry_new(EVENT_TASK_CANCEL_ASKED, number, "");

	if (untrusted != NULL)
		entry->untrusted = json_pack("{s:s}", "text", untrusted);
	arrears_add_take(arrears, entry);
}

static void
settle(struct arrears *arrears, struct taken *taken)
{
	arrears_settle(arrears, 1, "abc", take_one, taken);
}

static void
test_all_come_back_in_order_and_once(void **state)
{
	struct arrears arrears = {0};
	struct taken taken = {0}, more = {0};

	(void)state;
	for (int64_t i = 1; i <= 100; i++)
		add(&arrears, i, "x");
	settle(&arrears, &taken);
	assert_int_equal(taken.count, 100);
	assert_int_equal(taken.untrusted, 100);
	assert_int_equal(taken.lost, 0);
	settle(&arrears, &more);
	assert_int_equal(more.count, 0);
}

static void
test_what_cannot_be_written_again_is_kept_again(void **state)
{
	struct arrears arrears = {0};
	struct taken back = {.again = &arrears}, taken = {0};

	(void)state;
	for (int64_t i = 1; i <= 10; i++)
		add(&arrears, i, NULL);
	settle(&arrears, &back);
	settle(&arrears, &taken);
	assert_int_equal(taken.count, 10);
}

static void
test_what_does_not_fit_is_counted(void **state)
{
	struct arrears arrears = {0};
	struct taken taken = {0};

	(void)state;
	for (int64_t i = 1; i <= ARREARS_MAX + 7; i++)
		add(&arrears, i, NULL);
	settle(&arrears, &taken);
	assert_int_equal(taken.count, ARREARS_MAX);
	assert_int_equal(taken.lost, 7);
}

static void
test_what_strangers_wrote_is_bounded(void **state)
{
	auto_free char *text = alloc_zero(1, 65537);
	struct arrears arrears = {0};
	struct taken taken = {0};

	(void)state;
	memset(text, 'x', 65536);
	for (int64_t i = 1; i <= 100; i++)
		add(&arrears, i, text);
	assert_true(arrears.bytes <= ARREARS_BYTES_MAX);
	settle(&arrears, &taken);
	assert_int_equal(taken.count, 100);
	assert_int_equal(taken.untrusted, ARREARS_BYTES_MAX / 65548);
}

static int
end(void *arg)
{
	arrears_done(arg);
	return 0;
}

static void
test_what_is_never_written_is_in_the_log(void **state)
{
	struct arrears arrears = {0};
	struct capture said;

	(void)state;
	add(&arrears, 1, "x");
	arrears.entries[0]->object = json_pack("{s:s}", "task", "t1");
	arrears.lost = 3;
	said = capture_run(end, &arrears);
	assert_int_equal(arrears.count, 0);
	assert_non_null(strstr(said.err,
	    "event=record.lost code=task.cancel_asked "
	    "object=\"{\\\"task\\\":\\\"t1\\\"}\""));
	assert_null(strstr(said.err, "text"));
	assert_non_null(strstr(said.err, "event=records.lost count=3"));
	capture_done(&said);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_all_come_back_in_order_and_once),
	    cmocka_unit_test(test_what_cannot_be_written_again_is_kept_again),
	    cmocka_unit_test(test_what_does_not_fit_is_counted),
	    cmocka_unit_test(test_what_strangers_wrote_is_bounded),
	    cmocka_unit_test(test_what_is_never_written_is_in_the_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
