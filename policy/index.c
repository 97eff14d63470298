/*
 * Rules by image or task: a chained hash table of those with an exact name, and
 * a list of those with a pattern. Both are in the order of the file, and the
 * walk merges them, because the first rule that allows is the one that counts.
 */
#include "policy/index.h"

#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"

#define NONE UINT32_MAX

/* FNV-1a: what is in the table is the policy's, so that a client cannot choose
 * what collides. */
static uint32_t
hash(const struct index *index, const char *text, size_t len)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t k = 0; k < len; k++)
		h = (h ^ (unsigned char)text[k]) * UINT64_C(0x100000001b3);
	return (uint32_t)(h ^ h >> 32) & index->mask;
}

void
index_init(
    struct index *index, const struct rule *rules, size_t count, bool shadows)
{
	uint32_t chains = 1;

	if (count > UINT32_MAX / 4)
		die("more rules than a policy file can hold");
	while (chains < 2 * count)
		chains *= 2;
	*index = (struct index){.rules = rules, .mask = chains - 1};
	index->heads = alloc_zero(chains, sizeof(*index->heads));
	index->next = alloc_zero(count + 1, sizeof(*index->next));
	index->patterns = alloc_zero(count + 1, sizeof(*index->patterns));
	for (uint32_t k = 0; k < chains; k++)
		index->heads[k] = NONE;
	for (uint32_t k = 0; k < count; k++) {
		if (rules[k].is_shadow == shadows &&
		    rules[k].image_pattern != NULL)
			index->patterns[index->npatterns++] = k;
	}
	/* From the last to the first, so that each chain begins with the first
	 * one. */
	for (uint32_t k = (uint32_t)count; k-- > 0;) {
		if (rules[k].is_shadow != shadows ||
		    rules[k].image_pattern != NULL)
			continue;
		const char *key = rule_key(&rules[k]);
		uint32_t *head = &index->heads[hash(index, key, strlen(key))];

		index->next[k] = *head;
		*head = k;
		index->has_names |= rules[k].digest_required;
	}
}

void
index_done(struct index *index)
{
	free(index->heads);
	free(index->next);
	free(index->patterns);
	*index = (struct index){0};
}

void
index_walk_init(struct index_walk *walk, const struct index *index,
    const struct request *request)
{
	const char *key =
	    request->task != NULL ? request->task : request->reference;
	size_t name_len =
	    index->has_names && request->task == NULL ? image_name_len(key) : 0;

	*walk = (struct index_walk){
	    .index = index,
	    .request = request,
	    .exact = index->heads[hash(index, key, strlen(key))],
	    .name = NONE,
	};
	if (name_len > 0)
		walk->name = index->heads[hash(index, key, name_len)];
	/* Both in one chain. */
	if (walk->name == walk->exact)
		walk->name = NONE;
}

/* Number of the next rule of either kind, in the order of the file. */
static uint32_t
step(struct index_walk *walk)
{
	const struct index *index = walk->index;
	uint32_t *chain = walk->exact < walk->name ? &walk->exact : &walk->name;
	uint32_t number = *chain;
	uint32_t pattern = walk->pattern < index->npatterns
	    ? index->patterns[walk->pattern]
	    : NONE;

	if (number < pattern) {
		*chain = index->next[number];
		return number;
	}
	if (pattern != NONE)
		walk->pattern++;
	return pattern;
}

const struct rule *
index_walk_next(struct index_walk *walk)
{
	uint32_t number = step(walk);

	while (number != NONE &&
	    !rule_is_candidate(&walk->index->rules[number], walk->request))
		number = step(walk);
	return number == NONE ? NULL : &walk->index->rules[number];
}
