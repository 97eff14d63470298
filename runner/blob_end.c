/*
 * How an upload ends: it has its place, its row and its record, or nothing is
 * left of it.
 *
 * The file is made in tmp under its digest's name, so that whatever ends us is
 * healed at the next start: linked to its place, then named by a row, then
 * unlinked from tmp.
 */
#include <stdlib.h>
#include <sys/stat.h>

#include "lib/alloc.h"
#include "lib/log.h"
#include "runner/blob_writer.h"

/* Its place was taken away under it, by the removal of another subject's. */
#define PLACINGS_MAX 5

/* -- what is left of it */

static void
run_removal(uv_work_t *work)
{
	struct blob_writer *writer = work->data;

	blob_file_done(&writer->file, writer->keeps_name);
}

static void
free_writer(struct blob_writer *writer)
{
	struct blobs *blobs = writer->blobs;

	blobs->uploads--;
	writer->account->uploads--;
	blobs_account_leave(blobs, writer->account);
	audit_entry_free(writer->entry);
	free(writer->filling);
	free(writer->flying);
	free(writer);
	blobs_let_go(blobs);
}

static void
removed(uv_work_t *work, int status)
{
	(void)status;
	free_writer(work->data);
}

void
blob_end_leave(struct blob_writer *writer)
{
	if (writer->held > 0)
		blobs_account_add(
		    writer->blobs, writer->account, -writer->held);
	writer->held = 0;
	blob_writer_work(writer, run_removal, removed);
}

static void
answer(struct blob_writer *writer, const struct err *err)
{
	const struct blob_stored stored = {
	    .size = writer->row.size,
	    .existed = writer->existed,
	    .expires_ms =
		writer->now_ms + 1000 * writer->blobs->bounds.max_age_s,
	};

	if (writer->done != NULL)
		writer->done(
		    writer->done_arg, err, err == NULL ? &stored : NULL);
	writer->done = NULL;
}

/* -- without success */

static int
run_undo(struct store_op *op, struct database *database, struct err *err)
{
	struct blob_writer *writer = (struct blob_writer *)op;

	return blobs_set_aside(
	    writer->blobs, database, writer->row.sha256, err);
}

static void
undone(struct store_op *op, const struct err *err)
{
	struct blob_writer *writer = (struct blob_writer *)op;

	if (err == NULL)
		blobs_remove_set_aside(writer->blobs, writer->row.sha256);
	else
		writer->keeps_name = true;
	blob_end_leave(writer);
}

/* Its place may hold what no row names. */
static void
undo(struct blob_writer *writer)
{
	if (!writer->file.is_placed || writer->existed ||
	    writer->blobs->closed) {
		writer->keeps_name = writer->file.is_placed;
		blob_end_leave(writer);
		return;
	}
	writer->op =
	    (struct store_op){.reads = true, .run = run_undo, .done = undone};
	store_submit(writer->blobs->store, &writer->op);
}

void
blob_end_fail(struct blob_writer *writer)
{
	struct err err = writer->failure;

	if (err.code == ERR_CONFLICT)
		err.code = ERR_UNAVAILABLE;
	if (err.code == ERR_INTERNAL || err.code == ERR_UNAVAILABLE)
		log_failure(LOG_LEVEL_ERROR, "blob.not_stored", &err, NULL);
	answer(writer, &err);
	undo(writer);
}

/* -- the row */

static int
run_insert(struct store_op *op, struct database *database, struct err *err)
{
	struct blob_writer *writer = (struct blob_writer *)op;
	const struct blob_row *row = &writer->row;
	char name[BLOB_NAME_SIZE];
	struct stat st;
	int found = blob_store_use(
	    database, row->subject, row->sha256, writer->now_ms, err);

	if (found < 0)
		return -1;
	if (found > 0) {
		writer->existed = true;
		return 0;
	}
	if (writer->existed)
		return err_set(err, ERR_UNAVAILABLE,
		    "it was removed while it came again; send it once more");
	blob_name(row->sha256, name);
	if (fstatat(writer->blobs->directory, name, &st, AT_SYMLINK_NOFOLLOW) !=
	    0)
		return err_set(err, ERR_CONFLICT, "blobs/%s was removed", name);
	if (blob_store_insert(database, row, writer->now_ms, err) != 0)
		return -1;
	return audit_append(database, writer->entry, err);
}

static void
inserted(struct store_op *op, const struct err *err)
{
	struct blob_writer *writer = (struct blob_writer *)op;

	if (err != NULL && err->code == ERR_CONFLICT &&
	    writer->placings < PLACINGS_MAX && !writer->blobs->closed) {
		blob_end_keep(writer);
		return;
	}
	if (err != NULL) {
		blob_writer_fail(writer, err);
		blob_end_fail(writer);
		return;
	}
	if (!writer->existed)
		writer->held = 0; /* it stays counted */
	answer(writer, NULL);
	blob_end_leave(writer);
}

static void
complete_entry(struct blob_writer *writer)
{
	struct audit_entry *entry = writer->entry;

	if (entry->object == NULL)
		entry->object = json_object();
	json_object_set_new(
	    entry->object, "sha256", json_string(writer->row.sha256));
	json_object_set_new(
	    entry->object, "size", json_integer(writer->row.size));
	audit_set_message(entry, "%s uploaded a file of %lld bytes",
	    writer->row.subject, (long long)writer->row.size);
}

static void
insert(struct blob_writer *writer)
{
	struct err err;

	if (writer->blobs->closed) {
		err_set(&err, ERR_UNAVAILABLE, "the runner is being stopped");
		blob_writer_fail(writer, &err);
		blob_end_fail(writer);
		return;
	}
	writer->now_ms = clock_wall_ms();
	complete_entry(writer);
	writer->op = (struct store_op){.run = run_insert, .done = inserted};
	store_submit(writer->blobs->store, &writer->op);
}

/* -- its place */

static void
run_placing(uv_work_t *work)
{
	struct blob_writer *writer = work->data;
	struct blob_file *file = &writer->file;
	struct err *err = &writer->work_err;

	writer->work_failed =
	    (writer->placings == 1 && blob_file_check(file, err) != 0) ||
	    (!writer->existed && blob_file_place(file, err) != 0);
}

static void
placed(uv_work_t *work, int status)
{
	struct blob_writer *writer = work->data;

	(void)status;
	if (writer->work_failed) {
		blob_writer_fail(writer, &writer->work_err);
		blob_end_fail(writer);
	} else {
		insert(writer);
	}
}

void
blob_end_keep(struct blob_writer *writer)
{
	writer->placings++;
	blob_writer_work(writer, run_placing, placed);
}
