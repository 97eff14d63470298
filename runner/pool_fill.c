/*
 * How many sandboxes there are. Making one takes the engine a third of a
 * second of work on a processor: never more at once than there are processors,
 * none while a task waits for one of its own, and after a failure less and
 * less often.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "runner/pool_state.h"

#define RETRY_LEAST_MS 200
#define RETRY_MOST_MS 60000
/* One that has been ready so long shows that all is well again. */
#define STEADY_MS 10000
/* A replacement is made so long before the end of an age, or a quarter of the
 * age. */
#define EARLY_MS 5000
/* After room was given back: what runs comes and goes faster than that. */
#define REST_MS 1000

static void
unlink_pooled(struct pooled *pooled)
{
	struct pooled **at = &pooled->kind->first;

	while (*at != pooled)
		at = &(*at)->next;
	*at = pooled->next;
	if (pooled->ready)
		pooled->kind->ready--;
	else
		pooled->kind->creating--;
}

static struct sandbox *
forget(struct pooled *pooled)
{
	struct sandbox *sandbox = pooled->sandbox;

	unlink_pooled(pooled);
	free(pooled);
	return sandbox;
}

static void
drop(struct pooled *pooled, enum pool_drop why)
{
	pooled->kind->pool->counters.dropped[why]++;
	sandbox_destroy(forget(pooled));
}

size_t
pool_fill_drop(
    struct pool_kind *kind, const char *image_id, bool keep, enum pool_drop why)
{
	size_t count = 0;

	for (struct pooled *pooled = kind->first, *next; pooled != NULL;
	     pooled = next) {
		/* Of what is still being made, it is its kind's. */
		const char *id = pooled->ready
		    ? sandbox_ready(pooled->sandbox)->image_id
		    : kind->image_id;

		next = pooled->next;
		if (image_id != NULL && (strcmp(id, image_id) == 0) == keep)
			continue;
		drop(pooled, why);
		count++;
	}
	return count;
}

struct sandbox *
pool_fill_take(struct pool_kind *kind)
{
	struct pooled *oldest = NULL;

	/* Of those made side by side, a later one may be there earlier. */
	for (struct pooled *pooled = kind->first; pooled != NULL;
	     pooled = pooled->next) {
		if (pooled->ready &&
		    (oldest == NULL || pooled->made_ms < oldest->made_ms))
			oldest = pooled;
	}
	if (oldest == NULL)
		return NULL;
	pool_fill_recover(kind);
	kind->pool->counters.claimed++;
	return forget(oldest);
}

void
pool_fill_fail(struct pool_kind *kind, const char *reason)
{
	int64_t now = clock_boot_ms();

	/* Several that fail together are one failure. */
	if (now < kind->retry_ms)
		return;
	if (kind->wait_ms == 0)
		log_warning("warm.failing", "rule", kind->rule, "image",
		    kind->reference, "reason", reason, NULL);
	kind->wait_ms = kind->wait_ms == 0 ? RETRY_LEAST_MS : 2 * kind->wait_ms;
	if (kind->wait_ms > RETRY_MOST_MS)
		kind->wait_ms = RETRY_MOST_MS;
	kind->retry_ms = now + kind->wait_ms;
	kind->pool->counters.failed++;
}

void
pool_fill_recover(struct pool_kind *kind)
{
	if (kind->wait_ms > 0)
		log_info("warm.recovered", "rule", kind->rule, "image",
		    kind->reference, NULL);
	kind->wait_ms = kind->retry_ms = 0;
}

static void
on_ready(void *arg, const struct sandbox_ready *ready)
{
	struct pooled *pooled = arg;
	struct pool_kind *kind = pooled->kind;

	pooled->ready = true;
	pooled->made_ms = ready->made_ms;
	pooled->ready_ms = clock_boot_ms();
	kind->creating--;
	kind->ready++;
	kind->pool->counters.made++;
	/* Its name meant another image when it was made, or that was revoked.
	 */
	if ((kind->current && strcmp(ready->image_id, kind->image_id) != 0) ||
	    !pool_may_use(kind->pool, ready->image_id))
		drop(pooled, POOL_DROP_IMAGE);
	pool_kick(kind->pool, 0);
}

static void
on_ended(void *arg, const struct sandbox_end *end)
{
	struct pooled *pooled = arg;
	struct pool_kind *kind = pooled->kind;

	pool_fill_fail(
	    kind, end->detail[0] != '\0' ? end->detail : "it ended unasked");
	drop(pooled, POOL_DROP_FAILURE);
	pool_kick(kind->pool, 0);
}

static void
create(struct pool_kind *kind)
{
	static const struct sandbox_events events = {
	    .ready = on_ready,
	    .ended = on_ended,
	};
	struct sandbox_spec spec = {
	    .image = kind->reference,
	    .uid = kind->uid,
	    .gid = kind->gid,
	    .network = kind->network,
	    .mounts = kind->mounts,
	    .has_secrets = kind->has_secrets,
	};
	struct pooled *pooled = alloc_zero(1, sizeof(*pooled));
	struct pooled **last = &kind->first;

	memcpy(spec.limits, kind->limits, sizeof(spec.limits));
	pooled->kind = kind;
	while (*last != NULL)
		last = &(*last)->next;
	*last = pooled;
	kind->creating++;
	pooled->sandbox =
	    sandbox_new(kind->pool->factory, &spec, &events, pooled);
}

