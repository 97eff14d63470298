/*
 * Options --role, --scope and --ttl as a token's order: `token issue` and
 * `enroll` share them.
 */
#ifndef ADMIN_GRANT_H
#define ADMIN_GRANT_H

#include "admin/site.h"
#include "certs/issue_token.h"
#include "lib/command.h"

struct grant {
	const char *roles[TOKEN_ROLES_MAX];
	size_t nroles;
	unsigned scopes;
	int64_t lifetime_s;
};

/* Where no --scope is given: tasks:run, tasks:read, tasks:cancel. */
int grant_read(const struct invocation *invocation, const struct site *site,
    struct grant *ret, struct err *err);

/* A token bound to a certificate that the gateway would accept now and whose
 * identity is `subject`. The caller wipes it: auto_secret. */
int grant_issue(const struct site *site, const struct grant *grant,
    const char *subject, X509 *certificate, char **ret_token, struct err *err);

#endif
