/*
 * Who read the audit log lately, and what: so that it is on record once for a
 * question, and not for each page of its answer, nor again each second where
 * somebody watches. Pure; time is a parameter.
 */
#ifndef RUNNER_AUDIT_READERS_H
#define RUNNER_AUDIT_READERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/digest.h"

#define AUDIT_READERS_MAX 64
#define AUDIT_READERS_MS INT64_C(600000)

struct audit_readers {
	struct {
		uint8_t digest[SHA256_BYTES];
		int64_t ms; /* when it went on record; 0: a free place */
	} list[AUDIT_READERS_MAX];
};

/* Whether it is to go on record: it has not in the last ten minutes, or so many
 * others have since that it was forgotten. `text` is who asks and what. */
bool audit_readers_add(struct audit_readers *readers, const char *text,
    size_t len, int64_t now_ms);

#endif
