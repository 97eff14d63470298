/*
 * Role: `policy diff`: which rules two policies do not have in common, member
 * by member. Compares what the files say, not what it comes to.
 */
#include <stdlib.h>
#include <string.h>

#include "admin/policy_path.h"
#include "admin/tool.h"
#include "admin/verbs.h"
#include "lib/alloc.h"
#include "lib/json.h"

static const struct column columns[] = {
    {"CHANGE", "change"},
    {"RULE", "rule"},
    {"MEMBER", "member"},
    {"OLD", "old"},
    {"NEW", "new"},
};
static const struct view view = {columns, COUNT(columns), "rule"};

/* One of the two: its rules without comments, and where each stands. */
struct side {
	json_t *rules;
	json_t *places;
};

struct diff {
	struct side old, new;
	json_t *changes;
};

static void
diff_done(struct diff *diff)
{
	json_decref(diff->old.rules);
	json_decref(diff->old.places);
	json_decref(diff->new.rules);
	json_decref(diff->new.places);
	json_decref(diff->changes);
}

/* A policy is no deeper than its reader lets it be. */
static void
drop_comments(json_t *json)
{
	const char *name;
	json_t *value;
	size_t k;

	if (json_is_object(json))
		json_object_del(json, "//");
	json_object_foreach(json, name, value) drop_comments(value);
	json_array_foreach(json, k, value) drop_comments(value);
}

static void
fill(const struct policy *policy, struct side *ret)
{
	ret->rules = json_array();
	ret->places = json_object();
	for (size_t k = 0; k < policy_rule_count(policy); k++) {
		json_t *rule = json_deep_copy(policy_rule_json(policy, k));

		drop_comments(rule);
		json_array_append_new(ret->rules, rule);
		json_object_set_new(ret->places, policy_rule_id(policy, k),
		    json_integer((json_int_t)k));
	}
}

static const char *
id_of(const struct side *side, size_t k)
{
	return json_string_value(
	    json_object_get(json_array_get(side->rules, k), "id"));
}

/* -1: it is not there. */
static int64_t
place_of(const struct side *side, const char *id)
{
	const json_t *place = json_object_get(side->places, id);

	return place != NULL ? json_integer_value(place) : -1;
}

static void
add(struct diff *diff, const char *change, const char *rule, const char *member,
    json_t *before, json_t *after)
{
	json_t *object =
	    json_pack("{s:s, s:s}", "change", change, "rule", rule);

	if (member != NULL)
		json_object_set_new(object, "member", json_string(member));
	if (before != NULL)
		json_object_set(object, "old", before);
	if (after != NULL)
		json_object_set(object, "new", after);
	json_array_append_new(diff->changes, object);
}

/* -- the same rule in both */

static void
compare_rule(struct diff *diff, json_t *before, json_t *after)
{
	const char *id = json_string_value(json_object_get(before, "id"));
	const char *name;
	json_t *value, *other;

	json_object_foreach(before, name, value)
	{
		other = json_object_get(after, name);
		if (other == NULL || !json_equal(value, other))
			add(diff, "changed", id, name, value, other);
	}
	json_object_foreach(after, name, value)
	{
		if (json_object_get(before, name) == NULL)
			add(diff, "changed", id, name, NULL, value);
	}
}

static void
compare_rules(struct diff *diff)
{
	json_t *rule;
	size_t k;

	json_array_foreach(diff->old.rules, k, rule)
	{
		const char *id = id_of(&diff->old, k);
		int64_t place = place_of(&diff->new, id);

		if (place < 0)
			add(diff, "removed", id, NULL, rule, NULL);
		else
			compare_rule(diff, rule,
			    json_array_get(diff->new.rules, (size_t)place));
	}
	json_array_foreach(diff->new.rules, k, rule)
	{
		const char *id = id_of(&diff->new, k);

		if (place_of(&diff->old, id) < 0)
			add(diff, "added", id, NULL, NULL, rule);
	}
}

/* -- their order, since the first rule that allows counts */

