/* The queue: turns, bounds, places, estimates; and what stands behind it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "runner/queue.h"
#include "runner/table.h"

/* Memory of one equal part, so that a task of `PART` costs one turn. */
#define RUNNING_MAX 16
#define PART (INT64_C(64) << 20)

static const struct queue_bounds wide = {
    .queued_max = 1000000,
    .queued_per_subject = 1000000,
    .queued_per_rule = 1000000,
    .running_max = RUNNING_MAX,
    .memory_max_bytes = RUNNING_MAX * PART,
    .bytes_max = 1 << 30,
};

struct item {
	struct queue_entry entry;
	char subject; /* 'a' and so on */
	char rule;
};

static void
push(struct queue *queue, struct item *item, char subject, int64_t cost)
{
	const char name[] = {subject, '\0'};
	struct err err;

	item->subject = subject;
	item->entry =
	    (struct queue_entry){.bytes = 10, .memory_bytes = cost * PART};
	if (queue_admit(queue, name, "rule", &item->entry, 0, &err) != 0)
		fail_msg("%s", err.detail);
	queue_push(queue, &item->entry);
}

/* Starts one and ends it at once: who comes next, whatever there is room for.
 */
static struct item *
pass(struct queue *queue)
{
	struct item *item = (struct item *)queue_start(queue, 0);

	if (item != NULL)
		queue_ended(queue, &item->entry, 0);
	return item;
}

/* The subjects in the order of their turns. */
static void
assert_turns(struct queue *queue, const char *expected)
{
	char turns[64] = "";
	struct item *item;

	while ((item = pass(queue)) != NULL) {
		assert_in_range(strlen(turns), 0, sizeof(turns) - 2);
		turns[strlen(turns)] = item->subject;
	}
	assert_string_equal(turns, expected);
}

/* -- turns */

static void
test_subjects_take_turns(void **state)
{
	struct item items[7];
	struct queue queue;

	(void)state;
	queue_init(&queue, &wide);
	for (size_t i = 0; i < 5; i++)
		push(&queue, &items[i], 'a', 1);
	push(&queue, &items[5], 'b', 1);
	push(&queue, &items[6], 'b', 1);
	for (size_t i = 0; i < COUNT(items); i++) {
		static const size_t expected[] = {0, 5, 1, 6, 2, 3, 4};

		assert_ptr_equal(queue_start(&queue, 0), &items[expected[i]]);
		assert_int_equal(queue.running, i + 1);
	}
	assert_null(queue_start(&queue, 0));
	for (size_t i = 0; i < COUNT(items); i++)
		queue_ended(&queue, &items[i].entry, 0);
	queue_done(&queue);
}

static void
test_a_thousand_of_one_delay_another_by_one_turn(void **state)
{
	static struct item many[1000];
	struct queue queue;

	(void)state;
	for (int64_t cost = 1; cost <= RUNNING_MAX; cost *= 4) {
		struct item late;
		size_t before = 0;

		queue_init(&queue, &wide);
		for (size_t i = 0; i < COUNT(many); i++)
			push(&queue, &many[i], 'a', cost);
		assert_ptr_equal(pass(&queue), &many[0]);
		push(&queue, &late, 'b', cost);
		assert_in_range(queue_place(&queue, &late.entry), 0, 1);
		while (pass(&queue) != &late)
			before++;
		assert_in_range(before, 0, 1);
		while (pass(&queue) != NULL)
			;
		queue_done(&queue);
	}
}

static void
test_who_takes_four_parts_pays_with_three_turns(void **state)
{
	struct item items[12];
	struct queue queue;

	(void)state;
	queue_init(&queue, &wide);
	for (size_t i = 0; i < 3; i++)
		push(&queue, &items[i], 'h', 4);
	for (size_t i = 3; i < COUNT(items); i++)
		push(&queue, &items[i], 'l', 1);
	assert_turns(&queue, "hllllhllllhl");
	queue_done(&queue);
}

/* A processor is a part of the machine as memory is; the larger counts. */
static void
test_processors_cost_as_memory_does(void **state)
{
	struct queue_bounds bounds = wide;
	struct item items[4];
	struct queue queue;
	struct err err;

	(void)state;
	bounds.cpus = RUNNING_MAX * 1000;
	queue_init(&queue, &bounds);
	items[0] = (struct item){
	    .subject = 'h', .entry = {.memory_bytes = PART, .cpus = 3000}};
	assert_int_equal(
	    queue_admit(&queue, "h", "rule", &items[0].entry, 0, &err), 0);
	queue_push(&queue, &items[0].entry);
	assert_int_equal(items[0].entry.node.cost, 3);
	items[1] = (struct item){
	    .subject = 'h', .entry = {.memory_bytes = 5 * PART, .cpus = 3000}};
	queue_readmit(&queue, "h", "rule", &items[1].entry);
	queue_push(&queue, &items[1].entry);
	assert_int_equal(items[1].entry.node.cost, 5);
	items[2] = (struct item){
	    .subject = 'h', .entry = {.memory_bytes = 1, .cpus = 1}};
	queue_readmit(&queue, "h", "rule", &items[2].entry);
	queue_push(&queue, &items[2].entry);
	assert_int_equal(items[2].entry.node.cost, 1);
	assert_turns(&queue, "hhh");
	queue_done(&queue);
}

static void
test_who_is_alone_pays_nothing(void **state)
{
	struct item items[6];
	struct queue queue;

	(void)state;
	queue_init(&queue, &wide);
	for (size_t i = 0; i < 3; i++)
		push(&queue, &items[i], 'h', 8);
	assert_ptr_equal(pass(&queue), &items[0]);
	assert_ptr_equal(pass(&queue), &items[1]);
	/* Forgiven for what it took while it was alone but for the last. */
	push(&queue, &items[3], 'l', 1);
	push(&queue, &items[4], 'l', 1);
	assert_turns(&queue, "llh");
	queue_done(&queue);
}

