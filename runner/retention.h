/*
 * How long finished tasks are kept. By age: the row, its key, its output and
 * files; by size, oldest end first: the bytes alone. Audit records stay, but
 * for their texts where an age is set.
 *
 * It goes in small portions, each a transaction of the store's beside others';
 * files are removed after it on a thread of libuv's.
 */
#ifndef RUNNER_RETENTION_H
#define RUNNER_RETENTION_H

#include <uv.h>

#include "runner/files.h"
#include "runner/output.h"
#include "runner/store.h"

struct retention;

struct retention_bounds {
	int64_t age_s; /* since the end; 0: for ever */
	int64_t bytes; /* of output and files together; 0: no bound */
	int64_t audit_age_s; /* of records' texts; 0: for ever */
};

/* All of it is borrowed until the loop has turned after retention_close(). */
struct retention *retention_open(uv_loop_t *loop, struct store *store,
    const struct output_store *outputs, const struct files_store *files,
    const struct retention_bounds *bounds);
/* Before the store is closed: nothing more is begun. The memory goes when the
 * loop has turned; what was left goes in the next life. */
void retention_close(struct retention *retention);
/* Nothing is under way, and the last look found nothing left to do. */
bool retention_is_idle(const struct retention *retention);

#endif
