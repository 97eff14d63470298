/*
 * Role: `audit search`: the records that answer a question.
 * Reads the store's database itself, read-only; believes nothing of it.
 * Must never print a control byte of a record to a terminal, nor hold more
 * than one record in memory.
 */
#include <string.h>

#include "admin/audit_filter.h"
#include "admin/audit_line.h"
#include "admin/audit_log.h"
#include "admin/tool.h"
#include "admin/verbs.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "policy/image.h"

DEFINE_CLEANUP(struct audit_rows, audit_rows_close);

static int
print_rows(
    struct audit_rows *rows, struct audit_printer *printer, struct err *err)
{
	struct audit_row row;
	int result;

	while ((result = audit_rows_next(rows, &row, err)) > 0) {
		auto_json *record = audit_row_json(&row);

		audit_printer_add(printer, record);
	}
	return result;
}

static int
has_image(sqlite3 *database, const char *image, bool *ret, struct err *err)
{
	const struct audit_filter filter = {.image = image, .limit = 1};
	AUTO(audit_rows_closep) struct audit_rows *rows = NULL;
	struct audit_row row;
	int result;

	if (audit_rows_open(database, &filter, &rows, err) != 0)
		return -1;
	result = audit_rows_next(rows, &row, err);
	*ret = result > 0;
	return result < 0 ? -1 : 0;
}

/* "demo" is "demo:latest", and stands in a record as the client spelled it.
 * Both are looked for only where both are there: one alone is found in the
 * order in which it is shown. */
static int
spell_image(sqlite3 *database, struct audit_filter *filter,
    char other[IMAGE_REFERENCE], struct err *err)
{
	bool has_it = false, has_other = false;

	if (filter->image == NULL || !image_respell(filter->image, other))
		return 0;
	if (has_image(database, filter->image, &has_it, err) != 0 ||
	    has_image(database, other, &has_other, err) != 0)
		return -1;
	if (has_other && has_it)
		filter->image_or = other;
	else if (has_other)
		filter->image = other;
	return 0;
}

static int
search(const struct invocation *invocation, struct err *err)
{
	AUTO(audit_log_done) struct audit_log log = {0};
	AUTO(audit_rows_closep) struct audit_rows *rows = NULL;
	struct audit_filter filter = {0};
	struct audit_printer printer;
	char image[IMAGE_REFERENCE];

	if (audit_filter_read(invocation, clock_wall_ms(), &filter, err) != 0 ||
	    audit_printer_begin(invocation, &printer, err) != 0 ||
	    audit_log_open_copy(invocation, &log, err) != 0 ||
	    spell_image(log.database, &filter, image, err) != 0 ||
	    audit_rows_open(log.database, &filter, &rows, err) != 0 ||
	    print_rows(rows, &printer, err) != 0 ||
	    audit_printer_end(&printer, err) != 0)
		return -1;
	if (printer.count == filter.limit)
		tool_note("these are the last %lld; --limit 0 shows all",
		    (long long)filter.limit);
	return 0;
}

int
verb_audit_search(struct invocation *invocation)
{
	struct err err;

	return search(invocation, &err) == 0 ? 0 : tool_fail(&err);
}
