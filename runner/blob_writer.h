/*
 * What blob_writer.c and blob_end.c share: one upload. What a thread's work
 * uses while it is under way the loop leaves alone.
 */
#ifndef RUNNER_BLOB_WRITER_H
#define RUNNER_BLOB_WRITER_H

#include "runner/blobs_state.h"

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
	size_t filled, flown; /* flying: the work's, while it is written */
	bool working;
	struct err failure;
	bool failed;
	bool finishing, aborted;

	void (*done)(
	    void *arg, const struct err *err, const struct blob_stored *stored);
	void *done_arg;
	int placings;
	int64_t now_ms;
	bool keeps_name; /* in tmp: the next start heals */

	uv_work_t work; /* and what it alone uses while it is under way: */
	struct blob_file file;
	struct err work_err;
	bool work_failed;
};

void blob_writer_work(
    struct blob_writer *writer, uv_work_cb run, uv_after_work_cb after);
/* The first failure counts. */
void blob_writer_fail(struct blob_writer *writer, const struct err *err);

/* All of it is written, nothing is under way any more: it is kept if its
 * digest is right. The writer goes, here and in the next two, in the end. */
void blob_end_keep(struct blob_writer *writer);
/* It has failed: that is answered, and undone. */
void blob_end_fail(struct blob_writer *writer);
/* Nobody is to be answered, and nothing is at its place. */
void blob_end_leave(struct blob_writer *writer);

#endif
