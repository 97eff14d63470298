/*
 * A pool's inside: pool.c is asked for sandboxes and told what is wanted,
 * pool_fill.c makes and takes away, pool_image.c knows what images' names
 * mean.
 */
#ifndef RUNNER_POOL_STATE_H
#define RUNNER_POOL_STATE_H

#include "runner/engine.h"
#include "runner/pool.h"

struct pool_kind;

/* One sandbox that is the pool's. */
struct pooled {
	struct pooled *next;
	struct pool_kind *kind;
	struct sandbox *sandbox;
	bool ready;
	bool old; /* its replacement is wanted already */
	int64_t made_ms, ready_ms; /* CLOCK_BOOTTIME */
};

/* Sandboxes that are alike, for tasks of the rules that agree in these. */
struct pool_kind {
	struct pool_kind *next;
	struct pool *pool;
	char *rule; /* the first of them: for the log */
	char *reference, *network;
	int64_t limits[LIMIT_COUNT];
	int64_t uid, gid;
	char *mounts; /* policy/mount.h; NULL: none */
	bool has_secrets; /* a place for them */
	int64_t min, max, max_age_ms;

	int64_t want; /* min..max */
	struct pooled *first; /* in the order in which they were made */
	size_t ready, creating;

	/* What the reference means: known, and still so. */
	char image_id[SANDBOX_NAME_SIZE];
	bool current;
	struct engine_call *look;
	bool look_again; /* something happened during the look */

	/* After a failure: none is made before retry_ms; 0 and 0: all well. */
	int64_t wait_ms, retry_ms;
};

struct pool {
	uv_loop_t *loop;
	struct sandbox_factory *factory;
	struct pool_bounds bounds;
	struct pool_kind *kinds;
	bool (*may_use)(void *arg, const char *image); /* NULL: any */
	void *judge;
	int64_t running_memory_bytes;
	size_t starting_cold;
	struct pool_counters counters;

	uv_timer_t *timer;
	int64_t due_ms; /* when it fires; INT64_MAX: it does not */
	int64_t rest_until_ms; /* nothing is made before */
	int64_t refill_ms; /* 0: at once; else not before, since a claim */

	/* The engine, and what it says of its images. */
	bool engine_ready;
	struct engine_call *stream;
	bool heard; /* the stream is open */
	int64_t stream_ms; /* when to open it again, or give up opening */
	int64_t stream_wait_ms; /* after it failed; 0: all well */
	int64_t look_ms; /* when to look at the images all the same */
};

/* Has everything settled after so long, in a turn of the loop of its own. */
void pool_kick(struct pool *pool, int64_t delay_ms);
bool pool_may_use(const struct pool *pool, const char *image);
/* Makes the earlier of both the later. */
void pool_sooner(int64_t *due_ms, int64_t at_ms);

/* pool_fill.c: takes away what is too old or too much, makes what is missing.
 * *due_ms becomes when to come again. */
void pool_fill_settle(struct pool *pool, int64_t now_ms, int64_t *due_ms);
/* Destroys those of one image (NULL: any), or of all others where `keep`. */
size_t pool_fill_drop(struct pool_kind *kind, const char *image_id, bool keep,
    enum pool_drop why);
/* Takes one that is ready out, oldest first; NULL. */
struct sandbox *pool_fill_take(struct pool_kind *kind);
/* Nothing of this kind is made for a while, longer each time. */
void pool_fill_fail(struct pool_kind *kind, const char *reason);
void pool_fill_recover(struct pool_kind *kind);

/* pool_image.c */
void pool_image_settle(struct pool *pool, int64_t now_ms, int64_t *due_ms);
void pool_image_look(struct pool_kind *kind);
/* Hears nothing and knows nothing any more. */
void pool_image_close(struct pool *pool);

#endif
