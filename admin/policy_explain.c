/*
 * Role: `policy explain`: what anybody's request would get by a policy, and
 * what every rule that is about it says of it.
 * Trusts nothing of what it reads.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/policy_path.h"
#include "admin/tool.h"
#include "admin/verbs.h"
#include "certs/token.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/quantity.h"
#include "policy/explanation.h"

static const struct column columns[] = {
    {"Allowed", "allowed"},
    {"Rule", "rule"},
    {"Condition", "condition"},
    {"Why", "detail"},
    {"Unsigned", "unsigned"},
    {"Approval", "approval"},
    {"Rate", "rate"},
    {"At a time", "concurrency"},
    {"Network", "network"},
};
static const struct view view = {columns, COUNT(columns), "rule"};

static const struct column candidate_columns[] = {
    {"RULE", "rule"},
    {"MODE", "mode"},
    {"ALLOWS", "allows"},
    {"CONDITION", "condition"},
    {"WHY", "detail"},
};
static const struct view candidate_view = {
    candidate_columns, COUNT(candidate_columns), "rule"};

/* Who asks, and when. */
struct asker {
	struct policy_principal principal;
	const char *roles[TOKEN_ROLES_MAX];
	int64_t now_ms;
};

static int
read_asker(
    const struct invocation *invocation, struct asker *ret, struct err *err)
{
	const char *at = option_value(invocation, "at");
	const char *role;

	ret->principal.subject = option_value(invocation, "subject");
	ret->principal.roles = ret->roles;
	ret->now_ms = clock_wall_ms();
	if (ret->principal.subject == NULL)
		return err_set(
		    err, ERR_UNPROCESSABLE, "--subject: who asks, is missing");
	if (at != NULL && !clock_parse(at, &ret->now_ms))
		return err_set(err, ERR_UNPROCESSABLE,
		    "--at: \"%s\" is not a time such as 2026-01-02T03:04:05Z",
		    at);
	for (size_t k = 0; (role = option_each(invocation, "role", k)) != NULL;
	     k++) {
		if (k == TOKEN_ROLES_MAX)
			return err_set(err, ERR_UNPROCESSABLE,
			    "--role: a token has at most %d", TOKEN_ROLES_MAX);
		ret->roles[ret->principal.nroles++] = role;
	}
	return 0;
}

/* -- the request: of a file, or of the command line */

/* As the API wants it: a number, or what people write ("64MiB", "0.5"). */
static json_t *
pair_value(const char *text)
{
	size_t digits = strspn(text, "0123456789");

	if (digits > 0 && digits < 18 && text[digits] == '\0')
		return json_integer(strtoll(text, NULL, 10));
	return json_string(text);
}

/* Options that give members by name: NAME=VALUE. */
static int
add_pairs(const struct invocation *invocation, const char *option,
    const char *member, json_t *body, struct err *err)
{
	bool is_text = strcmp(option, "limit") != 0;
	const char *pair;

	for (size_t k = 0; (pair = option_each(invocation, option, k)) != NULL;
	     k++) {
		const char *equals = strchr(pair, '=');
		json_t *object = json_object_get(body, member);

		if (equals == NULL || equals == pair)
			return err_set(err, ERR_UNPROCESSABLE,
			    "--%s: \"%s\" is not NAME=VALUE", option, pair);
		auto_free char *name =
		    alloc_bytes(pair, (size_t)(equals - pair));
		if (object == NULL) {
			object = json_object();
			json_object_set_new(body, member, object);
		}
		if (json_object_set_new(object, name,
			is_text ? json_string(equals + 1)
				: pair_value(equals + 1)) != 0)
			return err_set(err, ERR_UNPROCESSABLE,
			    "--%s: \"%s\" is no UTF-8", option, pair);
	}
	return 0;
}

static int
add_names(const struct invocation *invocation, json_t *body, struct err *err)
{
	static const char *const names[] = {"image", "task"};

	for (size_t k = 0; k < COUNT(names); k++) {
		const char *value = option_value(invocation, names[k]);

		if (value != NULL &&
		    json_object_set_new(body, names[k], json_string(value)) !=
			0)
			return err_set(err, ERR_UNPROCESSABLE,
			    "--%s: it is no UTF-8", names[k]);
	}
	return 0;
}

static int
add_arguments(
    const struct invocation *invocation, json_t *body, struct err *err)
{
	auto_json *args = json_array();

	if (invocation->noperands > 0)
		json_object_set(body, "args", args);
	for (int k = 0; k < invocation->noperands; k++) {
		if (json_array_append_new(
			args, json_string(invocation->operands[k])) != 0)
			return err_set(err, ERR_UNPROCESSABLE,
			    "argument %d of the command is no UTF-8", k + 1);
	}
	return 0;
}

