/*
 * The task's processes: the main one is started, everybody is reaped.
 */
#ifndef RUNNER_INIT_TASK_H
#define RUNNER_INIT_TASK_H

#include <sys/resource.h>
#include <sys/types.h>

#include "runner/control.h"

struct task {
	pid_t pid; /* 0: none yet */
	bool ended;
	int status; /* as wait(2) gives it */
	/* The reading ends of its standard streams; the caller takes them. */
	int pipes[CONTROL_STREAMS];
};

/* 0, or the errno with *ret_stage. Returns when execve(2) has succeeded. */
int task_start(struct task *task, const struct control_order *order,
    enum control_stage *ret_stage);
/* Reaps whoever ended. */
void task_reap(struct task *task);
void task_signal(const struct task *task, enum control_scope scope, int signal);

/* CPU times, memory and kills by the kernel, and how the main one ended. */
void task_report(const struct task *task, struct control_exit *ret);

#endif