/* Else one could take half of the machine again and again, one at a time. */
static void
test_a_debt_outlives_the_line(void **state)
{
	struct item heavy[3], light[12];
	struct queue queue;

	(void)state;
	queue_init(&queue, &wide);
	for (size_t i = 0; i < COUNT(light); i++)
		push(&queue, &light[i], 'l', 1);
	push(&queue, &heavy[0], 'h', 4);
	assert_ptr_equal(pass(&queue), &light[0]);
	assert_ptr_equal(pass(&queue), &heavy[0]);
	push(&queue, &heavy[1], 'h', 4);
	assert_int_equal(queue_place(&queue, &heavy[1].entry), 4);
	for (size_t i = 1; i < 5; i++)
		assert_ptr_equal(pass(&queue), &light[i]);
	assert_ptr_equal(pass(&queue), &heavy[1]);
	/* Who does not come back pays all the same, and is forgotten then. */
	assert_int_equal(queue.subjects.count, 2);
	for (size_t i = 5; i < 10; i++)
		assert_ptr_equal(pass(&queue), &light[i]);
	assert_int_equal(queue.subjects.count, 1);
	push(&queue, &heavy[2], 'h', 4);
	assert_turns(&queue, "lhl");
	assert_int_equal(queue.subjects.count, 0);
	assert_int_equal(queue.rules.count, 0);
	queue_done(&queue);
}

static void
test_a_large_one_is_waited_for_not_passed(void **state)
{
	struct item items[3];
	struct queue queue;

	(void)state;
	queue_init(&queue, &wide);
	push(&queue, &items[0], 'a', 9);
	push(&queue, &items[1], 'b', 12);
	push(&queue, &items[2], 'c', 1);
	assert_ptr_equal(queue_start(&queue, 0), &items[0]);
	assert_null(queue_start(&queue, 0));
	queue_ended(&queue, &items[0].entry, 0);
	assert_ptr_equal(queue_start(&queue, 0), &items[1]);
	assert_ptr_equal(queue_start(&queue, 0), &items[2]);
	assert_int_equal(queue.running_memory_bytes, 13 * PART);
	queue_ended(&queue, &items[1].entry, 0);
	queue_ended(&queue, &items[2].entry, 0);
	queue_done(&queue);
}

static void
test_no_more_run_than_may(void **state)
{
	struct item items[RUNNING_MAX + 2];
	struct queue_bounds bounds = wide;
	struct queue queue;

	(void)state;
	bounds.memory_max_bytes *= 2;
	queue_init(&queue, &bounds);
	for (size_t i = 0; i < COUNT(items); i++)
		push(&queue, &items[i], 'a', 1);
	for (size_t i = 0; i < RUNNING_MAX; i++)
		assert_ptr_equal(queue_start(&queue, 0), &items[i]);
	assert_null(queue_start(&queue, 0));
	queue_ended(&queue, &items[0].entry, 0);
	assert_ptr_equal(queue_start(&queue, 0), &items[RUNNING_MAX]);
	assert_null(queue_start(&queue, 0));
	for (size_t i = 1; i <= RUNNING_MAX; i++)
		queue_ended(&queue, &items[i].entry, 0);
	queue_remove(&queue, &items[RUNNING_MAX + 1].entry);
	queue_done(&queue);
}

/* -- fairness, over random loads */

/* xorshift32: the same loads in every run. */
static uint32_t
draw(uint32_t *seed, uint32_t below)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed % below;
}

/* Of subjects that always wait, none gets more than another of what turns
 * cost, but for two of the largest tasks. */
static void
test_who_always_waits_gets_as_much_as_another(void **state)
{
	enum { SUBJECTS = 7, TURNS = 3000, MOST = 8 };
	static struct item items[TURNS + 2 * SUBJECTS];

	(void)state;
	for (uint32_t seed = 1; seed <= 20; seed++) {
		int64_t served[SUBJECTS] = {0};
		struct queue queue;
		uint32_t at = seed;
		size_t used = 0;

		queue_init(&queue, &wide);
		/* Some take large ones, some small ones. */
		for (uint32_t i = 0; i < 2 * SUBJECTS; i++)
			push(&queue, &items[used++], (char)('a' + i / 2),
			    1 + draw(&at, 1 + (i / 2) % MOST));
		for (int turn = 0; turn < TURNS; turn++) {
			struct item *item =
			    (struct item *)queue_start(&queue, 0);
			int64_t least = INT64_MAX, most = 0;
			uint32_t who = (uint32_t)(item->subject - 'a');

			served[who] += item->entry.memory_bytes / PART;
			queue_ended(&queue, &item->entry, 0);
			push(&queue, &items[used++], item->subject,
			    1 + draw(&at, 1 + who % MOST));
			for (int i = 0; i < SUBJECTS; i++) {
				if (served[i] < least)
					least = served[i];
				if (served[i] > most)
					most = served[i];
			}
			assert_in_range(most - least, 0, 2 * MOST);
		}
		while (pass(&queue) != NULL)
			;
		queue_done(&queue);
	}
}

