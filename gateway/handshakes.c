/*
 * Handshakes under way, by address: a pool of groups that is taken at the
 * start and never grows.
 */
#include "gateway/handshakes.h"

#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"

TAILQ_HEAD(list, handshake);
TAILQ_HEAD(groups, handshakes_group);

/* One address. */
struct handshakes_group {
	struct limits_key key;
	size_t count;
	struct list due; /* for us to go on */
	struct list quiet; /* for the client; quiet for longest first */
	TAILQ_ENTRY(handshakes_group) beside;
};

struct handshakes {
	size_t max, count, due;
	struct handshakes_group *pool;
	struct groups used; /* in the order of their turns */
	struct groups unused;
};

static struct handshakes_group *
find(const struct handshakes *handshakes, const struct limits_key *key)
{
	struct handshakes_group *group;

	TAILQ_FOREACH(group, &handshakes->used, beside)
	if (limits_key_is_same(&group->key, key))
		break;
	return group;
}

/* Behind all others: who comes new waits for one turn of each. */
static struct handshakes_group *
add_group(struct handshakes *handshakes, const struct limits_key *key)
{
	struct handshakes_group *group = TAILQ_FIRST(&handshakes->unused);

	if (group == NULL)
		die("handshakes: more addresses than places");
	TAILQ_REMOVE(&handshakes->unused, group, beside);
	TAILQ_INSERT_TAIL(&handshakes->used, group, beside);
	group->key = *key;
	TAILQ_INIT(&group->due);
	TAILQ_INIT(&group->quiet);
	return group;
}

static struct list *
list_of(const struct handshake *handshake)
{
	return handshake->is_due ? &handshake->group->due
				 : &handshake->group->quiet;
}

/* Of the address that would have the most, counting the one that `key` asks
 * for: what has been quiet for longest, or else what waits for longest. */
static struct handshake *
choose_loser(const struct handshakes *handshakes, const struct limits_key *key)
{
	struct handshakes_group *group, *most = NULL;
	size_t most_count = 0;

	TAILQ_FOREACH(group, &handshakes->used, beside)
	{
		size_t count = group->count +
		    (limits_key_is_same(&group->key, key) ? 1 : 0);

		if (count > most_count) {
			most = group;
			most_count = count;
		}
	}
	if (most == NULL)
		die("handshakes: no place at all");
	return TAILQ_EMPTY(&most->quiet) ? TAILQ_FIRST(&most->due)
					 : TAILQ_FIRST(&most->quiet);
}

struct handshake *
handshakes_enter(struct handshakes *handshakes, struct handshake *handshake,
    const struct limits_key *key)
{
	struct handshakes_group *group;
	struct handshake *loser = NULL;

	if (handshakes->count == handshakes->max) {
		loser = choose_loser(handshakes, key);
		handshakes_leave(handshakes, loser);
	}
	group = find(handshakes, key);
	if (group == NULL)
		group = add_group(handshakes, key);
	handshake->group = group;
	handshake->is_due = false;
	TAILQ_INSERT_TAIL(&group->quiet, handshake, beside);
	group->count++;
	handshakes->count++;
	return loser;
}

void
handshakes_leave(struct handshakes *handshakes, struct handshake *handshake)
{
	struct handshakes_group *group = handshake->group;

	if (group == NULL)
		return;
	TAILQ_REMOVE(list_of(handshake), handshake, beside);
	handshakes->due -= handshake->is_due ? 1 : 0;
	handshakes->count--;
	handshake->group = NULL;
	if (--group->count > 0)
		return;
	TAILQ_REMOVE(&handshakes->used, group, beside);
	TAILQ_INSERT_HEAD(&handshakes->unused, group, beside);
}

static void
move(struct handshake *handshake, bool is_due)
{
	TAILQ_REMOVE(list_of(handshake), handshake, beside);
	handshake->is_due = is_due;
	TAILQ_INSERT_TAIL(list_of(handshake), handshake, beside);
}

void
handshakes_want_turn(struct handshakes *handshakes, struct handshake *handshake)
{
	if (handshake->group == NULL || handshake->is_due)
		return;
	move(handshake, true);
	handshakes->due++;
}

struct handshake *
handshakes_next(struct handshakes *handshakes)
{
	struct handshakes_group *group;
	struct handshake *handshake;

	TAILQ_FOREACH(group, &handshakes->used, beside)
	if (!TAILQ_EMPTY(&group->due))
		break;
	if (group == NULL)
		return NULL;
	TAILQ_REMOVE(&handshakes->used, group, beside);
	TAILQ_INSERT_TAIL(&handshakes->used, group, beside);
	handshake = TAILQ_FIRST(&group->due);
	move(handshake, false);
	handshakes->due--;
	return handshake;
}

size_t
handshakes_count(const struct handshakes *handshakes)
{
	return handshakes->count;
}

size_t
handshakes_due(const struct handshakes *handshakes)
{
	return handshakes->due;
}

struct handshakes *
handshakes_new(size_t max)
{
	struct handshakes *handshakes = alloc_zero(1, sizeof(*handshakes));

	if (max == 0)
		die("handshakes: no place at all");
	handshakes->max = max;
	handshakes->pool = alloc_zero(max, sizeof(*handshakes->pool));
	TAILQ_INIT(&handshakes->used);
	TAILQ_INIT(&handshakes->unused);
	for (size_t i = 0; i < max; i++)
		TAILQ_INSERT_TAIL(
		    &handshakes->unused, &handshakes->pool[i], beside);
	return handshakes;
}

void
handshakes_free(struct handshakes *handshakes)
{
	if (handshakes == NULL)
		return;
	free(handshakes->pool);
	free(handshakes);
}
