/*
 * When a task's turn will come: by how long others have stayed, and how many
 * stay at a time.
 */
#include "runner/queue.h"

/* The newest end counts for one in so many. */
#define STAY_WEIGHT 8
#define RETRY_MAX_S 3600

void
queue_measure(struct queue *queue, int64_t stay_ms)
{
	if (queue->stay_ms < 0)
		queue->stay_ms = stay_ms;
	else
		queue->stay_ms += (stay_ms - queue->stay_ms) / STAY_WEIGHT;
}

/* Those that run count too: else what has ended quickly would promise for
 * hours that what runs now will. */
static int64_t
mean_stay_ms(const struct queue *queue, int64_t now_ms)
{
	int64_t so_far = 0;

	if (queue->running > 0)
		so_far = now_ms - queue->running_since_sum_ms / queue->running;
	return so_far > queue->stay_ms ? so_far : queue->stay_ms;
}

/* Where memory is what there is too little of, fewer than running_max. */
static int64_t
at_a_time(const struct queue *queue)
{
	int64_t most = queue->bounds.running_max;
	int64_t mean_bytes;

	if (queue->running == 0 || queue->running_memory_bytes == 0)
		return most;
	mean_bytes = queue->running_memory_bytes / queue->running;
	if (mean_bytes > 0 &&
	    queue->bounds.memory_max_bytes / mean_bytes < most)
		most = queue->bounds.memory_max_bytes / mean_bytes;
	return most > queue->running ? most : queue->running;
}

int64_t
queue_estimate_ms(const struct queue *queue, size_t place, int64_t now_ms)
{
	int64_t most = at_a_time(queue);
	int64_t stay_ms;
	int64_t ends; /* that must come first */

	if (queue->stay_ms < 0)
		return -1;
	stay_ms = mean_stay_ms(queue, now_ms);
	ends = (int64_t)place + 1 - (most - queue->running);
	if (ends <= 0)
		return 0;
	if (stay_ms > INT64_MAX / ends)
		return INT64_MAX;
	return ends * stay_ms / most;
}

static int64_t
to_retry_s(int64_t wait_ms)
{
	if (wait_ms <= 1000)
		return 1;
	if (wait_ms >= RETRY_MAX_S * 1000)
		return RETRY_MAX_S;
	return (wait_ms + 999) / 1000;
}

int64_t
queue_retry_s(const struct queue *queue, size_t place, int64_t now_ms)
{
	return to_retry_s(queue_estimate_ms(queue, place, now_ms));
}

int64_t
queue_retry_held_s(const struct queue *queue, int64_t now_ms)
{
	return to_retry_s(mean_stay_ms(queue, now_ms));
}
