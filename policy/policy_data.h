/* What a policy is made of. Private to the policy library. */
#ifndef POLICY_POLICY_DATA_H
#define POLICY_POLICY_DATA_H

#include "policy/index.h"
#include "policy/rule.h"

struct policy {
	json_t **files; /* rules borrow from them */
	size_t nfiles;
	struct rule *rules;
	size_t nrules;
	size_t *warm; /* the numbers of the rules that want sandboxes ready */
	size_t nwarm;
	const struct rule **by_id; /* sorted */
	struct index index; /* of those that take part */
	struct index shadows; /* of the others */
	size_t nshadows;
	char sha256[SHA256_HEX];
};

#endif
