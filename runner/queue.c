/*
 * Round robin over subjects. The turn passes to the next subject with each
 * task that is started.
 */
#include "runner/queue.h"

#include <inttypes.h>
#include <stdlib.h>

#include "lib/alloc.h"
#include "lib/quantity.h"

struct queue_subject {
	struct queue_subject *next, *previous; /* the ring */
	char *name;
	struct queue_entry *first, *last;
	size_t length;
	int64_t admitted;
};

void
queue_init(struct queue *queue, const struct queue_bounds *bounds)
{
	*queue = (struct queue){.bounds = *bounds};
	table_init(&queue->subjects);
}

void
queue_done(struct queue *queue)
{
	if (queue->admitted != 0 || queue->length != 0)
		die("queue_done: %" PRId64 " tasks are still admitted",
		    queue->admitted);
	table_done(&queue->subjects);
}

static struct queue_subject *
get_subject(struct queue *queue, const char *name)
{
	struct queue_subject *subject = table_find(&queue->subjects, name);

	if (subject != NULL)
		return subject;
	subject = alloc_zero(1, sizeof(*subject));
	subject->name = alloc_string(name);
	table_add(&queue->subjects, subject->name, subject);
	return subject;
}

static void
forget_subject(struct queue *queue, struct queue_subject *subject)
{
	if (subject->admitted > 0 || subject->length > 0)
		return;
	table_remove(&queue->subjects, subject->name);
	free(subject->name);
	free(subject);
}

int
queue_admit(struct queue *queue, const char *subject, int64_t bytes,
    int64_t memory_bytes, struct err *err)
{
	const struct queue_bounds *bounds = &queue->bounds;
	const struct queue_subject *known =
	    table_find(&queue->subjects, subject);

	if (memory_bytes > bounds->memory_max_bytes) {
		char most[QUANTITY_TEXT];

		quantity_format_size(bounds->memory_max_bytes, most);
		return err_set(err, ERR_UNPROCESSABLE,
		    "limits.memory: more than the %s that this runner has for "
		    "all tasks",
		    most);
	}
	if (queue->admitted >= bounds->queued_max)
		return err_set(err, ERR_BUSY, "%" PRId64 " tasks wait already",
		    queue->admitted);
	if (known != NULL && known->admitted >= bounds->queued_per_subject)
		return err_set(err, ERR_BUSY,
		    "%" PRId64 " tasks of %s wait already", known->admitted,
		    subject);
	if (bytes > bounds->bytes_max - queue->admitted_bytes)
		return err_set(err, ERR_BUSY,
		    "the requests that wait take up all the room there is");
	queue_readmit(queue, subject, bytes);
	return 0;
}

void
queue_readmit(struct queue *queue, const char *subject, int64_t bytes)
{
	get_subject(queue, subject)->admitted++;
	queue->admitted++;
	queue->admitted_bytes += bytes;
}

void
queue_dismiss(struct queue *queue, const char *subject, int64_t bytes)
{
	struct queue_subject *known = table_find(&queue->subjects, subject);

	if (known == NULL || known->admitted == 0)
		die("queue_dismiss: %s has nothing admitted", subject);
	known->admitted--;
	queue->admitted--;
	queue->admitted_bytes -= bytes;
	forget_subject(queue, known);
}

static void
join_ring(struct queue *queue, struct queue_subject *subject)
{
	struct queue_subject *turn = queue->turn;

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
}

void
queue_push(struct queue *queue, const char *name, struct queue_entry *entry)
{
	struct queue_subject *subject = get_subject(queue, name);

	entry->subject = subject;
	entry->next = NULL;
	entry->previous = subject->last;
	if (subject->last != NULL)
		subject->last->next = entry;
	else
		subject->first = entry;
	subject->last = entry;
	if (subject->length++ == 0)
		join_ring(queue, subject);
	queue->length++;
}

void
queue_push_back(
    struct queue *queue, const char *name, struct queue_entry *entry)
{
	struct queue_subject *subject = get_subject(queue, name);

	entry->subject = subject;
	entry->previous = NULL;
	entry->next = subject->first;
	if (subject->first != NULL)
		subject->first->previous = entry;
	else
		subject->last = entry;
	subject->first = entry;
	if (subject->length++ == 0)
		join_ring(queue, subject);
	queue->length++;
}

void
queue_remove(struct queue *queue, struct queue_entry *entry)
{
	struct queue_subject *subject = entry->subject;

	if (subject == NULL)
		die("queue_remove: not in the queue");
	if (entry->previous != NULL)
		entry->previous->next = entry->next;
	else
		subject->first = entry->next;
	if (entry->next != NULL)
		entry->next->previous = entry->previous;
	else
		subject->last = entry->previous;
	entry->next = entry->previous = NULL;
	entry->subject = NULL;
	queue->length--;
	if (--subject->length == 0) {
		leave_ring(queue, subject);
		forget_subject(queue, subject);
	}
}

struct queue_entry *
queue_start(struct queue *queue)
{
	struct queue_subject *subject = queue->turn;
	struct queue_entry *entry;

	if (subject == NULL || queue->running >= queue->bounds.running_max)
		return NULL;
	entry = subject->first;
	if (entry->memory_bytes >
	    queue->bounds.memory_max_bytes - queue->running_memory_bytes)
		return NULL;
	queue->turn = subject->next;
	queue_remove(queue, entry);
	queue->running++;
	queue->running_memory_bytes += entry->memory_bytes;
	return entry;
}

void
queue_ended(struct queue *queue, int64_t memory_bytes)
{
	queue->running--;
	queue->running_memory_bytes -= memory_bytes;
}

/* In each round before its own every other subject has a turn, and in its own
 * round those that come before it. */
size_t
queue_place(const struct queue *queue, const struct queue_entry *entry)
{
	const struct queue_subject *own = entry->subject;
	const struct queue_subject *subject = queue->turn;
	size_t rounds = 0, place;
	bool before = true;

	for (const struct queue_entry *e = own->first; e != entry; e = e->next)
		rounds++;
	place = rounds;
	do {
		size_t turns = rounds + (before ? 1 : 0);

		if (subject == own)
			before = false;
		else
			place +=
			    turns < subject->length ? turns : subject->length;
		subject = subject->next;
	} while (subject != queue->turn);
	return place;
}
