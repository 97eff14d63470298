/*
 * The decision: pure, and never anything but a yes of one rule or a no. The
 * first rule of the file that allows is the one that counts.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "policy/policy_data.h"

/* NULL: all of it stands in the request. */
static json_t *
make_launch(const struct rule *rule, const struct request *request)
{
	bool is_task = rule->task.name != NULL;

	if (!is_task && rule->pinned == NULL && rule->entrypoint == NULL)
		return NULL;
	return json_pack("{s:s*, s:o*, s:o*}", "image",
	    rule->pinned != NULL ? rule->pinned
		: is_task        ? rule->image
				 : NULL,
	    "args", is_task ? named_task_expand(&rule->task, request) : NULL,
	    "entrypoint", json_deep_copy(rule->entrypoint));
}

static void
grant(const struct rule *rule, const struct request *request,
    struct policy_verdict *ret)
{
	ret->allowed = true;
	ret->rule = rule->id;
	ret->uid = rule->uid;
	ret->gid = rule->gid;
	ret->network = rule->network;
	ret->mounts = rule->mounts;
	ret->secrets = rule->secrets;
	ret->is_unsigned = rule->is_unsigned;
	ret->launch = make_launch(rule, request);
	for (size_t k = 0; k < LIMIT_COUNT; k++)
		ret->limits[k] = request->limits[k] == LIMIT_UNSET
		    ? rule->limits[k].standard
		    : request->limits[k];
}

/* What is asked, by whom and when. */
struct question {
	const struct policy *policy;
	const struct policy_principal *principal;
	const struct request *request;
	int64_t now_ms;
};

static bool
allows(const struct rule *rule, const struct question *question)
{
	return rule_names_caller(rule, question->principal) &&
	    rule_allows(rule, question->request, question->now_ms, NULL);
}

static struct policy_candidate
judge(const struct rule *rule, const struct question *question)
{
	struct policy_candidate candidate = {.rule = rule->id};

	candidate.names_caller = rule_names_caller(rule, question->principal);
	if (candidate.names_caller) {
		candidate.allows = rule_allows(
		    rule, question->request, question->now_ms, &candidate);
	} else {
		candidate.condition = alloc_string("subjects");
		candidate.detail = alloc_string("the rule is for others");
	}
	return candidate;
}

static void
judge_all(const struct question *question, const struct index *index,
    struct policy_candidates *ret)
{
	struct index_walk walk;
	const struct rule *rule;

	index_walk_init(&walk, index, question->request);
	while ((rule = index_walk_next(&walk)) != NULL) {
		ret->list =
		    alloc_resize(ret->list, ret->count + 1, sizeof(*ret->list));
		ret->list[ret->count++] = judge(rule, question);
	}
}

static void
judge_shadows(const struct question *question, struct policy_verdict *ret)
{
	struct policy_candidates all = {0};

	if (question->policy->nshadows > 0)
		judge_all(question, &question->policy->shadows, &all);
	ret->shadows = all.list;
	ret->nshadows = all.count;
}

void
policy_decide(const struct policy *policy,
    const struct policy_principal *principal, const struct request *request,
    int64_t now_ms, struct policy_verdict *ret)
{
	const struct question question = {policy, principal, request, now_ms};
	struct policy_candidates all = {0};
	struct index_walk walk;
	const struct rule *rule;

	*ret = (struct policy_verdict){.uid = -1, .gid = -1};
	judge_shadows(&question, ret);
	index_walk_init(&walk, &policy->index, request);
	while ((rule = index_walk_next(&walk)) != NULL) {
		if (allows(rule, &question)) {
			grant(rule, request, ret);
			return;
		}
	}
	/* Only now is it worth saying why. */
	judge_all(&question, &policy->index, &all);
	ret->denials = all.list;
	ret->ndenials = all.count;
}

void
policy_explain(const struct policy *policy,
    const struct policy_principal *principal, const struct request *request,
    int64_t now_ms, struct policy_candidates *ret)
{
	const struct question question = {policy, principal, request, now_ms};

	*ret = (struct policy_candidates){0};
	judge_all(&question, &policy->index, ret);
}

void
policy_candidates_done(struct policy_candidates *candidates)
{
	for (size_t k = 0; k < candidates->count; k++) {
		free(candidates->list[k].condition);
		free(candidates->list[k].detail);
	}
	free(candidates->list);
	*candidates = (struct policy_candidates){0};
}

void
policy_verdict_done(struct policy_verdict *verdict)
{
	struct policy_candidates all = {verdict->denials, verdict->ndenials};
	struct policy_candidates shadows = {
	    verdict->shadows, verdict->nshadows};

	policy_candidates_done(&all);
	policy_candidates_done(&shadows);
	json_decref(verdict->launch);
	*verdict = (struct policy_verdict){.uid = -1, .gid = -1};
}

void
policy_explain_to_caller(const struct policy_verdict *verdict,
    const struct request *request, const char **ret_rule,
    const char **ret_condition, struct err *err)
{
	*ret_rule = NULL;
	*ret_condition = NULL;
	for (size_t k = 0; k < verdict->ndenials; k++) {
		const struct policy_candidate *denial = &verdict->denials[k];

		if (!denial->names_caller)
			continue;
		*ret_rule = denial->rule;
		*ret_condition = denial->condition;
		err_set(err, ERR_DENIED, "rule %s: %s: %s", denial->rule,
		    denial->condition, denial->detail);
		return;
	}
	err_set(err, ERR_DENIED, "no rule lets you run the %s %s",
	    request->task != NULL ? "task" : "image",
	    request->task != NULL ? request->task : request->reference);
}
