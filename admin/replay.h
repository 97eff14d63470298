/*
 * What a policy would have said of the requests that are on record. Reads the
 * database itself, also while the runner writes, and believes nothing of it.
 */
#ifndef ADMIN_REPLAY_H
#define ADMIN_REPLAY_H

#include <jansson.h>
#include <sqlite3.h>

#include "policy/policy.h"

struct replay_question {
	const struct policy *policy;
	int64_t since_ms, until_ms; /* by the wall clock of the records */
};

/* Counted in calls: a record may stand for several. */
struct replay_report {
	int64_t records; /* that were looked at */
	int64_t calls;
	int64_t same;
	int64_t denied; /* were allowed, and would be no more */
	int64_t allowed; /* were denied, and would be no more */
	int64_t other_rule; /* allowed, by another rule */
	int64_t unknown; /* the record does not say enough */
	int64_t unrecorded; /* denied in a flood, and only counted */
	/* Of each record that would change, or of which it is not known, as
	 * docs/operations.md has it; in their order. */
	json_t *changes;
	/* The same, by subject, what was asked for and rules: "count", "first",
	 * "last", and the record "seq" as an example. */
	json_t *groups;
};

int replay_run(sqlite3 *database, const struct replay_question *question,
    struct replay_report *ret, struct err *err);
void replay_report_done(struct replay_report *report);

#endif
