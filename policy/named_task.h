/*
 * A named task: image and argv are the rule's, and the caller fills in params.
 * A placeholder {name} in an argument stands for the value of that param,
 * within the one argument and as it is: nothing splits it or reads it again.
 * {{ and }} are braces. Private to the policy library.
 */
#ifndef POLICY_NAMED_TASK_H
#define POLICY_NAMED_TASK_H

#include "policy/param.h"
#include "policy/request.h"

struct policy_candidate;

/* Bytes, or the value of a param. */
struct named_task_piece {
	char *text; /* owned; NULL: the param's value */
	size_t param;
};

struct named_task_arg {
	struct named_task_piece *pieces; /* owned */
	size_t npieces;
};

struct named_task {
	const char *name; /* NULL: the rule is for an image, and names none */
	struct param *params; /* sorted by name */
	size_t nparams;
	struct named_task_arg *args;
	size_t nargs;
};

int named_task_read_params(struct named_task *task, const json_t *params,
    const char *path, struct err *err);
/* After the params. */
int named_task_read_args(struct named_task *task, const json_t *args,
    const char *path, struct err *err);
void named_task_done(struct named_task *task);

/* The param that fails, or NULL; *ret_value is what was given, or NULL where
 * it is missing. A name that is no param of the task: *ret_unknown. */
const struct param *named_task_find_fault(const struct named_task *task,
    const struct request *request, const char **ret_value,
    const char **ret_unknown);
/* The arguments with the params' values; all are valid. */
json_t *
named_task_expand(const struct named_task *task, const struct request *request);

#endif
