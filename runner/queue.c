/*
 * The ring of subjects: whoever waits or owes is in it, and the turn passes
 * from one to the next with each task that is started and each debt of one
 * turn that is paid.
 */
#include "runner/queue.h"

#include <inttypes.h>
#include <stdlib.h>

#include "lib/alloc.h"
#include "lib/digest.h"
#include "lib/quantity.h"
#include "runner/queue_state.h"

/* Who takes the whole machine has no more to pay than this: nobody is put off
 * for so long that it looks like a fault. */
#define COST_MAX 64

void
queue_init(struct queue *queue, const struct queue_bounds *bounds)
{
	*queue = (struct queue){.bounds = *bounds, .stay_ms = -1};
	table_init(&queue->subjects);
	table_init(&queue->rules);
	table_init(&queue->lanes);
	random_bytes(&queue->random, sizeof(queue->random));
	queue->random |= 1;
}

struct queue_entry *
queue_entry_of(struct line_node *node)
{
	return (struct queue_entry *)((char *)node -
	    offsetof(struct queue_entry, node));
}

void
queue_check_standing(
    const struct queue_entry *entry, enum queue_standing standing)
{
	if (entry->standing != standing)
		die("queue: an entry stands at %d instead of %d",
		    (int)entry->standing, (int)standing);
}

void
queue_forget_subject(struct queue *queue, struct queue_subject *subject)
{
	/* Who owes is still in the ring. */
	if (subject->users > 0 || subject->next != NULL)
		return;
	table_remove(&queue->subjects, subject->name);
	free(subject->name);
	free(subject);
}

/* -- the ring */

void
queue_join_ring(struct queue *queue, struct queue_subject *subject)
{
	struct queue_subject *turn = queue->turn;

	if (subject->next != NULL)
		return;
	if (turn == NULL) {
		subject->next = subject->previous = subject;
		queue->turn = subject;
		return;
	}
	/* Behind all others: before whose turn it is. */
	subject->next = turn;
	subject->previous = turn->previous;
	turn->previous->next = subject;
	turn->previous = subject;
}

static void
leave_ring(struct queue *queue, struct queue_subject *subject)
{
	if (subject->next == subject) {
		queue->turn = NULL;
	} else {
		subject->next->previous = subject->previous;
		subject->previous->next = subject->next;
		if (queue->turn == subject)
			queue->turn = subject->next;
	}
	subject->next = subject->previous = NULL;
	queue_forget_subject(queue, subject);
}

static size_t
in_line(const struct queue *queue)
{
	return queue->length - queue->held;
}

/* Debts are paid to those who wait in line: where nobody does, they are
 * forgotten. */
static void
tidy_ring(struct queue *queue, struct queue_subject *subject)
{
	if (line_count(&subject->line) == 0 && subject->debt == 0)
		leave_ring(queue, subject);
	while (in_line(queue) == 0 && queue->turn != NULL) {
		queue->turn->debt = 0;
		leave_ring(queue, queue->turn);
	}
}

void
queue_done(struct queue *queue)
{
	if (queue->admitted != 0 || queue->running != 0)
		die("queue_done: %" PRId64 " tasks still wait, and %" PRId64
		    " run",
		    queue->admitted, queue->running);
	table_done(&queue->subjects);
	table_done(&queue->rules);
	table_done(&queue->lanes);
}

static bool
has_memory(const struct queue *queue, const struct queue_entry *entry)
{
	return entry->memory_bytes <=
	    queue->bounds.memory_max_bytes - queue->running_memory_bytes;
}

/* -- admission */

static int
refuse(const struct queue *queue, size_t place, int64_t now_ms, struct err *err)
{
	err->retry_after_s = queue_retry_s(queue, place, now_ms);
	return -1;
}

/* There is room again when one of the subject's own has been started: where
 * all of them wait for their rules, when one of those has run. */
