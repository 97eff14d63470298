/*
 * Policy files: read, checked whole, and either in force or refused with the
 * place of what is wrong. Knows nothing of who asks.
 */
#include "policy/policy.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"
#include "policy/policy_data.h"

#define POLICY_VERSION 1

static void
sources_done(struct sources *sources)
{
	for (size_t k = 0; k < sources->count; k++) {
		free(sources->items[k].name);
		free(sources->items[k].text);
	}
	free(sources->items);
}

DEFINE_CLEANUP(struct policy, policy_free);

struct members {
	int64_t version;
	json_t *rules;
};

static const struct json_field fields[] = {
    JSON_FIELD(
	struct members, version, "version", JSON_KIND_INTEGER, true, 0, 0),
    JSON_FIELD(struct members, rules, "rules", JSON_KIND_ARRAY, true, 0, 0),
};

/* Puts "FILE:LINE:COLUMN: " before the detail, which begins with a path. */
static int
place(const struct source *source, struct err *err)
{
	size_t line, column;
	const char *end = strstr(err->detail, ": ");
	auto_free char *path = alloc_bytes(
	    err->detail, end != NULL ? (size_t)(end - err->detail) : 0);

	if (err->code == ERR_UNPROCESSABLE) {
		json_locate(source->text, source->len, path, &line, &column);
		err_prefix(err, "%s:%zu:%zu", source->name, line, column);
	}
	return -1;
}

/* "line 3, column 7: reason", perhaps with a path before it, as the strict
 * reader of JSON says it. A member's name in the path may say anything, so the
 * last place is the one. */
static int
place_syntax(const struct source *source, struct err *err)
{
	struct err plain = *err;
	size_t line = 0, column = 0, path_len = 0;
	int reason = -1;

	for (const char *at = strstr(plain.detail, "line "); at != NULL;
	     at = strstr(at + 1, "line ")) {
		size_t l, c;
		int n = 0;

		if (sscanf(at, "line %zu, column %zu: %n", &l, &c, &n) != 2 ||
		    n == 0)
			continue;
		line = l;
		column = c;
		path_len = (size_t)(at - plain.detail);
		reason = (int)path_len + n;
	}
	if (reason < 0)
		return err_prefix(err, "%s", source->name);
	return err_set(err, ERR_UNPROCESSABLE, "%s:%zu:%zu: %.*s%s",
	    source->name, line, column, (int)path_len, plain.detail,
	    plain.detail + reason);
}

static int
read_rules(struct policy *policy, const struct source *source,
    const json_t *rules, struct err *err)
{
	size_t count = json_array_size(rules);

	policy->rules = alloc_resize(
	    policy->rules, policy->nrules + count + 1, sizeof(*policy->rules));
	for (size_t k = 0; k < count; k++) {
		char path[32];

		snprintf(path, sizeof(path), "rules[%zu]", k);
		if (rule_read(json_array_get(rules, k), path,
			&policy->rules[policy->nrules], err) != 0)
			return place(source, err);
		policy->nrules++;
	}
	return 0;
}

static int
read_source(struct policy *policy, struct source *source, struct err *err)
{
	struct members members = {0};
	json_t *json = json_parse_strict(source->text, source->len, err);

	if (json == NULL)
		return place_syntax(source, err);
	policy->files[policy->nfiles++] = json;
	source->first = policy->nrules;
	if (json_read_fields(
		json, "", fields, COUNT(fields), true, &members, err) != 0)
		return place(source, err);
	if (members.version != POLICY_VERSION) {
		err_set(err, ERR_UNPROCESSABLE, "version: must be %d",
		    POLICY_VERSION);
		return place(source, err);
	}
	return read_rules(policy, source, members.rules, err);
}

static const struct source *
source_of(const struct sources *sources, size_t number)
{
	size_t k = sources->count - 1;

	while (sources->items[k].first > number)
		k--;
	return &sources->items[k];
}

