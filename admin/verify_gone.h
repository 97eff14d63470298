/*
 * What is gone from an audit log, and whether the log itself says so: the text
 * of records older than they are kept (audit.dropped), and what stood beside
 * single ones (audit.redacted). What nobody put on record is a loss.
 *
 * Memory is taken for what is redacted alone, until its record is met.
 */
#ifndef ADMIN_VERIFY_GONE_H
#define ADMIN_VERIFY_GONE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct verify_gone {
	int64_t dropped; /* records without their text */
	int64_t last; /* of them; 0: none */
	int64_t through; /* up to here they are said to be */
	int64_t redacted; /* records of which that is said */
	int64_t *missing; /* those of which it is not; in order */
	size_t count, room;
};

void verify_gone_done(struct verify_gone *gone);
void verify_gone_text(struct verify_gone *gone, int64_t seq);
void verify_gone_untrusted(struct verify_gone *gone, int64_t seq);
/* Of the record `seq`, which is whole: whether it says of others that they are
 * gone. */
void
verify_gone_hear(struct verify_gone *gone, int64_t seq, const json_t *record);

#endif
