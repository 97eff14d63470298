/* The queue: turns, bounds, places. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "runner/queue.h"
#include "runner/table.h"

struct item {
	struct queue_entry entry;
	const char *subject;
};

static const struct queue_bounds wide = {
    .queued_max = 1000,
    .queued_per_subject = 1000,
    .running_max = 1000,
    .memory_max_bytes = 1 << 30,
    .bytes_max = 1 << 30,
};

static void
push(struct queue *queue, struct item *item, const char *subject)
{
	struct err err;

	item->subject = subject;
	if (queue_admit(queue, subject, 10, item->entry.memory_bytes, &err) !=
	    0)
		fail_msg("%s", err.detail);
	queue_push(queue, subject, &item->entry);
}

static struct item *
start(struct queue *queue)
{
	struct item *item = (struct item *)queue_start(queue);

	if (item != NULL)
		queue_dismiss(queue, item->subject, 10);
	return item;
}

static void
test_subjects_take_turns(void **state)
{
	struct queue queue;
	struct item alice[5] = {0}, bob[2] = {0};

	(void)state;
	queue_init(&queue, &wide);
	for (size_t i = 0; i < COUNT(alice); i++)
		push(&queue, &alice[i], "alice");
	for (size_t i = 0; i < COUNT(bob); i++)
		push(&queue, &bob[i], "bob");
	struct item *const expected[] = {&alice[0], &bob[0], &alice[1], &bob[1],
	    &alice[2], &alice[3], &alice[4], NULL};

	for (size_t i = 0; i < COUNT(expected); i++)
		assert_ptr_equal(start(&queue), expected[i]);
	assert_int_equal(queue.running, 7);
	queue_done(&queue);
}

static void
test_a_thousand_of_one_delay_another_by_one_turn(void **state)
{
	struct queue queue;
	static struct item many[999];
	struct item late = {0};

	(void)state;
	memset(many, 0, sizeof(many));
	queue_init(&queue, &wide);
	for (size_t i = 0; i < COUNT(many); i++)
		push(&queue, &many[i], "alice");
	assert_ptr_equal(start(&queue), &many[0]);
	push(&queue, &late, "bob");
	assert_int_equal(queue_place(&queue, &late.entry), 1);
	assert_ptr_equal(start(&queue), &many[1]);
	assert_ptr_equal(start(&queue), &late);
	while (start(&queue) != NULL)
		;
	queue_done(&queue);
}

/* What queue_place() says must be what queue_start() does. */
static void
test_a_place_is_the_number_of_starts_before(void **state)
{
	static const char *const subjects[] = {"a", "b", "a", "c", "a", "a",
	    "b", "c", "c", "d", "a", "b", "c", "c"};
	struct item items[COUNT(subjects)] = {0};
	size_t places[COUNT(subjects)];
	struct queue queue;

	(void)state;
	queue_init(&queue, &wide);
	for (size_t i = 0; i < COUNT(items); i++)
		push(&queue, &items[i], subjects[i]);
	for (size_t i = 0; i < COUNT(items); i++)
		places[i] = queue_place(&queue, &items[i].entry);
	for (size_t turn = 0; turn < COUNT(items); turn++) {
		struct item *item = start(&queue);

		assert_non_null(item);
		assert_int_equal(places[item - items], turn);
		for (size_t i = 0; i < COUNT(items); i++) {
			if (items[i].entry.subject != NULL)
				assert_int_equal(
				    queue_place(&queue, &items[i].entry),
				    places[i] - turn - 1);
		}
	}
	queue_done(&queue);
}

static void
refuse(struct queue *queue, const char *subject, int64_t bytes,
    int64_t memory_bytes, enum err_code code)
{
	struct err err = {0};

	assert_int_equal(
	    queue_admit(queue, subject, bytes, memory_bytes, &err), -1);
	assert_int_equal(err.code, code);
}

static void
test_each_bound_refuses_and_room_admits_again(void **state)
{
	const struct queue_bounds bounds = {
	    .queued_max = 3,
	    .queued_per_subject = 2,
	    .running_max = 1,
	    .memory_max_bytes = 100,
	    .bytes_max = 100,
	};
	struct item items[3] = {0};
	struct queue queue;

	(void)state;
	queue_init(&queue, &bounds);
	refuse(&queue, "alice", 10, 101, ERR_UNPROCESSABLE);
	refuse(&queue, "alice", 101, 1, ERR_BUSY);
	push(&queue, &items[0], "alice");
	push(&queue, &items[1], "alice");
	refuse(&queue, "alice", 10, 1, ERR_BUSY);
	refuse(&queue, "bob", 81, 1, ERR_BUSY);
	push(&queue, &items[2], "bob");
	refuse(&queue, "carol", 10, 1, ERR_BUSY);
	/* One that runs waits no longer. */
	assert_ptr_equal(start(&queue), &items[0]);
	queue_readmit(&queue, "carol", 10);
	queue_dismiss(&queue, "carol", 10);
	/* running_max */
	assert_null(start(&queue));
	queue_ended(&queue, 0);
	assert_ptr_equal(start(&queue), &items[2]);
	queue_ended(&queue, 0);
	assert_ptr_equal(start(&queue), &items[1]);
	queue_done(&queue);
}

