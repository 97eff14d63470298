/*
 * How blobs go again: a row that was not used for long, then the file that no
 * row refers to any more. Whether one does is asked on the store's thread, and
 * the file is put aside there; to unlink a large one takes longer and is done
 * on a thread of libuv's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/alloc.h"
#include "lib/log.h"
#include "runner/blobs_state.h"
#include "runner/garbage.h"

/* Between two looks, and between two portions of one. */
#define SWEEP_MS 30000
#define PORTION_MS 20
#define PORTION 32
#define GONE ".gone"

/* -- taking files out of the way */

int
blobs_set_aside(struct blobs *blobs, struct database *database,
    const char *sha256, struct err *err)
{
	char name[BLOB_NAME_SIZE], gone[SHA256_HEX + sizeof(GONE)];
	int referred = blob_store_is_referred(database, sha256, err);

	if (referred != 0)
		return referred < 0 ? -1 : 0;
	blob_name(sha256, name);
	snprintf(gone, sizeof(gone), "%s" GONE, sha256);
	if (renameat(blobs->directory, name, blobs->tmp, gone) != 0 &&
	    errno != ENOENT)
		return err_errno(err, "remove blobs/%s", name);
	return 0;
}

struct removal {
	uv_work_t work;
	struct blobs *blobs;
	char name[SHA256_HEX + sizeof(GONE)];
};

static void
run_removal(uv_work_t *work)
{
	struct removal *removal = work->data;

	(void)unlinkat(removal->blobs->tmp, removal->name, 0);
}

static void
removed(uv_work_t *work, int status)
{
	struct removal *removal = work->data;

	(void)status;
	blobs_let_go(removal->blobs);
	free(removal);
}

void
blobs_remove_set_aside(struct blobs *blobs, const char *sha256)
{
	struct removal *removal = alloc_zero(1, sizeof(*removal));

	removal->blobs = blobs;
	removal->work.data = removal;
	snprintf(removal->name, sizeof(removal->name), "%s" GONE, sha256);
	blobs->users++;
	if (uv_queue_work(blobs->loop, &removal->work, run_removal, removed) !=
	    0)
		die("uv_queue_work");
}

/* -- what has had its time */

struct sweep {
	struct store_op op;
	struct blobs *blobs;
	struct blob_row rows[PORTION];
	int seen, left;
	char garbage[PORTION][GARBAGE_NAME_MAX];
	int ngarbage;
};

static int
record_removed(
    struct database *database, const struct blob_row *row, struct err *err)
{
	struct audit_entry *entry =
	    audit_entry_new(EVENT_BLOB_REMOVED, clock_wall_ms(), NULL);
	int result;

	entry->object = json_pack("{s:s, s:s, s:I}", "subject", row->subject,
	    "sha256", row->sha256, "size", (json_int_t)row->size);
	result = audit_append(database, entry, err);
	audit_entry_free(entry);
	return result;
}

static int
remove_garbage(struct sweep *sweep, struct database *database, struct err *err)
{
	sweep->ngarbage =
	    garbage_list(database, GARBAGE_BLOB, sweep->garbage, PORTION, err);
	for (int i = 0; i < sweep->ngarbage; i++) {
		if (blobs_set_aside(
			sweep->blobs, database, sweep->garbage[i], err) != 0 ||
		    garbage_forget(
			database, GARBAGE_BLOB, sweep->garbage[i], err) != 0)
			return -1;
	}
	return sweep->ngarbage < 0 ? -1 : 0;
}

static int
run_sweep(struct store_op *op, struct database *database, struct err *err)
{
	struct sweep *sweep = (struct sweep *)op;
	int64_t now_ms = clock_wall_ms();
	int64_t before_ms = now_ms - 1000 * sweep->blobs->bounds.max_age_s;

	sweep->seen = blob_store_expire(database, before_ms, now_ms,
	    sweep->rows, PORTION, &sweep->left, err);
	if (sweep->seen < 0)
		return -1;
	for (int i = 0; i < sweep->left; i++) {
		if (record_removed(database, &sweep->rows[i], err) != 0)
			return -1;
	}
	return remove_garbage(sweep, database, err);
}

static void
sweep_done(struct store_op *op, const struct err *err)
{
	struct sweep *sweep = (struct sweep *)op;
	struct blobs *blobs = sweep->blobs;
	bool more = err == NULL &&
	    (sweep->seen == PORTION || sweep->ngarbage == PORTION);

	if (err != NULL)
		log_failure(LOG_LEVEL_ERROR, "blobs.not_swept", err, NULL);
	for (int i = 0; i < sweep->left && err == NULL; i++) {
		struct blob_account *account =
		    blobs_account(blobs, sweep->rows[i].subject);

		blobs_account_add(
		    blobs, account, -blob_counted(sweep->rows[i].size));
		blobs_account_leave(blobs, account);
	}
	for (int i = 0; i < sweep->ngarbage && err == NULL; i++)
		blobs_remove_set_aside(blobs, sweep->garbage[i]);
	free(sweep);
	blobs_sweep_in(blobs, more ? PORTION_MS : SWEEP_MS);
	blobs_let_go(blobs);
}

void
blobs_sweep(struct blobs *blobs)
{
	struct sweep *sweep = alloc_zero(1, sizeof(*sweep));

	sweep->op = (struct store_op){.run = run_sweep, .done = sweep_done};
	sweep->blobs = blobs;
	blobs->users++;
	store_submit(blobs->store, &sweep->op);
}
