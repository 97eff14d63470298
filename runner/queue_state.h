/* What a queue is made of. Of its own files. */
#ifndef RUNNER_QUEUE_STATE_H
#define RUNNER_QUEUE_STATE_H

#include "runner/queue.h"

struct queue_subject {
	struct queue_subject *next, *previous; /* the ring */
	char *name;
	struct line line;
	int64_t debt; /* turns */
	int64_t admitted;
	size_t users; /* lanes */
};

struct queue_rule {
	char *name;
	struct queue_concurrency bounds;
	int64_t admitted, running;
	int64_t called; /* of its lanes' together */
	struct queue_lane *turn; /* a ring of those that may be called */
	size_t users; /* lanes */
};

/* One subject's tasks of one rule. */
struct queue_lane {
	struct queue_lane *next, *previous; /* its rule's ring; NULL: not in */
	char *name;
	struct queue_subject *subject;
	struct queue_rule *rule;
	struct line held; /* set aside */
	int64_t running;
	int64_t called; /* were set aside, and stand in their line again */
	size_t users; /* entries that are not nowhere */
};

/* -- queue.c */

struct queue_entry *queue_entry_of(struct line_node *node);
/* Dies where it stands elsewhere. */
void queue_check_standing(
    const struct queue_entry *entry, enum queue_standing standing);
/* In its place, by its order. */
void
queue_put(struct queue *queue, struct line *line, struct queue_entry *entry);
void queue_join_ring(struct queue *queue, struct queue_subject *subject);
/* Unless somebody still names it, or it owes. */
void queue_forget_subject(struct queue *queue, struct queue_subject *subject);

/* -- queue_lane.c */

/* The entry's lane: made where there is none, until the last leaves it. */
void queue_enter_lane(struct queue *queue, const char *subject,
    const char *rule, struct queue_entry *entry);
void queue_leave_lane(struct queue *queue, struct queue_entry *entry);
/* Whether its rule lets none of it start now. */
bool queue_lane_is_full(const struct queue_lane *lane);
void queue_count_running(struct queue_entry *entry, int by);
/* It stands in its subject's line no more. */
void queue_note_left(struct queue_entry *entry);
/* What has just left its line waits in its lane. */
void queue_set_aside(struct queue *queue, struct queue_entry *entry);
void queue_leave_held(struct queue *queue, struct queue_entry *entry);
/* After each change of what it holds, of what runs, and of the bounds: calls as
 * many as there is room for. */
void queue_settle_lane(struct queue *queue, struct queue_lane *lane);

#endif
