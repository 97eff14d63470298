#include "lib/audit_line.h"

#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/terminal.h"

char *
audit_line_member(const json_t *record, const char *part, const char *member)
{
	const json_t *object =
	    part != NULL ? json_object_get(record, part) : record;
	const json_t *value = json_object_get(object, member);

	if (json_is_integer(value))
		return alloc_printf(
		    "%lld", (long long)json_integer_value(value));
	return alloc_string(
	    json_is_string(value) ? json_string_value(value) : "");
}

/* What a line shows behind the sentence. */
static const struct {
	const char *label;
	const char *part;
	const char *member;
} shown[] = {
    {"subject", "principal", "subject"},
    {"uid", "principal", "uid"},
    {"address", "principal", "address"},
    {"value", "object", "value"},
    {"process", "object", "process"},
    {"task", "object", "task"},
    {"image", "untrusted", "image"},
    {"image", "object", "image"},
    {"image", "object", "image_id"},
    {"rule", NULL, "rule"},
    {"outcome", NULL, "outcome"},
    /* Last: they may be long and hold blanks. */
    {"reason", "object", "reason"},
    {"why", "untrusted", "detail"},
};

/* What is not there any more, or never was a record. */
static const struct {
	const char *member;
	const char *text;
} missing[] = {
    {"dropped", "  [dropped]"},
    {"unreadable", "  [unreadable: see audit verify]"},
    {"redacted", "  [redacted]"},
};

char *
audit_line(const json_t *record)
{
	auto_buffer line = BUFFER_INIT(65536);
	auto_free char *time = audit_line_member(record, NULL, "time");
	auto_free char *severity = audit_line_member(record, NULL, "severity");
	auto_free char *event = audit_line_member(record, NULL, "event");
	auto_free char *message = audit_line_member(record, NULL, "message");
	auto_free char *whole = NULL;

	buffer_printf(&line, "%6lld  %s  %-7s  %-20s  %s",
	    (long long)json_integer_value(json_object_get(record, "seq")), time,
	    severity, event, message);
	for (size_t k = 0; k < COUNT(shown); k++) {
		auto_free char *text =
		    audit_line_member(record, shown[k].part, shown[k].member);
		if (*text != '\0')
			buffer_printf(&line, "  %s=%s", shown[k].label, text);
	}
	for (size_t k = 0; k < COUNT(missing); k++) {
		if (json_is_true(json_object_get(record, missing[k].member)))
			buffer_append_string(&line, missing[k].text);
	}
	whole = buffer_take(&line);
	return terminal_neutralise(whole);
}
