/*
 * Records of what was done already and could not be put on record: what only
 * stopped, withdrew or refused something does not wait for the disk. They are
 * kept in memory, within bounds, and written as soon as the store takes them;
 * each says of itself that it is late, and what did not fit is counted.
 */
#ifndef RUNNER_ARREARS_H
#define RUNNER_ARREARS_H

#include "runner/audit.h"

#define ARREARS_MAX 4096
/* Of what strangers wrote, in all of them; beyond it that part is left out. */
#define ARREARS_BYTES_MAX (4 * 1024 * 1024)

struct arrears {
	struct audit_entry *entries[ARREARS_MAX];
	size_t count, bytes;
	uint64_t lost;
};

/* All zero is empty. The log says what is in it at the end. */
void arrears_done(struct arrears *arrears);
void arrears_add_take(struct arrears *arrears, struct audit_entry *entry);
/* Hands over each, the oldest first; last, where some were lost, an entry with
 * `policy_sha256` that says how many. It is empty then. give() may add again.
 */
void arrears_settle(struct arrears *arrears, int64_t wall_ms,
    const char *policy_sha256,
    void (*give)(void *arg, struct audit_entry *entry), void *arg);

#endif
