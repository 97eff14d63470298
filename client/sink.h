/*
 * Where a task's output goes: a descriptor of ours, byte for byte, or memory.
 *
 * Never blocks, so that a reader that is slow on one stream holds up neither
 * the other one nor ^C: what does not fit waits here, one piece at a time,
 * and the transfer is paused. The descriptor may be anybody's terminal or
 * pipe, so that O_NONBLOCK, which its other users would get too, is not set.
 */
#ifndef CLIENT_SINK_H
#define CLIENT_SINK_H

#include <stdbool.h>

#include "lib/buffer.h"

struct sink {
	int fd; /* -1: memory */
	bool at_once; /* a file, or /dev/null: nobody reads it */
	int errnum; /* of the write that failed; nothing is taken after it */
	struct buffer waiting; /* for a descriptor: not yet written */
	struct buffer kept; /* memory */
};

/* The descriptor stays the caller's. */
void sink_init(struct sink *sink, int fd);
void sink_init_memory(struct sink *sink, size_t max);
void sink_done(struct sink *sink);

/* False: not now; none of it was taken. */
bool sink_write(struct sink *sink, const char *data, size_t len);
/* Writes of what waits as much as there is room for. */
void sink_flush(struct sink *sink);
bool sink_is_waiting(const struct sink *sink);
/* The reader has gone, or the bound is reached: nothing more goes in. */
bool sink_is_closed(const struct sink *sink);

#endif
