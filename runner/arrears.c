#include "runner/arrears.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/log.h"

/* The log is the last place where it can be said. */
static void
say_lost(const struct audit_entry *entry)
{
	auto_free char *object = NULL;

	if (entry->object != NULL)
		object = json_encode_canonical(entry->object, NULL);
	log_error("record.lost", "code", event_code(entry->event), "object",
	    object != NULL ? object : "", NULL);
}

void
arrears_done(struct arrears *arrears)
{
	char lost[32];

	for (size_t i = 0; i < arrears->count; i++) {
		say_lost(arrears->entries[i]);
		audit_entry_free(arrears->entries[i]);
	}
	snprintf(lost, sizeof(lost), "%" PRIu64, arrears->lost);
	if (arrears->lost > 0)
		log_error("records.lost", "count", lost, NULL);
	*arrears = (struct arrears){0};
}

/* Its length as it would be written. */
static size_t
measure(const json_t *untrusted)
{
	auto_free char *text = NULL;
	size_t len = 0;

	if (untrusted != NULL)
		text = json_encode_canonical(untrusted, &len);
	return len;
}

void
arrears_add_take(struct arrears *arrears, struct audit_entry *entry)
{
	size_t len = measure(entry->untrusted);

	if (arrears->count == ARREARS_MAX) {
		arrears->lost++;
		audit_entry_free(entry);
		return;
	}
	if (arrears->bytes + len > ARREARS_BYTES_MAX) {
		json_decref(entry->untrusted);
		entry->untrusted =
		    json_pack("{s:I}", "dropped_bytes", (json_int_t)len);
		len = 0;
	}
	entry->is_late = true;
	arrears->bytes += len;
	arrears->entries[arrears->count++] = entry;
}

void
arrears_settle(struct arrears *arrears, int64_t wall_ms,
    const char *policy_sha256,
    void (*give)(void *arg, struct audit_entry *entry), void *arg)
{
	auto_free struct arrears *now = NULL;
	struct audit_entry *lost;

	if (arrears->count == 0 && arrears->lost == 0)
		return;
	now = alloc_zero(1, sizeof(*now));
	*now = *arrears;
	*arrears = (struct arrears){0};
	for (size_t i = 0; i < now->count; i++)
		give(arg, now->entries[i]);
	if (now->lost == 0)
		return;
	lost = audit_entry_new(EVENT_RECORDS_LOST, wall_ms, policy_sha256);
	lost->object = json_pack("{s:I}", "count", (json_int_t)now->lost);
	give(arg, lost);
}
