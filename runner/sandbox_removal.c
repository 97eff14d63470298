/*
 * Each removal has a timer of its own; a failure doubles its wait. No more
 * than a few are asked of the engine at once, since each costs it as much as
 * a start does, and those are waited for.
 */
#include "runner/sandbox_removal.h"

#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "runner/engine.h"
#include "runner/sandbox_folder.h"

#define WAIT_LEAST_MS 100
#define WAIT_MOST_MS 10000
/* A create whose answer nobody waited for is done by then; if not, the next
 * sweep finds what came of it. */
#define DOUBT_MS 3000
/* Its task's end has been made durable and answered by then. */
#define LATER_MS 50
#define AT_ONCE 2

struct removal {
	uv_timer_t timer;
	struct sandbox_removals *all;
	struct removal *next, **link;
	struct engine_call *call;
	char sandbox[UUID_TEXT];
	char *container;
	uint64_t wait_ms;
	/* Until then it may yet come into being: a create is under way. */
	int64_t doubtful_until_ms;
	bool tried;
	bool due; /* it waits for its turn */
	struct removal *next_due;
};

struct sandbox_removals {
	uv_loop_t *loop;
	struct engine *engine;
	char *parent;
	struct removal *first;
	size_t count;
	size_t calls; /* at most AT_ONCE */
	struct removal *due, **due_end;
	void (*watcher)(void *arg);
	void *watcher_arg;
};

static void
free_removal(uv_handle_t *handle)
{
	struct removal *removal = handle->data;

	free(removal->container);
	free(removal);
}

static void
forget(struct removal *removal)
{
	*removal->link = removal->next;
	if (removal->next != NULL)
		removal->next->link = removal->link;
	removal->all->count--;
	uv_close((uv_handle_t *)&removal->timer, free_removal);
}

static void try_removal(uv_timer_t *timer);

/* Gone: its folder goes too. Else it is tried again, later each time. */
static void
settle(struct removal *removal, bool gone)
{
	struct sandbox_removals *all = removal->all;

	removal->tried = true;
	if (gone) {
		sandbox_folder_remove(all->parent, removal->sandbox);
		forget(removal);
	} else {
		uv_timer_start(
		    &removal->timer, try_removal, removal->wait_ms, 0);
		removal->wait_ms *= 2;
		if (removal->wait_ms > WAIT_MOST_MS)
			removal->wait_ms = WAIT_MOST_MS;
	}
	if (all->watcher != NULL)
		all->watcher(all->watcher_arg);
}

static void on_removed(void *arg, json_t *answer, const struct err *err);

static void
ask(struct removal *removal)
{
	struct engine_done done = {on_removed, removal};

	removal->all->calls++;
	removal->call =
	    engine_remove(removal->all->engine, removal->container, done);
}

static void
await_turn(struct removal *removal)
{
	struct sandbox_removals *all = removal->all;

	if (removal->due)
		return;
	removal->due = true;
	removal->next_due = NULL;
	*all->due_end = removal;
	all->due_end = &removal->next_due;
}

static void
give_turn(struct sandbox_removals *all)
{
	struct removal *removal = all->due;

	if (removal == NULL)
		return;
	all->due = removal->next_due;
	if (all->due == NULL)
		all->due_end = &all->due;
	removal->due = false;
	ask(removal);
}

static void
on_removed(void *arg, json_t *answer, const struct err *err)
{
	struct removal *removal = arg;

	removal->call = NULL;
	removal->all->calls--;
	give_turn(removal->all);
	/* 409: it is being removed already; the end is a 404. */
	settle(removal,
	    answer != NULL ||
		(err->code == ERR_NOT_FOUND &&
		    clock_boot_ms() >= removal->doubtful_until_ms));
}

static void
try_removal(uv_timer_t *timer)
{
	struct removal *removal = timer->data;

	if (removal->container == NULL)
		settle(removal, true);
	else if (!engine_is_agreed(removal->all->engine))
		settle(removal, false);
	else if (removal->all->calls < AT_ONCE)
		ask(removal);
	else
		await_turn(removal);
}

struct sandbox_removals *
sandbox_removals_new(uv_loop_t *loop, struct engine *engine, const char *parent)
{
	struct sandbox_removals *removals = alloc_zero(1, sizeof(*removals));

	removals->loop = loop;
	removals->engine = engine;
	removals->parent = alloc_string(parent);
	removals->due_end = &removals->due;
	return removals;
}

void
sandbox_removals_free(struct sandbox_removals *removals)
{
	while (removals->first != NULL) {
		if (removals->first->call != NULL)
			engine_cancel(removals->first->call);
		forget(removals->first);
	}
	free(removals->parent);
	free(removals);
}

void
sandbox_removals_add(struct sandbox_removals *removals, const char *sandbox,
    const char *container, enum sandbox_removal how)
{
	struct removal *removal = alloc_zero(1, sizeof(*removal));

	removal->all = removals;
	memcpy(removal->sandbox, sandbox, UUID_TEXT);
	removal->container = container != NULL ? alloc_string(container) : NULL;
	removal->wait_ms = WAIT_LEAST_MS;
	if (how == SANDBOX_REMOVAL_IN_DOUBT)
		removal->doubtful_until_ms = clock_boot_ms() + DOUBT_MS;
	removal->next = removals->first;
	removal->link = &removals->first;
	if (removal->next != NULL)
		removal->next->link = &removal->next;
	removals->first = removal;
	removals->count++;
	uv_timer_init(removals->loop, &removal->timer);
	removal->timer.data = removal;
	uv_timer_start(&removal->timer, try_removal,
	    how == SANDBOX_REMOVAL_LATER ? LATER_MS : 0, 0);
}

bool
sandbox_removals_has(
    const struct sandbox_removals *removals, const char *sandbox)
{
	for (const struct removal *r = removals->first; r != NULL;
	     r = r->next) {
		if (strcmp(r->sandbox, sandbox) == 0)
			return true;
	}
	return false;
}

size_t
sandbox_removals_count(const struct sandbox_removals *removals)
{
	return removals->count;
}

size_t
sandbox_removals_untried(const struct sandbox_removals *removals)
{
	size_t count = 0;

	for (const struct removal *r = removals->first; r != NULL; r = r->next)
		count += r->tried ? 0 : 1;
	return count;
}

void
sandbox_removals_hurry(struct sandbox_removals *removals)
{
	for (struct removal *r = removals->first; r != NULL; r = r->next) {
		r->wait_ms = WAIT_LEAST_MS;
		/* One that is due has its turn by itself, and only one. */
		if (r->call == NULL && !r->due)
			uv_timer_start(&r->timer, try_removal, 0, 0);
	}
}

void
sandbox_removals_watch(
    struct sandbox_removals *removals, void (*tried)(void *arg), void *arg)
{
	removals->watcher = tried;
	removals->watcher_arg = arg;
}
