/*
 * Reading the audit log for others: on a thread of libuv's, by a connection to
 * the database that can only read, one question at a time. So however much of
 * the log somebody looks through, the store writes on, and so does whoever
 * needs the other threads.
 */
#ifndef RUNNER_AUDIT_VIEW_H
#define RUNNER_AUDIT_VIEW_H

#include <uv.h>

#include "runner/database.h"

/* Questions that wait. */
#define AUDIT_VIEW_MAX 32

/* First member of whoever embeds it; the view's until done(). */
struct audit_view_op {
	/* On the thread, within a transaction. */
	int (*run)(struct audit_view_op *op, struct database *database,
	    struct err *err);
	/* On the loop. NULL: it went well. May free the operation. */
	void (*done)(struct audit_view_op *op, const struct err *err);
	/* the view's own: */
	struct audit_view_op *next;
	struct err err;
	bool failed;
};

struct audit_view;

/* `path` is the store's, which is open. */
struct audit_view *audit_view_open(uv_loop_t *loop, const char *path);
/* ERR_BUSY: too many wait; done() will not be called. */
int audit_view_submit(
    struct audit_view *view, struct audit_view_op *op, struct err *err);
/* What is under way is waited for, what waits fails. The memory goes when the
 * loop has turned. */
void audit_view_close(struct audit_view *view);

#endif
