/*
 * `GET /v1/catalog`: what the caller may run, as the runner says. The gateway's
 * own policy is not asked: of two, the runner's counts.
 */
#include <string.h>

#include "gateway/exchange.h"
#include "gateway/query.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "policy/catalog.h"

#define LIMIT_DEFAULT 50
#define REPLY_S 30

enum { CATALOG_LIMIT, CATALOG_AFTER, CATALOG_COUNT };

static const struct query_spec specs[CATALOG_COUNT] = {
    [CATALOG_LIMIT] = {.name = "limit",
	.kind = QUERY_INTEGER,
	.min = 1,
	.max = CATALOG_LIMIT_MAX},
    [CATALOG_AFTER] = {.name = "after", .kind = QUERY_RULE},
};

/* RFC 8288: the same question from the last rule on. The runner's word goes
 * into a head only where it is an id. */
static void
add_link(struct exchange *x, const char *next)
{
	struct query_value values[CATALOG_COUNT] = {0};
	const struct query_table table = {specs, values, CATALOG_COUNT};
	auto_buffer link = BUFFER_INIT(1024);
	struct err err;

	if (query_read(x, &table, &err) < 0)
		return;
	buffer_append_string(&link, "</v1/catalog?");
	if (values[CATALOG_LIMIT].given)
		buffer_printf(&link, "limit=%s&", values[CATALOG_LIMIT].text);
	values[CATALOG_AFTER].given = false;
	if (query_set(&table, (struct query_text){"after", strlen("after")},
		(struct query_text){next, strlen(next)}, &err) < 0)
		return;
	buffer_printf(&link, "after=%s>; rel=\"next\"", next);
	exchange_header(x, MHD_HTTP_HEADER_LINK, link.data);
}

static void
heard_catalog(struct exchange *x, const struct link_answer *answer)
{
	auto_json *next = NULL;

	if (answer->failure != NULL) {
		exchange_pass_failure(x, answer);
		return;
	}
	next = json_incref(json_object_get(answer->body, "next"));
	json_object_del(answer->body, "next");
	exchange_answer_json(x, (unsigned)answer->status, answer->body);
	if (json_is_string(next))
		add_link(x, json_string_value(next));
}

void
handle_catalog(struct exchange *x)
{
	struct query_value values[CATALOG_COUNT] = {
	    [CATALOG_LIMIT] = {.integer = LIMIT_DEFAULT}};
	json_t *members;
	struct err err;

	if (query_read(x, &(struct query_table){specs, values, CATALOG_COUNT},
		&err) < 0) {
		exchange_refuse_err(x, &err);
		return;
	}
	members = json_pack(
	    "{s:I}", "limit", (json_int_t)values[CATALOG_LIMIT].integer);
	if (values[CATALOG_AFTER].given)
		json_object_set_new(
		    members, "after", json_string(values[CATALOG_AFTER].text));
	exchange_ask_take(x,
	    &(struct link_question){.type = MESSAGE_catalog,
		.members = members,
		.fd = -1,
		.timeout_s = REPLY_S},
	    heard_catalog);
}
