/*
 * Tasks as rows. Everything here runs on the store's thread.
 */
#ifndef RUNNER_TASK_STORE_H
#define RUNNER_TASK_STORE_H

#include "runner/database.h"
#include "runner/task.h"

/* How long a key stands for its task. */
#define TASK_KEY_AGE_MS (INT64_C(24) * 3600 * 1000)

/* Accepted. ERR_UNPROCESSABLE: an input is not there; from here on they are
 * kept for the task, until it has ended. */
int task_store_insert(
    struct database *database, const struct task_data *data, struct err *err);
/* The order is about to be given: what is known of the start. */
int task_store_start(struct database *database, const char *id,
    const struct task_facts *facts, struct err *err);
/* The order never reached anybody: the task waits again. */
int
task_store_return(struct database *database, const char *id, struct err *err);
/* Somebody, or nobody in time, has decided about it. */
int task_store_decide(struct database *database, const char *id,
    enum task_state state, const struct task_approval *approval,
    struct err *err);
/* Its end was asked for; `detail` (NULL) is the facts' then. */
int task_store_cancel(struct database *database, const char *id,
    const char *detail, struct err *err);
/* `request`: without values of the environment. */
int task_store_finish(struct database *database, const char *id,
    const struct task_facts *facts, const char *request, struct err *err);

/* 1: found, and *ret is filled; 0: no such task; -1. */
int task_store_get(struct database *database, const char *id,
    struct task_data *ret, struct err *err);

struct task_query {
	char before[UUID_TEXT]; /* "": from the newest */
	char subject[SUBJECT_MAX + 1]; /* "": everybody's */
	bool finished; /* those alone */
	int64_t limit;
};

/* Newest first; *data is the callee's to empty and reuse. False ends it. */
typedef bool task_store_row(void *arg, struct task_data *data);
int task_store_list(struct database *database, const struct task_query *query,
    task_store_row *row, void *arg, struct err *err);
/* What is not finished, oldest first. */
int task_store_open(
    struct database *database, task_store_row *row, void *arg, struct err *err);
/* The newest id, or "". */
int task_store_last(
    struct database *database, char ret[UUID_TEXT], struct err *err);

/*
 * 1: the subject used this key within its time; *ret_task is the task,
 * *ret_same whether it was for the same request. 0: it did not.
 */
int task_store_find_key(struct database *database, const char *subject,
    const char *key, const char *request_sha256, int64_t now_ms,
    char ret_task[UUID_TEXT], bool *ret_same, struct err *err);
int task_store_add_key(struct database *database, const struct task_data *data,
    const char *key, struct err *err);

#endif
