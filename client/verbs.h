/*
 * The commands of `taskgate`, one file for each group. All return an exit
 * code.
 */
#ifndef CLIENT_VERBS_H
#define CLIENT_VERBS_H

#include "client/session.h"
#include "lib/command.h"

extern const struct program_spec taskgate_program;

int verb_run(struct invocation *invocation);
int verb_submit(struct invocation *invocation);
int verb_ps(struct invocation *invocation);
int verb_status(struct invocation *invocation);
int verb_logs(struct invocation *invocation);
int verb_wait(struct invocation *invocation);
int verb_cancel(struct invocation *invocation);
int verb_approve(struct invocation *invocation);
int verb_deny(struct invocation *invocation);
int verb_signal(struct invocation *invocation);
int verb_can_i(struct invocation *invocation);
int verb_catalog(struct invocation *invocation);
int verb_receipt(struct invocation *invocation);
int verb_receipt_verify(struct invocation *invocation);
int verb_receipt_prove(struct invocation *invocation);
int verb_audit_search(struct invocation *invocation);
int verb_audit_show(struct invocation *invocation);
int verb_audit_verify(struct invocation *invocation);
int verb_audit_export(struct invocation *invocation);
int verb_audit_checkpoint(struct invocation *invocation);
int verb_whoami(struct invocation *invocation);
int verb_context_list(struct invocation *invocation);
int verb_context_show(struct invocation *invocation);
int verb_context_use(struct invocation *invocation);
int verb_context_import(struct invocation *invocation);
int verb_context_remove(struct invocation *invocation);
int verb_doctor(struct invocation *invocation);

#endif
