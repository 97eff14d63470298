/*
 * What a task leaves goes in this order: its row says so and its id is named
 * as garbage, in one transaction; the files are removed; the name is forgotten.
 * A crash in between only makes the files be removed once more.
 */
#include "runner/retention.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "runner/audit_gone.h"
#include "runner/garbage.h"
#include "runner/task_store.h"

/* Between two looks, and between two portions of one. */
#define LOOK_MS 30000
#define PORTION_MS 20
#define PORTION 32
/* Pages (4 KiB each): left free for what comes next, and given back in one
 * portion. */
#define FREE_PAGES 256
#define VACUUM_PAGES 128

struct old_task {
	char id[UUID_TEXT];
	int64_t bytes, finished_ms;
	bool has_key; /* which still stands for it */
};

struct retention {
	struct store_op op;
	uv_work_t work;
	uv_timer_t timer;
	uv_loop_t *loop;
	struct store *store;
	const struct output_store *outputs;
	const struct files_store *files;
	struct retention_bounds bounds;
	bool under_way, idle, closed, timer_closed;
	/* Where the look by age goes on: behind the last one that was kept for
	 * its key. */
	int64_t after_ms;
	char after[UUID_TEXT];
	/* Files that are to go; `removed` once they have, until that is
	 * written. */
	char garbage[PORTION][GARBAGE_NAME_MAX];
	int ngarbage;
	bool removed;
	/* of the portion at hand, on the store's thread: */
	struct old_task tasks[PORTION];
	int ntasks;
	bool more;
};

static void begin_portion(uv_timer_t *timer);

/* -- on the store's thread */

static int
read_old(struct retention *retention, struct database *database,
    enum statement statement, struct err *err)
{
	int result;

	retention->ntasks = 0;
	while ((result = database_next(database, statement, err)) > 0 &&
	    retention->ntasks < PORTION) {
		struct old_task *task = &retention->tasks[retention->ntasks++];

		snprintf(task->id, sizeof(task->id), "%s",
		    database_text(database, statement, 0));
		task->bytes = database_integer(database, statement, 1);
		task->finished_ms = database_integer(database, statement, 2);
		task->has_key = database_integer(database, statement, 3) == 1;
	}
	database_end(database, statement);
	return result < 0 ? -1 : 0;
}

/* Its bytes count no more; its files are removed later. */
static int
let_bytes_go(
    struct database *database, const struct old_task *task, struct err *err)
{
	if (garbage_add(database, GARBAGE_TASK, task->id, err) != 0)
		return -1;
	return database_run(
	    database, STATEMENT_KEPT_ADD, err, "i", -task->bytes);
}

static int
forget_task(
    struct database *database, const struct old_task *task, struct err *err)
{
	if (let_bytes_go(database, task, err) != 0 ||
	    database_run(database, STATEMENT_KEY_DELETE, err, "s", task->id) !=
		0)
		return -1;
	return database_run(
	    database, STATEMENT_TASK_DELETE, err, "s", task->id);
}

/* One whose key still stands for it stays: a client may ask again. */
static int
forget_old(
    struct retention *retention, struct database *database, struct err *err)
{
	const enum statement old = STATEMENT_TASK_OLD;
	int64_t now_ms = clock_wall_ms();

	if (retention->bounds.age_s == 0)
		return 0;
	if (database_begin(database, old, err, "iiisi",
		now_ms - 1000 * retention->bounds.age_s,
		now_ms - TASK_KEY_AGE_MS, retention->after_ms, retention->after,
		(int64_t)PORTION) != 0 ||
	    read_old(retention, database, old, err) != 0)
		return -1;
	for (int i = 0; i < retention->ntasks; i++) {
		const struct old_task *task = &retention->tasks[i];

		if (!task->has_key && forget_task(database, task, err) != 0)
			return -1;
	}
	retention->more |= retention->ntasks == PORTION;
	return 0;
}

static int
read_number(struct database *database, enum statement statement, int64_t *ret,
    struct err *err)
{
	int result;

