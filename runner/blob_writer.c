/*
 * One upload. The loop fills one buffer while a thread of libuv's writes and
 * hashes the other; a writer whose work is under way is touched by the loop
 * only in what the work does not use.
 *
 * The file is made in tmp under its digest's name, so that whatever ends us is
 * healed at the next start: linked to its place, then named by a row, then
 * unlinked from tmp.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "runner/blobs_state.h"

#define BUFFER_BYTES (256 * 1024)
/* Its place was taken away under it, by the removal of another subject's. */
#define PLACINGS_MAX 5

struct blob_writer {
	struct store_op op; /* one after the other */
	struct blobs *blobs;
	struct blob_account *account;
	struct blob_row row;
	struct audit_entry *entry;
	void (*room)(void *arg);
	void *arg;

	bool known; /* whether the subject has it already */
	bool existed;
	int64_t held; /* bytes counted for it */
	char *filling, *flying;
	size_t filled, flown;
	struct err failure;
	bool failed;
	bool finishing, aborted;
	void (*done)(
	    void *arg, const struct err *err, const struct blob_stored *stored);
	void *done_arg;
	int placings;
	int64_t now_ms;

	uv_work_t work; /* and what it alone uses while it is under way: */
	bool working, sealing;
	struct blob_file file;
	struct err work_err;
	bool work_failed;
	bool keeps_name; /* in tmp: the next start heals */
};

static void step(struct blob_writer *writer);

/* -- off the loop */

static void
run_work(uv_work_t *work)
{
	struct blob_writer *writer = work->data;
	struct err *err = &writer->work_err;
	bool is_first = !writer->file.synced && !writer->file.is_placed;
	int result;

	if (!writer->sealing)
		result = blob_file_append(&writer->file, !writer->existed,
		    writer->flying, writer->flown, err);
	else if (is_first && blob_file_check(&writer->file, err) != 0)
		result = -1;
	else
		result =
		    writer->existed ? 0 : blob_file_place(&writer->file, err);
	writer->work_failed = result != 0;
}

static void
run_removal(uv_work_t *work)
{
	struct blob_writer *writer = work->data;

	blob_file_done(&writer->file, writer->keeps_name);
}

/* -- on the loop */

static void
begin_work(struct blob_writer *writer, uv_work_cb run, uv_after_work_cb after)
{
	writer->work.data = writer;
	if (uv_queue_work(writer->blobs->loop, &writer->work, run, after) != 0)
		die("uv_queue_work");
}

static void
fail_writer(struct blob_writer *writer, const struct err *err)
{
	if (writer->failed)
		return;
	writer->failed = true;
	writer->failure = *err;
	/* A full disk, a quota of the file system: nobody's fault here. */
	if (err->code == ERR_INTERNAL &&
	    (err->errnum == ENOSPC || err->errnum == EDQUOT ||
		err->errnum == EFBIG || err->errnum == EIO))
		writer->failure.code = ERR_UNAVAILABLE;
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

static void
leave(struct blob_writer *writer)
{
	if (writer->held > 0)
		blobs_account_add(
		    writer->blobs, writer->account, -writer->held);
	writer->held = 0;
	begin_work(writer, run_removal, removed);
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
	leave(writer);
}

/* Its place may hold what no row names. */
static void
undo(struct blob_writer *writer)
{
	if (!writer->file.is_placed || writer->existed ||
	    writer->blobs->closed) {
		writer->keeps_name = writer->file.is_placed;
		leave(writer);
		return;
	}
	writer->op =
	    (struct store_op){.reads = true, .run = run_undo, .done = undone};
	store_submit(writer->blobs->store, &writer->op);
}

static void begin_sealing(struct blob_writer *writer);
static void end_failed(struct blob_writer *writer);

static void
inserted(struct store_op *op, const struct err *err)
{
	struct blob_writer *writer = (struct blob_writer *)op;

	if (err != NULL && err->code == ERR_CONFLICT &&
	    writer->placings < PLACINGS_MAX && !writer->blobs->closed) {
		begin_sealing(writer);
		return;
	}
	if (err != NULL) {
		fail_writer(writer, err);
		end_failed(writer);
		return;
	}
	if (!writer->existed)
		writer->held = 0; /* it stays counted */
	answer(writer, NULL);
	leave(writer);
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
		fail_writer(writer, &err);
		end_failed(writer);
		return;
	}
	writer->now_ms = clock_wall_ms();
	complete_entry(writer);
	writer->op = (struct store_op){.run = run_insert, .done = inserted};
	store_submit(writer->blobs->store, &writer->op);
}

