/*
 * Signals as events of the loop: a pipe that becomes readable. What was
 * ignored when we were started (nohup, a background job) stays ignored.
 */
#ifndef CLIENT_INTERRUPT_H
#define CLIENT_INTERRUPT_H

/* Once. SIGPIPE is off from here on. */
void interrupt_setup(void);
/* HUP, QUIT, USR1, USR2 become events too, to be passed on to a task. */
void interrupt_catch_more(void);
/* Readable while a signal waits. */
int interrupt_fd(void);
/* The next signal's number, or 0. */
int interrupt_next(void);

#endif
