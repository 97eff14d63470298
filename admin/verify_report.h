/*
 * What a verification of records found: of a log, or of an export of one.
 */
#ifndef ADMIN_VERIFY_REPORT_H
#define ADMIN_VERIFY_REPORT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/checkpoint.h"
#include "lib/digest.h"

#define VERIFY_FINDINGS_MAX 50

struct verify_finding {
	int64_t seq; /* 0: of no one record */
	char what[200]; /* nothing of a stranger's in it */
};

/* Of a log, what is missing and not on record is a finding instead. */
struct verify_report {
	int64_t records;
	int64_t dropped; /* of these, without their text */
	int64_t redacted; /* without what a client wrote */
	uint8_t root[SHA256_BYTES]; /* of what is there */
	struct checkpoint head; /* as signed; size 0: none that is good */
	size_t nfindings; /* all of them */
	struct verify_finding findings[VERIFY_FINDINGS_MAX]; /* the first */
};

/* One more; behind the most that are kept it is counted alone. */
void verify_find(struct verify_report *report, int64_t seq, const char *format,
    ...) __attribute__((format(printf, 3, 4)));

#endif