static size_t
count_old(const struct pool_kind *kind)
{
	size_t count = 0;

	for (const struct pooled *pooled = kind->first; pooled != NULL;
	     pooled = pooled->next)
		count += pooled->old;
	return count;
}

static void
grow_old(struct pool_kind *kind, int64_t now_ms, int64_t *due_ms)
{
	int64_t early = kind->max_age_ms / 4;

	if (early > EARLY_MS)
		early = EARLY_MS;
	for (struct pooled *pooled = kind->first, *next; pooled != NULL;
	     pooled = next) {
		int64_t end_ms = pooled->made_ms + kind->max_age_ms;

		next = pooled->next;
		if (!pooled->ready)
			continue;
		if (now_ms >= end_ms) {
			drop(pooled, POOL_DROP_AGE);
			continue;
		}
		if (now_ms < end_ms - early) {
			pool_sooner(due_ms, end_ms - early);
			continue;
		}
		pool_sooner(due_ms, end_ms);
		/* Nobody needed it: it is not replaced. */
		if (!pooled->old && kind->want > kind->min)
			kind->want--;
		pooled->old = true;
	}
}

static void
grow_steady(struct pool_kind *kind, int64_t now_ms, int64_t *due_ms)
{
	for (const struct pooled *pooled = kind->first;
	     pooled != NULL && kind->wait_ms > 0; pooled = pooled->next) {
		if (!pooled->ready)
			continue;
		if (now_ms >= pooled->ready_ms + STEADY_MS)
			pool_fill_recover(kind);
		else
			pool_sooner(due_ms, pooled->ready_ms + STEADY_MS);
	}
}

/* The youngest, so that what is being made goes first. */
static void
drop_youngest(struct pool_kind *kind, enum pool_drop why)
{
	struct pooled *pooled = kind->first;

	while (pooled->next != NULL)
		pooled = pooled->next;
	drop(pooled, why);
}

static int64_t
count_of(const struct pool_kind *kind)
{
	return (int64_t)(kind->ready + kind->creating);
}

static bool
is_too_much(const struct pool *pool, size_t more, int64_t more_bytes)
{
	return pool_ready(pool) + pool_creating(pool) + more >
	    pool->bounds.sandboxes_max ||
	    pool_memory(pool) + more_bytes >
	    pool->bounds.memory_max_bytes - pool->running_memory_bytes;
}

/* From who is furthest above its least. */
static void
give_back(struct pool *pool, int64_t now_ms)
{
	while (is_too_much(pool, 0, 0)) {
		struct pool_kind *most = NULL;

		for (struct pool_kind *kind = pool->kinds; kind != NULL;
		     kind = kind->next) {
			if (count_of(kind) > 0 &&
			    (most == NULL ||
				count_of(kind) - kind->min >
				    count_of(most) - most->min))
				most = kind;
		}
		/* What runs takes more than there is: not ours to mend. */
		if (most == NULL)
			return;
		drop_youngest(most, POOL_DROP_ROOM);
		pool->rest_until_ms = now_ms + REST_MS;
	}
}

static bool
is_wanting(const struct pool_kind *kind)
{
	return kind->current &&
	    count_of(kind) - (int64_t)count_old(kind) < kind->want;
}

static struct pool_kind *
find_neediest(struct pool *pool, int64_t now_ms, int64_t *due_ms)
{
	struct pool_kind *found = NULL;

	for (struct pool_kind *kind = pool->kinds; kind != NULL;
	     kind = kind->next) {
		if (!is_wanting(kind) ||
		    is_too_much(pool, 1, kind->limits[LIMIT_MEMORY]))
			continue;
		if (now_ms < kind->retry_ms)
			pool_sooner(due_ms, kind->retry_ms);
		else if (found == NULL || count_of(kind) < count_of(found))
			found = kind;
	}
	if (found == NULL)
		return NULL;
	if (now_ms < pool->rest_until_ms || now_ms < pool->refill_ms) {
		pool_sooner(due_ms,
		    now_ms < pool->refill_ms ? pool->refill_ms
					     : pool->rest_until_ms);
		return NULL;
	}
	return found;
}

void
pool_fill_settle(struct pool *pool, int64_t now_ms, int64_t *due_ms)
{
	struct pool_kind *kind;

	for (kind = pool->kinds; kind != NULL; kind = kind->next) {
		grow_old(kind, now_ms, due_ms);
		grow_steady(kind, now_ms, due_ms);
		while (count_of(kind) - (int64_t)count_old(kind) > kind->max)
			drop_youngest(kind, POOL_DROP_POLICY);
	}
	give_back(pool, now_ms);
	if (now_ms >= pool->refill_ms)
		pool->refill_ms = 0;
	/* A task that waits for its own comes first. */
	while (pool->engine_ready && pool->starting_cold == 0 &&
	    pool_creating(pool) < pool->bounds.creating_max &&
	    (kind = find_neediest(pool, now_ms, due_ms)) != NULL)
		create(kind);
}
