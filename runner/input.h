/*
 * A task's standard input, on its way to task-init: out of its request, or
 * from an upload that its client keeps going. Nothing of it is kept here: what
 * task-init has no room for yet stays where it is.
 */
#ifndef RUNNER_INPUT_H
#define RUNNER_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

struct task;

/* Where the input stands: what a reply says. */
struct tasks_input {
	int64_t received;
	bool ended;
};

/* One body that goes into a task's standard input. */
struct tasks_upload {
	int64_t offset; /* of its first byte */
	bool more; /* its end is not that of the standard input */
	/* There is room again; may call back in. */
	void (*room)(void *arg);
	/* After tasks_input_finish(), also during it: task-init has all of
	 * it. The upload is over. */
	void (*done)(void *arg, const struct tasks_input *input);
	/* Instead: the task has ended. The upload is over. */
	void (*gone)(void *arg, const struct err *err);
	void *arg;
};

/*
 * One at a time for each task; `upload` is copied. ERR_CONFLICT: the task has
 * no streamed input, its input has ended, another upload is under way, or the
 * offset is not where the input stands. ERR_UNAVAILABLE: the task is being
 * taken up again after a restart; that is over in a moment. *ret is where it
 * stands, also where it fails.
 */
int tasks_input_begin(struct task *task, const struct tasks_upload *upload,
    struct tasks_input *ret, struct err *err);
/* How much may be written now; 0 before the task has started. */
size_t tasks_input_room(const struct task *task);
/*
 * At most as much as there is room for. -1, ERR_TOO_LARGE: more than the
 * task's limit: the task is being ended, and the upload is over; neither done()
 * nor gone() is called.
 */
int tasks_input_write(
    struct task *task, const void *data, size_t len, struct err *err);
/* All of it came: done() follows once task-init has it, which may be as late
 * as the task's start. */
void tasks_input_finish(struct task *task);
/* It broke off: nothing of this upload is called any more. What came of it
 * stays. */
void tasks_input_abort(struct task *task);

#endif
