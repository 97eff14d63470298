/*
 * `audit_search`: a page of the audit log for whoever has the scope. What is
 * asked for goes on record as the asker wrote it, apart.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "policy/image.h"
#include "runner/audit_page.h"
#include "runner/audit_proof.h"
#include "runner/audit_view.h"
#include "runner/gate.h"

#define TEXT_MAX 256

struct search {
	struct envelope envelope;
	const char *task, *subject, *thumbprint, *image, *rule, *outcome,
	    *event, *text;
	int64_t since, until, after, before, limit;
	bool newest, proofs;
};

/* Strings of the filter, in their order, and where each is kept. */
static const struct {
	const char *name;
	size_t in_search, in_filter;
} texts[] = {
#define TEXT(name)                                      \
	{                                               \
#name, offsetof(struct search, name),   \
		    offsetof(struct audit_filter, name) \
	}
    TEXT(task),
    TEXT(subject),
    TEXT(thumbprint),
    TEXT(image),
    TEXT(rule),
    TEXT(outcome),
    TEXT(event),
    TEXT(text),
#undef TEXT
};

struct reading {
	struct audit_view_op op;
	struct question *question;
	char *kept[COUNT(texts)];
	char image[IMAGE_REFERENCE]; /* the other spelling */
	struct audit_page_query query;
	struct audit_page page;
};

static const char *
text_of(const struct search *search, size_t i)
{
	return *(
	    const char *const *)((const char *)search + texts[i].in_search);
}

/* "demo" is "demo:latest", and is on record as the client spelt it. */
static void
spell_image(struct reading *reading)
{
	struct audit_filter *filter = &reading->query.filter;

	if (filter->image != NULL &&
	    image_respell(filter->image, reading->image))
		filter->image_or = reading->image;
}

static struct reading *
new_reading(const struct search *search)
{
	struct reading *reading = alloc_zero(1, sizeof(*reading));
	struct audit_filter *filter = &reading->query.filter;

	*filter = (struct audit_filter){
	    .since_ms = search->since,
	    .until_ms = search->until,
	    .after = search->after,
	    .before = search->before,
	    .limit = search->limit,
	    .newest = search->newest,
	};
	for (size_t i = 0; i < COUNT(texts); i++) {
		const char *text = text_of(search, i);

		if (text == NULL)
			continue;
		reading->kept[i] = alloc_string(text);
		*(const char **)((char *)filter + texts[i].in_filter) =
		    reading->kept[i];
	}
	reading->query.scan = AUDIT_PAGE_SCAN;
	reading->query.proofs = search->proofs;
	spell_image(reading);
	return reading;
}

static void
free_reading(struct reading *reading)
{
	for (size_t i = 0; i < COUNT(texts); i++)
		free(reading->kept[i]);
	free(reading->page.text);
	free(reading);
}

static int
run_reading(
    struct audit_view_op *op, struct database *database, struct err *err)
{
	struct reading *reading = (struct reading *)op;

	return audit_page_read(database, &reading->query, &reading->page, err);
}

static void
reading_done(struct audit_view_op *op, const struct err *err)
{
	struct reading *reading = (struct reading *)op;
	json_t *body = json_object();

	if (err != NULL) {
		json_decref(body);
		gate_refuse(reading->question, err);
		free_reading(reading);
		return;
	}
	if (reading->page.next != 0)
		json_object_set_new(
		    body, "next", json_integer(reading->page.next));
	gate_reply_text(
	    reading->question, reading->page.text, reading->page.len, body);
	free_reading(reading);
}

/* -- on record */

static json_t *
describe(const struct search *search)
{
	json_t *asked = json_object();

	for (size_t i = 0; i < COUNT(texts); i++) {
		if (text_of(search, i) != NULL)
			json_object_set_new(asked, texts[i].name,
			    audit_text(text_of(search, i)));
	}
	if (search->since != 0)
		json_object_set_new(
		    asked, "since_ms", json_integer(search->since));
	if (search->until != 0)
		json_object_set_new(
		    asked, "until_ms", json_integer(search->until));
	return asked;
}

static void
record_reading(const struct question *question, const struct search *search)
{
	struct runner *runner = question->runner;
	struct audit_entry *entry;
	auto_json *asked = describe(search);
	auto_json *who = gate_principal(question);
	auto_free char *asked_text = json_encode_canonical(asked, NULL);
	auto_free char *who_text = json_encode_canonical(who, NULL);
	auto_free char *text = alloc_printf("%s%s", who_text, asked_text);

	if (!audit_readers_add(
		&runner->audit_readers, text, strlen(text), clock_boot_ms()))
		return;
	entry = tasks_entry(&runner->tasks, EVENT_AUDIT_READ);
	entry->principal = json_incref(who);
	/* Not under "task": that is for what happened to one. */
	entry->object =
	    json_pack("{s:I, s:I, s:b}", "after", (json_int_t)search->after,
		"limit", (json_int_t)search->limit, "newest", search->newest);
	if (json_object_size(asked) > 0)
		entry->untrusted = json_pack("{s:O}", "search", asked);
	audit_set_message(entry, "%s read the audit log",
	    question->principal.certificate.subject);
	tasks_record_take(&runner->tasks, entry);
}

