/*
 * How the runner closes itself in: its state and run folders, what a reload
 * reads, the engine's socket, and no network at all.
 */
#ifndef RUNNER_CONFINE_H
#define RUNNER_CONFINE_H

#include "runner/config.h"

/* Before the store's thread is started. Makes the state folder where there is
 * none yet, because what is to be allowed must be there. */
int
runner_confine(const struct config *config, int *ret_landlock, struct err *err);

#endif
