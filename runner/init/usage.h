/*
 * What the task used, and how its main process ended.
 */
#ifndef RUNNER_INIT_USAGE_H
#define RUNNER_INIT_USAGE_H

#include "runner/control.h"

/* The kernel's figures for the container; -1: it has none. */
struct usage {
	int peak, oom;
};

void usage_open(struct usage *usage);
/* CPU times, memory and kills by the kernel; `status` is wait(2)'s. */
void
usage_report(const struct usage *usage, int status, struct control_exit *ret);

#endif
