/*
 * Sandboxes that are ready before anybody asks: as many of each rule as its
 * `warm` says, made in the background, each for one task and gone with it.
 * A sandbox is of the image that its name meant when it was made; as long as
 * it is not known that the name still means that image, it is not given out.
 *
 * Everything is called on the runner's loop, nothing blocks, and nothing is
 * told: a pool is asked.
 */
#ifndef RUNNER_POOL_H
#define RUNNER_POOL_H

#include <uv.h>

#include "policy/policy.h"
#include "runner/sandbox.h"

struct pool;

struct pool_bounds {
	size_t sandboxes_max; /* 0: none are kept ready */
	/* Of what is ready and what runs, together. */
	int64_t memory_max_bytes;
	size_t creating_max; /* at once */
};

/* Of a factory that is started; both outlive the pool. */
struct pool *pool_new(uv_loop_t *loop, struct sandbox_factory *factory,
    const struct pool_bounds *bounds);
/* What it has is destroyed; memory goes when the loop has turned. */
void pool_free(struct pool *pool);

/* What is to be kept ready from now on: what is not wanted any more goes. The
 * policy is borrowed during the call only. */
void pool_set_policy(struct pool *pool, const struct policy *policy);
/* Which images may be used, by id or reference: asked of each before one of it
 * is made or given out. Without it, any. */
void pool_set_judge(struct pool *pool,
    bool (*may_use)(void *arg, const char *image), void *arg);
/* What else there is: memory that running tasks may use, whose room the pool
 * gives back, and tasks that wait for a sandbox to be made, which the pool
 * does not make wait longer. To be told whenever it changes. */
void pool_set_load(
    struct pool *pool, int64_t running_memory_bytes, size_t starting_cold);

/*
 * The oldest sandbox that is ready for a task of this spec, of the image that
 * its reference means now; NULL: there is none. It is the caller's, who
 * attaches itself before the loop turns. *ret_update: it has other memory,
 * CPUs or PIDs than the spec, and needs sandbox_update() before its order.
 */
struct sandbox *pool_claim(
    struct pool *pool, const struct sandbox_spec *spec, bool *ret_update);

/* Destroys what is ready or being made: of one image (by its id, or the digest
 * that a reference names it by), or everything. How many. What the policy wants
 * is made again, as far as it may be used. */
size_t pool_drop_image(struct pool *pool, const char *image);
size_t pool_flush(struct pool *pool);

size_t pool_ready(const struct pool *pool);
size_t pool_creating(const struct pool *pool);
/* What those may use: beside what runs. */
int64_t pool_memory(const struct pool *pool);

/* Why one that was made, or was being made, is not given out. */
enum pool_drop {
	POOL_DROP_AGE,
	POOL_DROP_IMAGE, /* its name means another one, or none, now */
	POOL_DROP_POLICY, /* no rule wants it, or so many, any more */
	POOL_DROP_ROOM, /* given back to what runs */
	POOL_DROP_FAILURE,
	POOL_DROP_ORDER, /* pool_drop_image(), pool_flush() */
	POOL_DROP_COUNT
};
/* One word. */
const char *pool_drop_text(enum pool_drop drop);

struct pool_counters {
	uint64_t made, claimed;
	uint64_t failed; /* tries; of one rule's at the same time, one */
	uint64_t dropped[POOL_DROP_COUNT];
};
const struct pool_counters *pool_counters(const struct pool *pool);

#endif
