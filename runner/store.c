/*
 * The store's thread and its group commit. The loop's side and the thread's
 * side share three things under one mutex: a queue in, a queue out, and the
 * word to stop.
 */
#include "runner/store.h"

#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "runner/writer.h"

#define PROBE_MS 1000
#define IDLE_NS 20000000 /* without work: none is taken to be near */

struct probe {
	struct store_op op;
	struct store *store;
	bool under_way;
};

struct store {
	uv_loop_t *loop;
	void (*changed)(void *arg);
	void *arg;
	uv_prepare_t flush;
	uv_async_t wake;
	uv_timer_t again;
	int handles;
	struct op_list gathered; /* of this turn of the loop */
	size_t pending;
	uint64_t commits, written;
	struct probe probe;
	char *reason; /* NULL: healthy */
	int64_t failed_ms; /* wall clock: since when it is not, or was not */
	bool closed;

	uv_mutex_t mutex;
	uv_cond_t more, less;
	struct op_list waiting, finished;
	uint64_t committed; /* transactions, since the loop last looked */
	uint64_t faults[FAULT_COUNT]; /* transactions that failed of it */
	bool damaged;
	bool stop;
	EVP_PKEY *next_key; /* NULL: the one that there is */

	uv_thread_t thread;
	/* the thread's alone, once it runs: */
	struct writer writer;
};

/* -- the thread's side */

static void
take_key(struct store *store)
{
	if (store->next_key == NULL)
		return;
	audit_head_set_key(&store->writer.head, store->next_key);
	EVP_PKEY_free(take(store->next_key));
}

/* For the loop to see; under the mutex. */
static void
tell_fault(struct store *store)
{
	struct database *database = &store->writer.database;

	if (database->fault != FAULT_NONE)
		store->faults[database->fault]++;
	database->fault = FAULT_NONE;
	store->damaged = database->damaged;
}

/* Under the mutex, which it lets go. What takes long is done once in each
 * pause, so that who comes behind it need not wait for it. */
static void
await_work(struct store *store)
{
	bool idle = false;

	while (store->waiting.first == NULL && !store->stop) {
		if (idle) {
			uv_cond_wait(&store->more, &store->mutex);
			continue;
		}
		if (uv_cond_timedwait(&store->more, &store->mutex, IDLE_NS) ==
		    0)
			continue;
		idle = true;
		uv_mutex_unlock(&store->mutex);
		database_checkpoint(&store->writer.database, true);
		uv_mutex_lock(&store->mutex);
	}
}

static void
serve(void *arg)
{
	struct store *store = arg;
	struct op_list batch;

	op_list_init(&batch);
	uv_mutex_lock(&store->mutex);
	for (;;) {
		bool committed;

		await_work(store);
		if (store->waiting.first == NULL)
			break;
		op_list_move(&batch, &store->waiting);
		take_key(store);
		uv_mutex_unlock(&store->mutex);
		committed = writer_run(&store->writer, &batch);
		uv_mutex_lock(&store->mutex);
		store->committed += committed ? 1 : 0;
		tell_fault(store);
		op_list_move(&store->finished, &batch);
		uv_mutex_unlock(&store->mutex);
		uv_async_send(&store->wake);
		uv_cond_signal(&store->less);
		/* Behind the answers: it can take its time. */
		if (committed)
			database_checkpoint(&store->writer.database, false);
		uv_mutex_lock(&store->mutex);
	}
	uv_mutex_unlock(&store->mutex);
}

/* -- the loop's side */

static void
set_reason(struct store *store, const char *reason)
{
	if ((reason == NULL) == (store->reason == NULL))
		return;
	if (reason != NULL)
		store->failed_ms = clock_wall_ms();
	if (reason == NULL)
		log_info("store.recovered", NULL);
	else
		log_error("store.failed", "reason", reason, NULL);
	free(store->reason);
	store->reason = reason != NULL ? alloc_string(reason) : NULL;
	if (!store->closed)
		store->changed(store->arg);
}

static void
judge_health(struct store *store, const struct store_op *op)
{
	if (op->reads)
		return;
	if (!op->failed) {
		store->written++;
		if (op->written)
			set_reason(store, NULL);
	} else if (op->err.code == ERR_UNAVAILABLE) {
		set_reason(store, op->err.detail);
	}
}

static void
report_finished(struct store *store)
{
	struct op_list finished;
	bool damaged;

	op_list_init(&finished);
	uv_mutex_lock(&store->mutex);
	op_list_move(&finished, &store->finished);
	store->commits += store->committed;
	store->committed = 0;
	damaged = store->damaged;
	uv_mutex_unlock(&store->mutex);
	while (finished.first != NULL) {
		struct store_op *op = finished.first;
		struct err err = op->err;

		finished.first = op->next;
		store->pending--;
		judge_health(store, op);
		op->done(op, op->failed ? &err : NULL);
	}
	/* Somebody may have read it: it needs no write to be known. */
	if (damaged)
		set_reason(store, "the database is damaged");
}

static void
on_wake(uv_async_t *wake)
{
	report_finished(wake->data);
}

