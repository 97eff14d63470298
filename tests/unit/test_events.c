/* The table of events in docs/audit.md is the table that the programs have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "runner/audit.h"

static const char *const fields[EVENT_COUNT] = {
#define EVENT(name, code, severity, sentence)
#define FIELDS(name, members) [EVENT_##name] = members,
#include "lib/events.def"
#undef EVENT
};

#define INFO "info"
#define NOTICE "notice"
#define WARNING "warning"
static const struct {
	const char *code, *severity, *sentence;
} events[EVENT_COUNT] = {
#define EVENT(name, code, severity, sentence) \
	[EVENT_##name] = {code, severity, sentence},
#include "lib/events.def"
#undef EVENT
};

static void
write_members(struct buffer *table, const char *members)
{
	for (const char *p = members; p != NULL && *p != '\0';) {
		size_t len = strcspn(p, " ");

		buffer_printf(
		    table, "%s`%.*s`", p > members ? ", " : "", (int)len, p);
		p += len + (p[len] == ' ');
	}
}

static void
write_table(struct buffer *table)
{
	buffer_append_string(table,
	    "| code | severity | it says | `object` |\n"
	    "|---|---|---|---|\n");
	for (size_t i = 0; i < EVENT_COUNT; i++) {
		buffer_printf(table, "| `%s` | %s | %s | ", events[i].code,
		    events[i].severity, events[i].sentence);
		write_members(table, fields[i]);
		buffer_append_string(table, " |\n");
	}
}

static void
test_every_event_says_what_its_object_has(void **state)
{
	(void)state;
	for (size_t i = 0; i < EVENT_COUNT; i++) {
		if (fields[i] == NULL)
			fail_msg("%s has no FIELDS in lib/events.def",
			    events[i].code);
		/* One blank between two members. */
		assert_null(strstr(fields[i], "  "));
	}
}

static void
test_codes_are_unique(void **state)
{
	(void)state;
	for (size_t i = 0; i < EVENT_COUNT; i++) {
		for (size_t k = i + 1; k < EVENT_COUNT; k++)
			assert_string_not_equal(events[i].code, events[k].code);
	}
}

static void
test_the_page_has_the_table(void **state)
{
	auto_buffer table = BUFFER_INIT(SIZE_MAX);
	auto_free char *page = NULL;
	struct err err;

	(void)state;
	write_table(&table);
	page = file_read(SOURCE_DIR "/docs/audit.md", 1 << 20, NULL, &err);
	if (page == NULL)
		fail_msg("%s", err.detail);
	if (strstr(page, table.data) != NULL)
		return;
	fputs(table.data, stderr);
	fail_msg("docs/audit.md has another table than this one");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_event_says_what_its_object_has),
	    cmocka_unit_test(test_codes_are_unique),
	    cmocka_unit_test(test_the_page_has_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
