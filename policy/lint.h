/*
 * What is odd about a policy that is one: rules that say less than their author
 * may think, or more. Pure.
 */
#ifndef POLICY_LINT_H
#define POLICY_LINT_H

#include <jansson.h>

#include "policy/policy.h"

/* [{"file": NAME, "line": N, "column": N, "rule": ID, "member": NAME,
 * "message": TEXT}], in the order of the rules; the place is the member's, or
 * the rule's where it does not say it. New. */
json_t *lint_find(const struct policy *policy, int64_t now_ms);

#endif
