/*
 * The engine's stream of events: JSON objects, one to a line, without end.
 * Pure: fed with bytes as they come, however they are cut. What it holds is
 * bounded by one line.
 */
#ifndef RUNNER_EVENT_READER_H
#define RUNNER_EVENT_READER_H

#include <jansson.h>
#include <stdbool.h>

#include "lib/buffer.h"

/* An event carries all labels of its image. */
#define EVENT_LINE_MAX (1024 * 1024)

struct event_reader {
	struct buffer line; /* what has come of the line that is being read */
	struct buffer fed; /* what has not been looked at begins at `at` */
	size_t at;
	bool skipping; /* the line is too long: none of it is kept */
};

void event_reader_init(struct event_reader *reader);
void event_reader_done(struct event_reader *reader);
/* To be followed by event_reader_next() until it says false. */
void
event_reader_feed(struct event_reader *reader, const char *data, size_t len);
/*
 * False: more must come first. Else *ret is the next event, the caller's to
 * release, or NULL: one that is too long or is no JSON object. Something has
 * happened then as well.
 */
bool event_reader_next(struct event_reader *reader, json_t **ret);

#endif
