/*
 * Admission and turns. What waits stands in one line for each subject, and the
 * lines take turns, so that a thousand tasks of one subject delay another's
 * next by one turn. Pure: the time (ms, of any clock that only goes forward) is
 * a parameter.
 *
 * A turn starts one task. One that takes more of the machine than one of
 * running_max equal parts puts its subject in debt, which is paid with turns
 * for as long as others wait: deficit round robin (Shreedhar and Varghese,
 * 1995) with the cost counted afterwards, so that a subject's first task need
 * not save up for its turn.
 */
#ifndef RUNNER_QUEUE_H
#define RUNNER_QUEUE_H

#include <stdbool.h>

#include "lib/err.h"
#include "runner/line.h"
#include "runner/table.h"

struct queue_lane;

enum queue_standing {
	QUEUE_NOWHERE,
	QUEUE_ADMITTED, /* counted, but not in its line yet */
	QUEUE_WAITING, /* in its line */
	QUEUE_HELD, /* set aside: as many of its rule run as may */
	QUEUE_RUNNING,
};

/* Embedded in what waits. Before it is admitted, all but what the caller knows
 * of it is zero; until it is pushed, it may be copied. */
struct queue_entry {
	int64_t bytes; /* of its request */
	int64_t memory_bytes;
	int64_t cpus; /* thousandths */
	/* the rest is queue.c's, for others to look at: */
	enum queue_standing standing;
	struct queue_lane *lane; /* its subject's and rule's */
	struct line_node node;
	int64_t order; /* of its coming; 0: before all that stood in line */
	bool called; /* was set aside, and stands in its line again */
	int64_t started_ms;
};

/* How much of a rule may run at a time; 0: as much as comes. */
struct queue_concurrency {
	int64_t per_subject, total;
};

struct queue_bounds {
	int64_t queued_max, queued_per_subject, queued_per_rule;
	int64_t running_max;
	int64_t memory_max_bytes;
	int64_t cpus; /* the machine's, thousandths; 0: they cost nothing */
	int64_t bytes_max; /* of the requests that wait */
	/* Asked when a rule is first heard of, and by queue_bound_rules();
	 * *ret is zero before. NULL: no rule bounds anything. */
	void (*of_rule)(
	    void *arg, const char *rule, struct queue_concurrency *ret);
	void *arg;
};

struct queue {
	struct queue_bounds bounds;
	struct table subjects, rules, lanes;
	struct queue_subject *turn; /* a ring of those that wait or owe */
	size_t length; /* entries that wait, in a line or set aside */
	size_t held; /* of these, those that are set aside */
	int64_t arrivals;
	/* admitted, whether they are in a line yet or not */
	int64_t admitted, admitted_bytes;
	int64_t running, running_memory_bytes;
	int64_t running_since_sum_ms; /* of all that run */
	int64_t stay_ms; /* how long one runs, on average; -1: not known */
	uint64_t random;
};

void queue_init(struct queue *queue, const struct queue_bounds *bounds);
/* Nothing may be in it any more. */
void queue_done(struct queue *queue);

/*
 * Whether one more may wait: counts it from here on. ERR_BUSY: which bound, and
 * when to ask again. ERR_UNPROCESSABLE: it could never run here.
 */
int queue_admit(struct queue *queue, const char *subject, const char *rule,
    struct queue_entry *entry, int64_t now_ms, struct err *err);
/* The same without a question: what was accepted in an earlier life. */
void queue_readmit(struct queue *queue, const char *subject, const char *rule,
    struct queue_entry *entry);
/* It was admitted and will not wait after all. */
void queue_dismiss(struct queue *queue, struct queue_entry *entry);

/* What was admitted, behind its subject's others. */
void queue_push(struct queue *queue, struct queue_entry *entry);
/* In a line, or set aside. */
bool queue_waits(const struct queue_entry *entry);
/* What waits and will not be started. */
void queue_remove(struct queue *queue, struct queue_entry *entry);

/* Whose turn it is, counted as running from here on; NULL: nobody's, or there
 * is no room for it. One that does not fit the machine is waited for: else
 * small tasks would pass it for ever. One that its rule has no room for is set
 * aside, and delays nobody: O(log n), once for each time that it is called. */
struct queue_entry *queue_start(struct queue *queue, int64_t now_ms);
/* What was admitted, without having waited: false, and nothing has changed,
 * where others wait in line or there is no room, also of its rule. */
bool queue_start_at_once(
    struct queue *queue, struct queue_entry *entry, int64_t now_ms);
/* What runs since an earlier life; neither admitted nor asked about. */
void queue_start_again(struct queue *queue, const char *subject,
    const char *rule, struct queue_entry *entry, int64_t now_ms);
/* Its start came to nothing: it waits again, in front of its subject's. */
void queue_return(struct queue *queue, struct queue_entry *entry);
/* What ran does not any more. */
void
queue_ended(struct queue *queue, struct queue_entry *entry, int64_t now_ms);

/*
 * What was given its turn is let run by this rule (`rule`), whatever rule let
 * it wait: counts there from here on. False: that one has no room, and the
 * entry is to go back; it waits for that one's room then.
 */
bool queue_count_under(
    struct queue *queue, struct queue_entry *entry, const char *rule);
/* The rules may have changed: asks about each anew. What runs goes on, also
 * where it is more than may; what may start now is called. */
void queue_bound_rules(struct queue *queue);
/* The rule that set it aside; NULL: none has. Borrowed. */
const char *queue_held_by(const struct queue_entry *entry);

/* How many will be started before it, as things stand: O(subjects). Of what is
 * set aside, how many of its own subject and rule; others may be, too. What of
 * the others is set aside, or will be at its turn, is not known beforehand. */
size_t queue_place(const struct queue *queue, const struct queue_entry *entry);
/* How long until one with this place starts, by how long others have run;
 * -1: not known yet. */
int64_t
queue_estimate_ms(const struct queue *queue, size_t place, int64_t now_ms);
/* The same for who is told to ask again: from 1 to an hour. */
int64_t queue_retry_s(const struct queue *queue, size_t place, int64_t now_ms);
/* Likewise where no place in line helps, but that one of a rule's ends. */
int64_t queue_retry_held_s(const struct queue *queue, int64_t now_ms);
/* One has run for so long. */
void queue_measure(struct queue *queue, int64_t stay_ms);

#endif
