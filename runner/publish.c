#include "runner/publish.h"

#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/log.h"
#include "runner/audit_proof.h"

struct publish {
	struct store_op op;
	uv_work_t work;
	uv_timer_t timer;
	uv_loop_t *loop;
	struct store *store;
	char *path;
	uint64_t each_ms;
	struct audit_signed head; /* at hand */
	int64_t size; /* of what is there; -1: nobody knows */
	bool under_way, closed, timer_closed, failing;
	struct err err;
	bool failed;
	struct publish_counters counters;
};

static void
free_when_over(struct publish *publish)
{
	if (!publish->timer_closed || publish->under_way)
		return;
	audit_signed_done(&publish->head);
	free(publish->path);
	free(publish);
}

static void
end(struct publish *publish)
{
	audit_signed_done(&publish->head);
	publish->under_way = false;
	free_when_over(publish);
}

/* Once, until it is well again. */
static void
tell(struct publish *publish)
{
	if (publish->failed && !publish->failing)
		log_failure(LOG_LEVEL_ERROR, "audit.not_published",
		    &publish->err, NULL);
	else if (!publish->failed && publish->failing)
		log_info("audit.published", NULL);
	publish->failing = publish->failed;
}

/* -- on a thread of libuv's */

static void
write_head(uv_work_t *work)
{
	struct publish *publish = work->data;

	publish->err = (struct err){0};
	publish->failed =
	    file_write(publish->path, publish->head.note,
		strlen(publish->head.note), 0644, &publish->err) != 0;
}

/* -- on the loop */

static void
head_written(uv_work_t *work, int status)
{
	struct publish *publish = work->data;

	if (status == 0) {
		tell(publish);
		publish->counters.failed += publish->failed ? 1 : 0;
		publish->counters.written += publish->failed ? 0 : 1;
		if (!publish->failed)
			publish->size = publish->head.size;
	}
	end(publish);
}

static int
run_read(struct store_op *op, struct database *database, struct err *err)
{
	struct publish *publish = (struct publish *)op;

	return audit_signed_read(database, &publish->head, err);
}

/* A store that cannot be read says so itself. */
static void
read_done(struct store_op *op, const struct err *err)
{
	struct publish *publish = (struct publish *)op;

	if (err != NULL || publish->closed ||
	    publish->head.size == publish->size) {
		end(publish);
		return;
	}
	publish->work.data = publish;
	if (uv_queue_work(
		publish->loop, &publish->work, write_head, head_written) != 0)
		die("uv_queue_work");
}

static void
on_time(uv_timer_t *timer)
{
	struct publish *publish = timer->data;

	if (publish->under_way)
		return;
	publish->under_way = true;
	publish->op = (struct store_op){
	    .reads = true, .run = run_read, .done = read_done};
	store_submit(publish->store, &publish->op);
}

struct publish *
publish_open(
    uv_loop_t *loop, struct store *store, const char *folder, int64_t each_s)
{
	struct publish *publish = alloc_zero(1, sizeof(*publish));

	publish->loop = loop;
	publish->store = store;
	publish->path = alloc_printf("%s/" PUBLISH_NAME, folder);
	publish->size = -1;
	publish->each_ms = 1000 * (uint64_t)each_s;
	if (uv_timer_init(loop, &publish->timer) != 0 ||
	    uv_timer_start(&publish->timer, on_time, 0, publish->each_ms) != 0)
		die("publish: libuv gives no timer");
	publish->timer.data = publish;
	return publish;
}

const struct publish_counters *
publish_counters(const struct publish *publish)
{
	return &publish->counters;
}

static void
on_timer_closed(uv_handle_t *handle)
{
	struct publish *publish = handle->data;

	publish->timer_closed = true;
	free_when_over(publish);
}

void
publish_close(struct publish *publish)
{
	publish->closed = true;
	uv_close((uv_handle_t *)&publish->timer, on_timer_closed);
}
