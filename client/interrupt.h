/*
 * Signals as events of the loop: a pipe that becomes readable. What was
 * ignored when we were started (nohup, a background job) stays ignored.
 */
#ifndef CLIENT_INTERRUPT_H
#define CLIENT_INTERRUPT_H

#include <stdbool.h>

/*
 * What the next ^C (or TERM) means to who is attached to a task. Pure.
 * `count`: how many there were, 0 at first.
 */
enum interrupt_action {
	INTERRUPT_NOTED, /* the task is on its way: it is cancelled once known
			  */
	INTERRUPT_CANCEL, /* TERM, and KILL after the grace */
	INTERRUPT_KILL, /* at once */
	INTERRUPT_LEAVE
};
enum interrupt_action interrupt_decide(unsigned *count, bool has_task);

/* Once. SIGPIPE is off from here on. */
void interrupt_setup(void);
/* HUP, QUIT, USR1, USR2 become events too, to be passed on to a task. */
void interrupt_catch_more(void);
/* Readable while a signal waits. */
int interrupt_fd(void);
/* The next signal's number, or 0. */
int interrupt_next(void);

#endif
