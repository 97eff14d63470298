/*
 * What all commands of `audit` begin with: a session, and the audit public key.
 */
#ifndef CLIENT_AUDIT_SESSION_H
#define CLIENT_AUDIT_SESSION_H

#include "client/audit_page.h"
#include "client/session.h"
#include "lib/audit_keys.h"

/* Records that are asked for at once. */
#define AUDIT_PAGE 1000

struct audit {
	struct session session;
	struct audit_keys keys;
};

/* Runs `act` with one; the exit code. */
int audit_run(struct invocation *invocation,
    int (*act)(const struct invocation *, struct audit *, struct failure *));
/* The checkpoint that --from names. 1: *ret; 0: it names none. */
int audit_read_from(const struct invocation *invocation,
    const struct audit *audit, struct checkpoint *ret, struct failure *failure);

#endif