/* -- one step after the other */

static void
worked(uv_work_t *work, int status)
{
	struct blob_writer *writer = work->data;

	(void)status;
	writer->working = false;
	if (writer->work_failed)
		fail_writer(writer, &writer->work_err);
	if (writer->sealing && !writer->failed) {
		insert(writer);
		return;
	}
	step(writer);
}

static void
begin_sealing(struct blob_writer *writer)
{
	writer->placings++;
	writer->sealing = true;
	writer->working = true;
	begin_work(writer, run_work, worked);
}

static void
begin_writing(struct blob_writer *writer)
{
	char *full = writer->filling;

	writer->filling = writer->flying;
	writer->flying = full;
	writer->flown = writer->filled;
	writer->filled = 0;
	writer->working = true;
	begin_work(writer, run_work, worked);
}

static void
end_failed(struct blob_writer *writer)
{
	struct err err = writer->failure;

	if (err.code == ERR_CONFLICT)
		err.code = ERR_UNAVAILABLE;
	if (err.code == ERR_INTERNAL || err.code == ERR_UNAVAILABLE)
		log_failure(LOG_LEVEL_ERROR, "blob.not_stored", &err, NULL);
	answer(writer, &err);
	undo(writer);
}

/* Counted before it is written. */
static int
hold(struct blob_writer *writer, int64_t size, struct err *err)
{
	struct blobs *blobs = writer->blobs;
	int64_t more = blob_counted(size) - writer->held;

	if (writer->existed || more <= 0)
		return 0;
	if (writer->account->bytes + more > blobs->bounds.per_subject)
		return err_set(err, ERR_BUSY,
		    "your uploads take up all they may; those that are not "
		    "used go after a time");
	if (blobs->bytes + more > blobs->bounds.total)
		return err_set(err, ERR_BUSY,
		    "everybody's uploads take up all they may; those that "
		    "are not used go after a time");
	if (!output_store_take_room(blobs->outputs, (size_t)more))
		return err_set(
		    err, ERR_UNAVAILABLE, "there is no room on the disk");
	blobs_account_add(blobs, writer->account, more);
	writer->held += more;
	return 0;
}

/* An empty one counts too. */
static void
seal(struct blob_writer *writer)
{
	struct err err;

	if (hold(writer, writer->row.size, &err) == 0) {
		begin_sealing(writer);
		return;
	}
	fail_writer(writer, &err);
	end_failed(writer);
}

/* What room() leads to comes last: it may abort the writer. */
static void
step(struct blob_writer *writer)
{
	if (writer->working || !writer->known)
		return;
	if (writer->aborted) {
		leave(writer);
	} else if (writer->failed) {
		if (writer->finishing)
			end_failed(writer);
		else
			writer->room(writer->arg);
	} else if (writer->filled > 0) {
		begin_writing(writer);
		if (!writer->finishing)
			writer->room(writer->arg);
	} else if (writer->finishing) {
		seal(writer);
	}
}

/* -- whether the subject has it already */

static int
run_lookup(struct store_op *op, struct database *database, struct err *err)
{
	struct blob_writer *writer = (struct blob_writer *)op;
	int64_t size;
	int found = blob_store_get(
	    database, writer->row.subject, writer->row.sha256, &size, err);

	writer->existed = found > 0;
	return found < 0 ? -1 : 0;
}

