/*
 * The decision: pure, and never anything but a yes of one rule or a no. The
 * first rule of the file that allows is the one that counts.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "policy/policy_data.h"

static void
grant(const struct rule *rule, const struct request *request,
    struct policy_verdict *ret)
{
	ret->allowed = true;
	ret->rule = rule->id;
	ret->uid = rule->uid;
	ret->gid = rule->gid;
	ret->is_unsigned = rule->is_unsigned;
	for (size_t k = 0; k < LIMIT_COUNT; k++)
		ret->limits[k] = request->limits[k] == LIMIT_UNSET
		    ? rule->limits[k].standard
		    : request->limits[k];
}

static void
deny(const struct rule *rule, const struct policy_principal *principal,
    const struct request *request, struct policy_verdict *verdict)
{
	struct policy_denial denial = {.rule = rule->id};

	denial.names_caller = rule_names_caller(rule, principal);
	if (!denial.names_caller) {
		denial.condition = alloc_string("subjects");
		denial.detail = alloc_string("the rule is for others");
	} else {
		(void)rule_allows(rule, request, &denial);
	}
	verdict->denials = alloc_resize(
	    verdict->denials, verdict->ndenials + 1, sizeof(*verdict->denials));
	verdict->denials[verdict->ndenials++] = denial;
}

void
policy_decide(const struct policy *policy,
    const struct policy_principal *principal, const struct request *request,
    int64_t now_ms, struct policy_verdict *ret)
{
	struct index_walk walk;
	const struct rule *rule;

	/* No condition of this version looks at the clock. */
	(void)now_ms;
	*ret = (struct policy_verdict){.uid = -1, .gid = -1};
	index_walk_init(&walk, &policy->index, request);
	while ((rule = index_walk_next(&walk)) != NULL) {
		if (rule_names_caller(rule, principal) &&
		    rule_allows(rule, request, NULL)) {
			grant(rule, request, ret);
			return;
		}
	}
	/* Only now is it worth saying why. */
	index_walk_init(&walk, &policy->index, request);
	while ((rule = index_walk_next(&walk)) != NULL)
		deny(rule, principal, request, ret);
}

void
policy_verdict_done(struct policy_verdict *verdict)
{
	for (size_t k = 0; k < verdict->ndenials; k++) {
		free(verdict->denials[k].condition);
		free(verdict->denials[k].detail);
	}
	free(verdict->denials);
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
		const struct policy_denial *denial = &verdict->denials[k];

		if (!denial->names_caller)
			continue;
		*ret_rule = denial->rule;
		*ret_condition = denial->condition;
		err_set(err, ERR_DENIED, "rule %s: %s: %s", denial->rule,
		    denial->condition, denial->detail);
		return;
	}
	err_set(err, ERR_DENIED, "no rule lets you run the image %s",
	    request->reference);
}
