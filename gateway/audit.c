/*
 * The audit log at a distance: questions to the runner, and its answers as it
 * wrote them. What is in a record is nothing to this side.
 */
#include "gateway/document.h"
#include "gateway/query.h"
#include "lib/cleanup.h"

/* A search may wait behind others. */
#define REPLY_S 60
#define LIMIT_MAX 1000
#define LIMIT_DEFAULT 100

enum {
	SEARCH_TASK,
	SEARCH_SUBJECT,
	SEARCH_THUMBPRINT,
	SEARCH_IMAGE,
	SEARCH_RULE,
	SEARCH_OUTCOME,
	SEARCH_EVENT,
	SEARCH_TEXT,
	SEARCH_SINCE,
	SEARCH_UNTIL,
	SEARCH_NEWEST,
	SEARCH_PROOFS,
	SEARCH_LIMIT,
	SEARCH_AFTER,
	SEARCH_BEFORE,
	SEARCH_COUNT
};

static const struct query_spec specs[SEARCH_COUNT] = {
    [SEARCH_TASK] = {.name = "task", .kind = QUERY_ID},
    [SEARCH_SUBJECT] = {.name = "subject", .kind = QUERY_TEXT},
    [SEARCH_THUMBPRINT] = {.name = "thumbprint", .kind = QUERY_TEXT},
    [SEARCH_IMAGE] = {.name = "image", .kind = QUERY_TEXT},
    [SEARCH_RULE] = {.name = "rule", .kind = QUERY_TEXT},
    [SEARCH_OUTCOME] = {.name = "outcome", .kind = QUERY_TEXT},
    [SEARCH_EVENT] = {.name = "event", .kind = QUERY_TEXT},
    [SEARCH_TEXT] = {.name = "text", .kind = QUERY_TEXT},
    [SEARCH_SINCE] = {.name = "since", .kind = QUERY_TIME},
    [SEARCH_UNTIL] = {.name = "until", .kind = QUERY_TIME},
    [SEARCH_NEWEST] = {.name = "newest", .kind = QUERY_FLAG},
    [SEARCH_PROOFS] = {.name = "proofs", .kind = QUERY_FLAG},
    [SEARCH_LIMIT] = {.name = "limit",
	.kind = QUERY_INTEGER,
	.min = 1,
	.max = LIMIT_MAX},
    [SEARCH_AFTER] = {.name = "after",
	.kind = QUERY_INTEGER,
	.min = 0,
	.max = INT64_MAX},
    [SEARCH_BEFORE] = {.name = "before",
	.kind = QUERY_INTEGER,
	.min = 1,
	.max = INT64_MAX},
};

static json_t *
render_value(const struct query_spec *spec, const struct query_value *value)
{
	switch (spec->kind) {
	case QUERY_INTEGER:
	case QUERY_TIME:
		return json_integer((json_int_t)value->integer);
	case QUERY_FLAG:
		return json_boolean(value->integer != 0);
	default:
		return json_string(value->text);
	}
}

/* The runner takes no zero where nothing is meant. */
static bool
is_meant(const struct query_spec *spec, const struct query_value *value)
{
	return value->given &&
	    (spec->kind != QUERY_INTEGER || value->integer != 0);
}

static int
read_search(const struct exchange *x, struct query_value values[SEARCH_COUNT],
    struct err *err)
{
	if (query_read(
		x, &(struct query_table){specs, values, SEARCH_COUNT}, err) < 0)
		return -1;
	if (!values[SEARCH_LIMIT].given)
		values[SEARCH_LIMIT] = (struct query_value){
		    .given = true, .integer = LIMIT_DEFAULT, .text = "100"};
	return 0;
}

/* RFC 8288: the same question from there on. */
static void
add_link(struct exchange *x, int64_t next)
{
	auto_buffer link = BUFFER_INIT(8192);
	struct query_value values[SEARCH_COUNT] = {0};
	struct err err;

	if (read_search(x, values, &err) < 0)
		return;
	int cursor =
	    values[SEARCH_NEWEST].integer != 0 ? SEARCH_BEFORE : SEARCH_AFTER;

	buffer_append_string(&link, "</v1/audit?");
	for (int i = 0; i < SEARCH_COUNT; i++)
		if (values[i].given && i != cursor)
			query_write(&link, &specs[i], &values[i]);
	buffer_printf(&link, "%s=%lld>; rel=\"next\"", specs[cursor].name,
	    (long long)next);
	if (!link.full)
		exchange_header(x, MHD_HTTP_HEADER_LINK, link.data);
}

static void
heard_search(struct exchange *x, const struct link_answer *answer)
{
	const json_t *next = json_object_get(answer->body, "next");

	document_heard(x, answer);
	if (answer->failure == NULL && json_is_integer(next))
		add_link(x, json_integer_value(next));
}

void
handle_audit_search(struct exchange *x)
{
	struct query_value values[SEARCH_COUNT] = {0};
	struct err err;
	json_t *members;

	if (read_search(x, values, &err) < 0) {
		exchange_refuse_err(x, &err);
		return;
	}
	members = json_object();
	for (size_t i = 0; i < SEARCH_COUNT; i++)
		if (is_meant(&specs[i], &values[i]))
			json_object_set_new(members, specs[i].name,
			    render_value(&specs[i], &values[i]));
	exchange_ask_take(x,
	    &(struct link_question){.type = MESSAGE_audit_search,
		.members = members,
		.fd = -1,
		.timeout_s = REPLY_S},
	    heard_search);
}

void
handle_audit_checkpoint(struct exchange *x)
{
	struct err err;

	if (query_read(x, &(struct query_table){0}, &err) < 0) {
		exchange_refuse_err(x, &err);
		return;
	}
	exchange_ask_take(x,
	    &(struct link_question){.type = MESSAGE_audit_head,
		.members = json_object(),
		.fd = -1,
		.timeout_s = REPLY_S},
	    document_heard_text);
}
