/*
 * The audit log: who did what, when, by which rule, with which outcome.
 *
 * A record is a JSON object in canonical form. What a stranger wrote stands
 * apart under `untrusted`; the record itself holds only its salted hash, so
 * that it can be dropped later without touching the hashes. A record's leaf
 * hash is that of RFC 9162. Tokens, secrets and values of the environment
 * never come in here.
 */
#ifndef RUNNER_AUDIT_H
#define RUNNER_AUDIT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/buffer.h"
#include "lib/clock.h"
#include "lib/digest.h"
#include "lib/record.h"
#include "runner/database.h"

enum event {
#define EVENT(name, code, severity, sentence) EVENT_##name,
#include "lib/events.def"
#undef EVENT
	EVENT_COUNT
};

const char *event_code(enum event event);

/* A string for a record or a reply, whatever its bytes: controls and what is
 * no UTF-8 come out as \xNN. */
json_t *audit_text(const char *text);

/* Canonical bytes of `untrusted`. Of one with more, each member that is too
 * large becomes {"dropped_bytes"}, an array what fits of its beginning with
 * that as its last item, and `dropped_bytes` beside them is the sum; where that
 * is still too much, nothing but the number of bytes is kept. */
#define AUDIT_UNTRUSTED_MAX (64 * 1024)
/* What one reading gives at most; the rest comes with the next. */
#define AUDIT_READ_MAX (16 * 1024 * 1024)

struct audit_entry {
	enum event event;
	int64_t wall_ms;
	char policy_sha256[SHA256_HEX]; /* "" where none is in force */
	json_t *principal; /* NULL: nobody asked */
	json_t *object; /* what it is about; "task" is indexed */
	char *rule; /* NULL: none */
	char *outcome; /* NULL: the event says it all */
	char *message; /* one sentence, nothing of a stranger's in it */
	json_t *untrusted; /* NULL: nothing */
	bool is_late; /* written after what it is about was done */
};

/* Takes nothing; the entry is empty but for these. The caller frees. */
struct audit_entry *
audit_entry_new(enum event event, int64_t wall_ms, const char *policy_sha256);
void audit_entry_free(struct audit_entry *entry);
/* The event's sentence stands where no message is set. */
void audit_set_message(struct audit_entry *entry, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

struct audit_leaf {
	char *record; /* canonical */
	size_t record_len;
	uint8_t hash[SHA256_BYTES];
	char *untrusted; /* canonical; NULL: none */
	size_t untrusted_len;
	json_t *kept; /* the same as a value */
};

/* Pure. */
void audit_render(const struct audit_entry *entry, int64_t seq,
    const uint8_t salt[RECORD_SALT_BYTES], struct audit_leaf *ret);
void audit_leaf_done(struct audit_leaf *leaf);

/* On the store's thread, within a transaction. */
int audit_append(struct database *database, const struct audit_entry *entry,
    struct err *err);

struct audit_query {
	int64_t after; /* sequence number */
	int64_t limit;
	char task[UUID_TEXT]; /* "": any */
	bool newest; /* the last `limit`, newest first */
};

/* One record a line: its members, and beside them `untrusted`,
 * `untrusted_salt` and `leaf`, which are no part of what is hashed; or
 * `dropped`, `redacted`, as lib/audit_rows.h has it. */
int audit_select(struct database *database, const struct audit_query *query,
    struct buffer *lines, int64_t *ret_count, int64_t *ret_last,
    struct err *err);

#endif
