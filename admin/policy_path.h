/* A policy that a verb is about: the one of its operand, or the one in force.
 */
#ifndef ADMIN_POLICY_PATH_H
#define ADMIN_POLICY_PATH_H

#include "lib/cleanup.h"
#include "lib/command.h"
#include "policy/policy.h"

DEFINE_CLEANUP(struct policy, policy_free);
#define auto_policy AUTO(policy_freep)

/* NULL path: the installation's own. The caller frees. */
char *policy_path(const struct invocation *invocation, const char *path);
struct policy *policy_path_load(
    const struct invocation *invocation, const char *path, struct err *err);

#endif
