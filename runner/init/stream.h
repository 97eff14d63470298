/*
 * One output stream of the task: a pipe, and a ring of what was read from it,
 * numbered by absolute offset. Bytes leave the ring when they have been
 * acknowledged; while it is full nothing is read, and the task blocks.
 */
#ifndef RUNNER_INIT_STREAM_H
#define RUNNER_INIT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "runner/control.h"

#define STREAM_RING CONTROL_OUTPUT_WINDOW

struct stream {
	int pipe; /* -1: at its end, or never opened */
	/* start <= sent <= end <= start + STREAM_RING */
	uint64_t start; /* acknowledged up to here */
	uint64_t sent;
	uint64_t end; /* read up to here */
	/* The task has ended: read this much, then close. */
	bool draining;
	size_t rest;
	uint8_t ring[STREAM_RING];
};

/* Takes the pipe's reading end (non-blocking) over. */
void stream_open_take(struct stream *stream, int pipe);
bool stream_has_room(const struct stream *stream);
/* Reads what there is, once. */
void stream_read(struct stream *stream);
/* Only what is in the pipe now still counts: nobody waits for an end that
 * somebody holds back. */
void stream_drain(struct stream *stream);
/* What is to be sent next, at most `max` bytes; the number of pieces. */
int stream_peek(
    struct stream *stream, size_t max, struct iovec ret[2], size_t *ret_len);
/* False: an offset that was never sent, or lies behind an older one. */
bool stream_acknowledge(struct stream *stream, uint64_t offset);
/* All from this offset on is here to be sent (again). */
bool stream_holds(const struct stream *stream, uint64_t offset);
/* Goes on from such an offset: the runner has what lies before it. */
void stream_resume(struct stream *stream, uint64_t offset);
/* Closed, and all of it sent. */
bool stream_is_finished(const struct stream *stream);

#endif
