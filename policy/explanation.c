/*
 * What is told comes from the verdict and the candidates that decide.c makes;
 * here it is only given its form.
 */
#include "policy/explanation.h"

#include "lib/cleanup.h"
#include "lib/json.h"
#include "policy/allowances.h"

static void
set_text(json_t *object, const char *name, const char *text)
{
	/* json_string() refuses what is not UTF-8: the member is left out. */
	if (text != NULL)
		json_object_set_new(object, name, json_string(text));
}

json_t *
explanation_candidate(const struct policy_candidate *candidate)
{
	json_t *object = json_pack(
	    "{s:s, s:b}", "rule", candidate->rule, "allows", candidate->allows);

	set_text(object, "condition", candidate->condition);
	set_text(object, "detail", candidate->detail);
	return object;
}

static json_t *
describe_limits(const struct policy_verdict *verdict)
{
	json_t *limits = json_object();

	for (int i = 0; i < LIMIT_COUNT; i++)
		json_object_set_new(limits, limit_name((enum limit)i),
		    limit_write((enum limit)i, verdict->limits[i]));
	return limits;
}

static void
add_grant(const struct policy *policy, const struct policy_verdict *verdict,
    json_t *object)
{
	struct allowances allowances;
	json_t *concurrency;

	allowances_find(policy, verdict->rule, &allowances);
	set_text(object, "rule", verdict->rule);
	/* What it is of a named task: "image", "args". */
	if (verdict->launch != NULL)
		json_object_update_missing(object, verdict->launch);
	json_object_set_new(
	    object, "unsigned", json_boolean(verdict->is_unsigned));
	json_object_set_new(
	    object, "approval", json_boolean(allowances.approval));
	if (allowances.nwindows > 0)
		json_object_set_new(
		    object, "rate", allowances_write_rate(&allowances));
	concurrency = allowances_write_concurrency(&allowances);
	if (concurrency != NULL)
		json_object_set_new(object, "concurrency", concurrency);
	json_object_set_new(object, "limits", describe_limits(verdict));
	set_text(object, "network",
	    verdict->network != NULL ? verdict->network : "none");
	if (verdict->uid >= 0)
		json_object_set_new(object, "user",
		    json_pack("{s:I, s:I}", "uid", (json_int_t)verdict->uid,
			"gid", (json_int_t)verdict->gid));
}

static void
add_denial(const struct policy_verdict *verdict, const struct request *request,
    json_t *object)
{
	const char *rule = NULL, *condition = NULL;
	struct err err;

	policy_explain_to_caller(verdict, request, &rule, &condition, &err);
	set_text(object, "rule", rule);
	set_text(object, "condition", condition);
	set_text(object, "detail", err.detail);
}

static void
add_candidates(
    const struct explanation_question *question, bool all, json_t *object)
{
	AUTO(policy_candidates_done) struct policy_candidates candidates = {0};
	json_t *list = json_array();

	policy_explain(question->policy, question->principal, question->request,
	    question->now_ms, &candidates);
	for (size_t i = 0; i < candidates.count; i++) {
		if (!all && !candidates.list[i].names_caller)
			continue;
		if (!all &&
		    json_array_size(list) == EXPLANATION_CANDIDATES_MAX) {
			json_object_set_new(object, "more", json_true());
			break;
		}
		json_array_append_new(
		    list, explanation_candidate(&candidates.list[i]));
	}
	json_object_set_new(object, "candidates", list);
}

/* What takes no part in the verdict stands behind what does. */
static void
add_shadows(const struct policy_verdict *verdict, json_t *object)
{
	json_t *list = json_object_get(object, "candidates");

	for (size_t i = 0; i < verdict->nshadows; i++) {
		json_t *shadow = explanation_candidate(&verdict->shadows[i]);

		set_text(shadow, "mode", "shadow");
		json_array_append_new(list, shadow);
	}
}

static json_t *
explain(const struct explanation_question *question, bool all)
{
	AUTO(policy_verdict_done) struct policy_verdict verdict = {0};
	json_t *object;

	policy_decide(question->policy, question->principal, question->request,
	    question->now_ms, &verdict);
	object = json_pack("{s:b, s:s}", "allowed", verdict.allowed,
	    "policy_sha256", policy_sha256(question->policy));
	if (verdict.allowed)
		add_grant(question->policy, &verdict, object);
	else
		add_denial(&verdict, question->request, object);
	add_candidates(question, all, object);
	if (all)
		add_shadows(&verdict, object);
	return object;
}

json_t *
explanation_for_caller(const struct explanation_question *question)
{
	return explain(question, false);
}

json_t *
explanation_for_operator(const struct explanation_question *question)
{
	return explain(question, true);
}