static int
refuse_subject(const struct queue *queue, const struct queue_subject *subject,
    int64_t now_ms, struct err *err)
{
	struct line_node *first = line_first(&subject->line);

	err_set(err, ERR_BUSY, "%" PRId64 " tasks of %s wait already",
	    subject->admitted, subject->name);
	if (first != NULL)
		return refuse(queue, queue_place(queue, queue_entry_of(first)),
		    now_ms, err);
	err->retry_after_s = queue_retry_held_s(queue, now_ms);
	return -1;
}

/* A rule's tasks may be anywhere: on average evenly spread. */
static int
refuse_rule(const struct queue *queue, const struct queue_rule *rule,
    int64_t now_ms, struct err *err)
{
	err_set(err, ERR_BUSY, "%" PRId64 " tasks of rule %s wait already",
	    rule->admitted, rule->name);
	return refuse(
	    queue, queue->length / (size_t)rule->admitted, now_ms, err);
}

static int
check_bounds(const struct queue *queue, const struct queue_entry *entry,
    int64_t now_ms, struct err *err)
{
	const struct queue_bounds *bounds = &queue->bounds;

	if (queue->admitted >= bounds->queued_max) {
		err_set(err, ERR_BUSY, "%" PRId64 " tasks wait already",
		    queue->admitted);
		return refuse(queue, 0, now_ms, err);
	}
	if (entry->bytes > bounds->bytes_max - queue->admitted_bytes) {
		err_set(err, ERR_BUSY,
		    "the requests that wait take up all the room there is");
		return refuse(queue, 0, now_ms, err);
	}
	return 0;
}

int
queue_admit(struct queue *queue, const char *subject, const char *rule,
    struct queue_entry *entry, int64_t now_ms, struct err *err)
{
	const struct queue_bounds *bounds = &queue->bounds;
	const struct queue_subject *known =
	    table_find(&queue->subjects, subject);
	const struct queue_rule *known_rule = table_find(&queue->rules, rule);

	if (entry->memory_bytes > bounds->memory_max_bytes) {
		char most[QUANTITY_TEXT];

		quantity_format_size(bounds->memory_max_bytes, most);
		return err_set(err, ERR_UNPROCESSABLE,
		    "limits.memory: more than the %s that this runner has for "
		    "all tasks",
		    most);
	}
	if (check_bounds(queue, entry, now_ms, err) != 0)
		return -1;
	if (known != NULL && known->admitted >= bounds->queued_per_subject)
		return refuse_subject(queue, known, now_ms, err);
	if (known_rule != NULL &&
	    known_rule->admitted >= bounds->queued_per_rule)
		return refuse_rule(queue, known_rule, now_ms, err);
	queue_readmit(queue, subject, rule, entry);
	return 0;
}

static void
count_in(struct queue *queue, struct queue_entry *entry)
{
	entry->lane->subject->admitted++;
	entry->lane->rule->admitted++;
	queue->admitted++;
	queue->admitted_bytes += entry->bytes;
	entry->standing = QUEUE_ADMITTED;
}

static void
count_out(struct queue *queue, struct queue_entry *entry)
{
	entry->lane->subject->admitted--;
	entry->lane->rule->admitted--;
	queue->admitted--;
	queue->admitted_bytes -= entry->bytes;
}

void
queue_readmit(struct queue *queue, const char *subject, const char *rule,
    struct queue_entry *entry)
{
	queue_check_standing(entry, QUEUE_NOWHERE);
	queue_enter_lane(queue, subject, rule, entry);
	count_in(queue, entry);
}

static void
leave(struct queue *queue, struct queue_entry *entry)
{
	entry->standing = QUEUE_NOWHERE;
	queue_leave_lane(queue, entry);
}

void
queue_dismiss(struct queue *queue, struct queue_entry *entry)
{
	queue_check_standing(entry, QUEUE_ADMITTED);
	count_out(queue, entry);
	leave(queue, entry);
}