/* Places as queue_place() says must be what queue_start() does. */
static void
assert_places(struct queue *queue, struct item *items, size_t count)
{
	auto_free size_t *places = alloc_zero(count, sizeof(*places));
	size_t waiting = queue->length;

	for (size_t i = 0; i < count; i++) {
		if (items[i].entry.standing == QUEUE_WAITING)
			places[i] = queue_place(queue, &items[i].entry);
	}
	for (size_t turn = 0; turn < waiting; turn++) {
		struct item *item = pass(queue);

		assert_non_null(item);
		assert_int_equal(places[item - items], turn);
		/* Each start moves all others up by one. */
		for (size_t i = 0; turn % 16 == 0 && i < count; i++) {
			if (items[i].entry.standing == QUEUE_WAITING)
				assert_int_equal(
				    queue_place(queue, &items[i].entry),
				    places[i] - turn - 1);
		}
	}
	assert_null(pass(queue));
}

/* Pushed, started, taken out of the middle, in any order and at any cost. */
static void
test_a_place_is_the_number_of_starts_before(void **state)
{
	static struct item items[300];

	(void)state;
	for (uint32_t seed = 1; seed <= 60; seed++) {
		uint32_t at = seed * 2654435761u;
		struct queue queue;
		uint32_t subjects = 1 + draw(&at, 9);
		uint32_t most = 1 + draw(&at, RUNNING_MAX);

		memset(items, 0, sizeof(items));
		queue_init(&queue, &wide);
		for (uint32_t i = 0; i < COUNT(items); i++) {
			struct item *other = &items[draw(&at, i + 1)];

			push(&queue, &items[i],
			    (char)('a' + draw(&at, subjects)),
			    1 + draw(&at, most));
			if (draw(&at, 4) == 0)
				pass(&queue);
			if (draw(&at, 4) == 0 &&
			    other->entry.standing == QUEUE_WAITING)
				queue_remove(&queue, &other->entry);
		}
		assert_places(&queue, items, COUNT(items));
		assert_int_equal(queue.subjects.count, 0);
		queue_done(&queue);
	}
}

/* -- bounds */

static void
refuse(struct queue *queue, const char *subject, const char *rule,
    struct queue_entry entry, enum err_code code)
{
	struct err err = {0};

	assert_int_equal(
	    queue_admit(queue, subject, rule, &entry, 0, &err), -1);
	assert_int_equal(err.code, code);
	assert_int_equal(err.retry_after_s, code == ERR_BUSY ? 1 : 0);
	assert_int_equal(entry.standing, QUEUE_NOWHERE);
}

static void
admit(struct queue *queue, const char *subject, const char *rule,
    struct queue_entry *entry)
{
	struct err err;

	*entry = (struct queue_entry){.bytes = 10, .memory_bytes = 1};
	if (queue_admit(queue, subject, rule, entry, 0, &err) != 0)
		fail_msg("%s", err.detail);
}

static void
test_each_bound_refuses_and_room_admits_again(void **state)
{
	const struct queue_bounds bounds = {
	    .queued_max = 4,
	    .queued_per_subject = 2,
	    .queued_per_rule = 3,
	    .running_max = 1,
	    .memory_max_bytes = 100,
	    .bytes_max = 100,
	};
	const struct queue_entry small = {.bytes = 10, .memory_bytes = 1};
	struct queue_entry entries[5];
	struct queue queue;

	(void)state;
	queue_init(&queue, &bounds);
	refuse(&queue, "alice", "r",
	    (struct queue_entry){.bytes = 1, .memory_bytes = 101},
	    ERR_UNPROCESSABLE);
	refuse(&queue, "alice", "r",
	    (struct queue_entry){.bytes = 101, .memory_bytes = 1}, ERR_BUSY);
	assert_int_equal(queue.subjects.count + queue.rules.count, 0);
	/* What is on its way to its line counts as what is in it. */
	admit(&queue, "alice", "r", &entries[0]);
	admit(&queue, "alice", "r", &entries[1]);
	refuse(&queue, "alice", "s", small, ERR_BUSY);
	refuse(&queue, "bob", "r",
	    (struct queue_entry){.bytes = 81, .memory_bytes = 1}, ERR_BUSY);
	admit(&queue, "bob", "r", &entries[2]);
	refuse(&queue, "bob", "r", small, ERR_BUSY);
	admit(&queue, "bob", "s", &entries[3]);
	refuse(&queue, "carol", "s", small, ERR_BUSY);
	queue_dismiss(&queue, &entries[3]);
	admit(&queue, "carol", "s", &entries[3]);
	for (size_t i = 0; i < 4; i++)
		queue_push(&queue, &entries[i]);
	/* One that runs waits no longer. */
	assert_ptr_equal(queue_start(&queue, 0), &entries[0]);
	admit(&queue, "alice", "r", &entries[4]);
	/* What waited in an earlier life is not asked about. */
	struct queue_entry old = {.bytes = 1000, .memory_bytes = 1000};

	queue_readmit(&queue, "alice", "r", &old);
	queue_dismiss(&queue, &old);
	queue_dismiss(&queue, &entries[4]);
	for (size_t i = 1; i < 4; i++)
		queue_remove(&queue, &entries[i]);
	queue_ended(&queue, &entries[0], 0);
	assert_int_equal(queue.admitted_bytes, 0);
	queue_done(&queue);
}

/* -- coming back, at once, again */

static void
test_what_comes_back_is_its_subjects_first(void **state)
{
	struct item items[3];
	struct queue queue;

	(void)state;
	queue_init(&queue, &wide);
	push(&queue, &items[0], 'a', 3);
	push(&queue, &items[1], 'a', 1);
	push(&queue, &items[2], 'b', 1);
	assert_ptr_equal(queue_start(&queue, 0), &items[0]);
	queue_return(&queue, &items[0].entry);
	assert_int_equal(queue.running, 0);
	assert_int_equal(queue.running_memory_bytes, 0);
	assert_int_equal(queue.admitted, 3);
	/* Its cost is paid once. */
	assert_ptr_equal(pass(&queue), &items[2]);
	assert_ptr_equal(pass(&queue), &items[0]);
	assert_ptr_equal(pass(&queue), &items[1]);
	queue_done(&queue);
}

