/*
 * A file of cases for a policy: who asks for what, when, and what is to come
 * of it (docs/policy.md). Read strictly; pure but for the reading of the file.
 */
#ifndef ADMIN_CASES_H
#define ADMIN_CASES_H

#include "certs/token.h"
#include "policy/policy.h"

#define CASES_FILE_MAX (16 * 1024 * 1024)
#define CASES_MAX 100000

/* Strings are borrowed from the file. */
struct test_case {
	char *name; /* owned: "case 3" where it has none */
	struct policy_principal principal;
	const char *roles[TOKEN_ROLES_MAX];
	int64_t now_ms; /* CASES_NOW: when it is tried */
	bool is_signed;
	struct request request;
	bool allowed; /* what is to come of it */
	const char *rule; /* NULL: any, or none */
	const char *condition; /* NULL: any */
};
#define CASES_NOW (-1)

struct cases {
	json_t *file;
	struct test_case *items;
	size_t count;
};

/* ERR_UNPROCESSABLE: "FILE:LINE:COLUMN: path: reason". */
int cases_parse(const char *name, const char *text, size_t len,
    struct cases *ret, struct err *err);
void cases_done(struct cases *cases);

/* What came of a case. */
struct case_result {
	bool passed;
	bool allowed;
	const char *rule; /* the policy's; NULL: none */
	char *condition; /* owned; NULL: it is allowed, or no rule names them */
	char *detail; /* owned; NULL: it is allowed */
};

void cases_try(const struct policy *policy, const struct test_case *one,
    int64_t now_ms, struct case_result *ret);
void case_result_done(struct case_result *result);

#endif
