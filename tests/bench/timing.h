/*
 * Times that are measured: nanoseconds of a clock that nobody sets, and what
 * stands at a place of many in their order.
 */
#ifndef TESTS_BENCH_TIMING_H
#define TESTS_BENCH_TIMING_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

static inline int64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline int
compare_times(const void *a, const void *b)
{
	int64_t one = *(const int64_t *)a, other = *(const int64_t *)b;

	return (one > other) - (one < other);
}

/* Of `count` > 0, the one that `percent` < 100 of them are below; sorts. */
static inline int64_t
percentile(int64_t *times, size_t count, size_t percent)
{
	qsort(times, count, sizeof(*times), compare_times);
	return times[count * percent / 100];
}

#endif
