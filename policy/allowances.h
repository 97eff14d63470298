/*
 * What a rule allows over time and among people: how many of its tasks in a
 * time and at a time, and whether somebody else has to agree. The decision
 * knows nothing of it; whoever keeps the tasks asks, by the rule that a verdict
 * names. Pure.
 */
#ifndef POLICY_ALLOWANCES_H
#define POLICY_ALLOWANCES_H

#include "policy/policy.h"

#define ALLOWANCE_TTL_MAX_S (INT64_C(7) * 86400)
#define ALLOWANCE_TASKS_MAX 10000 /* in one window */
#define ALLOWANCE_PERIOD_MAX_S (INT64_C(31) * 86400)
#define ALLOWANCE_WINDOWS_MAX 4
#define ALLOWANCE_RUNNING_MAX 10000 /* tasks at a time */

/* So many tasks of one subject in any time of this length. */
struct allowance_window {
	int64_t tasks, per_s;
};

struct allowances {
	bool approval; /* somebody else must agree, */
	int64_t approval_ttl_s; /* within this time */
	struct allowance_window rate[ALLOWANCE_WINDOWS_MAX]; /* all of them */
	size_t nwindows; /* 0: as many as come */
	/* Tasks that run at a time; 0: as many as come. */
	int64_t running_per_subject, running_total;
};

/* Without such a rule, nobody has to, and nothing is bounded. */
void allowances_find(
    const struct policy *policy, const char *rule, struct allowances *ret);
/* Whether the rule lets it approve; every subject is let where the rule names
 * nobody, and nobody where there is no such rule. That the submitter is none
 * of them is the caller's to see to. */
bool allowances_name_approver(const struct policy *policy, const char *rule,
    const struct policy_principal *approver);

/* The windows as a rule says them, with `per` in seconds. New. */
json_t *allowances_write_rate(const struct allowances *allowances);
/* The bounds of what runs, as a rule says them; NULL: there are none. New. */
json_t *allowances_write_concurrency(const struct allowances *allowances);
/* The longest time of any window; 0: there is none. */
int64_t allowances_longest_s(const struct allowances *allowances);

#endif