/* -- waiting */

/* xorshift64 (Marsaglia): nobody sees it from outside. */
static uint32_t
draw_priority(struct queue *queue)
{
	queue->random ^= queue->random << 13;
	queue->random ^= queue->random >> 7;
	queue->random ^= queue->random << 17;
	return (uint32_t)(queue->random >> 32);
}

/* In how many of running_max equal parts of the machine it would fit. */
static int64_t
cost_of(const struct queue *queue, const struct queue_entry *entry)
{
	const struct queue_bounds *bounds = &queue->bounds;
	double share =
	    (double)entry->memory_bytes / (double)bounds->memory_max_bytes;
	double of_cpus =
	    bounds->cpus > 0 ? (double)entry->cpus / (double)bounds->cpus : 0;
	double cost;

	if (of_cpus > share)
		share = of_cpus;
	cost = share * (double)bounds->running_max;
	return cost <= 1 ? 1 : cost >= COST_MAX ? COST_MAX : (int64_t)cost;
}

void
queue_put(struct queue *queue, struct line *line, struct queue_entry *entry)
{
	line_add(line, &entry->node, entry->order, cost_of(queue, entry),
	    draw_priority(queue));
}

static void
stand(struct queue *queue, struct queue_entry *entry)
{
	queue_check_standing(entry, QUEUE_ADMITTED);
	entry->standing = QUEUE_WAITING;
	queue->length++;
	queue_put(queue, &entry->lane->subject->line, entry);
	queue_join_ring(queue, entry->lane->subject);
}

void
queue_push(struct queue *queue, struct queue_entry *entry)
{
	entry->order = ++queue->arrivals;
	stand(queue, entry);
}

bool
queue_waits(const struct queue_entry *entry)
{
	return entry->standing == QUEUE_WAITING ||
	    entry->standing == QUEUE_HELD;
}

static void
leave_line(struct queue *queue, struct queue_entry *entry)
{
	queue_check_standing(entry, QUEUE_WAITING);
	line_remove(&entry->lane->subject->line, &entry->node);
	queue_note_left(entry);
	queue->length--;
	count_out(queue, entry);
	tidy_ring(queue, entry->lane->subject);
}

void
queue_remove(struct queue *queue, struct queue_entry *entry)
{
	if (entry->standing == QUEUE_HELD) {
		queue_leave_held(queue, entry);
		queue->length--;
		count_out(queue, entry);
	} else {
		leave_line(queue, entry);
	}
	queue_settle_lane(queue, entry->lane);
	leave(queue, entry);
}

/* -- turns */

static void
count_as_running(struct queue *queue, struct queue_entry *entry, int64_t now_ms)
{
	entry->standing = QUEUE_RUNNING;
	entry->started_ms = now_ms;
	queue->running++;
	queue->running_memory_bytes += entry->memory_bytes;
	queue->running_since_sum_ms += now_ms;
	queue_count_running(entry, 1);
	queue_settle_lane(queue, entry->lane);
}

static void
pass_turn(struct queue *queue, struct queue_subject *subject)
{
	queue->turn = subject->next;
}

/* Whoever it is has entries, and owes nothing to others who wait. */
static struct queue_subject *
find_turn(struct queue *queue)
{
	struct queue_subject *subject;

	if (in_line(queue) == 0)
		return NULL;
	while ((subject = queue->turn) != NULL && subject->debt > 0) {
		if (line_count(&subject->line) == in_line(queue)) {
			subject->debt = 0;
			break;
		}
		subject->debt--;
		pass_turn(queue, subject);
		tidy_ring(queue, subject);
	}
	return subject;
}

/* At its turn, which goes to its subject's next. */
static void
set_aside(struct queue *queue, struct queue_entry *entry)
{
	struct queue_subject *subject = entry->lane->subject;

	line_remove(&subject->line, &entry->node);
	queue_set_aside(queue, entry);
	tidy_ring(queue, subject);
}