static json_t *
compose(const struct invocation *invocation, struct err *err)
{
	auto_json *body = json_object();

	if (add_names(invocation, body, err) != 0 ||
	    add_arguments(invocation, body, err) != 0 ||
	    add_pairs(invocation, "param", "params", body, err) != 0 ||
	    add_pairs(invocation, "env", "env", body, err) != 0 ||
	    add_pairs(invocation, "limit", "limits", body, err) != 0)
		return NULL;
	return json_incref(body);
}

static int
compose_request(
    const struct invocation *invocation, struct request *ret, struct err *err)
{
	auto_json *body = compose(invocation, err);
	auto_free char *text = NULL;
	size_t len = 0;

	if (body == NULL)
		return -1;
	text = json_encode(body, &len);
	return request_parse(text, len, ret, err);
}

static int
read_request(
    const struct invocation *invocation, struct request *ret, struct err *err)
{
	const char *path = option_value(invocation, "request");
	auto_free char *text = NULL;
	size_t len = 0;

	if ((path != NULL) + (option_value(invocation, "image") != NULL) +
		(option_value(invocation, "task") != NULL) !=
	    1)
		return err_set(err, ERR_UNPROCESSABLE,
		    "what is asked for: one of --image, --task and --request");
	if (path == NULL)
		return compose_request(invocation, ret, err);
	text = tool_read(path, REQUEST_BODY_MAX, &len, err);
	if (text == NULL)
		return -1;
	return request_parse(text, len, ret, err) == 0
	    ? 0
	    : err_prefix(err, "%s", path);
}

/* -- what it says */

static int64_t
number(const json_t *object, const char *member)
{
	return (int64_t)json_integer_value(json_object_get(object, member));
}

/* ["10 in 1m", "100 in 1d"]; NULL: there is no bound. New. */
static json_t *
say_rate(const json_t *rate)
{
	json_t *said = rate != NULL ? json_array() : NULL;
	const json_t *window;
	size_t k;

	json_array_foreach(rate, k, window)
	{
		char per[QUANTITY_TEXT];

		quantity_format_duration(number(window, "per"), per);
		auto_free char *text = alloc_printf(
		    "%" PRId64 " in %s", number(window, "tasks"), per);
		json_array_append_new(said, json_string(text));
	}
	return said;
}

/* ["2 of a subject", "8 in all"]; NULL: there is no bound. New. */
static json_t *
say_concurrency(const json_t *bounds)
{
	static const struct {
		const char *member, *of;
	} all[] = {{"per_subject", "of a subject"}, {"total", "in all"}};
	json_t *said = bounds != NULL ? json_array() : NULL;

	for (size_t k = 0; bounds != NULL && k < COUNT(all); k++) {
		if (json_object_get(bounds, all[k].member) == NULL)
			continue;
		auto_free char *text = alloc_printf(
		    "%" PRId64 " %s", number(bounds, all[k].member), all[k].of);
		json_array_append_new(said, json_string(text));
	}
	return said;
}

/* The explanation with its bounds in words, for a table. New. */
static json_t *
say(const json_t *object)
{
	json_t *said = json_copy((json_t *)(uintptr_t)object);
	json_t *rate = say_rate(json_object_get(object, "rate"));
	json_t *concurrency =
	    say_concurrency(json_object_get(object, "concurrency"));

	if (rate != NULL)
		json_object_set_new(said, "rate", rate);
	if (concurrency != NULL)
		json_object_set_new(said, "concurrency", concurrency);
	return said;
}

static int
print(
    const struct invocation *invocation, const json_t *object, struct err *err)
{
	const json_t *candidates = json_object_get(object, "candidates");
	auto_json *said = say(object);
	enum tool_format format;

	if (tool_format(invocation, &format, err) != 0)
		return -1;
	if (format != FORMAT_TABLE)
		return tool_print_one(invocation, &view, object, err);
	if (tool_print_one(invocation, &view, said, err) != 0)
		return -1;
	if (json_array_size(candidates) == 0)
		return 0;
	putchar('\n');
	return tool_print_list(invocation, &candidate_view, candidates, err);
}

int
verb_policy_explain(struct invocation *invocation)
{
	AUTO(request_done) struct request request = {0};
	struct asker asker = {0};
	struct err err = {0};
	auto_policy struct policy *policy = NULL;
	auto_json *object = NULL;

	if (read_asker(invocation, &asker, &err) != 0 ||
	    read_request(invocation, &request, &err) != 0)
		return tool_fail(&err);
	policy = policy_path_load(
	    invocation, option_value(invocation, "policy"), &err);
	if (policy == NULL)
		return tool_fail(&err);
	object = explanation_for_operator(&(struct explanation_question){
	    policy, &asker.principal, &request, asker.now_ms});
	if (print(invocation, object, &err) != 0)
		return tool_fail(&err);
	return json_is_true(json_object_get(object, "allowed")) ? 0 : 1;
}
