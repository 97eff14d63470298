/*
 * The task's processes: the main one is started, everybody is reaped.
 */
#ifndef RUNNER_INIT_TASK_H
#define RUNNER_INIT_TASK_H

#include <sys/types.h>

#include "runner/control.h"

struct task {
	pid_t pid; /* 0: none yet */
	bool ended; /* the main process has */
	bool alone; /* and so has every other */
	int status; /* of the main one, as wait(2) gives it */
	/* The ends of its standard streams that are ours; the caller takes
	 * them. Without standard input, `input` is -1. */
	int input;
	int pipes[CONTROL_STREAMS];
};

/* 0, or the errno with *ret_stage. Returns when execve(2) has succeeded. */
int task_start(struct task *task, const struct control_order *order,
    enum control_stage *ret_stage);
/* Reaps whoever ended; true: perhaps not all of them. */
bool task_reap(struct task *task);
/* Once the main process has ended: kills and reaps the rest of the container,
 * so that nothing is changed any more; sets `alone` when that is done. True:
 * there are more to reap at once. */
bool task_clear(struct task *task);
void task_signal(const struct task *task, enum control_scope scope, int signal);

#endif
