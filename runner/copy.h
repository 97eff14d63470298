/*
 * A live copy of the audit log: each record as one line of JSON, as
 * `taskgate-admin audit tail -o jsonl` prints it, in order, as soon as it is
 * durable. How far it has come is in the store, so that what could not be
 * written is caught up with, also by a later life; after a crash the last ones
 * may come twice. It holds up nobody: the store is asked for a portion, and a
 * thread of libuv's writes it.
 */
#ifndef RUNNER_COPY_H
#define RUNNER_COPY_H

#include <uv.h>

#include "runner/store.h"

#define COPY_FILE "audit.jsonl"

struct copy;

struct copy_counters {
	uint64_t records, stalled;
};

/* `folder` NULL: to standard output. The store is borrowed. */
struct copy *
copy_open(uv_loop_t *loop, struct store *store, const char *folder);
const struct copy_counters *copy_counters(const struct copy *copy);
/* Before the store is closed. The memory goes when the loop has turned. */
void copy_close(struct copy *copy);

#endif