/* -- the message */

static int
check(const struct search *search, struct err *err)
{
	if (search->until != 0 && search->until <= search->since)
		return err_set(
		    err, ERR_UNPROCESSABLE, "until: it is not after since");
	if (search->before != 0 && search->before <= search->after)
		return err_set(
		    err, ERR_UNPROCESSABLE, "before: it is not after after");
	return 0;
}

static void
serve(struct question *question, const struct search *search)
{
	struct reading *reading;
	struct err err;

	if (check(search, &err) != 0) {
		gate_refuse(question, &err);
		return;
	}
	reading = new_reading(search);
	reading->op =
	    (struct audit_view_op){.run = run_reading, .done = reading_done};
	reading->question = question;
	if (audit_view_submit(
		question->runner->audit_view, &reading->op, &err) != 0) {
		free_reading(reading);
		gate_refuse(question, &err);
		return;
	}
	record_reading(question, search);
}

int
peer_handle_audit_search(
    struct peer *peer, struct message *message, struct err *err)
{
#define FIELD(member, kind, min, max) \
	JSON_FIELD(struct search, member, #member, kind, false, min, max)
#define STRING(member) FIELD(member, JSON_KIND_STRING, 1, TEXT_MAX)
#define NUMBER(member) FIELD(member, JSON_KIND_INTEGER, 1, INT64_MAX)
	static const struct json_field fields[] = {
	    ENVELOPE_FIELDS(struct search),
	    STRING(task),
	    STRING(subject),
	    STRING(thumbprint),
	    STRING(image),
	    STRING(rule),
	    STRING(outcome),
	    STRING(event),
	    STRING(text),
	    NUMBER(since),
	    NUMBER(until),
	    NUMBER(after),
	    NUMBER(before),
	    JSON_FIELD(struct search, limit, "limit", JSON_KIND_INTEGER, true,
		1, AUDIT_PAGE_LIMIT),
	    FIELD(newest, JSON_KIND_BOOLEAN, 0, 0),
	    FIELD(proofs, JSON_KIND_BOOLEAN, 0, 0),
	};
#undef NUMBER
#undef STRING
#undef FIELD
	struct search search = {0};
	struct question *question = NULL;
	int result;

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&search, err) != 0)
		return -1;
	result =
	    gate_open(peer, &search.envelope, SCOPE_AUDIT_READ, &question, err);
	if (result > 0)
		serve(question, &search);
	return result < 0 ? -1 : 0;
}

/* -- the head alone, which says nothing of anybody */

struct head_reading {
	struct audit_view_op op;
	struct question *question;
	struct audit_signed head;
};

static int
run_head(struct audit_view_op *op, struct database *database, struct err *err)
{
	return audit_signed_read(
	    database, &((struct head_reading *)op)->head, err);
}

static void
head_done(struct audit_view_op *op, const struct err *err)
{
	struct head_reading *reading = (struct head_reading *)op;

	if (err != NULL)
		gate_refuse(reading->question, err);
	else
		gate_reply_text(reading->question, reading->head.note,
		    strlen(reading->head.note), NULL);
	audit_signed_done(&reading->head);
	free(reading);
}

struct head_request {
	struct envelope envelope;
};

int
peer_handle_audit_head(
    struct peer *peer, struct message *message, struct err *err)
{
	static const struct json_field fields[] = {
	    ENVELOPE_FIELDS(struct head_request),
	};
	struct head_request request = {0};
	struct head_reading *reading;
	struct question *question = NULL;
	struct err busy;
	int result;

	if (json_read_fields(message->members, "", fields, COUNT(fields), false,
		&request, err) != 0)
		return -1;
	result = gate_open(
	    peer, &request.envelope, SCOPE_AUDIT_READ, &question, err);
	if (result <= 0)
		return result;
	reading = alloc_zero(1, sizeof(*reading));
	reading->op =
	    (struct audit_view_op){.run = run_head, .done = head_done};
	reading->question = question;
	if (audit_view_submit(
		question->runner->audit_view, &reading->op, &busy) != 0) {
		free(reading);
		gate_refuse(question, &busy);
	}
	return 0;
}
