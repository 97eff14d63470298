/*
 * What images' names mean, now. The engine is heard: whatever happens to an
 * image of it, nothing is given out until all names have been looked up again.
 * Not every way to change a name is told by every engine, so they are looked
 * up from time to time all the same.
 */
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "runner/pool_state.h"
#include "runner/sandbox_factory.h"

#define LOOK_EACH_MS 30000
#define OPEN_WITHIN_MS 10000
#define REOPEN_LEAST_MS 500
#define REOPEN_MOST_MS 30000

static void
look_at_all(struct pool *pool)
{
	for (struct pool_kind *kind = pool->kinds; kind != NULL;
	     kind = kind->next)
		pool_image_look(kind);
	pool->look_ms = clock_boot_ms() + LOOK_EACH_MS;
}

/* "sha256:" and what the engine's ids have else; NULL. */
static const char *
read_id(const json_t *answer)
{
	const char *id = json_string_value(json_object_get(answer, "Id"));

	if (id == NULL || *id == '\0' || strlen(id) >= SANDBOX_NAME_SIZE)
		return NULL;
	return id;
}

static void
lose_image(struct pool_kind *kind, const struct err *err)
{
	kind->current = false;
	/* Nobody's any more; of other failures it is not known. */
	if (err->code == ERR_NOT_FOUND) {
		kind->image_id[0] = '\0';
		(void)pool_fill_drop(kind, NULL, false, POOL_DROP_IMAGE);
	}
	pool_fill_fail(kind, err->detail);
}

static void
refuse_image(struct pool_kind *kind)
{
	kind->current = false;
	(void)pool_fill_drop(kind, NULL, false, POOL_DROP_IMAGE);
	pool_fill_fail(kind, "the image was revoked");
}

static void
find_image(struct pool_kind *kind, const char *id)
{
	if (!pool_may_use(kind->pool, id) ||
	    !pool_may_use(kind->pool, kind->reference)) {
		refuse_image(kind);
		return;
	}
	/* What was wrong may have been the image. */
	if (strcmp(kind->image_id, id) != 0)
		pool_fill_recover(kind);
	snprintf(kind->image_id, sizeof(kind->image_id), "%s", id);
	kind->current = true;
	(void)pool_fill_drop(kind, id, true, POOL_DROP_IMAGE);
}

static void
on_looked(void *arg, json_t *answer, const struct err *err)
{
	struct pool_kind *kind = arg;
	const char *id = read_id(answer);
	struct err failure = {0};

	kind->look = NULL;
	if (kind->look_again) {
		pool_image_look(kind);
		return;
	}
	if (answer != NULL && id == NULL)
		err_set(&failure, ERR_MALFORMED, "the image has no id");
	else if (answer == NULL)
		failure = *err;
	if (failure.code != ERR_NONE)
		lose_image(kind, &failure);
	else
		find_image(kind, id);
	pool_kick(kind->pool, 0);
}

void
pool_image_look(struct pool_kind *kind)
{
	struct engine_done done = {on_looked, kind};

	kind->look_again = kind->look != NULL;
	if (kind->look_again)
		return;
	kind->look = engine_inspect_image(
	    kind->pool->factory->engine, kind->reference, done);
}

static void
doubt_all(struct pool *pool)
{
	for (struct pool_kind *kind = pool->kinds; kind != NULL;
	     kind = kind->next)
		kind->current = false;
}

static void
on_opened(void *arg)
{
	struct pool *pool = arg;

	pool->heard = true;
	look_at_all(pool);
	pool_kick(pool, 0);
}

static void
on_event(void *arg, const json_t *event)
{
	struct pool *pool = arg;

	/* Which one, and what of it, is not asked: a name may have come to it
	 * or gone from it. */
	(void)event;
	doubt_all(pool);
	look_at_all(pool);
}

/* One line for all of a failure, until it has been heard for a while again. */
static void
reopen_later(struct pool *pool, const char *reason)
{
	if (pool->stream_wait_ms == 0)
		log_warning("engine.unheard", "reason", reason, NULL);
	pool->stream_wait_ms *= 2;
	if (pool->stream_wait_ms < REOPEN_LEAST_MS)
		pool->stream_wait_ms = REOPEN_LEAST_MS;
	if (pool->stream_wait_ms > REOPEN_MOST_MS)
		pool->stream_wait_ms = REOPEN_MOST_MS;
	pool->stream_ms = clock_boot_ms() + pool->stream_wait_ms;
}

static void
on_stream_ended(void *arg, const struct err *err)
{
	struct pool *pool = arg;

	pool->stream = NULL;
	pool_image_close(pool);
	reopen_later(pool, err->detail);
	pool_kick(pool, pool->stream_wait_ms);
}

static void
open_stream(struct pool *pool, int64_t now_ms)
{
	const struct engine_listener listener = {
	    .opened = on_opened,
	    .event = on_event,
	    .ended = on_stream_ended,
	    .arg = pool,
	};

	pool->stream_ms = now_ms + OPEN_WITHIN_MS;
	pool->stream = engine_events(pool->factory->engine, "image", &listener);
}

void
pool_image_close(struct pool *pool)
{
	if (pool->stream != NULL)
		engine_cancel(pool->stream);
	pool->stream = NULL;
	pool->stream_ms = 0;
	pool->heard = false;
	for (struct pool_kind *kind = pool->kinds; kind != NULL;
	     kind = kind->next) {
		if (kind->look != NULL)
			engine_cancel(kind->look);
		kind->look = NULL;
		kind->look_again = false;
		kind->current = false;
	}
}

static void
look_at_failed(struct pool *pool, int64_t now_ms, int64_t *due_ms)
{
	for (struct pool_kind *kind = pool->kinds; kind != NULL;
	     kind = kind->next) {
		if (kind->current || kind->look != NULL)
			continue;
		if (now_ms >= kind->retry_ms)
			pool_image_look(kind);
		else
			pool_sooner(due_ms, kind->retry_ms);
	}
}

void
pool_image_settle(struct pool *pool, int64_t now_ms, int64_t *due_ms)
{
	if (!pool->engine_ready || pool->kinds == NULL) {
		pool_image_close(pool);
		return;
	}
	if (pool->heard) {
		if (now_ms >= pool->look_ms) {
			look_at_all(pool);
			pool->stream_wait_ms = 0;
		}
		pool_sooner(due_ms, pool->look_ms);
		look_at_failed(pool, now_ms, due_ms);
		return;
	}
	if (pool->stream != NULL && now_ms >= pool->stream_ms) {
		pool_image_close(pool);
		reopen_later(pool, "it does not begin");
	}
	if (pool->stream == NULL && now_ms >= pool->stream_ms)
		open_stream(pool, now_ms);
	pool_sooner(due_ms, pool->stream_ms);
}
