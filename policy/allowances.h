/*
 * What a rule allows over time and among people: how much at once, how much in
 * a period, and whether somebody else has to agree. The decision knows nothing
 * of it; whoever keeps count asks, by the rule that a verdict names. Pure.
 */
#ifndef POLICY_ALLOWANCES_H
#define POLICY_ALLOWANCES_H

#include "policy/policy.h"

#define ALLOWANCE_RATE_MAX 10000 /* tasks in one period */
#define ALLOWANCE_PERIOD_MAX_S (INT64_C(31) * 86400)
#define ALLOWANCE_TTL_MAX_S (INT64_C(7) * 86400)

/* `count` in any period of `period_s`; 0: no bound. */
struct allowance_rate {
	int64_t count, period_s;
};

struct allowances {
	/* Tasks that run at once; INT64_MAX: no bound. */
	int64_t running_per_subject, running_total;
	struct allowance_rate rate_per_subject, rate_total;
	bool approval; /* somebody else must agree, */
	int64_t approval_ttl_s; /* within this time */
};

/* Without such a rule, without bounds. */
void allowances_find(
    const struct policy *policy, const char *rule, struct allowances *ret);
/* Whether the rule lets it approve; every subject is let where the rule names
 * nobody, and nobody where there is no such rule. That the submitter is none
 * of them is the caller's to see to. */
bool allowances_name_approver(const struct policy *policy, const char *rule,
    const struct policy_principal *approver);

#endif
