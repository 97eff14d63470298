/*
 * Reading certificate, key, CA bundle, token keys and policy again, for the
 * whole process: by SIGHUP, or because the runner says so. All workers take up
 * what was read, or what is in force stays; either is told to the runner, for
 * the audit.
 *
 * All of it is the main thread's, but for reload_worker_took_up().
 */
#ifndef GATEWAY_RELOAD_H
#define GATEWAY_RELOAD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct gateway;

struct reload {
	uv_async_t taken; /* a worker has taken a snapshot up */
	uint64_t serial; /* of the one that they are to; 0: none */
	int64_t order; /* whose result the runner waits for; 0: nobody's */
	bool again; /* once more when all have taken it up */
	int64_t order_again; /* and likewise */
	json_t *unsaid; /* the last result that no runner has heard; NULL */
};

void reload_open(struct gateway *gateway, uv_loop_t *loop);
void reload_close(struct gateway *gateway);

/* By a signal. */
void reload_begin(struct gateway *gateway);
/* From any thread. */
void reload_worker_took_up(struct gateway *gateway);

#endif
