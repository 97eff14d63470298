/*
 * Following a task: its streams side by side, errands beside them, signals
 * in between, until the task's output has ended and, where it is wanted, the
 * task itself.
 */
#ifndef CLIENT_FOLLOW_H
#define CLIENT_FOLLOW_H

#include "client/errand.h"
#include "client/feed.h"
#include "client/session.h"
#include "client/stream.h"

struct follow {
	struct session *session;
	const char *task; /* id; borrowed; NULL: not made yet */
	struct stream streams[2];
	size_t nstreams;
	struct errands errands;
	struct feed *feed; /* standard input; borrowed; NULL: there is none */
	bool passes_signals; /* INT, TERM cancel; others go to the task */
	unsigned interrupts; /* so far */
	int early[4]; /* other signals before there is a task, each once */
	size_t nearly;
};

/* A stream into `sink` from `offset` on; both are borrowed. */
void follow_add(struct follow *follow, const char *name, struct sink *sink,
    int64_t offset, bool until_end);
/* For struct session, while something else than a stream is waited for: what a
 * signal means, and errands and the feed. Before there is a task (NULL) signals
 * are kept. */
bool follow_take_signal(void *arg, int number);
void follow_turn_errands(void *arg);
/* The task is known now: the signals before go to it, in order of their
 * coming, and what was interrupted before cancels it. */
void follow_begin(struct follow *follow, const char *task);

/* Until all streams have ended and all of it is written. -1: the failure, with
 * the command that goes on where this one left off. */
int follow_streams(struct follow *follow, struct failure *failure);
/*
 * The same, and on to the task's end: *ret_document (the caller's) is the
 * finished task, and of each stream all that was kept of it has come.
 */
int follow_to_end(
    struct follow *follow, json_t **ret_document, struct failure *failure);
void follow_done(struct follow *follow);

#endif
