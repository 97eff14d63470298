/*
 * Other limits for one that waits: the engine changes them, and is asked
 * whether it did.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "runner/sandbox_state.h"

struct sandbox_change {
	json_t *body;
	int64_t limits[LIMIT_COUNT];
	void (*done)(void *arg, const struct err *err);
	void *arg;
};

static void
free_change(struct sandbox_change *change)
{
	json_decref(change->body);
	free(change);
}

void
sandbox_update_cancel(struct sandbox *sandbox)
{
	if (sandbox->change != NULL)
		free_change(take(sandbox->change));
}

static void
finish(struct sandbox *sandbox, const struct err *err)
{
	struct sandbox_change *change = take(sandbox->change);
	void (*done)(void *, const struct err *) = change->done;
	void *arg = change->arg;

	if (err == NULL) {
		/* Its /tmp stays as large as it was made. */
		change->limits[LIMIT_TMP] = sandbox->limits[LIMIT_TMP];
		memcpy(
		    sandbox->limits, change->limits, sizeof(sandbox->limits));
	}
	free_change(change);
	done(arg, err);
}

static void
on_inspected(void *arg, json_t *answer, const struct err *err)
{
	struct sandbox *sandbox = arg;
	struct err failure;

	sandbox->call = NULL;
	if (answer == NULL)
		finish(sandbox, err);
	else if (template_check_limits(
		     sandbox->change->body, answer, &failure) != 0)
		finish(sandbox, &failure);
	else
		finish(sandbox, NULL);
}

static void
on_updated(void *arg, json_t *answer, const struct err *err)
{
	struct sandbox *sandbox = arg;
	struct engine_done done = {on_inspected, sandbox};

	sandbox->call = NULL;
	if (answer == NULL)
		finish(sandbox, err);
	else
		sandbox->call = engine_inspect(
		    sandbox->factory->engine, sandbox->container, done);
}

void
sandbox_update(struct sandbox *sandbox, const int64_t limits[LIMIT_COUNT],
    void (*done)(void *arg, const struct err *err), void *arg)
{
	struct engine_done answered = {on_updated, sandbox};
	struct sandbox_change *change;

	if (sandbox->state < SANDBOX_READY || sandbox->change != NULL)
		die("sandbox_update: a sandbox that is not ready");
	/* Its end has been told, or is about to be. */
	if (sandbox->state > SANDBOX_READY)
		return;
	change = alloc_zero(1, sizeof(*change));
	memcpy(change->limits, limits, sizeof(change->limits));
	change->body = template_limits(limits, sandbox->factory->processors);
	change->done = done;
	change->arg = arg;
	sandbox->change = change;
	sandbox->call = engine_update(sandbox->factory->engine,
	    sandbox->container, change->body, answered);
}