/* Those of both that stay in order: the longest run of rising places. */
struct run {
	int64_t *places; /* in the new policy, by the old one's order */
	size_t *tails, *before; /* by length; by rule */
	size_t length;
};

static size_t
find_length(const struct run *run, int64_t place)
{
	size_t low = 0, high = run->length;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (run->places[run->tails[middle]] < place)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void
find_run(struct run *run, size_t count)
{
	for (size_t k = 0; k < count; k++) {
		size_t length;

		if (run->places[k] < 0)
			continue;
		length = find_length(run, run->places[k]);
		run->before[k] = length > 0 ? run->tails[length - 1] : k;
		run->tails[length] = k;
		if (length == run->length)
			run->length++;
	}
}

static void
add_moved(struct diff *diff, size_t k, int64_t place)
{
	auto_json *before = json_integer((json_int_t)k + 1);
	auto_json *after = json_integer((json_int_t)place + 1);

	add(diff, "moved", id_of(&diff->old, k), NULL, before, after);
}

static void
compare_order(struct diff *diff)
{
	size_t count = json_array_size(diff->old.rules), at, left;
	auto_free int64_t *places = alloc_zero(count + 1, sizeof(*places));
	auto_free size_t *tails = alloc_zero(count + 1, sizeof(*tails));
	auto_free size_t *before = alloc_zero(count + 1, sizeof(*before));
	auto_free bool *stays = alloc_zero(count + 1, sizeof(*stays));
	struct run run = {places, tails, before, 0};

	for (size_t k = 0; k < count; k++)
		places[k] = place_of(&diff->new, id_of(&diff->old, k));
	find_run(&run, count);
	left = run.length;
	at = left > 0 ? tails[left - 1] : 0;
	for (; left > 0; left--) {
		stays[at] = true;
		at = before[at];
	}
	for (size_t k = 0; k < count; k++) {
		if (places[k] >= 0 && !stays[k])
			add_moved(diff, k, places[k]);
	}
}

/* -- what it says */

/* Of a whole rule, its image or task; else the value as it is written. */
static json_t *
shorten(const json_t *value)
{
	auto_free char *text = NULL;

	if (value == NULL)
		return NULL;
	if (json_is_object(value) && json_object_get(value, "id") != NULL)
		return json_incref(json_object_get(value,
		    json_object_get(value, "task") != NULL ? "task" : "image"));
	text = json_encode(value, NULL);
	return json_string(text);
}

static json_t *
shorten_all(const json_t *changes)
{
	static const char *const names[] = {"old", "new"};
	json_t *list = json_array();
	json_t *change;
	size_t k;

	json_array_foreach(changes, k, change)
	{
		json_t *short_one = json_copy(change);

		for (size_t i = 0; i < COUNT(names); i++) {
			json_t *value =
			    shorten(json_object_get(change, names[i]));

			if (value != NULL)
				json_object_set_new(short_one, names[i], value);
		}
		json_array_append_new(list, short_one);
	}
	return list;
}

static int
print(
    const struct invocation *invocation, const json_t *changes, struct err *err)
{
	enum tool_format format;

	if (tool_format(invocation, &format, err) != 0)
		return -1;
	if (format != FORMAT_TABLE)
		return tool_print_list(invocation, &view, changes, err);
	if (json_array_size(changes) == 0)
		return 0;
	auto_json *rows = shorten_all(changes);

	return tool_print_list(invocation, &view, rows, err);
}

int
verb_policy_diff(struct invocation *invocation)
{
	AUTO(diff_done) struct diff diff = {.changes = json_array()};
	auto_policy struct policy *before = NULL, *after = NULL;
	struct err err = {0};

	before = policy_path_load(invocation, invocation->operands[0], &err);
	if (before != NULL)
		after =
		    policy_path_load(invocation, invocation->operands[1], &err);
	if (after == NULL)
		return tool_fail(&err);
	fill(before, &diff.old);
	fill(after, &diff.new);
	compare_rules(&diff);
	compare_order(&diff);
	if (print(invocation, diff.changes, &err) != 0)
		return tool_fail(&err);
	return json_array_size(diff.changes) == 0 ? 0 : 1;
}
