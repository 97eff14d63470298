/*
 * What waits for its turn: one queue for each subject, taken from in turns, so
 * that a thousand tasks of one subject delay another's next by one turn. Pure.
 */
#ifndef RUNNER_QUEUE_H
#define RUNNER_QUEUE_H

#include "lib/err.h"
#include "runner/table.h"

struct queue_subject;

/* Embedded in what waits. */
struct queue_entry {
	struct queue_entry *next, *previous;
	struct queue_subject *subject; /* NULL: not in a queue */
	int64_t memory_bytes;
};

struct queue_bounds {
	int64_t queued_max, queued_per_subject;
	int64_t running_max;
	int64_t memory_max_bytes;
	int64_t bytes_max; /* of the requests that wait */
};

struct queue {
	struct queue_bounds bounds;
	struct table subjects;
	struct queue_subject *turn; /* a ring of those that have entries */
	size_t length;
	/* admitted, whether they are in a queue yet or not */
	int64_t admitted, admitted_bytes;
	int64_t running, running_memory_bytes;
};

void queue_init(struct queue *queue, const struct queue_bounds *bounds);
/* Nothing may be in it any more. */
void queue_done(struct queue *queue);

/*
 * Whether one more of this subject may wait: counts it from here on.
 * ERR_BUSY: which bound. ERR_UNPROCESSABLE: it could never run here.
 */
int queue_admit(struct queue *queue, const char *subject, int64_t bytes,
    int64_t memory_bytes, struct err *err);
/* Of what was admitted and is neither waiting nor will. */
void queue_dismiss(struct queue *queue, const char *subject, int64_t bytes);
/* As queue_admit() without a question: what was accepted in an earlier life. */
void queue_readmit(struct queue *queue, const char *subject, int64_t bytes);

void
queue_push(struct queue *queue, const char *subject, struct queue_entry *entry);
/* In front of its subject's others: its start came to nothing. */
void queue_push_back(
    struct queue *queue, const char *subject, struct queue_entry *entry);
void queue_remove(struct queue *queue, struct queue_entry *entry);

/* Whose turn it is, taken out and counted as running; NULL: nobody's, or
 * there is no room for it. One that does not fit is waited for: else small
 * tasks would pass it for ever. */
struct queue_entry *queue_start(struct queue *queue);
/* What queue_start() gave has come to its end. */
void queue_ended(struct queue *queue, int64_t memory_bytes);

/* How many will be started before it. */
size_t queue_place(const struct queue *queue, const struct queue_entry *entry);

#endif
