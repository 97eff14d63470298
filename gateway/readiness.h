/*
 * Whether the service can do its work, and if not, why: for /readyz and
 * /api/status.
 */
#ifndef GATEWAY_READINESS_H
#define GATEWAY_READINESS_H

#include <jansson.h>

#include "gateway/worker.h"

/* An array of sentences, empty when all is well. The caller owns it. */
json_t *readiness_reasons(const struct worker *worker);

#endif
