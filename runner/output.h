/*
 * A task's output: one file for each stream under STATE/output/, as much as
 * its limit allows over both together, and those who follow it.
 *
 * A follower gets the reading end of a pipe. What it has not read stays in the
 * file, so that a slow one costs a pipe's buffer and holds up nobody.
 */
#ifndef RUNNER_OUTPUT_H
#define RUNNER_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "lib/clock.h"
#include "lib/err.h"
#include "runner/sandbox.h"

struct output;
struct follower;

/* Followers of all tasks together; no more than half the descriptors that the
 * process may have. */
#define OUTPUT_FOLLOWERS_MAX 4096

/* Output leaves this much of the file system free, or a quarter of a small one:
 * else one task's would keep the end of all tasks from being put on record. */
#define OUTPUT_RESERVE_BYTES (INT64_C(8) * 1024 * 1024)

/* The folder, and what is the same for every task. */
struct output_store {
	uv_loop_t *loop;
	int directory;
	size_t followers, followers_max;
	struct follower *first; /* of all of them */
	uv_timer_t *ending; /* NULL: they have all the time there is */
	int64_t reserve_bytes;
	int64_t unchecked; /* bytes written since the room was looked at */
};

int output_store_open(uv_loop_t *loop, const char *path,
    struct output_store *ret, struct err *err);
void output_store_close(struct output_store *store);
/* Whether the file system has more room than the reserve. */
bool output_store_has_room(const struct output_store *store);
/* The same for `len` bytes about to be written; looks only now and then. */
bool output_store_take_room(struct output_store *store, size_t len);

/* Makes nothing yet: a file comes with its stream's first byte. */
struct output *
output_new(struct output_store *store, const char *task, int64_t limit_bytes);
/* The output of an earlier life of the runner: what its files hold is kept, and
 * more is added to it. */
struct output *
output_adopt(struct output_store *store, const char *task, int64_t limit_bytes);
/* Bytes are missing from here on: nothing more is kept. */
void output_cut(struct output *output);
/* Keeps what fits; never blocks for a reader. */
void output_write(
    struct output *output, enum stream stream, const void *data, size_t len);
int64_t output_kept(const struct output *output, enum stream stream);
bool output_is_truncated(const struct output *output);
/* NULL, or why the disk did not take all of it (for the log, once). */
const char *output_failure(const struct output *output);
/* Nothing more will come: `done` is called once, as soon as the digests are
 * known, during the call where nothing has to be read for them. Not after
 * output_release(). */
void output_digest(struct output *output, void (*done)(void *arg), void *arg);
/* Of what is kept of the stream, after done(): 64 digits; "": it could not be
 * read. */
const char *output_sha256(const struct output *output, enum stream stream);
/* The end may be told: followers get what is left and then the end. */
void output_end(struct output *output);
/* Followers still get what is left; the memory goes with the last. */
void output_release(struct output *output);

/* A pipe's reading end: the stream's bytes from the offset on, to the end.
 * ERR_BUSY: too many follow. */
int output_follow(struct output *output, enum stream stream, int64_t offset,
    int *ret_fd, struct err *err);

/* Who follows still gets what is left, but only for so long: a reader that
 * does not read must not keep the loop from its end. */
void output_store_end(struct output_store *store, uint64_t within_ms);

/* The file of a stream, read-only, placed at the offset; an empty one where
 * nothing was written. */
int output_open(const struct output_store *store, const char *task,
    enum stream stream, int64_t offset, int *ret_fd, struct err *err);
/* The size of a stream's file, 0 where there is none. */
int64_t output_size(
    const struct output_store *store, const char *task, enum stream stream);
/* Removes the files of a task. On any thread; may take its time. */
void output_remove(const struct output_store *store, const char *task);

#endif
