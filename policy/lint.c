#include "policy/lint.h"

#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "policy/cover.h"
#include "policy/mount.h"
#include "policy/policy_data.h"

/* Pairs of rules that are compared: about a second. Only a policy with very
 * many rules for one image has more. */
#define COMPARISONS_MAX 5000000

struct lint {
	const struct policy *policy;
	const struct source *source; /* of the rule that is looked at */
	const struct json_item *place; /* where the rule stands in it */
	int64_t now_ms;
	json_t *found;
	uint32_t comparisons;
};

static void
warn(struct lint *lint, const struct rule *rule, const char *member,
    const char *message)
{
	size_t line = 0, column = 0;

	json_locate_in_item(
	    lint->source->text, lint->place, member, &line, &column);
	json_array_append_new(lint->found,
	    json_pack("{s:s, s:I, s:I, s:s, s:s, s:s}", "file",
		lint->source->name, "line", (json_int_t)line, "column",
		(json_int_t)column, "rule", rule->id, "member", member,
		"message", message));
}

/* -- what signatures do not cover (SECURITY.md) */

static void
find_unsigned(struct lint *lint, const struct rule *rule)
{
	if (rule->is_unsigned)
		warn(lint, rule, "unsigned",
		    "a gateway that was taken over could run this rule's tasks "
		    "in the name of those who pass it");
}

static void
find_stream(struct lint *lint, const struct rule *rule)
{
	if (rule->input == REQUEST_STDIN_STREAM)
		warn(lint, rule, "stdin",
		    "a gateway that was taken over could change streamed "
		    "input, which nobody signs");
}

/* -- what allows much */

static void
find_root(struct lint *lint, const struct rule *rule)
{
	if (rule->uid == 0)
		warn(lint, rule, "user",
		    "its tasks run as root: only the container is between "
		    "them and the machine");
	else if (rule->gid == 0)
		warn(lint, rule, "user", "its tasks run in the group of root");
}

/* Nothing but stars. */
static bool
is_wide(const struct pattern *pattern)
{
	const char *text = pattern_text(pattern);

	return text[strspn(text, "*")] == '\0';
}

/* NULL: it is for those it names. */
static const struct rule_subject *
wide_subject(const struct rule *rule)
{
	for (size_t k = 0; k < rule->nsubjects; k++) {
		const struct rule_subject *subject = &rule->subjects[k];

		if (subject->pattern != NULL && is_wide(subject->pattern))
			return subject;
	}
	return NULL;
}

static void
find_wide_subject(struct lint *lint, const struct rule *rule)
{
	const struct rule_subject *subject = wide_subject(rule);

	if (subject != NULL)
		warn(lint, rule, "subjects",
		    subject->is_role ? "it is for everybody who has a role"
				     : "it is for everybody");
}

static void
find_wide_image(struct lint *lint, const struct rule *rule)
{
	/* As they are once ":latest" is filled in. */
	static const char *const wide[] = {"**:latest", "**:*", "**:**",
	    "sha256:*", "sha256:**", "**@sha256:*", "**@sha256:**"};

	for (size_t k = 0; rule->image_pattern != NULL && k < COUNT(wide); k++)
		if (strcmp(pattern_text(rule->image_pattern), wide[k]) == 0)
			warn(lint, rule, "image",
			    "it is for every image of this kind on the "
			    "machine");
}

static bool
has_wide_args(const struct rule *rule)
{
	return rule->task.name == NULL && rule->nargs == 0 && rule->has_rest &&
	    rule->rest.kind == TEMPLATE_PATTERN && is_wide(rule->rest.pattern);
}

static void
find_wide_args(struct lint *lint, const struct rule *rule)
{
	if (has_wide_args(rule))
		warn(lint, rule, "args",
		    "any arguments pass: whatever the image can do may be "
		    "asked of it");
}

/* A folder directly below "/", or all that somebody has at home. */
static bool
is_wide_source(const char *source)
{
	const char *inner = strchr(source + 1, '/');

	return inner == NULL ||
	    (mount_path_is_within(source, "/home") &&
		strchr(inner + 1, '/') == NULL);
}

static void
find_mounts(struct lint *lint, const struct rule *rule)
{
	AUTO(mounts_done) struct mounts mounts = {0};
	struct err err;

	if (mounts_parse(rule->mounts, &mounts, &err) != 0)
		die("a rule with mounts that are none");
	for (size_t k = 0; k < mounts.count; k++) {
		const struct mount *mount = &mounts.list[k];
		auto_free char *message = alloc_printf(mount->read_only
			? "all of %s on the host is shown to its tasks"
			: "what its tasks write to %s stays on the host",
		    mount->source);

		if (!mount->read_only || is_wide_source(mount->source))
			warn(lint, rule, "mounts", message);
	}
}

static void
find_secrets(struct lint *lint, const struct rule *rule)
{
	const struct rule_subject *subject = wide_subject(rule);

	if (rule->secrets == NULL)
		return;
	if (subject != NULL)
		warn(lint, rule, "secrets",
		    subject->is_role
			? "tasks of everybody who has a role can read what "
			  "they hold"
			: "everybody's tasks can read what they hold");
	if (has_wide_args(rule))
		warn(lint, rule, "secrets",
		    "any arguments pass: a task may be asked to print what "
		    "they hold");
}

