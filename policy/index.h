/*
 * Which rules are about an image or a task, in the order of the file, without
 * looking at the others. Private to the policy library.
 */
#ifndef POLICY_INDEX_H
#define POLICY_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "policy/rule.h"

struct index {
	const struct rule *rules; /* borrowed, as are all strings */
	uint32_t *heads; /* of chains of rules with an exact image or a task */
	uint32_t *next; /* by rule */
	uint32_t mask;
	bool has_names; /* some chains are of names without tag or digest */
	uint32_t *patterns; /* the rules whose image is a pattern */
	size_t npatterns;
};

/* Of the rules that take part, or of those that are shadows. */
void index_init(
    struct index *index, const struct rule *rules, size_t count, bool shadows);
void index_done(struct index *index);

/* A walk over the rules that name the image or task of one request. */
struct index_walk {
	const struct index *index;
	const struct request *request;
	uint32_t exact; /* next of the chain */
	uint32_t name; /* next of the chain of the image's name alone */
	size_t pattern; /* next of the patterns */
};

void index_walk_init(struct index_walk *walk, const struct index *index,
    const struct request *request);
/* NULL at the end. */
const struct rule *index_walk_next(struct index_walk *walk);

#endif
