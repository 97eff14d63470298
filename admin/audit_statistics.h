/*
 * What a summary and a report say of a period of the audit log. Each statistic
 * is a query of audit_statistics.def; of its rows only as many as are asked
 * for are ever in memory.
 */
#ifndef ADMIN_AUDIT_STATISTICS_H
#define ADMIN_AUDIT_STATISTICS_H

#include <jansson.h>
#include <sqlite3.h>
#include <stdint.h>

#include "lib/err.h"

enum audit_statistic {
#define STATISTIC(name, title, sql) STATISTIC_##name,
#include "admin/audit_statistics.def"
#undef STATISTIC
	STATISTIC_COUNT
};

struct audit_period {
	int64_t since_ms, until_ms; /* the second excluded */
	int64_t first, last; /* sequence numbers; 0 and 0: no record */
};

/* Finds the records between the two times. */
int audit_period_find(
    sqlite3 *database, struct audit_period *period, struct err *err);

struct audit_question {
	enum audit_statistic statistic;
	const struct audit_period *period;
	int64_t limit; /* rows */
	int64_t bucket_ms; /* ACTIVITY's; else 1 */
};

const char *audit_statistic_title(enum audit_statistic statistic);

/* An array of objects; NULL: *err. What is no UTF-8 is left out. */
json_t *audit_statistics_read(
    sqlite3 *database, const struct audit_question *question, struct err *err);

#endif
