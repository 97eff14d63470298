/* Private to the template. */
#ifndef RUNNER_TEMPLATE_NETWORK_H
#define RUNNER_TEMPLATE_NETWORK_H

#include <jansson.h>

#include "lib/err.h"

/* As template_check(), of the networks that the container will be in. */
int template_check_network(
    const json_t *asked_host, const json_t *inspection, struct err *err);

#endif
