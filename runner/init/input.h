/*
 * The task's standard input: a ring between the control socket and a pipe.
 * Never more than the ring holds is on its way, so a task that does not read
 * stops whoever feeds it and costs no memory.
 */
#ifndef RUNNER_INIT_INPUT_H
#define RUNNER_INIT_INPUT_H

#include "runner/control.h"

struct input {
	int pipe; /* its writing end; -1: none, or no more */
	bool there; /* the order asked for one */
	bool ended; /* nothing comes any more */
	bool closed; /* the task reads no more: what comes is dropped */
	/* taken <= received <= taken + CONTROL_INPUT_WINDOW */
	uint64_t received;
	uint64_t taken;
	uint8_t ring[CONTROL_INPUT_WINDOW];
};

/* Takes the pipe's writing end (non-blocking) over. */
void input_open_take(struct input *input, int pipe);
/* False: not where the last ended, more than the window, or behind its end. */
bool input_receive(struct input *input, const struct control_data *data);
/* False: this is not the whole length, or it has ended before. */
bool input_end(struct input *input, uint64_t length);
bool input_wants_to_write(const struct input *input);
/* Gives the task what its pipe takes now. */
void input_write(struct input *input);
/* Nobody reads the pipe any more. */
void input_close(struct input *input);

#endif
