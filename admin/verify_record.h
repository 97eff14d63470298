/*
 * One record of a log: its text against its leaf, and what stands beside it in
 * its row against its text.
 */
#ifndef ADMIN_VERIFY_RECORD_H
#define ADMIN_VERIFY_RECORD_H

#include <sqlite3.h>

#include "admin/verify_gone.h"
#include "admin/verify_report.h"

/* Rows of these columns, in this order, are what it reads. */
#define VERIFY_RECORD_COLUMNS                                                 \
	"seq, time_ms, event, task, record, leaf, untrusted, salt, subject, " \
	"thumbprint, rule, outcome, image_id, image"
enum verify_column {
	VERIFY_SEQ,
	VERIFY_TIME,
	VERIFY_EVENT,
	VERIFY_TASK,
	VERIFY_RECORD,
	VERIFY_LEAF,
	VERIFY_UNTRUSTED,
	VERIFY_SALT,
	VERIFY_SUBJECT,
	VERIFY_THUMBPRINT,
	VERIFY_RULE,
	VERIFY_OUTCOME,
	VERIFY_IMAGE_ID,
	VERIFY_IMAGE
};

struct verify_record {
	sqlite3_stmt *row;
	int64_t seq;
	struct verify_report *report;
	struct verify_gone *gone;
};

/* What is wrong goes into the report; the leaf is what the tree has of it. */
void verify_record(const struct verify_record *at, uint8_t ret[SHA256_BYTES]);

#endif
