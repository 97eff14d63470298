/*
 * `catalog`: what the caller may run, as the server says.
 */
#include "client/verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/exit_code.h"
#include "client/operand.h"
#include "client/show_task.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/terminal.h"

#define PAGE 200 /* docs/api.md: the most at once */
#define PAGES_MAX 1000

static int
fail_reply(struct failure *failure)
{
	return failure_set(failure, "reply",
	    "the server's reply is not what the API promises: no rules");
}

static int
add_page(struct session *session, const char *after, json_t *rules,
    struct failure *failure)
{
	auto_free char *path = alloc_printf("/v1/catalog?limit=%d%s%s", PAGE,
	    after != NULL ? "&after=" : "", after != NULL ? after : "");
	const struct session_call call = {
	    .method = "GET", .path = path, .policy = &retry_call};
	auto_json *document = NULL;
	const json_t *found;
	int status;

	if (session_call(session, &call, &document, &status, failure) != 0)
		return -1;
	found = json_object_get(document, "rules");
	if (!json_is_array(found))
		return fail_reply(failure);
	json_array_extend(rules, (json_t *)(uintptr_t)found);
	return 0;
}

/* The pages' ends are ours to name: the last rule of each. */
static int
add_pages(struct session *session, json_t *rules, struct failure *failure)
{
	const char *after = NULL;
	struct err err;

	for (int page = 0; page < PAGES_MAX; page++) {
		size_t before = json_array_size(rules);

		if (add_page(session, after, rules, failure) != 0)
			return -1;
		if (!session->has_next)
			return 0;
		after = json_string_value(json_object_get(
		    json_array_get(rules, json_array_size(rules) - 1), "rule"));
		if (json_array_size(rules) == before || after == NULL ||
		    operand_check_word("rule", after, &err) != 0)
			return fail_reply(failure);
	}
	return fail_reply(failure);
}

static void
show_table(const json_t *rules)
{
	static const char *const headings[] = {"RULE", "USAGE", "DESCRIPTION"};
	struct table *table = table_new(headings, COUNT(headings));
	const json_t *rule = NULL;
	size_t i;

	json_array_foreach(rules, i, rule)
	{
		auto_free char *name = show_member_text(rule, "rule");
		auto_free char *usage = show_member_text(rule, "usage");
		auto_free char *text = show_member_text(rule, "description");

		table_add(table,
		    (const char *const[]){name != NULL ? name : "",
			usage != NULL ? usage : "", text != NULL ? text : ""});
	}
	table_print(table, stdout);
	table_free(table);
}

static void
show_bounds(const json_t *limits)
{
	const char *name;
	json_t *limit;

	json_object_foreach((json_t *)(uintptr_t)limits, name, limit)
	{
		auto_free char *usual = show_limit(name, limit, "default");
		auto_free char *most = show_limit(name, limit, "max");
		auto_free char *label = alloc_printf("limit %s", name);
		auto_free char *line = NULL;

		if (usual == NULL || most == NULL)
			continue;
		line = strcmp(usual, most) == 0
		    ? alloc_string(usual)
		    : alloc_printf("%s, at most %s", usual, most);
		show_fact(label, line);
	}
}

/* A line for each member; what is not text is shown as JSON. */
static void
show_rule(const json_t *rule)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)rule, name, value)
	{
		auto_free char *text = show_member_text(rule, name);

		if (strcmp(name, "limits") == 0)
			continue;
		if (text == NULL)
			text = json_encode(value, NULL);
		show_fact(name, text);
	}
	show_bounds(json_object_get(rule, "limits"));
}

static const json_t *
find_rule(const json_t *rules, const char *wanted)
{
	const json_t *rule = NULL;
	size_t i;

	json_array_foreach(rules, i, rule)
	{
		const char *name =
		    json_string_value(json_object_get(rule, "rule"));

		if (name != NULL && strcmp(name, wanted) == 0)
			return rule;
	}
	return NULL;
}

static int
show_one(const struct session *session, const json_t *rules, const char *wanted,
    struct failure *failure)
{
	const json_t *rule = find_rule(rules, wanted);

	if (rule == NULL)
		return failure_set(failure, "not-found",
		    "no rule that is for you is called %s", wanted);
	if (session->format == SHOW_TABLE)
		show_rule(rule);
	else if (session->format == SHOW_ID)
		show_id(rule, "rule");
	else
		show_document(session->format, rule);
	return 0;
}

static void
show_all(const struct session *session, const json_t *rules)
{
	const json_t *rule = NULL;
	size_t i;

	if (session->format == SHOW_JSON) {
		auto_json *document = json_pack("{s:O}", "rules", rules);

		show_document(session->format, document);
		return;
	}
	if (session->format == SHOW_TABLE) {
		show_table(rules);
		return;
	}
	json_array_foreach(rules, i, rule)
	{
		if (session->format == SHOW_ID)
			show_id(rule, "rule");
		else
			show_document(session->format, rule);
	}
}

int
verb_catalog(struct invocation *invocation)
{
	auto_session session = {0};
	auto_failure failure = FAILURE_INIT;
	auto_json *rules = json_array();

	if (session_open(invocation, &session, &failure) != 0 ||
	    add_pages(&session, rules, &failure) != 0)
		return session_fail_verb(&session, &failure);
	if (invocation->noperands == 0) {
		show_all(&session, rules);
		if (json_array_size(rules) == 0)
			session_note(&session, "no rule is for you");
	} else if (show_one(&session, rules, invocation->operands[0],
		       &failure) != 0) {
		return session_fail_verb(&session, &failure);
	}
	return 0;
}
