#include "policy/cover.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool
is_same_pattern(const struct pattern *a, const struct pattern *b)
{
	return strcmp(pattern_text(a), pattern_text(b)) == 0;
}

static bool
matches_all(const struct template *outer, const struct template *values)
{
	for (size_t k = 0; k < values->nvalues; k++) {
		if (!template_is_match(outer, values->values[k]))
			return false;
	}
	return true;
}

/* Few numbers are tried one by one. */
static bool
matches_numbers(const struct template *outer, int64_t min, int64_t max)
{
	char text[24];

	if (outer->kind == TEMPLATE_INTEGER)
		return outer->min <= min && outer->max >= max;
	if ((uint64_t)max - (uint64_t)min >= TEMPLATE_ENUM_MAX)
		return false;
	for (int64_t n = min;; n++) {
		snprintf(text, sizeof(text), "%" PRId64, n);
		if (!template_is_match(outer, text))
			return false;
		if (n == max)
			return true;
	}
}

bool
cover_template(const struct template *outer, const struct template *inner)
{
	if (template_is_everything(outer))
		return true;
	switch (inner->kind) {
	case TEMPLATE_LITERAL:
		return template_is_match(outer, inner->literal);
	case TEMPLATE_ENUM:
		return matches_all(outer, inner);
	case TEMPLATE_INTEGER:
		return matches_numbers(outer, inner->min, inner->max);
	case TEMPLATE_PATTERN:
		return outer->kind == TEMPLATE_PATTERN &&
		    is_same_pattern(outer->pattern, inner->pattern);
	}
	return false;
}

/* -- who */

static bool
cover_subject(
    const struct rule_subject *outer, const struct rule_subject *inner)
{
	if (outer->is_role != inner->is_role)
		return false;
	if (outer->pattern == NULL)
		return inner->pattern == NULL &&
		    strcmp(outer->name, inner->name) == 0;
	if (strcmp(pattern_text(outer->pattern), "**") == 0)
		return true;
	return inner->pattern != NULL
	    ? is_same_pattern(outer->pattern, inner->pattern)
	    : pattern_is_match(
		  outer->pattern, inner->name, strlen(inner->name));
}

static bool
cover_subjects(const struct rule *outer, const struct rule *inner)
{
	for (size_t i = 0; i < inner->nsubjects; i++) {
		size_t k = 0;

		while (k < outer->nsubjects &&
		    !cover_subject(&outer->subjects[k], &inner->subjects[i]))
			k++;
		if (k == outer->nsubjects)
			return false;
	}
	return true;
}

/* -- what */

static bool
cover_image(const struct rule *outer, const struct rule *inner)
{
	/* Params are not compared. */
	if (outer->task.name != NULL || inner->task.name != NULL)
		return false;
	if (outer->image_kind != inner->image_kind)
		return false;
	/* One takes tags alone, the other all but tags. */
	if (outer->digest_required != inner->digest_required)
		return false;
	if (inner->image_pattern == NULL)
		return outer->image_pattern == NULL
		    ? strcmp(outer->image, inner->image) == 0
		    : pattern_is_match(outer->image_pattern, inner->image,
			  strlen(inner->image));
	return outer->image_pattern != NULL &&
	    is_same_pattern(outer->image_pattern, inner->image_pattern);
}

static size_t
args_least(const struct rule *rule)
{
	return rule->nargs + (rule->has_rest ? (size_t)rule->rest_min : 0);
}

static size_t
args_most(const struct rule *rule)
{
	return rule->nargs + (rule->has_rest ? (size_t)rule->rest_max : 0);
}

static const struct template *
arg_at(const struct rule *rule, size_t k)
{
	return k < rule->nargs ? &rule->args[k] : &rule->rest;
}

static bool
cover_args(const struct rule *outer, const struct rule *inner)
{
	size_t fixed =
	    outer->nargs > inner->nargs ? outer->nargs : inner->nargs;

	if (args_least(outer) > args_least(inner) ||
	    args_most(outer) < args_most(inner))
		return false;
	/* Behind what is fixed it is one rest against the other. */
	for (size_t k = 0; k < args_most(inner) && k <= fixed; k++) {
		if (!cover_template(arg_at(outer, k), arg_at(inner, k)))
			return false;
	}
	return true;
}

static bool
cover_variable(const struct rule *outer, const struct rule_variable *inner)
{
	for (size_t k = 0; k < outer->nenv; k++) {
		if (strcmp(outer->env[k].name, inner->name) == 0)
			return cover_template(
			    &outer->env[k].value, &inner->value);
	}
	return false;
}

static bool
cover_env(const struct rule *outer, const struct rule *inner)
{
	for (size_t k = 0; k < inner->nenv; k++) {
		if (!cover_variable(outer, &inner->env[k]))
			return false;
	}
	return true;
}

static bool
cover_bounds(const struct rule *outer, const struct rule *inner)
{
	for (size_t k = 0; k < LIMIT_COUNT; k++) {
		if (outer->limits[k].most < inner->limits[k].most)
			return false;
	}
	return outer->limits[LIMIT_STDIN].standard >=
	    inner->limits[LIMIT_STDIN].standard &&
	    outer->input >= inner->input && outer->inputs >= inner->inputs &&
	    outer->outputs >= inner->outputs;
}

/* -- when */

static bool
cover_time(const struct rule *outer, const struct rule *inner)
{
	size_t bytes = outer->hours.count * sizeof(*outer->hours.windows);

	if (outer->expires_ms < inner->expires_ms)
		return false;
	return outer->hours.count == 0 ||
	    (outer->hours.count == inner->hours.count &&
		memcmp(outer->hours.windows, inner->hours.windows, bytes) == 0);
}

bool
cover_rule(const struct rule *outer, const struct rule *inner)
{
	return !outer->is_shadow && !inner->is_shadow &&
	    cover_image(outer, inner) && cover_subjects(outer, inner) &&
	    cover_time(outer, inner) && cover_args(outer, inner) &&
	    cover_env(outer, inner) && cover_bounds(outer, inner);
}
