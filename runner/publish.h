/*
 * The signed head of the audit log, put where the runner's own disk is not: a
 * file in a folder that is another machine's, at bounded intervals. Whoever
 * rolls the log back, or signs it anew, contradicts what is there.
 *
 * A folder that is slow or dead holds up nobody: it is written to on a thread
 * of libuv's, one at a time, and each failure is counted.
 */
#ifndef RUNNER_PUBLISH_H
#define RUNNER_PUBLISH_H

#include <uv.h>

#include "runner/store.h"

#define PUBLISH_NAME "checkpoint"

struct publish;

struct publish_counters {
	uint64_t written, failed;
};

/* The store is borrowed; `folder` is copied. */
struct publish *publish_open(
    uv_loop_t *loop, struct store *store, const char *folder, int64_t each_s);
const struct publish_counters *publish_counters(const struct publish *publish);
/* Before the store is closed. The memory goes when the loop has turned, and
 * what is under way is over. */
void publish_close(struct publish *publish);

#endif
