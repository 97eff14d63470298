/*
 * Standard input on its way into a task: read as there is room for it, sent in
 * pieces of which the server says how far each came, and gone on with after a
 * lost connection at the byte where the server stands.
 */
#ifndef CLIENT_FEED_H
#define CLIENT_FEED_H

#include <poll.h>

#include "client/session.h"
#include "client/window.h"

enum feed_state {
	FEED_READY, /* to send, as soon as there is something */
	FEED_SENDING,
	FEED_ASKING, /* the server where it stands */
	FEED_OVER /* all is there, or nobody wants it */
};

struct feed {
	int fd;
	enum feed_state state;
	const char *task; /* id; borrowed */
	struct session *session;
	struct window window;
	struct transfer *transfer; /* NULL: none under way */
	bool is_last; /* its end is the end of the task's standard input */
	size_t given; /* bytes, in this one */
	struct retry retry;
	int64_t due_ms; /* not before, of clock_boot_ms() */
};

/* Of a task that was made with "stdin": {"stream": true}. All is borrowed. */
void feed_begin(
    struct feed *feed, struct session *session, const char *task, int fd);
void feed_done(struct feed *feed);

/* Reads, sends, takes replies, without waiting. -1: it cannot go on, and the
 * task will not get what it waits for. */
int feed_turn(struct feed *feed, struct failure *failure);
/* What to wait for; fd is -1 where there is nothing. */
struct pollfd feed_wants(const struct feed *feed);
/* When something is due, of clock_boot_ms(); INT64_MAX: nothing. */
int64_t feed_due(const struct feed *feed);

#endif
