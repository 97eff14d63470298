/*
 * How far something has come, for a person on a terminal: one line that is
 * written again and again.
 */
#ifndef CLIENT_PROGRESS_H
#define CLIENT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#define PROGRESS_TEXT 160

/* "model.bin   45%  117.0 MiB of 260.0 MiB   35.2 MiB/s  0:04 left". Pure. */
void progress_describe(const char *name, int64_t done, int64_t total,
    int64_t elapsed_ms, char ret[PROGRESS_TEXT]);

struct progress {
	const char *name; /* borrowed; neutralised when shown */
	int64_t total;
	int64_t begun_ms;
	int64_t shown_ms; /* 0: never */
	bool shows; /* there is a terminal, and nobody said to be quiet */
};

void progress_begin(
    struct progress *progress, const char *name, int64_t total, bool quiet);
/* Draws it, a few times a second and not before it takes long. */
void progress_move(struct progress *progress, int64_t done);
/* Takes the line away. */
void progress_end(struct progress *progress);

#endif