static void
looked_up(struct store_op *op, const struct err *err)
{
	struct blob_writer *writer = (struct blob_writer *)op;

	writer->known = true;
	if (err != NULL)
		fail_writer(writer, err);
	if (writer->aborted || writer->finishing || writer->failed)
		step(writer);
	else
		writer->room(writer->arg);
}

static int
check_begin(const struct blobs *blobs, const struct blob_account *account,
    struct err *err)
{
	if (!blobs->ready || blobs->closed)
		return err_set(err, ERR_UNAVAILABLE,
		    "uploads cannot be taken at the moment");
	if (account->uploads >= BLOBS_UPLOADS_PER_SUBJECT ||
	    blobs->uploads >= BLOBS_UPLOADS_MAX)
		return err_set(err, ERR_BUSY, "too many uploads at once");
	return 0;
}

static struct blob_writer *
new_writer(struct blobs *blobs, const struct blob_order *order)
{
	struct blob_writer *writer = alloc_zero(1, sizeof(*writer));

	writer->blobs = blobs;
	writer->entry = order->entry;
	writer->room = order->room;
	writer->arg = order->arg;
	snprintf(writer->row.subject, sizeof(writer->row.subject), "%s",
	    order->subject);
	snprintf(writer->row.sha256, sizeof(writer->row.sha256), "%s",
	    order->sha256);
	writer->filling = alloc_zero(1, BUFFER_BYTES);
	writer->flying = alloc_zero(1, BUFFER_BYTES);
	blob_file_init(
	    &writer->file, blobs->directory, blobs->tmp, writer->row.sha256);
	return writer;
}

struct blob_writer *
blobs_begin(
    struct blobs *blobs, const struct blob_order *order, struct err *err)
{
	struct blob_account *account = blobs_account(blobs, order->subject);
	struct blob_writer *writer;

	if (check_begin(blobs, account, err) != 0) {
		blobs_account_leave(blobs, account);
		audit_entry_free(order->entry);
		return NULL;
	}
	writer = new_writer(blobs, order);
	writer->account = account;
	account->uploads++;
	blobs->uploads++;
	blobs->users++;
	writer->op = (struct store_op){
	    .reads = true, .run = run_lookup, .done = looked_up};
	store_submit(blobs->store, &writer->op);
	return writer;
}

/* -- what comes */

size_t
blobs_room(const struct blob_writer *writer)
{
	if (!writer->known)
		return 0;
	return writer->failed ? BUFFER_BYTES : BUFFER_BYTES - writer->filled;
}

static int
check_write(struct blob_writer *writer, int64_t size, struct err *err)
{
	if (writer->failed) {
		*err = writer->failure;
		return -1;
	}
	if (size > writer->blobs->bounds.blob_max)
		return err_set(err, ERR_TOO_LARGE,
		    "a file may have %lld bytes at most",
		    (long long)writer->blobs->bounds.blob_max);
	return hold(writer, size, err);
}

int
blobs_write(
    struct blob_writer *writer, const void *data, size_t len, struct err *err)
{
	int64_t size = writer->row.size + (int64_t)len;

	if (check_write(writer, size, err) != 0) {
		fail_writer(writer, err);
		return -1;
	}
	if (len > BUFFER_BYTES - writer->filled)
		die("blobs_write without room");
	memcpy(writer->filling + writer->filled, data, len);
	writer->filled += len;
	writer->row.size = size;
	if (!writer->working && writer->filled > 0)
		begin_writing(writer);
	return 0;
}

void
blobs_finish(struct blob_writer *writer,
    void (*done)(
	void *arg, const struct err *err, const struct blob_stored *stored),
    void *arg)
{
	writer->done = done;
	writer->done_arg = arg;
	writer->finishing = true;
	step(writer);
}

void
blobs_abort(struct blob_writer *writer)
{
	writer->aborted = true;
	step(writer);
}
