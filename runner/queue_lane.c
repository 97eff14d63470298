/*
 * Lanes: what bounds how much of a rule runs, by subject and in all. A task at
 * whose turn the rule has no room is set aside in its lane, and its subject's
 * next has the turn. When one of the rule ends, one that was set aside is
 * called: it stands in front of its subject's line again. The lanes of a rule
 * are called one after the other, and those that could start nothing, since
 * their subject has as many running as it may, are not asked.
 *
 * Who is called has no place kept for it: until its turn, which is the next of
 * its subject, anybody's turn may come first. It is then set aside again, and
 * its lane is the first to be called. So no place is left empty for somebody
 * who waits for the machine, and no end costs more than one call.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "runner/queue_state.h"

/* -- who is known: as long as an entry names it, or it owes */

static struct queue_subject *
enter_subject(struct queue *queue, const char *name)
{
	struct queue_subject *subject = table_find(&queue->subjects, name);

	if (subject == NULL) {
		subject = alloc_zero(1, sizeof(*subject));
		subject->name = alloc_string(name);
		table_add(&queue->subjects, subject->name, subject);
	}
	subject->users++;
	return subject;
}

static struct queue_rule *
enter_rule(struct queue *queue, const char *name)
{
	struct queue_rule *rule = table_find(&queue->rules, name);

	if (rule == NULL) {
		rule = alloc_zero(1, sizeof(*rule));
		rule->name = alloc_string(name);
		if (queue->bounds.of_rule != NULL)
			queue->bounds.of_rule(
			    queue->bounds.arg, name, &rule->bounds);
		table_add(&queue->rules, rule->name, rule);
	}
	rule->users++;
	return rule;
}

void
queue_enter_lane(struct queue *queue, const char *subject, const char *rule,
    struct queue_entry *entry)
{
	/* No rule's id has a blank. */
	auto_free char *name = alloc_printf("%s %s", rule, subject);
	struct queue_lane *lane = table_find(&queue->lanes, name);

	if (lane == NULL) {
		lane = alloc_zero(1, sizeof(*lane));
		lane->name = take(name);
		lane->subject = enter_subject(queue, subject);
		lane->rule = enter_rule(queue, rule);
		table_add(&queue->lanes, lane->name, lane);
	}
	lane->users++;
	entry->lane = lane;
}

void
queue_leave_lane(struct queue *queue, struct queue_entry *entry)
{
	struct queue_lane *lane = entry->lane;
	struct queue_rule *rule = lane->rule;

	entry->lane = NULL;
	if (--lane->users > 0)
		return;
	lane->subject->users--;
	queue_forget_subject(queue, lane->subject);
	table_remove(&queue->lanes, lane->name);
	free(lane->name);
	free(lane);
	if (--rule->users > 0)
		return;
	table_remove(&queue->rules, rule->name);
	free(rule->name);
	free(rule);
}

/* -- a rule's ring */

static bool
has_room(int64_t count, int64_t most)
{
	return most == 0 || count < most;
}

bool
queue_lane_is_full(const struct queue_lane *lane)
{
	const struct queue_concurrency *bounds = &lane->rule->bounds;

	return !has_room(lane->running, bounds->per_subject) ||
	    !has_room(lane->rule->running, bounds->total);
}

static bool
may_be_called(const struct queue_lane *lane)
{
	return line_count(&lane->held) > 0 &&
	    has_room(
		lane->running + lane->called, lane->rule->bounds.per_subject);
}

static void
join_calls(struct queue_lane *lane)
{
	struct queue_lane *turn = lane->rule->turn;

	if (turn == NULL) {
		lane->next = lane->previous = lane;
		lane->rule->turn = lane;
		return;
	}
	/* Behind all others: before whose turn it is. */
	lane->next = turn;
	lane->previous = turn->previous;
	turn->previous->next = lane;
	turn->previous = lane;
}

static void
leave_calls(struct queue_lane *lane)
{
	struct queue_rule *rule = lane->rule;

	if (lane->next == lane) {
		rule->turn = NULL;
	} else {
		lane->next->previous = lane->previous;
		lane->previous->next = lane->next;
		if (rule->turn == lane)
			rule->turn = lane->next;
	}
	lane->next = lane->previous = NULL;
}

