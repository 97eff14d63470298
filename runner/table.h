/*
 * Finding things by name: a hash table that owns neither names nor things.
 * The name must live as long as its entry.
 */
#ifndef RUNNER_TABLE_H
#define RUNNER_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_slot {
	const char *name; /* NULL: never used */
	uint64_t hash;
	void *thing;
};

struct table {
	struct table_slot *slots;
	size_t size; /* a power of two, or 0 */
	size_t used; /* with those taken out */
	size_t count;
	uint64_t seed; /* names come from strangers */
};

void table_init(struct table *table);
void table_done(struct table *table);
/* NULL where there is none. */
void *table_find(const struct table *table, const char *name);
/* The name must not be in the table and not be empty. */
void table_add(struct table *table, const char *name, void *thing);
/* What was there, or NULL. */
void *table_remove(struct table *table, const char *name);
/* For a walk over all slots, during which entries may be taken out. */
bool table_slot_is_used(const struct table_slot *slot);

#endif
