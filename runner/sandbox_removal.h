/*
 * Containers on their way out: removed in the background, tried again until
 * the engine says that they are gone, and then their folder too.
 */
#ifndef RUNNER_SANDBOX_REMOVAL_H
#define RUNNER_SANDBOX_REMOVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct engine;
struct sandbox_removals;

struct sandbox_removals *sandbox_removals_new(
    uv_loop_t *loop, struct engine *engine, const char *parent);
/* Drops what is not done; the next start finds it by its label. */
void sandbox_removals_free(struct sandbox_removals *removals);

enum sandbox_removal {
	SANDBOX_REMOVAL_NOW,
	/* Nothing runs in it: the reply that its task's end is waited for
	 * with comes first. */
	SANDBOX_REMOVAL_LATER,
	/* It was asked for, and may come into being a little later. */
	SANDBOX_REMOVAL_IN_DOUBT
};

/* container: its id or name; NULL where there is only a folder left. */
void sandbox_removals_add(struct sandbox_removals *removals,
    const char *sandbox, const char *container, enum sandbox_removal how);
bool sandbox_removals_has(
    const struct sandbox_removals *removals, const char *sandbox);
size_t sandbox_removals_count(const struct sandbox_removals *removals);
/* Those that have not been tried once to the end. */
size_t sandbox_removals_untried(const struct sandbox_removals *removals);
/* The engine is back: do not wait for the next turn. */
void sandbox_removals_hurry(struct sandbox_removals *removals);
/* Called whenever a try has ended. */
void sandbox_removals_watch(
    struct sandbox_removals *removals, void (*tried)(void *arg), void *arg);

#endif
