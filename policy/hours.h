/*
 * When a rule holds: windows of the week, in UTC.
 *
 *	[{"days": ["mon", "fri"], "from": "08:00", "to": "18:00"},
 *	 {"from": "22:00", "to": "02:00"}]
 *
 * A window begins at `from` on each of its days (without `days`: on every day)
 * and is over at `to`, which is on the day after where it is not later than
 * `from`. Private to the policy library; the clock is a parameter.
 */
#ifndef POLICY_HOURS_H
#define POLICY_HOURS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/buffer.h"
#include "lib/err.h"

#define HOURS_MAX 32

struct hours_window {
	uint8_t days; /* bit 0: Monday */
	int16_t from, to; /* minutes of the day, 0..1439 and 0..1440 */
};

struct hours {
	struct hours_window *windows; /* owned */
	size_t count; /* 0: always */
};

/* ERR_UNPROCESSABLE, "path: reason". */
int hours_read(
    const json_t *json, const char *path, struct hours *ret, struct err *err);
void hours_done(struct hours *hours);
bool hours_has(const struct hours *hours, int64_t now_ms);
/* Appends what time it is and when the windows are. */
void
hours_explain(const struct hours *hours, int64_t now_ms, struct buffer *out);

#endif
