/*
 * An entry is the rule as its author wrote it, without what is none of its
 * callers' business, with all limits filled in, and readable in one line.
 */
#include "policy/catalog.h"

#include <string.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "policy/mount.h"
#include "policy/policy_data.h"
#include "policy/secret.h"
#include "policy/usage.h"

/* Every member that a rule can have, as tests/unit/test_catalog.c makes sure.
 */
static const struct {
	const char *name;
	bool shown; /* as it is in the rule */
} members[] = {
    {"//", false},
    {"id", false}, /* as "rule" */
    {"description", true},
    {"subjects", false}, /* who else may is not the caller's business */
    {"image", true},
    {"digest", true},
    {"digest_required", true},
    {"task", true},
    {"params", true},
    {"entrypoint", true},
    {"args", true},
    {"env", true},
    {"stdin", true},
    {"inputs", true},
    {"outputs", true},
    {"limits", false}, /* all of them, filled in */
    {"warm", false},
    {"mounts", false}, /* where they are in the container */
    {"secrets", false}, /* their names alone */
    {"user", true},
    {"network", true},
    {"unsigned", true},
    {"approval", true},
    {"rate", true},
    {"concurrency", true},
    {"hours", true},
    {"expires", true},
    {"mode", false},
};

bool
catalog_knows(const char *member)
{
	for (size_t i = 0; i < COUNT(members); i++) {
		if (strcmp(members[i].name, member) == 0)
			return true;
	}
	return false;
}

size_t
catalog_count(void)
{
	return COUNT(members);
}

/* Comments are the author's. */
static json_t *
copy(const json_t *json)
{
	json_t *made, *value;
	const char *name;
	size_t i;

	if (json_is_array(json)) {
		made = json_array();
		json_array_foreach(json, i, value)
		{
			json_array_append_new(made, copy(value));
		}
		return made;
	}
	if (!json_is_object(json))
		return json_deep_copy(json);
	made = json_object();
	json_object_foreach((json_t *)(uintptr_t)json, name, value)
	{
		if (strcmp(name, "//") != 0)
			json_object_set_new(made, name, copy(value));
	}
	return made;
}

static json_t *
describe_limits(const struct rule *rule)
{
	json_t *limits = json_object();

	for (int i = 0; i < LIMIT_COUNT; i++) {
		const struct rule_limit *limit = &rule->limits[i];
		enum limit kind = (enum limit)i;

		json_object_set_new(limits, limit_name(kind),
		    json_pack("{s:o, s:o}", "default",
			limit_write(kind, limit->standard), "max",
			limit_write(kind, limit->most)));
	}
	return limits;
}

static json_t *
describe(const struct rule *rule, const json_t *written)
{
	auto_free char *usage = usage_rule(rule);
	json_t *entry =
	    json_pack("{s:s, s:s}", "rule", rule->id, "usage", usage);

	for (size_t i = 0; i < COUNT(members); i++) {
		const json_t *value = json_object_get(written, members[i].name);

		if (members[i].shown && value != NULL)
			json_object_set_new(
			    entry, members[i].name, copy(value));
	}
	if (rule->mounts != NULL)
		json_object_set_new(entry, "mounts", mounts_show(rule->mounts));
	if (rule->secrets != NULL)
		json_object_set_new(
		    entry, "secrets", secrets_show(rule->secrets));
	/* Whom it is up to is not the caller's business. */
	json_object_del(json_object_get(entry, "approval"), "by");
	json_object_set_new(entry, "limits", describe_limits(rule));
	return entry;
}

/* The rules in their order, each with what it was read from. */
struct walk {
	const struct policy *policy;
	size_t file, at, number;
};

static const struct rule *
next_rule(struct walk *walk, const json_t **ret_written)
{
	const struct policy *policy = walk->policy;

	while (walk->file < policy->nfiles) {
		const json_t *rules =
		    json_object_get(policy->files[walk->file], "rules");

		if (walk->at < json_array_size(rules)) {
			*ret_written = json_array_get(rules, walk->at++);
			return &policy->rules[walk->number++];
		}
		walk->file++;
		walk->at = 0;
	}
	return NULL;
}

static bool
is_listed(const struct rule *rule, const struct catalog_query *query)
{
	return !rule->is_shadow && query->now_ms < rule->expires_ms &&
	    rule_names_caller(rule, query->principal);
}

static int
find_start(
    struct walk *walk, const struct catalog_query *query, struct err *err)
{
	const json_t *written;
	const struct rule *rule;

	if (query->after == NULL)
		return 0;
	while ((rule = next_rule(walk, &written)) != NULL) {
		/* Whether there is another's rule of that name is not told. */
		if (strcmp(rule->id, query->after) == 0 &&
		    is_listed(rule, query))
			return 0;
	}
	return err_set(err, ERR_UNPROCESSABLE,
	    "after: there is no such rule for you; the policy may have "
	    "changed");
}

static size_t
weigh(const json_t *entry)
{
	size_t len = 0;
	auto_free char *text = json_encode(entry, &len);

	return len;
}

json_t *
catalog_list(const struct policy *policy, const struct catalog_query *query,
    const char **ret_next, struct err *err)
{
	struct walk walk = {.policy = policy};
	auto_json *list = json_array();
	const json_t *written;
	const struct rule *rule;
	const char *last = NULL;
	size_t bytes = 0;

	if (find_start(&walk, query, err) != 0)
		return NULL;
	*ret_next = NULL;
	while ((rule = next_rule(&walk, &written)) != NULL) {
		if (!is_listed(rule, query))
			continue;
		if (json_array_size(list) == query->limit ||
		    bytes > CATALOG_BYTES_MAX) {
			*ret_next = last;
			break;
		}
		json_array_append_new(list, describe(rule, written));
		bytes += weigh(json_array_get(list, json_array_size(list) - 1));
		last = rule->id;
	}
	return take(list);
}