static void
hand_over(struct store *store)
{
	if (store->gathered.first == NULL)
		return;
	uv_mutex_lock(&store->mutex);
	op_list_move(&store->waiting, &store->gathered);
	uv_mutex_unlock(&store->mutex);
	/* Not before: it would wake only to wait for the mutex. */
	uv_cond_signal(&store->more);
}

static void
on_flush(uv_prepare_t *flush)
{
	hand_over(flush->data);
}

static int
run_probe(struct store_op *op, struct database *database, struct err *err)
{
	(void)op;
	return database_run(
	    database, STATEMENT_PROBE, err, "i", clock_wall_ms());
}

static void
probe_done(struct store_op *op, const struct err *err)
{
	struct probe *probe = (struct probe *)op;

	(void)err;
	probe->under_way = false;
}

/* A full disk says nothing when it has room again. */
static void
on_again(uv_timer_t *again)
{
	struct store *store = again->data;
	struct probe *probe = &store->probe;

	if (store->reason == NULL || probe->under_way)
		return;
	probe->op = (struct store_op){.run = run_probe, .done = probe_done};
	probe->under_way = true;
	store_submit(store, &probe->op);
}

static void
start_handles(struct store *store)
{
	if (uv_prepare_init(store->loop, &store->flush) != 0 ||
	    uv_async_init(store->loop, &store->wake, on_wake) != 0 ||
	    uv_timer_init(store->loop, &store->again) != 0 ||
	    uv_mutex_init(&store->mutex) != 0 ||
	    uv_cond_init(&store->more) != 0 || uv_cond_init(&store->less) != 0)
		die("store: libuv gives no handles");
	store->handles = 3;
	store->flush.data = store;
	store->wake.data = store;
	store->again.data = store;
	uv_prepare_start(&store->flush, on_flush);
	uv_timer_start(&store->again, on_again, PROBE_MS, PROBE_MS);
	if (uv_thread_create(&store->thread, serve, store) != 0)
		die("store: no thread");
}

struct store *
store_open(uv_loop_t *loop, const char *path, const struct store_signer *signer,
    void (*changed)(void *arg), void *arg, struct err *err)
{
	struct store *store = alloc_zero(1, sizeof(*store));

	if (database_open(path, &store->writer.database, err) != 0) {
		free(store);
		return NULL;
	}
	audit_head_init(&store->writer.head, signer->key, signer->origin);
	if (store->writer.database.migrated_from != 0)
		log_info("store.migrated", NULL);
	store->loop = loop;
	store->changed = changed;
	store->arg = arg;
	op_list_init(&store->gathered);
	op_list_init(&store->waiting);
	op_list_init(&store->finished);
	start_handles(store);
	return store;
}

const struct database_past *
store_past(const struct store *store)
{
	return &store->writer.database.past;
}

void
store_set_key(struct store *store, EVP_PKEY *key)
{
	if (EVP_PKEY_up_ref(key) != 1)
		die("EVP_PKEY_up_ref");
	uv_mutex_lock(&store->mutex);
	EVP_PKEY_free(store->next_key);
	store->next_key = key;
	uv_mutex_unlock(&store->mutex);
}

void
store_submit(struct store *store, struct store_op *op)
{
	if (store->closed)
		die("store_submit after store_close");
	op->failed = op->written = false;
	op_list_append(&store->gathered, op);
	store->pending++;
}

const char *
store_reason(const struct store *store)
{
	return store->reason;
}

int64_t
store_failed_ms(const struct store *store)
{
	return store->failed_ms;
}

uint64_t
store_faults(struct store *store, enum fault fault)
{
	uint64_t count;

	uv_mutex_lock(&store->mutex);
	count = store->faults[fault];
	uv_mutex_unlock(&store->mutex);
	return count;
}

uint64_t
store_commits(const struct store *store)
{
	return store->commits;
}

uint64_t
store_written(const struct store *store)
{
	return store->written;
}

size_t
store_pending(const struct store *store)
{
	return store->pending;
}

static void
on_handle_closed(uv_handle_t *handle)
{
	struct store *store = handle->data;

	if (--store->handles > 0)
		return;
	uv_cond_destroy(&store->less);
	uv_cond_destroy(&store->more);
	uv_mutex_destroy(&store->mutex);
	free(store->reason);
	free(store);
}

void
store_drain(struct store *store)
{
	while (store->pending > 0) {
		hand_over(store);
		uv_mutex_lock(&store->mutex);
		while (store->finished.first == NULL)
			uv_cond_wait(&store->less, &store->mutex);
		uv_mutex_unlock(&store->mutex);
		report_finished(store);
	}
}

void
store_close(struct store *store)
{
	store_drain(store);
	store->closed = true;
	uv_mutex_lock(&store->mutex);
	store->stop = true;
	uv_cond_signal(&store->more);
	uv_mutex_unlock(&store->mutex);
	uv_thread_join(&store->thread);
	database_close(&store->writer.database);
	audit_head_done(&store->writer.head);
	EVP_PKEY_free(store->next_key);
	uv_close((uv_handle_t *)&store->flush, on_handle_closed);
	uv_close((uv_handle_t *)&store->wake, on_handle_closed);
	uv_close((uv_handle_t *)&store->again, on_handle_closed);
}
