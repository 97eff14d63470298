/*
 * `audit search`, `audit show`, `audit checkpoint`: the audit log from a
 * distance. What is shown was proved first,
 * with the key that the operator handed over; whatever a stranger wrote comes
 * to a terminal without its control bytes.
 */
#include "client/verbs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/audit_path.h"
#include "client/audit_session.h"
#include "client/evidence.h"
#include "client/exit_code.h"
#include "lib/alloc.h"
#include "lib/audit_line.h"
#include "lib/audit_story.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/terminal.h"

#define FOUND 100
#define FOUND_MAX 1000000

/* -- search */

static void
print_record(const struct session *session, const json_t *record)
{
	auto_free char *line = NULL;

	if (session->format == SHOW_ID)
		line = audit_line_member(record, NULL, "seq");
	else if (session->format == SHOW_TABLE)
		line = audit_line(record);
	else
		show_document(SHOW_JSONL, record);
	if (line != NULL)
		puts(line);
}

/* What is gathered from as many pages as it takes: a page may be empty while
 * there are more. */
struct gathering {
	const char *query; /* "/v1/audit?..." */
	const char *cursor; /* "after" or "before" */
	long long limit;
	json_t *records; /* array */
	struct checkpoint head; /* of the last page */
	int64_t next;
};

static char *
write_path(const struct gathering *gathering)
{
	long long wanted =
	    gathering->limit - (long long)json_array_size(gathering->records);
	auto_free char *path = alloc_printf("%s&proofs=1&limit=%lld",
	    gathering->query, wanted < AUDIT_PAGE ? wanted : AUDIT_PAGE);

	return gathering->next == 0 ? take(path)
				    : alloc_printf("%s&%s=%" PRId64, path,
					  gathering->cursor, gathering->next);
}

static int
gather_page(
    struct audit *audit, struct gathering *gathering, struct failure *failure)
{
	AUTO(audit_page_done) struct audit_page page = {0};
	auto_free char *path = write_path(gathering);
	struct err err;

	if (audit_page_get(
		&audit->session, path, &audit->keys, &page, failure) != 0)
		return -1;
	if (audit_page_check(&page, &err) != 0)
		return failure_from_err(failure, "not-proved", &err);
	/* It goes on, or would never end. */
	if (page.next != 0 && page.next == gathering->next)
		return failure_set(
		    failure, "reply", "the server's pages do not end");
	json_array_extend(
	    gathering->records, (json_t *)(uintptr_t)page.records);
	gathering->head = page.head;
	gathering->next = page.next;
	return 0;
}

static int
gather(
    struct audit *audit, struct gathering *gathering, struct failure *failure)
{
	do {
		if (gather_page(audit, gathering, failure) != 0)
			return -1;
	} while (gathering->next != 0 &&
	    (long long)json_array_size(gathering->records) < gathering->limit);
	return 0;
}

/* The newest came first, and stand last. */
static void
print_found(const struct session *session, const json_t *records)
{
	auto_json *ordered = json_array();
	const json_t *record = NULL;
	size_t i;

	for (i = json_array_size(records); i-- > 0;)
		json_array_append(ordered, json_array_get(records, i));
	if (session->format == SHOW_JSON) {
		show_document(SHOW_JSON, ordered);
		return;
	}
	json_array_foreach(ordered, i, record) print_record(session, record);
}

static int
search(const struct invocation *invocation, struct audit *audit,
    struct failure *failure)
{
	auto_json *records = json_array();
	auto_buffer query = BUFFER_INIT(8192);
	struct gathering gathering = {.cursor = "before", .records = records};
	struct err err;

	if (option_integer(invocation, "limit", FOUND, 1, FOUND_MAX,
		&gathering.limit, &err) != 0 ||
	    audit_path_search(invocation, clock_wall_ms(), &query, &err) != 0)
		return failure_from_err(failure, "usage", &err);
	gathering.query = query.data;
	if (gather(audit, &gathering, failure) != 0)
		return -1;
	print_found(&audit->session, records);
	if (gathering.next != 0)
		session_note(&audit->session,
		    "these are the last %zu; --limit shows more",
		    json_array_size(records));
	return 0;
}

int
verb_audit_search(struct invocation *invocation)
{
	return audit_run(invocation, search);
}