static int
compare_ids(const void *a, const void *b)
{
	const struct rule *one = *(const struct rule *const *)a;
	const struct rule *other = *(const struct rule *const *)b;
	int order = strcmp(one->id, other->id);

	if (order != 0)
		return order;
	return one < other ? -1 : one > other;
}

static int
refuse_twin(const struct policy *policy, const struct sources *sources,
    const struct rule *first, const struct rule *second, struct err *err)
{
	size_t one = (size_t)(first - policy->rules);
	size_t other = (size_t)(second - policy->rules);
	const struct source *source = source_of(sources, other);

	err_set(err, ERR_UNPROCESSABLE,
	    "rules[%zu].id: \"%s\" is already the id of rules[%zu] in %s",
	    other - source->first, second->id,
	    one - source_of(sources, one)->first,
	    source_of(sources, one)->name);
	return place(source, err);
}

static int
sort_ids(struct policy *policy, const struct sources *sources, struct err *err)
{
	const struct rule **sorted =
	    alloc_zero(policy->nrules + 1, sizeof(*sorted));

	policy->by_id = sorted;
	for (size_t k = 0; k < policy->nrules; k++)
		sorted[k] = &policy->rules[k];
	qsort(sorted, policy->nrules, sizeof(*sorted), compare_ids);
	for (size_t k = 1; k < policy->nrules; k++) {
		if (strcmp(sorted[k - 1]->id, sorted[k]->id) == 0)
			return refuse_twin(
			    policy, sources, sorted[k - 1], sorted[k], err);
	}
	return 0;
}

static void
hash_sources(const struct sources *sources, char ret[SHA256_HEX])
{
	auto_buffer all = BUFFER_INIT(SIZE_MAX);

	for (size_t k = 0; k < sources->count; k++)
		buffer_append(
		    &all, sources->items[k].text, sources->items[k].len);
	digest_sha256_hex(all.data != NULL ? all.data : "", all.len, ret);
}

static void
list_warm(struct policy *policy)
{
	policy->warm = alloc_zero(policy->nrules + 1, sizeof(*policy->warm));
	for (size_t k = 0; k < policy->nrules; k++) {
		if (policy->rules[k].warm.max > 0)
			policy->warm[policy->nwarm++] = k;
	}
}

/* Takes what is in the sources where it succeeds. */
static struct policy *
read_sources(struct sources *sources, struct err *err)
{
	AUTO(policy_freep)
	struct policy *policy = alloc_zero(1, sizeof(*policy));

	policy->files = alloc_zero(sources->count, sizeof(*policy->files));
	for (size_t k = 0; k < sources->count; k++) {
		if (read_source(policy, &sources->items[k], err) != 0)
			return NULL;
	}
	if (sort_ids(policy, sources, err) != 0)
		return NULL;
	list_warm(policy);
	hash_sources(sources, policy->sha256);
	index_init(&policy->index, policy->rules, policy->nrules, false);
	index_init(&policy->shadows, policy->rules, policy->nrules, true);
	for (size_t k = 0; k < policy->nrules; k++)
		policy->nshadows += policy->rules[k].is_shadow;
	policy->sources = *sources;
	*sources = (struct sources){0};
	return take(policy);
}

static void
add_source(
    struct sources *sources, char *name_take, char *text_take, size_t len)
{
	sources->items = alloc_resize(
	    sources->items, sources->count + 1, sizeof(*sources->items));
	sources->items[sources->count++] =
	    (struct source){.name = name_take, .text = text_take, .len = len};
}

static int
read_file(
    struct sources *sources, const char *path, size_t *left, struct err *err)
{
	size_t len = 0;
	char *text = file_read(path, *left, &len, err);

	if (text == NULL)
		return -1;
	*left -= len;
	add_source(sources, alloc_string(path), text, len);
	return 0;
}

static int
is_policy_file(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > strlen(".json") &&
	    strcmp(entry->d_name + len - strlen(".json"), ".json") == 0;
}