static void
test_who_finds_nobody_waiting_starts_at_once(void **state)
{
	struct item items[3];
	struct queue queue;
	struct queue_entry first, second;

	(void)state;
	queue_init(&queue, &wide);
	admit(&queue, "alice", "r", &first);
	assert_true(queue_start_at_once(&queue, &first, 5));
	assert_int_equal(first.standing, QUEUE_RUNNING);
	assert_int_equal(queue.admitted, 0);
	assert_int_equal(queue.running, 1);
	/* Others wait. */
	push(&queue, &items[0], 'b', RUNNING_MAX);
	admit(&queue, "alice", "r", &second);
	assert_false(queue_start_at_once(&queue, &second, 5));
	assert_int_equal(second.standing, QUEUE_ADMITTED);
	queue_remove(&queue, &items[0].entry);
	/* There is no room. */
	queue_dismiss(&queue, &second);
	second = (struct queue_entry){.memory_bytes = RUNNING_MAX * PART};
	queue_readmit(&queue, "alice", "r", &second);
	assert_false(queue_start_at_once(&queue, &second, 5));
	queue_ended(&queue, &first, 7);
	assert_true(queue_start_at_once(&queue, &second, 7));
	queue_ended(&queue, &second, 7);
	queue_done(&queue);
}

static void
test_what_runs_since_an_earlier_life_takes_its_room(void **state)
{
	struct item old = {.entry = {.memory_bytes = 10 * PART}}, item;
	struct queue queue;

	(void)state;
	queue_init(&queue, &wide);
	queue_start_again(&queue, "alice", "r", &old.entry, 0);
	assert_int_equal(queue.admitted, 0);
	push(&queue, &item, 'b', 7);
	assert_null(queue_start(&queue, 0));
	queue_ended(&queue, &old.entry, 0);
	assert_ptr_equal(pass(&queue), &item);
	queue_done(&queue);
}

/* -- what rules let run at a time */

/* Of the rules "0" to "3". */
static struct queue_concurrency of_rules[4];

static void
find_bounds(void *arg, const char *rule, struct queue_concurrency *ret)
{
	(void)arg;
	*ret = of_rules[rule[0] - '0'];
}

static void
init_bounded(struct queue *queue, int64_t per_subject, int64_t total)
{
	struct queue_bounds bounds = wide;

	bounds.of_rule = find_bounds;
	bounds.running_max = 1000000;
	bounds.memory_max_bytes = INT64_MAX;
	memset(of_rules, 0, sizeof(of_rules));
	of_rules[0] = (struct queue_concurrency){per_subject, total};
	queue_init(queue, &bounds);
}

static void
push_of(struct queue *queue, struct item *item, char subject, char rule)
{
	const char name[] = {subject, '\0'}, its_rule[] = {rule, '\0'};
	struct err err;

	item->subject = subject;
	item->rule = rule;
	item->entry = (struct queue_entry){.bytes = 10, .memory_bytes = 1};
	if (queue_admit(queue, name, its_rule, &item->entry, 0, &err) != 0)
		fail_msg("%s", err.detail);
	queue_push(queue, &item->entry);
}

static void
test_whose_tasks_all_wait_for_their_rule_may_try_when_one_has_run(void **state)
{
	struct queue_entry more = {.bytes = 10, .memory_bytes = 1};
	struct item items[4];
	struct queue queue;
	struct err err = {0};

	(void)state;
	init_bounded(&queue, 0, 1);
	queue.bounds.queued_per_subject = 2;
	push_of(&queue, &items[0], 'a', '0');
	assert_ptr_equal(queue_start(&queue, 0), &items[0]);
	queue_ended(&queue, &items[0].entry, 60000);
	push_of(&queue, &items[1], 'a', '0');
	assert_ptr_equal(queue_start(&queue, 60000), &items[1]);
	push_of(&queue, &items[2], 'a', '0');
	push_of(&queue, &items[3], 'a', '0');
	assert_null(queue_start(&queue, 60000));
	assert_int_equal(queue.held, 2);
	assert_int_equal(queue_admit(&queue, "a", "0", &more, 61000, &err), -1);
	assert_int_equal(err.code, ERR_BUSY);
	assert_int_equal(err.retry_after_s, 60);
	for (size_t i = 1; i < COUNT(items); i++) {
		queue_ended(&queue, &items[i].entry, 120000);
		if (i + 1 < COUNT(items))
			assert_ptr_equal(
			    queue_start(&queue, 120000), &items[i + 1]);
	}
	queue_done(&queue);
}