static void
tidy_lane(struct queue_lane *lane)
{
	bool is_in = lane->next != NULL;

	if (may_be_called(lane) == is_in)
		return;
	if (is_in)
		leave_calls(lane);
	else
		join_calls(lane);
}

/* -- set aside, and called */

static void
count_called(struct queue_lane *lane, int by)
{
	lane->called += by;
	lane->rule->called += by;
}

void
queue_count_running(struct queue_entry *entry, int by)
{
	entry->lane->running += by;
	entry->lane->rule->running += by;
}

void
queue_note_left(struct queue_entry *entry)
{
	if (!entry->called)
		return;
	entry->called = false;
	count_called(entry->lane, -1);
}

static void
call_first(struct queue *queue, struct queue_lane *lane)
{
	struct queue_entry *entry = queue_entry_of(line_first(&lane->held));

	line_remove(&lane->held, &entry->node);
	queue->held--;
	entry->standing = QUEUE_WAITING;
	entry->called = true;
	count_called(lane, 1);
	queue_put(queue, &lane->subject->line, entry);
	queue_join_ring(queue, lane->subject);
}

void
queue_settle_lane(struct queue *queue, struct queue_lane *lane)
{
	struct queue_rule *rule = lane->rule;

	tidy_lane(lane);
	while (rule->turn != NULL &&
	    has_room(rule->running + rule->called, rule->bounds.total)) {
		struct queue_lane *next = rule->turn;

		rule->turn = next->next;
		call_first(queue, next);
		tidy_lane(next);
	}
}

void
queue_set_aside(struct queue *queue, struct queue_entry *entry)
{
	struct queue_lane *lane = entry->lane;
	bool was_called = entry->called;

	queue_note_left(entry);
	entry->standing = QUEUE_HELD;
	queue->held++;
	queue_put(queue, &lane->held, entry);
	tidy_lane(lane);
	if (was_called && lane->next != NULL)
		lane->rule->turn = lane;
	queue_settle_lane(queue, lane);
}

void
queue_leave_held(struct queue *queue, struct queue_entry *entry)
{
	line_remove(&entry->lane->held, &entry->node);
	queue->held--;
}

/* -- what is asked from outside */

const char *
queue_held_by(const struct queue_entry *entry)
{
	return entry->standing == QUEUE_HELD ? entry->lane->rule->name : NULL;
}

bool
queue_count_under(
    struct queue *queue, struct queue_entry *entry, const char *rule)
{
	struct queue_lane *old = entry->lane;
	struct queue_entry left = *entry;
	bool is_full;

	queue_check_standing(entry, QUEUE_RUNNING);
	if (strcmp(old->rule->name, rule) == 0)
		return true;
	queue_count_running(entry, -1);
	queue_enter_lane(queue, old->subject->name, rule, entry);
	is_full = queue_lane_is_full(entry->lane);
	queue_count_running(entry, 1);
	queue_settle_lane(queue, old);
	queue_leave_lane(queue, &left);
	return !is_full;
}

void
queue_bound_rules(struct queue *queue)
{
	const struct queue_bounds *bounds = &queue->bounds;

	for (size_t i = 0; i < queue->rules.size; i++) {
		struct table_slot *slot = &queue->rules.slots[i];
		struct queue_rule *rule = slot->thing;

		if (!table_slot_is_used(slot))
			continue;
		rule->bounds = (struct queue_concurrency){0};
		if (bounds->of_rule != NULL)
			bounds->of_rule(bounds->arg, rule->name, &rule->bounds);
	}
	/* None is called that may not be any more. */
	for (size_t i = 0; i < queue->lanes.size; i++) {
		if (table_slot_is_used(&queue->lanes.slots[i]))
			tidy_lane(queue->lanes.slots[i].thing);
	}
	for (size_t i = 0; i < queue->lanes.size; i++) {
		if (table_slot_is_used(&queue->lanes.slots[i]))
			queue_settle_lane(queue, queue->lanes.slots[i].thing);
	}
}
