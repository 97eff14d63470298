/*
 * What is wanted ready, and what is given out. A sandbox leaves the pool once
 * and never comes back.
 */
#include "runner/pool.h"

#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/clock.h"
#include "runner/pool_state.h"
#include "runner/sandbox_factory.h"

/* A task that has just got one shall have run, and its end be durable and
 * answered, before the engine works on a successor beside it. */
#define REFILL_AFTER_MS 25

static void
on_timer(uv_timer_t *timer)
{
	struct pool *pool = timer->data;
	int64_t now = clock_boot_ms();
	int64_t due = INT64_MAX;

	pool->due_ms = INT64_MAX;
	pool_image_settle(pool, now, &due);
	pool_fill_settle(pool, now, &due);
	if (due != INT64_MAX)
		pool_kick(pool, due > now ? due - now : 0);
}

void
pool_kick(struct pool *pool, int64_t delay_ms)
{
	int64_t at = clock_boot_ms() + delay_ms;

	if (at >= pool->due_ms)
		return;
	pool->due_ms = at;
	/* The loop's own clock may stand a little behind. */
	uv_update_time(pool->loop);
	uv_timer_start(pool->timer, on_timer, (uint64_t)delay_ms, 0);
}

void
pool_sooner(int64_t *due_ms, int64_t at_ms)
{
	if (at_ms < *due_ms)
		*due_ms = at_ms;
}

static void
on_engine(void *arg, const char *reason)
{
	struct pool *pool = arg;

	pool->engine_ready = reason == NULL;
	pool_image_close(pool);
	pool->stream_wait_ms = 0;
	for (struct pool_kind *kind = pool->kinds; kind != NULL;
	     kind = kind->next)
		kind->wait_ms = kind->retry_ms = 0;
	pool_kick(pool, 0);
}

struct pool *
pool_new(uv_loop_t *loop, struct sandbox_factory *factory,
    const struct pool_bounds *bounds)
{
	struct pool *pool = alloc_zero(1, sizeof(*pool));

	pool->loop = loop;
	pool->factory = factory;
	pool->bounds = *bounds;
	pool->due_ms = INT64_MAX;
	pool->timer = alloc_zero(1, sizeof(*pool->timer));
	uv_timer_init(loop, pool->timer);
	pool->timer->data = pool;
	pool->engine_ready = sandbox_factory_is_ready(factory);
	sandbox_factory_watch(factory, on_engine, pool);
	return pool;
}

static void
free_kind(struct pool_kind *kind)
{
	(void)pool_fill_drop(kind, NULL, false, POOL_DROP_POLICY);
	if (kind->look != NULL)
		engine_cancel(kind->look);
	free(kind->rule);
	free(kind->reference);
	free(kind->network);
	free(kind->mounts);
	free(kind);
}

static void
free_kinds(struct pool_kind *kind)
{
	for (struct pool_kind *next; kind != NULL; kind = next) {
		next = kind->next;
		free_kind(kind);
	}
}

static void
free_timer(uv_handle_t *handle)
{
	free(handle);
}

void
pool_free(struct pool *pool)
{
	if (pool == NULL)
		return;
	sandbox_factory_watch(pool->factory, NULL, NULL);
	pool_image_close(pool);
	free_kinds(pool->kinds);
	uv_close((uv_handle_t *)pool->timer, free_timer);
	free(pool);
}

/* Limits that the container has; others are the runner's. */
static bool
is_same_container(const int64_t a[LIMIT_COUNT], const int64_t b[LIMIT_COUNT])
{
	static const enum limit limits[] = {
	    LIMIT_MEMORY, LIMIT_CPUS, LIMIT_PIDS, LIMIT_TMP};

	for (size_t k = 0; k < sizeof(limits) / sizeof(limits[0]); k++) {
		if (a[limits[k]] != b[limits[k]])
			return false;
	}
	return true;
}

static bool
is_same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool
is_alike(const struct pool_kind *kind, const struct policy_warm *warm)
{
	return strcmp(kind->reference, warm->reference) == 0 &&
	    kind->uid == warm->uid && kind->gid == warm->gid &&
	    kind->has_secrets == (warm->secrets != NULL) &&
	    is_same_text(kind->mounts, warm->mounts) &&
	    is_same_text(kind->network, warm->network) &&
	    is_same_container(kind->limits, warm->limits);
}

