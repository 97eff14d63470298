/*
 * The catalog: what a caller may run. Pure. Says nothing of rules that do not
 * name the caller, nor of what a rule has beyond what its callers can use:
 * whom else it is for, where files come from on the machine.
 */
#ifndef POLICY_CATALOG_H
#define POLICY_CATALOG_H

#include "policy/policy.h"

#define CATALOG_LIMIT_MAX 200
/* Of one page, roughly; what does not fit comes with the next. */
#define CATALOG_BYTES_MAX (4 * 1024 * 1024)

struct catalog_query {
	const struct policy_principal *principal;
	int64_t now_ms;
	const char *after; /* the id of a rule; NULL: from the first on */
	size_t limit; /* 1 to CATALOG_LIMIT_MAX */
};

/*
 * The rules that name the caller, in the order of the file, without shadows and
 * those that are over, as GET /v1/catalog has them (docs/api.md). *ret_next:
 * the id that the next page comes after, borrowed from the policy; NULL: there
 * are no more. ERR_UNPROCESSABLE: none of them is called `after`.
 */
json_t *catalog_list(const struct policy *policy,
    const struct catalog_query *query, const char **ret_next, struct err *err);

/* Whether it is settled of a rule's member if the catalog shows it. */
bool catalog_knows(const char *member);
/* Of how many members it is. */
size_t catalog_count(void);

#endif
