/*
 * A task, described to a person.
 */
#ifndef CLIENT_SHOW_TASK_H
#define CLIENT_SHOW_TASK_H

#include "client/task.h"

/* "succeeded", "failed (7)", "killed (KILL)"; of one that has not ended, its
 * state and place. The caller frees. */
char *show_task_state(const struct task *task);
/* The command line, as short as a table wants it. The caller frees. */
char *show_task_args(const json_t *document);
/* A limit's quantity, a member of `object`, as people write it: "64MiB". NULL:
 * there is none. The caller frees. */
char *show_limit(const char *name, const json_t *object, const char *member);
/* "limits" of a document, on one line. */
void show_limits(const json_t *document);
/* All of it, a fact a line, on standard output. */
void show_task(const json_t *document, const struct task *task);

#endif
