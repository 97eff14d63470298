/*
 * The records of a task's own changes, as the audit log gets them: who, what,
 * and by which rule and policy. Of what the client wrote they hold digests and
 * names; its text stands beside them as untrusted. The caller frees each.
 */
#ifndef RUNNER_TASKS_ENTRY_H
#define RUNNER_TASKS_ENTRY_H

#include "runner/tasks.h"

struct audit_entry *tasks_entry_accepted(
    const struct task *task, const struct task_submission *submission);
/* It waits for somebody else to approve it; task->data->approval says until
 * when. */
struct audit_entry *tasks_entry_asked(const struct task *task);
/* As task->data->facts says of its container. */
struct audit_entry *tasks_entry_start(const struct task *task);
struct audit_entry *tasks_entry_return(const struct task *task);
/* As task->end says: all that a receipt is to hold. */
struct audit_entry *tasks_entry_end(const struct task *task);

#endif