static void
test_what_its_rule_has_no_room_for_delays_nobody(void **state)
{
	struct item a[4], b[2], c;
	struct queue queue;

	(void)state;
	init_bounded(&queue, 1, 2);
	push_of(&queue, &a[0], 'a', '0');
	push_of(&queue, &a[1], 'a', '0');
	push_of(&queue, &a[2], 'a', '0');
	push_of(&queue, &a[3], 'a', '1');
	push_of(&queue, &b[0], 'b', '0');
	push_of(&queue, &b[1], 'b', '1');
	push_of(&queue, &c, 'c', '0');
	assert_ptr_equal(queue_start(&queue, 0), &a[0]);
	assert_ptr_equal(queue_start(&queue, 0), &b[0]);
	/* The rule is full: c's only task is set aside, and a's and b's next
	 * are those of the other rule. */
	assert_ptr_equal(queue_start(&queue, 0), &a[3]);
	assert_ptr_equal(queue_start(&queue, 0), &b[1]);
	assert_null(queue_start(&queue, 0));
	assert_int_equal(queue.length, 3);
	assert_int_equal(queue.held, 3);
	assert_int_equal(queue.admitted, 3);
	assert_string_equal(queue_held_by(&a[1].entry), "0");
	assert_true(queue_waits(&c.entry));
	assert_int_equal(queue_place(&queue, &a[1].entry), 0);
	assert_int_equal(queue_place(&queue, &a[2].entry), 1);
	assert_int_equal(queue_place(&queue, &c.entry), 0);
	/* One ends: one is called. a has one that runs, so it is c's. */
	queue_ended(&queue, &b[0].entry, 0);
	assert_int_equal(queue.held, 2);
	assert_ptr_equal(queue_start(&queue, 0), &c);
	assert_null(queue_start(&queue, 0));
	queue_ended(&queue, &a[0].entry, 0);
	assert_ptr_equal(queue_start(&queue, 0), &a[1]);
	assert_null(queue_start(&queue, 0));
	queue_ended(&queue, &c.entry, 0);
	/* There is room for another, but not for another of a's. */
	assert_null(queue_start(&queue, 0));
	queue_ended(&queue, &a[1].entry, 0);
	assert_ptr_equal(queue_start(&queue, 0), &a[2]);
	queue_ended(&queue, &a[2].entry, 0);
	queue_ended(&queue, &a[3].entry, 0);
	queue_ended(&queue, &b[1].entry, 0);
	assert_null(queue.turn);
	queue_done(&queue);
}

/* Ten thousand set aside: nothing walks along them, and subjects take turns. */
static void
test_each_end_calls_one_and_subjects_take_turns(void **state)
{
	enum { MANY = 10000, SUBJECTS = 4 };
	struct item *items = alloc_zero(MANY, sizeof(*items));
	struct item *runs;
	struct queue queue;
	char last[SUBJECTS + 1] = "";

	(void)state;
	init_bounded(&queue, 0, 1);
	for (int i = 0; i < MANY; i++)
		push_of(&queue, &items[i], (char)('a' + i / (MANY / SUBJECTS)),
		    '0');
	runs = (struct item *)queue_start(&queue, 0);
	assert_ptr_equal(runs, &items[0]);
	assert_null(queue_start(&queue, 0));
	assert_int_equal(queue.held, MANY - 1);
	for (size_t left = MANY - 1; left > 0; left--) {
		assert_int_equal(queue.held, left);
		queue_ended(&queue, &runs->entry, 0);
		assert_int_equal(queue.held, left - 1);
		runs = (struct item *)queue_start(&queue, 0);
		assert_non_null(runs);
		assert_null(queue_start(&queue, 0));
		/* While all have some, no one has two of four in a row. */
		memmove(last, last + 1, SUBJECTS - 1);
		last[SUBJECTS - 1] = runs->subject;
		if (left < MANY - SUBJECTS && left > MANY / 2)
			assert_null(strchr(last + 1, last[0]));
	}
	queue_ended(&queue, &runs->entry, 0);
	queue_done(&queue);
	free(items);
}

static void
test_whose_place_another_took_is_called_first(void **state)
{
	struct item a[2], b, c;
	struct queue queue;

	(void)state;
	init_bounded(&queue, 0, 1);
	push_of(&queue, &a[0], 'a', '0');
	assert_ptr_equal(queue_start(&queue, 0), &a[0]);
	push_of(&queue, &a[1], 'a', '0');
	push_of(&queue, &c, 'c', '0');
	assert_null(queue_start(&queue, 0));
	/* b has its turn before a, which was called. */
	push_of(&queue, &b, 'b', '0');
	queue_ended(&queue, &a[0].entry, 0);
	assert_true(a[1].entry.called);
	assert_ptr_equal(queue_start(&queue, 0), &b);
	assert_null(queue_start(&queue, 0));
	assert_string_equal(queue_held_by(&a[1].entry), "0");
	queue_ended(&queue, &b.entry, 0);
	assert_ptr_equal(queue_start(&queue, 0), &a[1]);
	queue_ended(&queue, &a[1].entry, 0);
	assert_ptr_equal(queue_start(&queue, 0), &c);
	queue_ended(&queue, &c.entry, 0);
	queue_done(&queue);
}

static void
test_who_is_called_and_goes_leaves_the_place_to_the_next(void **state)
{
	struct item items[4];
	struct queue queue;

	(void)state;
	init_bounded(&queue, 1, 0);
	for (size_t i = 0; i < COUNT(items); i++)
		push_of(&queue, &items[i], 'a', '0');
	assert_ptr_equal(queue_start(&queue, 0), &items[0]);
	assert_null(queue_start(&queue, 0));
	/* Set aside, and ended. */
	queue_remove(&queue, &items[1].entry);
	queue_ended(&queue, &items[0].entry, 0);
	assert_true(items[2].entry.called);
	queue_remove(&queue, &items[2].entry);
	assert_ptr_equal(queue_start(&queue, 0), &items[3]);
	/* What comes back waits in its turn. */
	queue_return(&queue, &items[3].entry);
	assert_ptr_equal(queue_start(&queue, 0), &items[3]);
	queue_ended(&queue, &items[3].entry, 0);
	assert_int_equal(queue.lanes.count, 0);
	queue_done(&queue);
}

