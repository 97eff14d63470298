/* What a policy is made of. Private to the policy library. */
#ifndef POLICY_POLICY_DATA_H
#define POLICY_POLICY_DATA_H

#include "policy/index.h"
#include "policy/rule.h"

/* One file, as it was read. */
struct source {
	char *name; /* as it stands in messages */
	char *text;
	size_t len;
	size_t first; /* number of its first rule */
};

struct sources {
	struct source *items;
	size_t count;
};

struct policy {
	struct sources sources;
	json_t **files; /* of the sources; rules borrow from them */
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
