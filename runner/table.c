/*
 * A hash table with linear probing. Names can be a stranger's, so the hash has
 * a random seed; it need not withstand one who sees timings, because what a
 * stranger can put in is bounded.
 */
#include "runner/table.h"

#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/digest.h"

#define SIZE_LEAST 64

static const char gone[] = "";

/* FNV-1a, mixed at the end (the finalizer of MurmurHash3). */
static uint64_t
hash_name(uint64_t seed, const char *name)
{
	uint64_t hash = seed ^ UINT64_C(14695981039346656037);

	for (; *name != '\0'; name++) {
		hash ^= (unsigned char)*name;
		hash *= UINT64_C(1099511628211);
	}
	hash ^= hash >> 33;
	hash *= UINT64_C(0xff51afd7ed558ccd);
	hash ^= hash >> 33;
	return hash;
}

void
table_init(struct table *table)
{
	*table = (struct table){0};
	random_bytes(&table->seed, sizeof(table->seed));
}

void
table_done(struct table *table)
{
	free(table->slots);
	*table = (struct table){0};
}

static struct table_slot *
find_slot(const struct table *table, const char *name)
{
	uint64_t hash;
	size_t at;

	if (table->size == 0)
		return NULL;
	hash = hash_name(table->seed, name);
	for (at = hash & (table->size - 1); table->slots[at].name != NULL;
	     at = (at + 1) & (table->size - 1)) {
		struct table_slot *slot = &table->slots[at];

		if (slot->name != gone && slot->hash == hash &&
		    strcmp(slot->name, name) == 0)
			return slot;
	}
	return NULL;
}

static void
put(struct table *table, struct table_slot slot)
{
	size_t at = slot.hash & (table->size - 1);

	while (table->slots[at].name != NULL)
		at = (at + 1) & (table->size - 1);
	table->slots[at] = slot;
	table->used++;
	table->count++;
}

/* Also throws out the marks of what was taken out. */
static void
resize(struct table *table)
{
	struct table_slot *old = table->slots;
	size_t old_size = table->size;

	table->size = SIZE_LEAST;
	while (table->size < 4 * (table->count + 1))
		table->size *= 2;
	table->slots = alloc_zero(table->size, sizeof(*table->slots));
	table->used = 0;
	table->count = 0;
	for (size_t i = 0; i < old_size; i++) {
		if (table_slot_is_used(&old[i]))
			put(table, old[i]);
	}
	free(old);
}

void *
table_find(const struct table *table, const char *name)
{
	struct table_slot *slot = find_slot(table, name);

	return slot != NULL ? slot->thing : NULL;
}

void
table_add(struct table *table, const char *name, void *thing)
{
	if (*name == '\0' || find_slot(table, name) != NULL)
		die("table_add: \"%s\" is there already", name);
	if (2 * (table->used + 1) > table->size)
		resize(table);
	put(table,
	    (struct table_slot){name, hash_name(table->seed, name), thing});
}

void *
table_remove(struct table *table, const char *name)
{
	struct table_slot *slot = find_slot(table, name);

	if (slot == NULL)
		return NULL;
	slot->name = gone;
	table->count--;
	return slot->thing;
}

bool
table_slot_is_used(const struct table_slot *slot)
{
	return slot->name != NULL && slot->name != gone;
}
