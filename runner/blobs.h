/*
 * Blobs: files that subjects upload before the tasks that read them. Content is
 * addressed by its SHA-256: STATE/blobs/HH/SHA256, one file however many
 * subjects have it; a subject has it once it has sent all of it.
 *
 * Whoever uploads is a stranger: nothing counts until the digest is right, and
 * everything is counted before it is written. What may block is done on
 * libuv's threads and the store's.
 */
#ifndef RUNNER_BLOBS_H
#define RUNNER_BLOBS_H

#include <stdint.h>
#include <uv.h>

#include "lib/err.h"
#include "policy/request.h"
#include "runner/audit.h"
#include "runner/output.h"
#include "runner/store.h"

struct blobs;
struct blob_writer;

/* However small it is, a blob counts as much: a block of the disk. */
#define BLOB_COUNTED_BYTES 4096
/* Uploads under way, each with its buffers: in all and of one subject. */
#define BLOBS_UPLOADS_MAX 64
#define BLOBS_UPLOADS_PER_SUBJECT 16

struct blobs_bounds {
	int64_t blob_max, per_subject, total; /* bytes */
	int64_t max_age_s; /* since the last use */
};

/* Removes what an earlier life left half done. `outputs`: the room on the disk
 * is counted there. */
struct blobs *
blobs_open(uv_loop_t *loop, struct store *store, struct output_store *outputs,
    const char *directory, const struct blobs_bounds *bounds, struct err *err);
/* Before the store is closed: uploads break off, nothing more is removed. The
 * memory goes when the loop has turned. */
void blobs_close(struct blobs *blobs);

struct blob_order {
	const char *subject;
	const char *sha256; /* 64 digits, in lower case */
	/* Of EVENT_BLOB_STORED, with who asks: the rest is filled in. Taken in
	 * every case. */
	struct audit_entry *entry;
	/* There is room again, or it has failed and blobs_write() says why. */
	void (*room)(void *arg);
	void *arg;
};

/* NULL: ERR_BUSY (too many at once, or the quota is used up), ERR_UNAVAILABLE
 * (no room on the disk, or not ready yet). */
struct blob_writer *blobs_begin(
    struct blobs *blobs, const struct blob_order *order, struct err *err);
/* How much blobs_write() takes now: 0 until room() is called. */
size_t blobs_room(const struct blob_writer *writer);
/* At most blobs_room(). -1: ERR_TOO_LARGE, ERR_BUSY (quota), ERR_UNAVAILABLE
 * (disk); then nothing is left but to abort it. */
int blobs_write(
    struct blob_writer *writer, const void *data, size_t len, struct err *err);

struct blob_stored {
	int64_t size;
	bool existed; /* the subject had it already */
	int64_t expires_ms; /* wall clock, if it is not used until then */
};

/* All of it has come. done() once it is durable, with its record, or with what
 * went wrong (ERR_UNPROCESSABLE: it has another digest): *stored is NULL then.
 * The writer is gone in either case. */
void blobs_finish(struct blob_writer *writer,
    void (*done)(
	void *arg, const struct err *err, const struct blob_stored *stored),
    void *arg);
/* Instead of blobs_finish(): nothing of it is kept. */
void blobs_abort(struct blob_writer *writer);

/*
 * Opens all of them, read-only, for the task that is to read them: done() with
 * as many descriptors, the callee's to close; or ERR_NOT_FOUND, naming the
 * first that is not there. `inputs` is borrowed until then.
 *
 * That they are there when a task is accepted is looked at by
 * task_store_insert(), which also keeps them until the task has started or
 * ended.
 */
void blobs_find(struct blobs *blobs, const char *subject,
    const struct request_input *inputs, size_t n,
    void (*done)(void *arg, const struct err *err, const int *fds), void *arg);

/* What all subjects have together, as it is counted. */
int64_t blobs_bytes(const struct blobs *blobs);

#endif
