/*
 * Whether the service can do its work, and if not, why: for /readyz and
 * /api/status.
 */
#ifndef GATEWAY_READINESS_H
#define GATEWAY_READINESS_H

#include <jansson.h>

#include "gateway/gateway.h"
#include "gateway/link.h"

/* An array of sentences, empty when all is well. The caller owns it. */
json_t *readiness_reasons(const struct worker *worker);
/* Of these what concerns the runner, which `state` tells of. All workers must
 * be connected to that same process. Pure. */
void readiness_add_runner(json_t *reasons, const struct gateway *gateway,
    const struct link_state *state);

#endif
