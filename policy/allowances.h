/*
 * What a rule allows among people: whether somebody else has to agree. The
 * decision knows nothing of it; whoever keeps the tasks asks, by the rule that
 * a verdict names. Pure.
 */
#ifndef POLICY_ALLOWANCES_H
#define POLICY_ALLOWANCES_H

#include "policy/policy.h"

#define ALLOWANCE_TTL_MAX_S (INT64_C(7) * 86400)

struct allowances {
	bool approval; /* somebody else must agree, */
	int64_t approval_ttl_s; /* within this time */
};

/* Without such a rule, nobody has to. */
void allowances_find(
    const struct policy *policy, const char *rule, struct allowances *ret);
/* Whether the rule lets it approve; every subject is let where the rule names
 * nobody, and nobody where there is no such rule. That the submitter is none
 * of them is the caller's to see to. */
bool allowances_name_approver(const struct policy *policy, const char *rule,
    const struct policy_principal *approver);

#endif