static void
test_a_large_one_is_waited_for_not_passed(void **state)
{
	struct queue_bounds bounds = wide;
	struct item items[3] = {{{.memory_bytes = 60}, NULL},
	    {{.memory_bytes = 80}, NULL}, {{.memory_bytes = 10}, NULL}};
	struct queue queue;

	(void)state;
	bounds.memory_max_bytes = 100;
	queue_init(&queue, &bounds);
	push(&queue, &items[0], "alice");
	push(&queue, &items[1], "bob");
	push(&queue, &items[2], "carol");
	assert_ptr_equal(start(&queue), &items[0]);
	assert_null(start(&queue));
	queue_ended(&queue, 60);
	assert_ptr_equal(start(&queue), &items[1]);
	assert_ptr_equal(start(&queue), &items[2]);
	assert_int_equal(queue.running_memory_bytes, 90);
	queue_done(&queue);
}

static void
test_what_is_removed_leaves_the_others_in_order(void **state)
{
	struct item items[6] = {0};
	static const size_t removed[] = {1, 0, 4};
	static const size_t left[] = {2, 3, 5};
	struct queue queue;

	(void)state;
	queue_init(&queue, &wide);
	for (size_t i = 0; i < COUNT(items); i++)
		push(&queue, &items[i], i < 3 ? "alice" : "bob");
	for (size_t i = 0; i < COUNT(removed); i++) {
		queue_remove(&queue, &items[removed[i]].entry);
		queue_dismiss(&queue, items[removed[i]].subject, 10);
	}
	for (size_t i = 0; i < COUNT(left); i++)
		assert_ptr_equal(start(&queue), &items[left[i]]);
	assert_null(start(&queue));
	queue_done(&queue);
}

static void
test_what_comes_back_is_its_subjects_first(void **state)
{
	struct item items[3] = {0};
	struct queue queue;

	(void)state;
	queue_init(&queue, &wide);
	push(&queue, &items[0], "alice");
	push(&queue, &items[1], "alice");
	push(&queue, &items[2], "bob");
	assert_ptr_equal(start(&queue), &items[0]);
	queue_ended(&queue, 0);
	queue_readmit(&queue, "alice", 10);
	queue_push_back(&queue, "alice", &items[0].entry);
	assert_ptr_equal(start(&queue), &items[2]);
	assert_ptr_equal(start(&queue), &items[0]);
	assert_ptr_equal(start(&queue), &items[1]);
	queue_done(&queue);
}

/* -- the table behind it */

static void
test_table_finds_what_is_in_it_through_growth_and_removal(void **state)
{
	static char names[3000][16];
	struct table table;

	(void)state;
	table_init(&table);
	assert_null(table_find(&table, "0"));
	for (size_t i = 0; i < COUNT(names); i++) {
		snprintf(names[i], sizeof(names[i]), "%zu", i);
		table_add(&table, names[i], names[i]);
	}
	for (size_t i = 0; i < COUNT(names); i += 2)
		assert_ptr_equal(table_remove(&table, names[i]), names[i]);
	for (size_t i = 0; i < COUNT(names); i++)
		assert_ptr_equal(
		    table_find(&table, names[i]), i % 2 == 0 ? NULL : names[i]);
	assert_int_equal(table.count, COUNT(names) / 2);
	/* Marks of what was taken out do not fill it. */
	for (int round = 0; round < 100; round++) {
		for (size_t i = 0; i < COUNT(names); i += 2)
			table_add(&table, names[i], names[i]);
		for (size_t i = 0; i < COUNT(names); i += 2)
			assert_non_null(table_remove(&table, names[i]));
	}
	assert_in_range(table.size, COUNT(names), 16 * COUNT(names));
	table_done(&table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_subjects_take_turns),
	    cmocka_unit_test(test_a_thousand_of_one_delay_another_by_one_turn),
	    cmocka_unit_test(test_a_place_is_the_number_of_starts_before),
	    cmocka_unit_test(test_each_bound_refuses_and_room_admits_again),
	    cmocka_unit_test(test_a_large_one_is_waited_for_not_passed),
	    cmocka_unit_test(test_what_is_removed_leaves_the_others_in_order),
	    cmocka_unit_test(test_what_comes_back_is_its_subjects_first),
	    cmocka_unit_test(
		test_table_finds_what_is_in_it_through_growth_and_removal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
