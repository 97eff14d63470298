#include "runner/copy.h"

#include <stdlib.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "runner/audit.h"
#include "runner/copy_target.h"

#define LOOK_MS 100
#define SAVE_MS 1000
#define PORTION 256

struct copy {
	struct store_op op; /* of the portion, */
	struct store_op save; /* and of how far it has come */
	uv_work_t work;
	uv_timer_t timer;
	uv_loop_t *loop;
	struct store *store;
	const char *key; /* in the store */
	char *path; /* NULL: standard output */
	struct copy_target target;
	struct buffer lines; /* what is left of the portion */
	int64_t count, last; /* of the portion */
	int64_t position, saved; /* sequence numbers; -1: not read yet */
	uint64_t commits; /* when there was nothing left to copy */
	uint64_t saved_ms;
	size_t written;
	struct err err;
	bool failed, failing;
	bool under_way, saving, closed, timer_closed;
	struct copy_counters counters;
};

static void look(struct copy *copy);

static void
free_when_over(struct copy *copy)
{
	if (!copy->timer_closed || copy->under_way || copy->saving)
		return;
	copy_target_close(&copy->target);
	buffer_done(&copy->lines);
	free(copy->path);
	free(copy);
}

/* -- how far it has come */

static int
run_save(struct store_op *op, struct database *database, struct err *err)
{
	struct copy *copy =
	    (struct copy *)((char *)op - offsetof(struct copy, save));

	return database_run(
	    database, STATEMENT_COPY_SET, err, "si", copy->key, copy->position);
}

static void
save_done(struct store_op *op, const struct err *err)
{
	struct copy *copy =
	    (struct copy *)((char *)op - offsetof(struct copy, save));

	/* Else it is tried again, or some come twice. */
	if (err != NULL)
		copy->saved = -1;
	copy->saving = false;
	free_when_over(copy);
}

static void
save_position(struct copy *copy)
{
	if (copy->saving || copy->position == copy->saved ||
	    store_reason(copy->store) != NULL)
		return;
	copy->saving = true;
	copy->saved = copy->position;
	copy->saved_ms = uv_now(copy->loop);
	copy->save = (struct store_op){.run = run_save, .done = save_done};
	store_submit(copy->store, &copy->save);
}

/* -- on a thread of libuv's */

static void
write_portion(uv_work_t *work)
{
	struct copy *copy = work->data;

	copy->err = (struct err){0};
	copy->failed = copy_target_write(&copy->target, copy->lines.data,
			   copy->lines.len, &copy->written, &copy->err) != 0 ||
	    copy_target_sync(&copy->target, &copy->err) != 0;
}

/* -- on the loop */

static void
tell(struct copy *copy)
{
	if (copy->failed && !copy->failing)
		log_failure(
		    LOG_LEVEL_WARNING, "audit.copy_behind", &copy->err, NULL);
	else if (!copy->failed && copy->failing)
		log_info("audit.copy_caught_up", NULL);
	copy->failing = copy->failed;
}

static void
portion_written(uv_work_t *work, int status)
{
	struct copy *copy = work->data;

	copy->under_way = false;
	if (status == 0) {
		tell(copy);
		buffer_consume(&copy->lines, copy->written);
		copy->counters.stalled += copy->failed ? 1 : 0;
		if (!copy->failed) {
			copy->position = copy->last;
			copy->counters.records += (uint64_t)copy->count;
		}
	}
	if (copy->closed)
		free_when_over(copy);
	else if (!copy->failed)
		look(copy);
}

static void
queue_portion(struct copy *copy)
{
	copy->work.data = copy;
	if (uv_queue_work(
		copy->loop, &copy->work, write_portion, portion_written) != 0)
		die("uv_queue_work");
}

/* -- on the store's thread */

static int
read_position(struct copy *copy, struct database *database, struct err *err)
{
	const enum statement get = STATEMENT_COPY_GET;
	int result = database_begin(database, get, err, "s", copy->key);

	if (result == 0)
		result = database_next(database, get, err);
	if (result >= 0)
		copy->position =
		    result > 0 ? database_integer(database, get, 0) : 0;
	copy->saved = copy->position;
	database_end(database, get);
	return result < 0 ? -1 : 0;
}

static int
run_read(struct store_op *op, struct database *database, struct err *err)
{
	struct copy *copy = (struct copy *)op;
	struct audit_query query = {.limit = PORTION};

	if (copy->position < 0 && read_position(copy, database, err) != 0)
		return -1;
	query.after = copy->position;
	return audit_select(
	    database, &query, &copy->lines, &copy->count, &copy->last, err);
}

static void
read_done(struct store_op *op, const struct err *err)
{
	struct copy *copy = (struct copy *)op;

	if (err == NULL && copy->lines.len > 0 && !copy->closed) {
		queue_portion(copy);
		return;
	}
	copy->under_way = false;
	/* A store that cannot be read says so itself. */
	if (err != NULL)
		copy->commits = 0;
	free_when_over(copy);
}

static void
look(struct copy *copy)
{
	copy->under_way = true;
	if (copy->lines.len > 0) {
		queue_portion(copy);
		return;
	}
	copy->commits = store_commits(copy->store);
	copy->op = (struct store_op){
	    .reads = true, .run = run_read, .done = read_done};
	store_submit(copy->store, &copy->op);
}

static void
on_time(uv_timer_t *timer)
{
	struct copy *copy = timer->data;

	if (!copy->under_way &&
	    (copy->lines.len > 0 || copy->position < 0 ||
		copy->commits != store_commits(copy->store)))
		look(copy);
	if (uv_now(copy->loop) - copy->saved_ms >= SAVE_MS)
		save_position(copy);
}

struct copy *
copy_open(uv_loop_t *loop, struct store *store, const char *folder)
{
	struct copy *copy = alloc_zero(1, sizeof(*copy));

	copy->loop = loop;
	copy->store = store;
	copy->key = folder != NULL ? "copy_file" : "copy_stdout";
	if (folder != NULL)
		copy->path = alloc_printf("%s/" COPY_FILE, folder);
	copy->target = (struct copy_target){.path = copy->path, .fd = -1};
	copy->lines.max = 4 * AUDIT_READ_MAX;
	copy->position = copy->saved = -1;
	if (uv_timer_init(loop, &copy->timer) != 0 ||
	    uv_timer_start(&copy->timer, on_time, 0, LOOK_MS) != 0)
		die("copy: libuv gives no timer");
	copy->timer.data = copy;
	return copy;
}

const struct copy_counters *
copy_counters(const struct copy *copy)
{
	return &copy->counters;
}

static void
on_timer_closed(uv_handle_t *handle)
{
	struct copy *copy = handle->data;

	copy->timer_closed = true;
	free_when_over(copy);
}

void
copy_close(struct copy *copy)
{
	copy->closed = true;
	save_position(copy);
	uv_close((uv_handle_t *)&copy->timer, on_timer_closed);
}
