/*
 * Observing how long answers took, in the buckets of metrics.h.
 */
#include "gateway/counters.h"

void
counters_observe(struct counters *counters, int64_t value_us)
{
	size_t i = 0;

	while (i < METRICS_BOUNDS && value_us > metrics_bounds_us[i])
		i++;
	counter_add(&counters->latency[i], 1);
	counter_add(
	    &counters->latency_sum_us, value_us > 0 ? (uint64_t)value_us : 0);
}