/* By bytes, not by locale: the order is part of what is hashed. */
static int
compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int
read_directory(struct sources *sources, const char *path, struct err *err)
{
	struct dirent **entries = NULL;
	size_t left = POLICY_FILE_MAX;
	int count = scandir(path, &entries, is_policy_file, compare_names);
	int status = 0;

	if (count < 0)
		return err_errno(err, "read %s", path);
	if (count == 0)
		status = err_set(err, ERR_UNPROCESSABLE,
		    "%s: no file in it is a policy (*.json)", path);
	for (int k = 0; k < count; k++) {
		auto_free char *file =
		    alloc_printf("%s/%s", path, entries[k]->d_name);

		if (status == 0)
			status = read_file(sources, file, &left, err);
		free(entries[k]);
	}
	free(entries);
	return status;
}

struct policy *
policy_load(const char *path, struct err *err)
{
	AUTO(sources_done) struct sources sources = {0};
	size_t left = POLICY_FILE_MAX;
	struct stat st;
	int status;

	if (stat(path, &st) != 0) {
		err_errno(err, "open %s", path);
		return NULL;
	}
	if (S_ISDIR(st.st_mode))
		status = read_directory(&sources, path, err);
	else
		status = read_file(&sources, path, &left, err);
	return status == 0 ? read_sources(&sources, err) : NULL;
}

struct policy *
policy_parse(const char *name, const char *text, size_t len, struct err *err)
{
	AUTO(sources_done) struct sources sources = {0};

	add_source(&sources, alloc_string(name), alloc_bytes(text, len), len);
	return read_sources(&sources, err);
}

void
policy_free(struct policy *policy)
{
	if (policy == NULL)
		return;
	for (size_t k = 0; k < policy->nrules; k++)
		rule_done(&policy->rules[k]);
	for (size_t k = 0; k < policy->nfiles; k++)
		json_decref(policy->files[k]);
	index_done(&policy->index);
	index_done(&policy->shadows);
	sources_done(&policy->sources);
	free(policy->by_id);
	free(policy->warm);
	free(policy->rules);
	free(policy->files);
	free(policy);
}

const char *
policy_sha256(const struct policy *policy)
{
	return policy->sha256;
}

size_t
policy_rule_count(const struct policy *policy)
{
	return policy->nrules;
}

const char *
policy_rule_id(const struct policy *policy, size_t i)
{
	return policy->rules[i].id;
}

const json_t *
policy_rule_json(const struct policy *policy, size_t i)
{
	for (size_t k = 0; k < policy->nfiles; k++) {
		const json_t *rules =
		    json_object_get(policy->files[k], "rules");

		if (i < json_array_size(rules))
			return json_array_get(rules, i);
		i -= json_array_size(rules);
	}
	return NULL;
}

bool
policy_next_claim(
    const struct policy *policy, size_t *at, struct policy_claim *ret)
{
	while (*at < policy->nrules) {
		const struct rule *rule = &policy->rules[(*at)++];

		if (rule->mounts == NULL && rule->secrets == NULL)
			continue;
		*ret = (struct policy_claim){
		    .rule = rule->id,
		    .mounts = rule->mounts,
		    .secrets = rule->secrets,
		};
		return true;
	}
	return false;
}

size_t
policy_warm_count(const struct policy *policy)
{
	return policy->nwarm;
}

void
policy_warm_get(const struct policy *policy, size_t i, struct policy_warm *ret)
{
	const struct rule *rule = &policy->rules[policy->warm[i]];

	*ret = (struct policy_warm){
	    .rule = rule->id,
	    .reference = rule->pinned != NULL ? rule->pinned : rule->image,
	    .uid = rule->uid,
	    .gid = rule->gid,
	    .network = rule->network,
	    .mounts = rule->mounts,
	    .secrets = rule->secrets,
	    .min = rule->warm.min,
	    .max = rule->warm.max,
	    .max_age_s = rule->warm.max_age_s,
	};
	for (size_t k = 0; k < LIMIT_COUNT; k++)
		ret->limits[k] = rule->limits[k].standard;
}
