/* The verbs of the operator's tool; commands.c has them in a table. */
#ifndef ADMIN_VERBS_H
#define ADMIN_VERBS_H

#include "lib/command.h"

int verb_init(struct invocation *invocation);
int verb_enroll(struct invocation *invocation);
int verb_ca_list(struct invocation *invocation);
int verb_ca_rotate(struct invocation *invocation);
int verb_ca_drop(struct invocation *invocation);
int verb_cert_renew(struct invocation *invocation);
int verb_cert_sign(struct invocation *invocation);
int verb_cert_list(struct invocation *invocation);
int verb_cert_show(struct invocation *invocation);
int verb_token_issue(struct invocation *invocation);
int verb_token_inspect(struct invocation *invocation);
int verb_token_keys(struct invocation *invocation);
int verb_token_rotate(struct invocation *invocation);
int verb_token_drop(struct invocation *invocation);
int verb_policy_check(struct invocation *invocation);
int verb_policy_diff(struct invocation *invocation);
int verb_policy_explain(struct invocation *invocation);
int verb_policy_replay(struct invocation *invocation);
int verb_policy_test(struct invocation *invocation);
int verb_reload(struct invocation *invocation);
int verb_status(struct invocation *invocation);
int verb_revoke_cert(struct invocation *invocation);
int verb_revoke_token(struct invocation *invocation);
int verb_revoke_subject(struct invocation *invocation);
int verb_revoke_image(struct invocation *invocation);
int verb_revoke_list(struct invocation *invocation);
int verb_revoke_remove(struct invocation *invocation);
int verb_lock(struct invocation *invocation);
int verb_unlock(struct invocation *invocation);
int verb_audit_tail(struct invocation *invocation);
int verb_audit_search(struct invocation *invocation);
int verb_audit_export(struct invocation *invocation);
int verb_audit_report(struct invocation *invocation);
int verb_audit_show(struct invocation *invocation);
int verb_audit_summary(struct invocation *invocation);
int verb_audit_verify(struct invocation *invocation);
int verb_audit_checkpoint(struct invocation *invocation);
int verb_audit_redact(struct invocation *invocation);
int verb_audit_rotate(struct invocation *invocation);

#endif