/* Takes it out of the list. */
static struct pool_kind *
take_alike(struct pool_kind **list, const struct policy_warm *warm)
{
	for (struct pool_kind **at = list; *at != NULL; at = &(*at)->next) {
		struct pool_kind *kind = *at;

		if (!is_alike(kind, warm))
			continue;
		*at = kind->next;
		kind->next = NULL;
		return kind;
	}
	return NULL;
}

static struct pool_kind *
make_kind(struct pool *pool, const struct policy_warm *warm)
{
	struct pool_kind *kind = alloc_zero(1, sizeof(*kind));

	kind->pool = pool;
	kind->reference = alloc_string(warm->reference);
	if (warm->network != NULL)
		kind->network = alloc_string(warm->network);
	memcpy(kind->limits, warm->limits, sizeof(kind->limits));
	kind->uid = warm->uid;
	kind->gid = warm->gid;
	if (warm->mounts != NULL)
		kind->mounts = alloc_string(warm->mounts);
	kind->has_secrets = warm->secrets != NULL;
	if (pool->heard)
		pool_image_look(kind);
	return kind;
}

static int64_t
greater(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Rules that are alike share: there is enough for each. */
static void
want(struct pool_kind *kind, const struct policy_warm *warm, bool also)
{
	int64_t age_ms = warm->max_age_s * 1000;

	if (!also) {
		free(kind->rule);
		kind->rule = alloc_string(warm->rule);
	}
	kind->min = also ? greater(kind->min, warm->min) : warm->min;
	kind->max = also ? greater(kind->max, warm->max) : warm->max;
	if (!also || age_ms < kind->max_age_ms)
		kind->max_age_ms = age_ms;
	kind->want = greater(kind->want, kind->min);
	if (kind->want > kind->max)
		kind->want = kind->max;
	kind->wait_ms = kind->retry_ms = 0;
}

static struct pool_kind *
find_alike(struct pool_kind *kind, const struct policy_warm *warm)
{
	while (kind != NULL && !is_alike(kind, warm))
		kind = kind->next;
	return kind;
}

void
pool_set_policy(struct pool *pool, const struct policy *policy)
{
	struct pool_kind *before = pool->kinds;
	struct pool_kind **last = &pool->kinds;
	size_t count = policy_warm_count(policy);

	pool->kinds = NULL;
	for (size_t k = 0; k < count && pool->bounds.sandboxes_max > 0; k++) {
		struct policy_warm warm;
		struct pool_kind *kind;

		policy_warm_get(policy, k, &warm);
		kind = find_alike(pool->kinds, &warm);
		if (kind != NULL) {
			want(kind, &warm, true);
			continue;
		}
		kind = take_alike(&before, &warm);
		if (kind == NULL)
			kind = make_kind(pool, &warm);
		want(kind, &warm, false);
		*last = kind;
		last = &kind->next;
	}
	free_kinds(before);
	pool_kick(pool, 0);
}

void
pool_set_load(
    struct pool *pool, int64_t running_memory_bytes, size_t starting_cold)
{
	if (pool->running_memory_bytes == running_memory_bytes &&
	    pool->starting_cold == starting_cold)
		return;
	pool->running_memory_bytes = running_memory_bytes;
	pool->starting_cold = starting_cold;
	pool_kick(pool, 0);
}

static bool
is_for(const struct pool_kind *kind, const struct sandbox_spec *spec)
{
	return kind->current && strcmp(kind->reference, spec->image) == 0 &&
	    kind->uid == spec->uid && kind->gid == spec->gid &&
	    kind->has_secrets == spec->has_secrets &&
	    is_same_text(kind->mounts, spec->mounts) &&
	    is_same_text(kind->network, spec->network) &&
	    kind->limits[LIMIT_TMP] == spec->limits[LIMIT_TMP];
}

/* One that needs no update, else one that does. */
static struct pool_kind *
find_kind(
    const struct pool *pool, const struct sandbox_spec *spec, bool need_ready)
{
	struct pool_kind *found = NULL;

	for (struct pool_kind *kind = pool->kinds; kind != NULL;
	     kind = kind->next) {
		if (!is_for(kind, spec) || (need_ready && kind->ready == 0))
			continue;
		if (is_same_container(kind->limits, spec->limits))
			return kind;
		if (found == NULL)
			found = kind;
	}
	return found;
}

struct sandbox *
pool_claim(struct pool *pool, const struct sandbox_spec *spec, bool *ret_update)
{
	struct pool_kind *kind = find_kind(pool, spec, true);
	struct sandbox *sandbox;

	if (kind == NULL)
		kind = find_kind(pool, spec, false);
	if (kind == NULL)
		return NULL;
	sandbox = pool_fill_take(kind);
	/* What it shows of the host was moved away since. */
	while (sandbox != NULL && !sandbox_is_current(sandbox)) {
		sandbox_destroy(sandbox);
		pool->counters.dropped[POOL_DROP_FAILURE]++;
		pool->counters.claimed--;
		sandbox = pool_fill_take(kind);
	}
	/* There were too few. */
	if (kind->ready == 0 && kind->want < kind->max)
		kind->want++;
	/* Of many claims the first counts: they put nothing off for ever. */
	if (pool->refill_ms == 0)
		pool->refill_ms = clock_boot_ms() + REFILL_AFTER_MS;
	pool_kick(pool, REFILL_AFTER_MS);
	if (sandbox != NULL)
		*ret_update = !is_same_container(kind->limits, spec->limits);
	return sandbox;
}

void
pool_set_judge(
    struct pool *pool, bool (*may_use)(void *arg, const char *image), void *arg)
{
	pool->may_use = may_use;
	pool->judge = arg;
}

bool
pool_may_use(const struct pool *pool, const char *image)
{
	return pool->may_use == NULL || pool->may_use(pool->judge, image);
}

static bool
names_digest(const char *reference, const char *digest)
{
	const char *at = strrchr(reference, '@');

	return at != NULL && strcmp(at + 1, digest) == 0;
}

size_t
pool_drop_image(struct pool *pool, const char *image)
{
	size_t count = 0;

	for (struct pool_kind *kind = pool->kinds; kind != NULL;
	     kind = kind->next) {
		bool all =
		    image == NULL || names_digest(kind->reference, image);

		count += pool_fill_drop(
		    kind, all ? NULL : image, false, POOL_DROP_ORDER);
		if (!pool_may_use(pool, kind->reference) ||
		    !pool_may_use(pool, kind->image_id))
			kind->current = false;
	}
	pool_kick(pool, 0);
	return count;
}

size_t
pool_flush(struct pool *pool)
{
	return pool_drop_image(pool, NULL);
}

struct sum {
	size_t ready, creating;
	int64_t memory;
};

static struct sum
sum_kinds(const struct pool *pool)
{
	struct sum sum = {0};

	for (const struct pool_kind *kind = pool->kinds; kind != NULL;
	     kind = kind->next) {
		sum.ready += kind->ready;
		sum.creating += kind->creating;
		sum.memory += (int64_t)(kind->ready + kind->creating) *
		    kind->limits[LIMIT_MEMORY];
	}
	return sum;
}

size_t
pool_ready(const struct pool *pool)
{
	return sum_kinds(pool).ready;
}

size_t
pool_creating(const struct pool *pool)
{
	return sum_kinds(pool).creating;
}

int64_t
pool_memory(const struct pool *pool)
{
	return sum_kinds(pool).memory;
}

const char *
pool_drop_text(enum pool_drop drop)
{
	static const char *const texts[] = {
	    [POOL_DROP_AGE] = "age",
	    [POOL_DROP_IMAGE] = "image",
	    [POOL_DROP_POLICY] = "policy",
	    [POOL_DROP_ROOM] = "room",
	    [POOL_DROP_FAILURE] = "failure",
	    [POOL_DROP_ORDER] = "order",
	};

	return texts[drop];
}

const struct pool_counters *
pool_counters(const struct pool *pool)
{
	return &pool->counters;
}