	*ret = 0;
	if (database_begin(database, statement, err, "") != 0)
		return -1;
	result = database_next(database, statement, err);
	if (result > 0)
		*ret = database_integer(database, statement, 0);
	database_end(database, statement);
	return result < 0 ? -1 : 0;
}

static int
discard_bytes(
    struct retention *retention, struct database *database, struct err *err)
{
	const enum statement kept = STATEMENT_TASK_KEPT;
	struct retention *r = retention;
	int64_t bytes;

	if (r->bounds.bytes == 0)
		return 0;
	if (read_number(database, STATEMENT_KEPT, &bytes, err) != 0)
		return -1;
	if (bytes <= r->bounds.bytes)
		return 0;
	if (database_begin(database, kept, err, "i", (int64_t)PORTION) != 0 ||
	    read_old(r, database, kept, err) != 0)
		return -1;
	for (int i = 0; i < r->ntasks && bytes > r->bounds.bytes; i++) {
		bytes -= r->tasks[i].bytes;
		if (let_bytes_go(database, &r->tasks[i], err) != 0 ||
		    database_run(database, STATEMENT_TASK_DISCARD, err, "s",
			r->tasks[i].id) != 0)
			return -1;
	}
	if (bytes > r->bounds.bytes && r->ntasks == PORTION)
		r->more = true;
	return 0;
}

/* What the file has too much goes back to the disk. */
static int
vacuum(struct retention *retention, struct database *database, struct err *err)
{
	const enum statement vacuum = STATEMENT_VACUUM;
	int64_t pages;
	int result = 1;

	if (read_number(database, STATEMENT_FREE_PAGES, &pages, err) != 0)
		return -1;
	if (pages <= FREE_PAGES)
		return 0;
	if (database_begin(database, vacuum, err, "") != 0)
		return -1;
	/* A step gives one page back. */
	for (int i = 0; i < VACUUM_PAGES && result > 0; i++)
		result = database_next(database, vacuum, err);
	database_end(database, vacuum);
	retention->more |= pages - VACUUM_PAGES > FREE_PAGES;
	return result < 0 ? -1 : 0;
}

/* In steps: each is a record of its own. */
static int64_t
find_audit_cutoff(int64_t age_s, int64_t now_ms)
{
	int64_t step_s = age_s / 24;

	if (step_s > 3600)
		step_s = 3600;
	if (step_s < 1)
		step_s = 1;
	return (now_ms / 1000 / step_s * step_s - age_s) * 1000;
}

static int
drop_texts(
    struct retention *retention, struct database *database, struct err *err)
{
	int64_t age_s = retention->bounds.audit_age_s;
	int64_t now_ms = clock_wall_ms();
	bool more = false;

	if (age_s > 0 &&
	    audit_drop_texts(database, find_audit_cutoff(age_s, now_ms), now_ms,
		&more, err) != 0)
		return -1;
	retention->more |= more;
	return 0;
}

static int
run_portion(struct store_op *op, struct database *database, struct err *err)
{
	struct retention *retention = (struct retention *)op;

	retention->more = false;
	for (int i = 0; retention->removed && i < retention->ngarbage; i++) {
		if (garbage_forget(database, GARBAGE_TASK,
			retention->garbage[i], err) != 0)
			return -1;
	}
	if (discard_bytes(retention, database, err) != 0 ||
	    forget_old(retention, database, err) != 0 ||
	    drop_texts(retention, database, err) != 0 ||
	    vacuum(retention, database, err) != 0)
		return -1;
	return 0;
}

/* -- on a thread of libuv's */

static void
remove_files(uv_work_t *work)
{
	struct retention *retention = work->data;

	for (int i = 0; i < retention->ngarbage; i++) {
		output_remove(retention->outputs, retention->garbage[i]);
		files_remove(retention->files, retention->garbage[i]);
	}
	/* Or a power failure could bring back what nobody knows of. */
	(void)fsync(retention->outputs->directory);
	(void)fsync(retention->files->directory);
}

