/*
 * Whether the indexes that searches go by have every record, and each where a
 * search looks for it, and whether they and the log's table are defined as this
 * version does: by a change of those alone a record would be there, as it was
 * signed, and never be found.
 */
#ifndef ADMIN_VERIFY_INDEX_H
#define ADMIN_VERIFY_INDEX_H

#include <sqlite3.h>
#include <stdint.h>

#include "admin/verify_report.h"
#include "lib/err.h"

#define VERIFY_INDEXES 8

/* What the rows have, to be compared with what the indexes have. Its size is
 * that of no log. */
struct verify_index {
	uint64_t key[2]; /* nobody knows it before */
	uint64_t sums[VERIFY_INDEXES];
	int pages[VERIFY_INDEXES]; /* their first; 0: none that is ours */
};

/* What is defined otherwise goes into the report, and is looked at no further.
 * ERR_UNAVAILABLE: it is no database that can be read. */
int verify_index_begin(sqlite3 *database, struct verify_index *ret,
    struct verify_report *report, struct err *err);
/* For each row of VERIFY_RECORD_COLUMNS (admin/verify_record.h). */
void verify_index_add(struct verify_index *index, sqlite3_stmt *row);
/* Behind the last, and of the same moment, with no statement of the database
 * under way. What is wrong goes into the report. */
void verify_index_check(const struct verify_index *index, sqlite3 *database,
    struct verify_report *report);

#endif
