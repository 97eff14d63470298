/*
 * Whether somebody set the wall clock: times on record before and after that
 * do not compare, and tokens, rules' hours and revocations go by it. Told by
 * CLOCK_BOOTTIME, which nobody can set and which goes on while the machine
 * sleeps; a clock that is slewed, as NTP does, never gains so much between two
 * looks.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "runner/runner.h"

/* As far as `audit report` lets records be out of order. */
#define JUMP_MS 2000

/* How far the wall clock is ahead. False: the two were not read at the same
 * moment. */
static bool
compare_clocks(int64_t *ret_ahead_ms)
{
	int64_t boot_ms = clock_boot_ms();
	int64_t wall_ms = clock_wall_ms();

	*ret_ahead_ms = wall_ms - boot_ms;
	return clock_boot_ms() - boot_ms < JUMP_MS / 4;
}

static void
record(struct runner *runner, int64_t by_ms)
{
	struct audit_entry *entry =
	    tasks_entry(&runner->tasks, EVENT_CLOCK_JUMPED);
	long long ms = llabs((long long)by_ms);
	char instead[CLOCK_TEXT];

	clock_format(entry->wall_ms - by_ms, instead);
	entry->object = json_pack(
	    "{s:I, s:s}", "by_ms", (json_int_t)by_ms, "instead_of", instead);
	audit_set_message(entry, "The clock was set %s by %lld.%03lld s",
	    by_ms > 0 ? "forward" : "back", ms / 1000, ms % 1000);
	log_warning("clock.jumped", "message", entry->message, NULL);
	tasks_record_take(&runner->tasks, entry);
}

void
runner_look_at_clock(struct runner *runner)
{
	int64_t ahead_ms, by_ms;

	if (!compare_clocks(&ahead_ms))
		return;
	by_ms = ahead_ms - runner->clock_ahead_ms;
	/* The first look of a life has nothing to compare with. */
	if (runner->clock_seen && (by_ms >= JUMP_MS || by_ms <= -JUMP_MS))
		record(runner, by_ms);
	runner->clock_ahead_ms = ahead_ms;
	runner->clock_seen = true;
}
