/*
 * A line of nodes with costs: who stands where, and what stands before it, in
 * O(log n) whoever leaves it in between. Pure.
 */
#ifndef RUNNER_LINE_H
#define RUNNER_LINE_H

#include <stddef.h>
#include <stdint.h>

/* Embedded in what stands in a line. */
struct line_node {
	struct line_node *parent, *left, *right;
	uint32_t priority;
	uint32_t count; /* of nodes from here down */
	int64_t order;
	int64_t cost, cost_sum; /* its own; of all from here down */
};

struct line {
	struct line_node *root; /* zeroed: nobody */
};

/* Behind those of a lower order and of the same. The priority is any number:
 * what keeps the tree flat is that nobody else can tell it in advance. The cost
 * is at least 0. */
void line_add(struct line *line, struct line_node *node, int64_t order,
    int64_t cost, uint32_t priority);
void line_remove(struct line *line, struct line_node *node);

/* NULL: nobody. */
struct line_node *line_first(const struct line *line);
size_t line_count(const struct line *line);
/* What stands before it: how many, and their costs together. */
size_t line_count_before(const struct line_node *node);
int64_t line_cost_before(const struct line_node *node);
/* How many have no more than this before them. */
size_t line_count_within(const struct line *line, int64_t cost);

#endif
