/*
 * A request as the audit log has it: all that a decision looks at, so that it
 * can be decided again later, and of values that may be secrets only salted
 * hashes. Written by gateway and runner, read by the runner (of a gateway) and
 * by the operator's tools.
 */
#ifndef POLICY_RECORDED_H
#define POLICY_RECORDED_H

#include "policy/policy.h"

#define RECORDED_SALT_BYTES 16

/* By what it was decided. */
struct recorded_decision {
	const struct policy *policy;
	const struct policy_principal *principal;
	const struct policy_verdict *verdict;
};

/*
 * The members of the request; the value of a variable as {"salt", "sha256"},
 * unless the rule that allows it (of one that is denied: a rule that is for the
 * caller) itself lists this value as a literal, in an enumeration or as an
 * integer. Standard input as {"salt", "sha256", "bytes"} or {"stream": true}.
 * NULL decision: nothing was decided, no value is shown. New.
 */
json_t *recorded_write(
    const struct request *request, const struct recorded_decision *decision);

/* What shadows would have said: [{"rule", "allows", "condition"?}], no more
 * than RECORDED_SHADOWS_MAX. New; NULL where there are none. */
#define RECORDED_SHADOWS_MAX 16
json_t *recorded_shadows(const struct policy_verdict *verdict);

/*
 * A request to be decided again: `hashes` says which variables have no value
 * here, and standard input has a length, but no bytes. As strict as
 * request_parse(). ERR_UNPROCESSABLE.
 */
int recorded_read(const json_t *json, struct request *ret, struct err *err);

/* Whether the value of which only this is kept is that one. */
bool recorded_is_value(const struct request_hash *hash, const char *value);

#endif