/* Who can start as far as its rule is concerned, in front of its line. */
static struct queue_subject *
find_startable(struct queue *queue)
{
	struct queue_subject *subject;

	while ((subject = find_turn(queue)) != NULL) {
		struct queue_entry *entry =
		    queue_entry_of(line_first(&subject->line));

		if (!queue_lane_is_full(entry->lane))
			break;
		set_aside(queue, entry);
	}
	return subject;
}

struct queue_entry *
queue_start(struct queue *queue, int64_t now_ms)
{
	struct queue_subject *subject;
	struct queue_entry *entry;

	if (queue->running >= queue->bounds.running_max)
		return NULL;
	subject = find_startable(queue);
	if (subject == NULL)
		return NULL;
	entry = queue_entry_of(line_first(&subject->line));
	if (!has_memory(queue, entry))
		return NULL;
	subject->debt += entry->node.cost - 1;
	pass_turn(queue, subject);
	leave_line(queue, entry);
	count_as_running(queue, entry, now_ms);
	return entry;
}

bool
queue_start_at_once(
    struct queue *queue, struct queue_entry *entry, int64_t now_ms)
{
	queue_check_standing(entry, QUEUE_ADMITTED);
	if (in_line(queue) > 0 || queue->running >= queue->bounds.running_max ||
	    !has_memory(queue, entry) || queue_lane_is_full(entry->lane) ||
	    line_count(&entry->lane->held) > 0)
		return false;
	count_out(queue, entry);
	count_as_running(queue, entry, now_ms);
	return true;
}

void
queue_start_again(struct queue *queue, const char *subject, const char *rule,
    struct queue_entry *entry, int64_t now_ms)
{
	queue_check_standing(entry, QUEUE_NOWHERE);
	queue_enter_lane(queue, subject, rule, entry);
	count_as_running(queue, entry, now_ms);
}

static void
count_as_ended(struct queue *queue, struct queue_entry *entry)
{
	queue_check_standing(entry, QUEUE_RUNNING);
	queue->running--;
	queue->running_memory_bytes -= entry->memory_bytes;
	queue->running_since_sum_ms -= entry->started_ms;
	queue_count_running(entry, -1);
}

void
queue_return(struct queue *queue, struct queue_entry *entry)
{
	struct queue_subject *subject = entry->lane->subject;
	int64_t cost = cost_of(queue, entry);

	count_as_ended(queue, entry);
	count_in(queue, entry);
	stand(queue, entry);
	queue_settle_lane(queue, entry->lane);
	/* It will be charged again. */
	subject->debt = subject->debt < cost ? 0 : subject->debt - (cost - 1);
}

void
queue_ended(struct queue *queue, struct queue_entry *entry, int64_t now_ms)
{
	count_as_ended(queue, entry);
	queue_measure(queue, now_ms - entry->started_ms);
	queue_settle_lane(queue, entry->lane);
	leave(queue, entry);
}

/* -- places */

/* A subject's first starts at its turn after its debts, and each of the others
 * as many turns after the one before as that one cost. In each of the turns up
 * to this entry's, those that come before its subject in the ring have one
 * too, those behind it one less. */
size_t
queue_place(const struct queue *queue, const struct queue_entry *entry)
{
	const struct queue_subject *own = entry->lane->subject;
	const struct queue_subject *subject = queue->turn;
	int64_t turns = own->debt + line_cost_before(&entry->node);
	size_t place = line_count_before(&entry->node);
	int64_t before = 1;

	if (entry->standing == QUEUE_HELD)
		return place;
	queue_check_standing(entry, QUEUE_WAITING);
	do {
		int64_t within = turns + before - 1 - subject->debt;

		if (subject == own)
			before = 0;
		else if (within >= 0)
			place += line_count_within(&subject->line, within);
		subject = subject->next;
	} while (subject != queue->turn);
	return place;
}
