/*
 * Secrets: placed into a tmpfs of the task's before anything of the image runs,
 * and from there on the task's alone.
 */
#ifndef RUNNER_INIT_SECRETS_H
#define RUNNER_INIT_SECRETS_H

#include "runner/control.h"

/* 0, or the errno with the secret's index. */
int secrets_place(
    const struct control_order *order, const int *fds, uint32_t *ret_index);

#endif