/* -- what allows nothing */

static void
find_expired(struct lint *lint, const struct rule *rule)
{
	char when[CLOCK_TEXT];
	auto_free char *message = NULL;

	if (rule->expires_ms > lint->now_ms)
		return;
	clock_format(rule->expires_ms, when);
	message = alloc_printf("it has been over since %s", when);
	warn(lint, rule, "expires", message);
}

static void
find_too_many_args(struct lint *lint, const struct rule *rule)
{
	if (rule->has_rest &&
	    rule->nargs + (size_t)rule->rest_min > REQUEST_ARGS_MAX)
		warn(lint, rule, "args",
		    "it can never match: no request has so many arguments");
}

/* Whoever keeps to `outer` cannot but keep to `inner`: a time holds no more
 * than the times of the other that it is cut into. */
static bool
is_void(
    const struct allowance_window *inner, const struct allowance_window *outer)
{
	int64_t times = (inner->per_s + outer->per_s - 1) / outer->per_s;

	return inner->tasks >= outer->tasks * times;
}

static void
find_void_rate(struct lint *lint, const struct rule *rule)
{
	const struct allowances *allowances = &rule->allowances;

	for (size_t k = 0; k < allowances->nwindows; k++) {
		for (size_t i = 0; i < allowances->nwindows; i++) {
			auto_free char *message = NULL;

			if (i == k ||
			    !is_void(
				&allowances->rate[k], &allowances->rate[i]))
				continue;
			message = alloc_printf(
			    "window %zu bounds nobody: window %zu lets no "
			    "more through",
			    k + 1, i + 1);
			warn(lint, rule, "rate", message);
			break;
		}
	}
}

static void
find_void_concurrency(struct lint *lint, const struct rule *rule)
{
	const struct allowances *allowances = &rule->allowances;

	if (allowances->running_total > 0 &&
	    allowances->running_per_subject >= allowances->running_total)
		warn(lint, rule, "concurrency",
		    "per_subject bounds nobody: total allows no more");
}

static bool
compare(struct lint *lint, const struct rule *outer, const struct rule *inner)
{
	return lint->comparisons++ < COMPARISONS_MAX &&
	    cover_rule(outer, inner);
}

/* One that comes before it, and allows all that it would. */
static const struct rule *
find_cover(struct lint *lint, const struct rule *rule)
{
	const struct index *index = &lint->policy->index;
	struct request request = {.image_kind = rule->image_kind};
	struct index_walk walk;
	const struct rule *other;

	if (rule->image_pattern != NULL) {
		for (size_t k = 0; k < index->npatterns; k++) {
			other = &index->rules[index->patterns[k]];
			if (other >= rule)
				return NULL;
			if (compare(lint, other, rule))
				return other;
		}
		return NULL;
	}
	memcpy(request.reference, rule->image, sizeof(request.reference));
	index_walk_init(&walk, index, &request);
	while ((other = index_walk_next(&walk)) != NULL && other < rule) {
		if (compare(lint, other, rule))
			return other;
	}
	return NULL;
}

static void
find_covered(struct lint *lint, const struct rule *rule)
{
	const struct rule *other;
	auto_free char *message = NULL;

	if (rule->is_shadow || rule->task.name != NULL ||
	    lint->comparisons > COMPARISONS_MAX)
		return;
	other = find_cover(lint, rule);
	if (lint->comparisons > COMPARISONS_MAX)
		warn(lint, rule, "id",
		    "from here on no rule is compared with those before it: "
		    "there are too many for one image");
	if (other == NULL)
		return;
	message = alloc_printf("it is never asked: rule %s before it allows "
			       "all that it would",
	    other->id);
	warn(lint, rule, "id", message);
}

static void
look_at(struct lint *lint, const struct rule *rule)
{
	static void (*const finders[])(struct lint *, const struct rule *) = {
	    find_unsigned, find_stream, find_root, find_wide_subject,
	    find_wide_image, find_wide_args, find_mounts, find_secrets,
	    find_expired, find_too_many_args, find_void_rate,
	    find_void_concurrency, find_covered};

	for (size_t i = 0; i < COUNT(finders); i++)
		finders[i](lint, rule);
}

json_t *
lint_find(const struct policy *policy, int64_t now_ms)
{
	struct lint lint = {
	    .policy = policy, .now_ms = now_ms, .found = json_array()};

	for (size_t k = 0; k < policy->sources.count; k++) {
		size_t count;
		auto_free struct json_item *places = NULL;

		lint.source = &policy->sources.items[k];
		places = json_find_items(
		    lint.source->text, lint.source->len, "rules", &count);
		for (size_t i = 0; i < count; i++) {
			lint.place = &places[i];
			look_at(&lint, &policy->rules[lint.source->first + i]);
		}
	}
	return lint.found;
}
