#include "admin/verify_gone.h"

#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"

void
verify_gone_done(struct verify_gone *gone)
{
	free(take(gone->missing));
}

void
verify_gone_text(struct verify_gone *gone, int64_t seq)
{
	gone->dropped++;
	gone->last = seq;
}

void
verify_gone_untrusted(struct verify_gone *gone, int64_t seq)
{
	if (gone->count == gone->room) {
		size_t room = gone->room > 0 ? 2 * gone->room : 16;
		int64_t *more = alloc_zero(room, sizeof(*more));

		if (gone->count > 0)
			memcpy(
			    more, gone->missing, gone->count * sizeof(*more));
		free(gone->missing);
		gone->missing = more;
		gone->room = room;
	}
	gone->missing[gone->count++] = seq;
}

static void
find_redacted(struct verify_gone *gone, int64_t seq)
{
	for (size_t i = 0; i < gone->count; i++) {
		if (gone->missing[i] != seq)
			continue;
		memmove(&gone->missing[i], &gone->missing[i + 1],
		    (gone->count - i - 1) * sizeof(gone->missing[0]));
		gone->count--;
		gone->redacted++;
		return;
	}
}

void
verify_gone_hear(struct verify_gone *gone, int64_t seq, const json_t *record)
{
	const char *event = json_string_value(json_object_get(record, "event"));
	const json_t *object = json_object_get(record, "object");
	int64_t through =
	    json_integer_value(json_object_get(object, "through"));

	if (event == NULL || strncmp(event, "audit.", 6) != 0)
		return;
	if (strcmp(event, "audit.dropped") == 0 && through < seq &&
	    through > gone->through)
		gone->through = through;
	else if (strcmp(event, "audit.redacted") == 0)
		find_redacted(
		    gone, json_integer_value(json_object_get(object, "seq")));
}