static void
test_nobody_starts_at_once_where_the_rule_has_no_room(void **state)
{
	struct item items[2];
	struct queue_entry entry;
	struct queue queue;

	(void)state;
	init_bounded(&queue, 1, 0);
	push_of(&queue, &items[0], 'a', '0');
	push_of(&queue, &items[1], 'a', '0');
	assert_non_null(queue_start(&queue, 0));
	assert_null(queue_start(&queue, 0));
	admit(&queue, "a", "0", &entry);
	assert_false(queue_start_at_once(&queue, &entry, 0));
	queue_dismiss(&queue, &entry);
	/* Who is set aside keeps nobody else from it. */
	admit(&queue, "a", "1", &entry);
	assert_true(queue_start_at_once(&queue, &entry, 0));
	queue_ended(&queue, &entry, 0);
	queue_ended(&queue, &items[0].entry, 0);
	assert_ptr_equal(pass(&queue), &items[1]);
	queue_done(&queue);
}

static void
test_a_reload_calls_as_many_as_there_is_room_for_then(void **state)
{
	struct item items[8];
	struct queue queue;

	(void)state;
	init_bounded(&queue, 0, 3);
	for (size_t i = 0; i < COUNT(items); i++)
		push_of(&queue, &items[i], 'a', '0');
	for (size_t i = 0; i < 3; i++)
		assert_ptr_equal(queue_start(&queue, 0), &items[i]);
	assert_null(queue_start(&queue, 0));
	/* Lower: what runs goes on, and as many must end. */
	of_rules[0].total = 1;
	queue_bound_rules(&queue);
	queue_ended(&queue, &items[0].entry, 0);
	queue_ended(&queue, &items[1].entry, 0);
	assert_null(queue_start(&queue, 0));
	queue_ended(&queue, &items[2].entry, 0);
	assert_ptr_equal(queue_start(&queue, 0), &items[3]);
	assert_null(queue_start(&queue, 0));
	/* Higher: in the order in which they came. */
	of_rules[0].total = 3;
	queue_bound_rules(&queue);
	assert_ptr_equal(queue_start(&queue, 0), &items[4]);
	assert_ptr_equal(queue_start(&queue, 0), &items[5]);
	assert_null(queue_start(&queue, 0));
	/* The rule is gone, or bounds nothing any more. */
	of_rules[0].total = 0;
	queue_bound_rules(&queue);
	assert_ptr_equal(queue_start(&queue, 0), &items[6]);
	assert_ptr_equal(queue_start(&queue, 0), &items[7]);
	for (size_t i = 3; i < COUNT(items); i++)
		queue_ended(&queue, &items[i].entry, 0);
	queue_done(&queue);
}

static void
test_what_another_rule_lets_run_counts_there(void **state)
{
	struct item items[3], other;
	struct queue queue;

	(void)state;
	init_bounded(&queue, 0, 1);
	of_rules[1] = (struct queue_concurrency){0, 1};
	push_of(&queue, &other, 'b', '1');
	assert_ptr_equal(queue_start(&queue, 0), &other);
	assert_true(queue_count_under(&queue, &other.entry, "1"));
	for (size_t i = 0; i < 2; i++)
		push_of(&queue, &items[i], 'a', '0');
	assert_ptr_equal(queue_start(&queue, 0), &items[0]);
	/* Rule 1 has one that runs: it waits for that, and the place of its
	 * own rule is free for the next. */
	assert_false(queue_count_under(&queue, &items[0].entry, "1"));
	queue_return(&queue, &items[0].entry);
	assert_ptr_equal(queue_start(&queue, 0), &items[1]);
	assert_string_equal(queue_held_by(&items[0].entry), "1");
	queue_ended(&queue, &other.entry, 0);
	assert_ptr_equal(queue_start(&queue, 0), &items[0]);
	assert_true(queue_count_under(&queue, &items[0].entry, "1"));
	/* From an earlier life, over the bound. */
	items[2].entry = (struct queue_entry){.bytes = 10};
	queue_start_again(&queue, "c", "1", &items[2].entry, 0);
	queue_ended(&queue, &items[0].entry, 0);
	push_of(&queue, &other, 'b', '1');
	assert_null(queue_start(&queue, 0));
	queue_ended(&queue, &items[2].entry, 0);
	assert_ptr_equal(queue_start(&queue, 0), &other);
	queue_ended(&queue, &other.entry, 0);
	queue_ended(&queue, &items[1].entry, 0);
	assert_int_equal(queue.lanes.count, 0);
	queue_done(&queue);
}

static size_t
count_running(const struct item *items, size_t count, char subject, char rule)
{
	size_t found = 0;

	for (size_t i = 0; i < count; i++) {
		if (items[i].entry.standing == QUEUE_RUNNING &&
		    items[i].subject == subject && items[i].rule == rule)
			found++;
	}
	return found;
}

/* Whatever comes and goes: no bound is passed, and nobody is set aside while
 * there is room. */
