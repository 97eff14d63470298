/*
 * The view. The connection is used by whichever thread has the one question
 * that is under way, and by none beside it.
 */
#include "runner/audit_view.h"

#include <stdlib.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"

struct audit_view {
	uv_loop_t *loop;
	char *path;
	struct audit_view_op *first, **last; /* the first is under way */
	size_t count;
	uv_work_t work;
	bool closed;
	/* the thread's, while there is one: */
	struct database database;
	uv_mutex_t mutex;
	uv_cond_t ended;
	bool working; /* under the mutex */
	bool scheduled; /* the loop's: it will hear of it */
};

/* -- the thread's side */

static int
open_database(struct audit_view *view, struct err *err)
{
	return view->database.handle != NULL
	    ? 0
	    : database_open_reading(view->path, &view->database, err);
}

/* One moment of the log, from its head to its records. */
static int
run_reading(struct audit_view *view, struct audit_view_op *op, struct err *err)
{
	struct database *database = &view->database;
	struct err ignored;
	int result;

	if (open_database(view, err) != 0 ||
	    database_execute(database, "BEGIN", "read the audit log", err) != 0)
		return -1;
	result = op->run(op, database, err);
	(void)database_execute(
	    database, "ROLLBACK", "read the audit log", &ignored);
	return result;
}

static void
run_first(uv_work_t *work)
{
	struct audit_view *view = work->data;
	struct audit_view_op *op = view->first;

	op->failed = run_reading(view, op, &op->err) != 0;
	uv_mutex_lock(&view->mutex);
	view->working = false;
	uv_cond_signal(&view->ended);
	uv_mutex_unlock(&view->mutex);
}

/* -- the loop's side */

static void start_first(struct audit_view *view);

static void
give_back(struct audit_view *view)
{
	database_close_reading(&view->database);
	uv_cond_destroy(&view->ended);
	uv_mutex_destroy(&view->mutex);
	free(view->path);
	free(view);
}

static void
report_first(struct audit_view *view)
{
	struct audit_view_op *op = view->first;
	struct err err = op->err;

	view->first = op->next;
	if (view->first == NULL)
		view->last = &view->first;
	view->count--;
	op->done(op, op->failed ? &err : NULL);
}

static void
first_done(uv_work_t *work, int status)
{
	struct audit_view *view = work->data;

	(void)status;
	view->scheduled = false;
	if (view->closed) {
		give_back(view);
		return;
	}
	report_first(view);
	if (view->first != NULL && !view->scheduled)
		start_first(view);
}

static void
start_first(struct audit_view *view)
{
	view->working = true;
	view->scheduled = true;
	view->work.data = view;
	if (uv_queue_work(view->loop, &view->work, run_first, first_done) != 0)
		die("uv_queue_work");
}

struct audit_view *
audit_view_open(uv_loop_t *loop, const char *path)
{
	struct audit_view *view = alloc_zero(1, sizeof(*view));

	view->loop = loop;
	view->path = alloc_string(path);
	view->last = &view->first;
	if (uv_mutex_init(&view->mutex) != 0 || uv_cond_init(&view->ended) != 0)
		die("audit_view: libuv gives no mutex");
	return view;
}

int
audit_view_submit(
    struct audit_view *view, struct audit_view_op *op, struct err *err)
{
	if (view->closed)
		return err_set(err, ERR_UNAVAILABLE, "the runner is stopping");
	if (view->count == AUDIT_VIEW_MAX)
		return err_set(err, ERR_BUSY,
		    "%d questions of the audit log are waiting already",
		    AUDIT_VIEW_MAX);
	op->next = NULL;
	op->failed = false;
	*view->last = op;
	view->last = &op->next;
	view->count++;
	if (!view->scheduled)
		start_first(view);
	return 0;
}

void
audit_view_close(struct audit_view *view)
{
	view->closed = true;
	uv_mutex_lock(&view->mutex);
	while (view->working)
		uv_cond_wait(&view->ended, &view->mutex);
	uv_mutex_unlock(&view->mutex);
	if (view->scheduled)
		report_first(view);
	while (view->first != NULL) {
		view->first->failed = true;
		err_set(&view->first->err, ERR_UNAVAILABLE,
		    "the runner is stopping");
		report_first(view);
	}
	if (!view->scheduled)
		give_back(view);
}
