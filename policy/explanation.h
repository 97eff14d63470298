/*
 * A decision explained, as JSON: to whoever asks for a task (docs/api.md), and
 * to operators. Pure.
 */
#ifndef POLICY_EXPLANATION_H
#define POLICY_EXPLANATION_H

#include "policy/policy.h"

/* Rules that one explanation tells a caller of. */
#define EXPLANATION_CANDIDATES_MAX 64

struct explanation_question {
	const struct policy *policy;
	const struct policy_principal *principal;
	const struct request *request;
	int64_t now_ms;
};

/* {"rule", "allows", "condition"?, "detail"?} */
json_t *explanation_candidate(const struct policy_candidate *candidate);
/* What the request would get, and why, as far as the caller may know: of rules
 * that do not name it there is no word. */
json_t *explanation_for_caller(const struct explanation_question *question);
/* The same of every candidate, also of those that are for others, and of
 * shadows ("mode"). */
json_t *explanation_for_operator(const struct explanation_question *question);

#endif