static void
test_no_rule_has_more_than_it_may_and_no_place_is_left_empty(void **state)
{
	enum { MANY = 120, STEPS = 20000, SUBJECTS = 3, RULES = 3 };
	static struct item items[MANY];
	struct queue queue;
	uint32_t seed = 11;

	(void)state;
	init_bounded(&queue, 2, 4);
	of_rules[1] = (struct queue_concurrency){1, 0};
	queue.bounds.running_max = 9;
	memset(items, 0, sizeof(items));
	for (size_t step = 0; step < STEPS; step++) {
		struct item *item = &items[draw(&seed, MANY)];
		uint32_t how = draw(&seed, 10);

		if (item->entry.standing == QUEUE_NOWHERE) {
			push_of(&queue, item,
			    (char)('a' + draw(&seed, SUBJECTS)),
			    (char)('0' + draw(&seed, RULES)));
		} else if (item->entry.standing == QUEUE_RUNNING && how == 0) {
			queue_return(&queue, &item->entry);
		} else if (item->entry.standing == QUEUE_RUNNING && how < 5) {
			queue_ended(&queue, &item->entry, 0);
		} else if (queue_waits(&item->entry) && how == 0) {
			queue_remove(&queue, &item->entry);
		}
		if (draw(&seed, 100) == 0) {
			of_rules[0].total = 1 + (int64_t)draw(&seed, 5);
			queue_bound_rules(&queue);
		}
		if (draw(&seed, 3) > 0)
			continue;
		struct item *started;

		while (
		    (started = (struct item *)queue_start(&queue, 0)) != NULL) {
			size_t total = 0;

			for (int k = 0; k < SUBJECTS; k++) {
				char s = (char)('a' + k);

				total += count_running(items, MANY, s, '0');
				assert_in_range(
				    count_running(items, MANY, s, '0'), 0, 2);
				assert_in_range(
				    count_running(items, MANY, s, '1'), 0, 1);
			}
			/* Lowered, it may have more, but starts none. */
			if (started->rule == '0')
				assert_in_range(total, 1, of_rules[0].total);
		}
		if (queue.running == queue.bounds.running_max)
			continue;
		/* The machine has room: all that waits is set aside, and for
		 * a reason. */
		assert_int_equal(queue.held, queue.length);
		size_t total = 0;

		for (int k = 0; k < SUBJECTS; k++)
			total +=
			    count_running(items, MANY, (char)('a' + k), '0');
		for (size_t i = 0; i < MANY; i++) {
			const char *rule = queue_held_by(&items[i].entry);
			size_t own;

			if (rule == NULL)
				continue;
			assert_true(rule[0] != '2');
			own = count_running(
			    items, MANY, items[i].subject, rule[0]);
			if (rule[0] == '1')
				assert_int_equal(own, 1);
			else if (own < 2)
				assert_true(
				    (int64_t)total >= of_rules[0].total);
		}
	}
	for (size_t i = 0; i < MANY; i++) {
		if (items[i].entry.standing == QUEUE_RUNNING)
			queue_ended(&queue, &items[i].entry, 0);
		else if (queue_waits(&items[i].entry))
			queue_remove(&queue, &items[i].entry);
	}
	assert_int_equal(queue.lanes.count, 0);
	assert_int_equal(queue.held, 0);
	queue_done(&queue);
}

/* -- estimates */

static void
test_an_estimate_is_how_long_others_have_run(void **state)
{
	static struct item items[100];
	struct queue queue;
	struct queue_bounds bounds = wide;
	struct err err;

	(void)state;
	bounds.queued_per_subject = COUNT(items) - 4;
	bounds.running_max = 4;
	queue_init(&queue, &bounds);
	for (size_t i = 0; i < 4; i++)
		push(&queue, &items[i], 'a', 1);
	assert_int_equal(queue_estimate_ms(&queue, 0, 0), -1);
	assert_int_equal(queue_retry_s(&queue, 0, 0), 1);
	for (size_t i = 0; i < 4; i++)
		assert_non_null(queue_start(&queue, 1000));
	for (size_t i = 4; i < COUNT(items); i++)
		push(&queue, &items[i], 'a', 1);
	/* Nothing has ended: nothing is known. */
	assert_int_equal(queue_estimate_ms(&queue, 0, 50000), -1);
	queue_ended(&queue, &items[0].entry, 9000);
	/* One place is free. */
	assert_int_equal(queue_estimate_ms(&queue, 0, 9000), 0);
	assert_ptr_equal(queue_start(&queue, 9000), &items[4]);
	/* Four at a time, eight seconds each: one ends every two. */
	assert_int_equal(queue_estimate_ms(&queue, 0, 9000), 2000);
	assert_int_equal(queue_estimate_ms(&queue, 9, 9000), 20000);
	/* What runs for longer than others did counts too. */
	assert_int_equal(queue_estimate_ms(&queue, 0, 43000), 10000);
	/* A subject's next is told when its first will have been started. */
	push(&queue, &items[0], 'a', 1);
	struct queue_entry more = {.bytes = 1, .memory_bytes = PART};

	assert_int_equal(
	    queue_admit(&queue, "a", "rule", &more, 9000, &err), -1);
	assert_int_equal(err.code, ERR_BUSY);
	assert_int_equal(err.retry_after_s, 2);
	assert_non_null(strstr(err.detail, "96 tasks of a"));
	for (size_t i = 1; i < 5; i++)
		queue_ended(&queue, &items[i].entry, 9000);
	while (pass(&queue) != NULL)
		;
	queue_done(&queue);
}

static void
test_memory_bounds_how_many_run_at_a_time(void **state)
{
	struct item items[3];
	struct queue queue;

	(void)state;
	queue_init(&queue, &wide);
	for (size_t i = 0; i < COUNT(items); i++)
		push(&queue, &items[i], 'a', RUNNING_MAX / 2);
	queue_measure(&queue, 6000);
	assert_non_null(queue_start(&queue, 0));
	assert_non_null(queue_start(&queue, 0));
	assert_null(queue_start(&queue, 0));
	/* Two at a time, not sixteen. */
	assert_int_equal(queue_estimate_ms(&queue, 0, 0), 3000);
	queue_ended(&queue, &items[0].entry, 0);
	queue_ended(&queue, &items[1].entry, 0);
	while (pass(&queue) != NULL)
		;
	queue_done(&queue);
}

