/*
 * How many tasks of a rule each subject has had accepted of late: a row for
 * each acceptance, written in its transaction, so that two cannot both have
 * the last place, and no end of the runner gives one back. Everything here
 * runs on the store's thread.
 *
 * A place is the rule's, by its id, and the subject's: it is taken whatever
 * becomes of the task, and counts on when the rule is changed, or is gone and
 * comes again. A row is kept for the longest window that the rule had when it
 * was written: what a reload makes longer counts what is still there.
 *
 * Windows slide, by the wall clock, since they outlive the machine's start.
 * Where it is set forward, places come back earlier than they should, by as
 * much. Where it is set back, what was accepted later than now counts as
 * accepted now, once: it stays taken for its window from here on, and for no
 * longer. So neither locks anybody out for longer than the rule says, and
 * setting it back gives nobody a place.
 */
#ifndef RUNNER_ADMISSION_H
#define RUNNER_ADMISSION_H

#include "policy/allowances.h"
#include "runner/database.h"

/* What is used up. */
struct admission_refusal {
	struct allowance_window window; /* the last that has room again */
	int64_t free_ms; /* when, by the wall clock; later than now */
};

/*
 * 1: a place in each window is taken, as of now_ms (wall clock, and not earlier
 * than that of the call before unless it was set back). 0: there is none, none
 * is taken, and *ret says why. -1. The rule has a window at least.
 */
int admission_take(struct database *database, const char *rule,
    const char *subject, const struct allowances *allowances, int64_t now_ms,
    struct admission_refusal *ret, struct err *err);

#endif
