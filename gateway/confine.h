/*
 * How the gateway closes itself in: it reads what a reload reads, connects to
 * the runner, and speaks on the connections that it accepts.
 */
#ifndef GATEWAY_CONFINE_H
#define GATEWAY_CONFINE_H

#include "gateway/config.h"

/* After the ports are bound, before the workers' threads are started. */
int gateway_confine(
    const struct config *config, int *ret_landlock, struct err *err);

#endif