/* -- show */

static void
show_stories(const struct gathering *gathering, bool is_one)
{
	auto_free char *place = alloc_printf("in the log of %" PRIu64
					     " records that was signed (%s)",
	    gathering->head.size, gathering->head.origin);
	const json_t *record = NULL;
	size_t i;

	json_array_foreach(gathering->records, i, record)
	{
		auto_free char *time = audit_line_member(record, NULL, "time");
		auto_free char *story = audit_story_tell(record);

		show_fact(time, story);
	}
	if (is_one)
		show_document(SHOW_JSON, json_array_get(gathering->records, 0));
	show_fact("proved", place);
}

static void
show_gathered(const struct session *session, const struct gathering *gathering,
    bool is_one)
{
	const json_t *record = NULL;
	size_t i;

	if (session->format == SHOW_TABLE) {
		show_stories(gathering, is_one);
		return;
	}
	if (session->format == SHOW_JSON) {
		show_document(SHOW_JSON, gathering->records);
		return;
	}
	json_array_foreach(gathering->records, i, record)
	    print_record(session, record);
}

static int
show(const struct invocation *invocation, struct audit *audit,
    struct failure *failure)
{
	const char *operand = invocation->operands[0];
	auto_json *records = json_array();
	auto_free char *path = NULL;
	struct gathering gathering = {
	    .cursor = "after", .limit = AUDIT_PAGE, .records = records};
	bool is_one = false;
	struct err err;

	if (audit_path_show(operand, &path, &is_one, &err) != 0)
		return failure_from_err(failure, "usage", &err);
	gathering.query = path;
	if (gather(audit, &gathering, failure) != 0)
		return -1;
	if (json_array_size(records) == 0)
		return failure_set(
		    failure, "not-found", "there is no record of %s", operand);
	show_gathered(&audit->session, &gathering, is_one);
	return 0;
}

int
verb_audit_show(struct invocation *invocation)
{
	return audit_run(invocation, show);
}

/* -- checkpoint */

static int
check_extension(struct audit *audit, const struct checkpoint *from,
    const struct audit_page *page, struct failure *failure)
{
	auto_free char *path =
	    alloc_printf("/v1/audit/proof?first=%" PRIu64 "&second=%" PRIu64,
		from->size, page->head.size);
	const struct session_call call = {
	    .method = "GET", .path = path, .policy = &retry_call};
	auto_json *document = NULL;
	struct extension extension = {0};
	struct err err;
	int status;

	if (from->size < page->head.size && from->size > 0) {
		if (session_call(&audit->session, &call, &document, &status,
			failure) != 0)
			return -1;
		if (evidence_read_extension(document, &extension, &err) != 0)
			return failure_from_err(failure, "reply", &err);
	}
	if (from->size > page->head.size)
		return failure_set(failure, "not-proved",
		    "the checkpoint that was kept has %" PRIu64
		    " records, and the log only %" PRIu64,
		    from->size, page->head.size);
	return checkpoint_compare(from, &page->head, &extension.proof, &err) ==
		0
	    ? 0
	    : failure_from_err(failure, "not-proved", &err);
}

/* With a page of one record: it is read with the head. */
static int
checkpoint(const struct invocation *invocation, struct audit *audit,
    struct failure *failure)
{
	AUTO(audit_page_done) struct audit_page page = {0};
	const char *out = option_value(invocation, "out");
	struct checkpoint from;
	int has_from = audit_read_from(invocation, audit, &from, failure);
	struct err err;

	if (has_from < 0 ||
	    audit_page_get(&audit->session, "/v1/audit?limit=1&newest=1",
		&audit->keys, &page, failure) != 0)
		return -1;
	if (has_from > 0 && check_extension(audit, &from, &page, failure) != 0)
		return -1;
	if (out != NULL)
		return file_write(
			   out, page.note, strlen(page.note), 0644, &err) == 0
		    ? 0
		    : failure_from_err(failure, "local", &err);
	/* Other signers' names are whatever the gateway sent. */
	terminal_print_text(page.note, stdout);
	return 0;
}

int
verb_audit_checkpoint(struct invocation *invocation)
{
	return audit_run(invocation, checkpoint);
}
