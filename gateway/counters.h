/*
 * What a worker counts, for /metrics. Written by the worker's own thread
 * alone, read by the operations thread at any time: each number is whole, two
 * numbers may be of different moments.
 */
#ifndef GATEWAY_COUNTERS_H
#define GATEWAY_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#include "gateway/metrics.h"
#include "gateway/route.h"
#include "lib/err.h"

typedef atomic_uint_fast64_t counter;

struct counters {
	counter connections_accepted;
	counter connections_open;
	counter connections_refused; /* limits: by address, in all */
	counter handshakes_failed;
	counter handshakes_open; /* under way */
	counter handshakes_dropped; /* for want of places */
	counter answers[ROUTE_COUNT + 1][6]; /* by first digit; +1: no route */
	counter refusals[ERR_COUNT_];
	counter latency[METRICS_BOUNDS + 1];
	counter latency_sum_us;
	counter runner_connected; /* 0 or 1 */
	counter runner_process; /* its id; no number for /metrics */
	counter revocations_known; /* 0 or 1 */
};

/* One writer: no read-modify-write is needed. */
static inline void
counter_add(counter *c, uint64_t n)
{
	atomic_store_explicit(c,
	    atomic_load_explicit(c, memory_order_relaxed) + n,
	    memory_order_relaxed);
}

static inline void
counter_subtract(counter *c, uint64_t n)
{
	atomic_store_explicit(c,
	    atomic_load_explicit(c, memory_order_relaxed) - n,
	    memory_order_relaxed);
}

static inline uint64_t
counter_read(counter *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

void counters_observe(struct counters *counters, int64_t value_us);

#endif
