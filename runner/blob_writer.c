/*
 * One upload as it comes: the loop fills one buffer while a thread of libuv's
 * writes and hashes the other. What is counted against whom is counted before
 * it is written.
 */
#include "runner/blob_writer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/alloc.h"

#define BUFFER_BYTES (256 * 1024)

static void step(struct blob_writer *writer);

/* -- writing, off the loop */

void
blob_writer_work(
    struct blob_writer *writer, uv_work_cb run, uv_after_work_cb after)
{
	writer->work.data = writer;
	if (uv_queue_work(writer->blobs->loop, &writer->work, run, after) != 0)
		die("uv_queue_work");
}

void
blob_writer_fail(struct blob_writer *writer, const struct err *err)
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
run_writing(uv_work_t *work)
{
	struct blob_writer *writer = work->data;

	writer->work_failed =
	    blob_file_append(&writer->file, !writer->existed, writer->flying,
		writer->flown, &writer->work_err) != 0;
}

static void
written(uv_work_t *work, int status)
{
	struct blob_writer *writer = work->data;

	(void)status;
	writer->working = false;
	if (writer->work_failed)
		blob_writer_fail(writer, &writer->work_err);
	step(writer);
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
	blob_writer_work(writer, run_writing, written);
}

/* -- one step after the other */

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
		blob_end_keep(writer);
		return;
	}
	blob_writer_fail(writer, &err);
	blob_end_fail(writer);
}

/* What room() leads to comes last: it may abort the writer. */
static void
step(struct blob_writer *writer)
{
	if (writer->working || !writer->known)
		return;
	if (writer->aborted) {
		blob_end_leave(writer);
	} else if (writer->failed) {
		if (writer->finishing)
			blob_end_fail(writer);
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
		blob_writer_fail(writer, err);
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
		blob_writer_fail(writer, err);
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
