/*
 * What the rules take of this machine, looked at when a policy is loaded, and
 * not only when a task wants it.
 */
#ifndef RUNNER_CLAIMS_H
#define RUNNER_CLAIMS_H

#include "policy/policy.h"
#include "runner/config.h"
#include "runner/mount_source.h"

/* What no mount shows, whatever a rule says: what the configuration names (it
 * outlives the guard), and what is the machine's own. */
void claims_guard(const struct config *config, struct mount_guard *ret);

/*
 * ERR_UNPROCESSABLE, with the rule: something is there that must not be used.
 * What is not there at all is only warned of in the log: its tasks will not
 * start, and others are not to suffer for it.
 */
int claims_check(
    const struct policy *policy, const struct config *config, struct err *err);

#endif
