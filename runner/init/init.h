/*
 * All that task-init knows: main.c turns it, talk.c is its side of the
 * control protocol.
 */
#ifndef RUNNER_INIT_INIT_H
#define RUNNER_INIT_INIT_H

#include "runner/init/files.h"
#include "runner/init/input.h"
#include "runner/init/link.h"
#include "runner/init/secrets.h"
#include "runner/init/stream.h"
#include "runner/init/task.h"
#include "runner/init/usage.h"

/* What this connection's runner has been told. */
struct told {
	bool start;
	bool taken; /* at least once */
	uint64_t taken_offset;
	bool taken_closed;
	bool exit;
};

struct init {
	int signals;
	struct link link;
	struct told told;
	struct control_hello hello; /* what of it does not change */
	struct control_order order;
	int64_t deadline_ms; /* of the task; CLOCK_BOOTTIME */
	int64_t ended_ms;
	struct task task;
	/* An order that could not be obeyed; nothing else is tried. */
	bool failed;
	struct control_frame failure;
	struct stream streams[CONTROL_STREAMS];
	struct input input;
	struct files files;
	struct usage usage;
	bool reported; /* `exit` holds what is said of the end */
	struct control_exit exit;
	uint8_t packet[CONTROL_PACKET_MAX];
};

/* PID 1's end is the end of every process in the container. */
enum init_end {
	INIT_DONE,
	INIT_NO_MEANS, /* the kernel refused what cannot be done without */
	INIT_MALFORMED, /* the runner said what makes no sense */
	INIT_ALONE /* nobody listened for too long */
};
_Noreturn void init_end(enum init_end why);

/* talk.c */
void talk_prepare(struct init *init, int npaths, char **paths);
/* On a connection that was just made. */
void talk_hello(struct init *init, int64_t now_ms);
/* Takes one frame and does what it says. */
void talk_hear(struct init *init, int64_t now_ms);
/* Tells the runner whatever is new to it, as far as there is room. */
void talk_tell(struct init *init);
/* There is more to tell than went into one turn. */
bool talk_has_more(const struct init *init);

/* order.c: starts the task, or sets `failure`. fds: the order, the inputs, the
 * secrets. */
void order_obey(struct init *init, const int *fds, size_t nfds, int64_t now_ms);

#endif