static void
test_an_average_follows_what_it_measures(void **state)
{
	struct queue queue;

	(void)state;
	queue_init(&queue, &wide);
	queue_measure(&queue, 800);
	assert_int_equal(queue.stay_ms, 800);
	for (int i = 0; i < 50; i++)
		queue_measure(&queue, 8000);
	assert_in_range(queue.stay_ms, 7900, 8000);
	assert_in_range(queue_retry_s(&queue, 1u << 30, 0), 3600, 3600);
	queue_done(&queue);
}

/* -- size */

/* All in one line, so that whatever walked along it would take 10^10 steps: a
 * minute and more. Nothing here is timed; ctest ends what hangs. */
static void
test_a_hundred_thousand_come_are_placed_and_go(void **state)
{
	enum { MANY = 100000 };
	struct item *items = alloc_zero(MANY, sizeof(*items));
	struct queue queue;

	(void)state;
	queue_init(&queue, &wide);
	for (size_t i = 0; i < MANY; i++)
		push(&queue, &items[i], i % 1000 == 0 ? 'b' : 'a', 1);
	for (size_t i = 0; i < MANY; i++)
		assert_in_range(
		    queue_place(&queue, &items[i].entry), 0, MANY - 1);
	assert_int_equal(queue_place(&queue, &items[MANY - 1].entry), MANY - 1);
	for (size_t i = 1; i < MANY; i += 2)
		queue_remove(&queue, &items[i].entry);
	assert_int_equal(
	    queue_place(&queue, &items[MANY - 2].entry), MANY / 2 - 1);
	for (size_t i = 0; i < MANY / 2; i++)
		assert_non_null(pass(&queue));
	assert_null(pass(&queue));
	queue_done(&queue);
	free(items);
}

/* -- the line behind it */

static void
test_a_line_keeps_its_order_and_sums(void **state)
{
	enum { MANY = 500 };
	struct line_node nodes[MANY], *order[MANY];
	struct line line = {0};
	uint32_t seed = 7;
	size_t count = 0;

	(void)state;
	assert_null(line_first(&line));
	for (size_t i = 0; i < MANY; i++) {
		uint32_t cost = draw(&seed, 4), how = draw(&seed, 8);
		size_t gone = draw(&seed, (uint32_t)count + 1);

		if (how == 0 && count > 0 && gone < count) {
			line_remove(&line, order[gone]);
			memmove(&order[gone], &order[gone + 1],
			    (--count - gone) * sizeof(*order));
		}
		if (how < 3) {
			line_add(&line, &nodes[i], -(int64_t)i, cost, seed);
			memmove(&order[1], &order[0], count * sizeof(*order));
			order[0] = &nodes[i];
		} else {
			line_add(&line, &nodes[i], (int64_t)i, cost, seed);
			order[count] = &nodes[i];
		}
		count++;
		int64_t before = 0;

		assert_int_equal(line_count(&line), count);
		assert_ptr_equal(line_first(&line), order[0]);
		for (size_t k = 0; k < count; k++) {
			assert_int_equal(line_count_before(order[k]), k);
			assert_int_equal(line_cost_before(order[k]), before);
			assert_in_range(
			    line_count_within(&line, before), k + 1, count);
			before += order[k]->cost;
		}
		assert_int_equal(line_count_within(&line, before), count);
		assert_int_equal(line_count_within(&line, -1), 0);
	}
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
	    cmocka_unit_test(test_who_takes_four_parts_pays_with_three_turns),
	    cmocka_unit_test(test_processors_cost_as_memory_does),
	    cmocka_unit_test(test_who_is_alone_pays_nothing),
	    cmocka_unit_test(test_a_debt_outlives_the_line),
	    cmocka_unit_test(test_a_large_one_is_waited_for_not_passed),
	    cmocka_unit_test(test_no_more_run_than_may),
	    cmocka_unit_test(test_who_always_waits_gets_as_much_as_another),
	    cmocka_unit_test(test_a_place_is_the_number_of_starts_before),
	    cmocka_unit_test(test_each_bound_refuses_and_room_admits_again),
	    cmocka_unit_test(test_what_comes_back_is_its_subjects_first),
	    cmocka_unit_test(test_who_finds_nobody_waiting_starts_at_once),
	    cmocka_unit_test(
		test_what_runs_since_an_earlier_life_takes_its_room),
	    cmocka_unit_test(
		test_whose_tasks_all_wait_for_their_rule_may_try_when_one_has_run),
	    cmocka_unit_test(test_what_its_rule_has_no_room_for_delays_nobody),
	    cmocka_unit_test(test_each_end_calls_one_and_subjects_take_turns),
	    cmocka_unit_test(test_whose_place_another_took_is_called_first),
	    cmocka_unit_test(
		test_who_is_called_and_goes_leaves_the_place_to_the_next),
	    cmocka_unit_test(
		test_nobody_starts_at_once_where_the_rule_has_no_room),
	    cmocka_unit_test(
		test_a_reload_calls_as_many_as_there_is_room_for_then),
	    cmocka_unit_test(test_what_another_rule_lets_run_counts_there),
	    cmocka_unit_test(
		test_no_rule_has_more_than_it_may_and_no_place_is_left_empty),
	    cmocka_unit_test(test_an_estimate_is_how_long_others_have_run),
	    cmocka_unit_test(test_memory_bounds_how_many_run_at_a_time),
	    cmocka_unit_test(test_an_average_follows_what_it_measures),
	    cmocka_unit_test(test_a_hundred_thousand_come_are_placed_and_go),
	    cmocka_unit_test(test_a_line_keeps_its_order_and_sums),
	    cmocka_unit_test(
		test_table_finds_what_is_in_it_through_growth_and_removal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
