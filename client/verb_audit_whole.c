/*
 * `audit verify`, `audit export`: all of the audit log, from a distance. The
 * tree over the records that came must be the one that was signed.
 */
#include "client/verbs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/audit_session.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"

/* -- all of it */

/* From the first record to the last of the head that came with it. `each` gets
 * them one by one, once the first page is there. */
struct walk {
	struct audit_whole whole;
	char *note;
	void (*begin)(const struct walk *walk);
	void (*each)(const json_t *record);
};

static void
walk_done(struct walk *walk)
{
	free(walk->note);
}

static int
walk_page(struct walk *walk, const struct audit_page *page, struct err *err)
{
	const json_t *record = NULL;
	size_t i;

	json_array_foreach(page->records, i, record)
	{
		if (walk->whole.edge.size == walk->whole.head.size)
			return 0;
		if (audit_whole_add(&walk->whole, record, err) != 0)
			return -1;
		if (walk->each != NULL)
			walk->each(record);
	}
	return 0;
}

static int
walk_log(struct audit *audit, struct walk *walk, struct failure *failure)
{
	struct err err;

	do {
		AUTO(audit_page_done) struct audit_page page = {0};
		auto_free char *path =
		    alloc_printf("/v1/audit?limit=%d&after=%" PRIu64,
			AUDIT_PAGE, walk->whole.edge.size);

		if (audit_page_get(&audit->session, path, &audit->keys, &page,
			failure) != 0)
			return -1;
		if (walk->note == NULL) {
			walk->note = alloc_string(page.note);
			walk->whole.head = page.head;
			if (walk->begin != NULL)
				walk->begin(walk);
		}
		if (walk_page(walk, &page, &err) != 0)
			return failure_from_err(failure, "not-proved", &err);
		if (page.next == 0 || json_array_size(page.records) == 0)
			break;
	} while (walk->whole.edge.size < walk->whole.head.size);
	return audit_whole_end(&walk->whole, &err) == 0
	    ? 0
	    : failure_from_err(failure, "not-proved", &err);
}

/* -- verify */

static void
show_verdict(const struct session *session, const struct walk *walk)
{
	const struct audit_whole *whole = &walk->whole;
	auto_free char *root = base64_encode(whole->head.root, SHA256_BYTES);
	auto_json *document =
	    json_pack("{s:b, s:s, s:I, s:s, s:I, s:I}", "good", 1, "log",
		whole->head.origin, "records", (json_int_t)whole->head.size,
		"root", root, "dropped", (json_int_t)whole->dropped, "redacted",
		(json_int_t)whole->redacted);

	if (whole->from != NULL)
		json_object_set_new(document, "from",
		    json_integer((json_int_t)whole->from->size));
	if (session->format == SHOW_ID) {
		show_id(document, "root");
		return;
	}
	if (session->format != SHOW_TABLE) {
		show_document(session->format, document);
		return;
	}
	show_member("log", document, "log");
	show_member("records", document, "records");
	show_member("root", document, "root");
	show_member("dropped", document, "dropped");
	show_member("redacted", document, "redacted");
	show_member("checkpoint", document, "from");
	show_fact("verdict", "it is what was signed");
}

static int
verify(const struct invocation *invocation, struct audit *audit,
    struct failure *failure)
{
	AUTO(walk_done) struct walk walk = {0};
	struct checkpoint from;
	int has_from = audit_read_from(invocation, audit, &from, failure);
	struct err err;

	if (has_from < 0)
		return -1;
	walk.whole.from = has_from > 0 ? &from : NULL;
	if (walk_log(audit, &walk, failure) != 0)
		return -1;
	if (has_from > 0 && strcmp(from.origin, walk.whole.head.origin) != 0) {
		err_set(&err, ERR_CONFLICT, "the checkpoint is of %s, not %s",
		    from.origin, walk.whole.head.origin);
		return failure_from_err(failure, "not-proved", &err);
	}
	show_verdict(&audit->session, &walk);
	return 0;
}

int
verb_audit_verify(struct invocation *invocation)
{
	return audit_run(invocation, verify);
}

/* -- export */

/* As "taskgate-admin audit export" writes it, of the whole log. Escaped to
 * ASCII: it may well end on a terminal. */
static void
write_header(const struct walk *walk)
{
	json_int_t size = (json_int_t)walk->whole.head.size;
	auto_json *header = json_pack("{s:i, s:s, s:I, s:I, s:[], s:[]}",
	    "export", 1, "checkpoint", walk->note, "first",
	    (json_int_t)(size > 0 ? 1 : 0), "last", size, "before",
	    "extension");

	json_dumpf(header, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
	putchar('\n');
}

static void
write_record(const json_t *record)
{
	json_dumpf(record, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
	putchar('\n');
}

static int export(const struct invocation *invocation, struct audit *audit,
    struct failure *failure)
{
	AUTO(walk_done)
	struct walk walk = {.begin = write_header, .each = write_record};

	(void)invocation;
	if (walk_log(audit, &walk, failure) != 0)
		return -1;
	if (fflush(stdout) != 0 || ferror(stdout))
		return failure_set(
		    failure, "local", "standard output cannot be written");
	return 0;
}

int
verb_audit_export(struct invocation *invocation)
{
	return audit_run(invocation, export);
}
