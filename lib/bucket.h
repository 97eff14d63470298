/*
 * A bucket of tokens: so many at once, then one for each period. Pure; time is
 * a parameter (milliseconds of clock_boot_ms()).
 */
#ifndef LIB_BUCKET_H
#define LIB_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

struct bucket {
	int64_t period_ms; /* in which one token comes */
	int64_t burst; /* tokens at most */
	int64_t missing_ms; /* until it is full, as of at_ms */
	int64_t at_ms;
};

/* Full, whatever the time is. */
#define BUCKET_INIT(tokens, ms)                      \
	{                                            \
		.period_ms = (ms), .burst = (tokens) \
	}

static inline void
bucket_advance(struct bucket *bucket, int64_t now_ms)
{
	if (now_ms <= bucket->at_ms)
		return;
	if (now_ms - bucket->at_ms >= bucket->missing_ms)
		bucket->missing_ms = 0;
	else
		bucket->missing_ms -= now_ms - bucket->at_ms;
	bucket->at_ms = now_ms;
}

/* Whether there is a token. */
static inline bool
bucket_has(struct bucket *bucket, int64_t now_ms)
{
	bucket_advance(bucket, now_ms);
	return bucket->missing_ms <= (bucket->burst - 1) * bucket->period_ms;
}

/* One that is there. */
static inline void
bucket_take(struct bucket *bucket)
{
	bucket->missing_ms += bucket->period_ms;
}

static inline bool
bucket_is_full(struct bucket *bucket, int64_t now_ms)
{
	bucket_advance(bucket, now_ms);
	return bucket->missing_ms == 0;
}

#endif
