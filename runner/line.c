/*
 * A treap: a tree in the order of the line that is a heap by priorities, so
 * that it is as flat as one that was filled in random order, whatever the
 * order of coming and going.
 */
#include "runner/line.h"

#include <stdbool.h>

static uint32_t
count_of(const struct line_node *node)
{
	return node != NULL ? node->count : 0;
}

static int64_t
cost_of(const struct line_node *node)
{
	return node != NULL ? node->cost_sum : 0;
}

static void
sum_up(struct line_node *node)
{
	node->count = 1 + count_of(node->left) + count_of(node->right);
	node->cost_sum =
	    node->cost + cost_of(node->left) + cost_of(node->right);
}

static void
sum_up_to_root(struct line_node *node)
{
	for (; node != NULL; node = node->parent)
		sum_up(node);
}

/* `to` (may be NULL) stands where `from` stood. */
static void
replace(struct line *line, struct line_node *from, struct line_node *to)
{
	struct line_node *parent = from->parent;

	if (parent == NULL)
		line->root = to;
	else if (parent->left == from)
		parent->left = to;
	else
		parent->right = to;
	if (to != NULL)
		to->parent = parent;
}

/* The node changes places with its parent; the order stays. */
static void
rotate_up(struct line *line, struct line_node *node)
{
	struct line_node *parent = node->parent;
	bool is_left = parent->left == node;
	struct line_node *moved = is_left ? node->right : node->left;

	replace(line, parent, node);
	if (is_left) {
		parent->left = moved;
		node->right = parent;
	} else {
		parent->right = moved;
		node->left = parent;
	}
	if (moved != NULL)
		moved->parent = parent;
	parent->parent = node;
	sum_up(parent);
	sum_up(node);
}

static void
settle(struct line *line, struct line_node *node)
{
	sum_up_to_root(node);
	while (node->parent != NULL && node->parent->priority < node->priority)
		rotate_up(line, node);
}

void
line_add(struct line *line, struct line_node *node, int64_t order, int64_t cost,
    uint32_t priority)
{
	struct line_node *parent = NULL, **at = &line->root;

	while (*at != NULL) {
		parent = *at;
		at = parent->order <= order ? &parent->right : &parent->left;
	}
	*node = (struct line_node){.parent = parent,
	    .order = order,
	    .cost = cost,
	    .priority = priority};
	*at = node;
	settle(line, node);
}

void
line_remove(struct line *line, struct line_node *node)
{
	/* Down, until it has one child at most. */
	while (node->left != NULL && node->right != NULL) {
		struct line_node *left = node->left, *right = node->right;

		rotate_up(
		    line, left->priority > right->priority ? left : right);
	}
	replace(line, node, node->left != NULL ? node->left : node->right);
	sum_up_to_root(node->parent);
	*node = (struct line_node){0};
}

struct line_node *
line_first(const struct line *line)
{
	struct line_node *node = line->root;

	while (node != NULL && node->left != NULL)
		node = node->left;
	return node;
}

size_t
line_count(const struct line *line)
{
	return count_of(line->root);
}

size_t
line_count_before(const struct line_node *node)
{
	size_t count = count_of(node->left);

	for (; node->parent != NULL; node = node->parent) {
		if (node->parent->right == node)
			count += 1 + count_of(node->parent->left);
	}
	return count;
}

int64_t
line_cost_before(const struct line_node *node)
{
	int64_t cost = cost_of(node->left);

	for (; node->parent != NULL; node = node->parent) {
		if (node->parent->right == node)
			cost +=
			    node->parent->cost + cost_of(node->parent->left);
	}
	return cost;
}

size_t
line_count_within(const struct line *line, int64_t cost)
{
	const struct line_node *node = line->root;
	size_t count = 0;

	while (node != NULL) {
		int64_t before = cost_of(node->left);

		if (before > cost) {
			node = node->left;
			continue;
		}
		count += 1 + count_of(node->left);
		cost -= before + node->cost;
		node = node->right;
		/* A negative rest: whoever is further on has more before. */
		if (cost < 0)
			break;
	}
	return count;
}