/* -- on the loop */

static void
free_when_over(struct retention *retention)
{
	if (retention->timer_closed && !retention->under_way)
		free(retention);
}

static void
end_portion(struct retention *retention, uint64_t next_ms)
{
	retention->under_way = false;
	retention->idle = next_ms == LOOK_MS;
	if (!retention->closed)
		uv_timer_start(&retention->timer, begin_portion, next_ms, 0);
	free_when_over(retention);
}

static void
files_removed(uv_work_t *work, int status)
{
	struct retention *retention = work->data;

	retention->removed = status == 0;
	end_portion(retention, PORTION_MS);
}

static void
list_done(struct store_op *op, const struct err *err)
{
	struct retention *retention = (struct retention *)op;

	if (err != NULL)
		log_failure(LOG_LEVEL_ERROR, "retention.failed", err, NULL);
	if (err != NULL || retention->closed || retention->ngarbage <= 0) {
		retention->ngarbage = 0;
		end_portion(retention,
		    err == NULL && retention->more ? PORTION_MS : LOOK_MS);
		return;
	}
	retention->work.data = retention;
	if (uv_queue_work(retention->loop, &retention->work, remove_files,
		files_removed) != 0)
		die("uv_queue_work");
}

/* A transaction later: what it names is durable. */
static int
run_list(struct store_op *op, struct database *database, struct err *err)
{
	struct retention *retention = (struct retention *)op;

	retention->ngarbage = garbage_list(
	    database, GARBAGE_TASK, retention->garbage, PORTION, err);
	return retention->ngarbage < 0 ? -1 : 0;
}

static void
go_on_behind_last(struct retention *retention, bool more)
{
	const struct old_task *last = &retention->tasks[PORTION - 1];

	retention->after_ms = more ? last->finished_ms : INT64_MIN + 1;
	snprintf(retention->after, sizeof(retention->after), "%.36s",
	    more ? last->id : "");
}

static void
portion_done(struct store_op *op, const struct err *err)
{
	struct retention *retention = (struct retention *)op;

	if (err != NULL) {
		log_failure(LOG_LEVEL_ERROR, "retention.failed", err, NULL);
		end_portion(retention, LOOK_MS);
		return;
	}
	go_on_behind_last(retention, retention->ntasks == PORTION);
	retention->removed = false;
	if (retention->closed) {
		end_portion(retention, LOOK_MS);
		return;
	}
	retention->op = (struct store_op){
	    .reads = true, .run = run_list, .done = list_done};
	store_submit(retention->store, &retention->op);
}

static void
begin_portion(uv_timer_t *timer)
{
	struct retention *retention = timer->data;

	retention->under_way = true;
	retention->idle = false;
	retention->ntasks = 0;
	retention->op =
	    (struct store_op){.run = run_portion, .done = portion_done};
	store_submit(retention->store, &retention->op);
}

struct retention *
retention_open(uv_loop_t *loop, struct store *store,
    const struct output_store *outputs, const struct files_store *files,
    const struct retention_bounds *bounds)
{
	struct retention *retention = alloc_zero(1, sizeof(*retention));

	retention->loop = loop;
	retention->store = store;
	retention->outputs = outputs;
	retention->files = files;
	retention->bounds = *bounds;
	go_on_behind_last(retention, false);
	if (uv_timer_init(loop, &retention->timer) != 0 ||
	    uv_timer_start(&retention->timer, begin_portion, 0, 0) != 0)
		die("retention: libuv gives no timer");
	retention->timer.data = retention;
	return retention;
}

static void
on_timer_closed(uv_handle_t *handle)
{
	struct retention *retention = handle->data;

	retention->timer_closed = true;
	free_when_over(retention);
}

void
retention_close(struct retention *retention)
{
	retention->closed = true;
	uv_close((uv_handle_t *)&retention->timer, on_timer_closed);
}

bool
retention_is_idle(const struct retention *retention)
{
	return retention->idle;
}
