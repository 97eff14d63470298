#include "admin/cases.h"

#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"

struct file_members {
	json_t *cases;
};

static const struct json_field file_fields[] = {
    JSON_FIELD(struct file_members, cases, "cases", JSON_KIND_ARRAY, true, 1,
	CASES_MAX),
};

struct members {
	const char *name, *subject, *at, *rule, *condition;
	json_t *roles, *request;
	bool is_signed, allowed;
};

static const struct json_field fields[] = {
    JSON_FIELD(struct members, name, "name", JSON_KIND_STRING, false, 1, 1024),
    JSON_FIELD(struct members, subject, "subject", JSON_KIND_STRING, true, 1,
	SUBJECT_MAX),
    JSON_FIELD(struct members, roles, "roles", JSON_KIND_ARRAY, false, 0,
	TOKEN_ROLES_MAX),
    JSON_FIELD(struct members, at, "at", JSON_KIND_STRING, false, 0, 0),
    JSON_FIELD(
	struct members, is_signed, "signed", JSON_KIND_BOOLEAN, false, 0, 0),
    JSON_FIELD(
	struct members, request, "request", JSON_KIND_OBJECT, true, 0, 0),
    JSON_FIELD(
	struct members, allowed, "allowed", JSON_KIND_BOOLEAN, true, 0, 0),
    JSON_FIELD(
	struct members, rule, "rule", JSON_KIND_STRING, false, 1, RULE_ID_MAX),
    JSON_FIELD(struct members, condition, "condition", JSON_KIND_STRING, false,
	1, 255),
};

/* -- reading */

/* Puts "FILE:LINE:COLUMN: " before a detail that begins with a path. */
static int
place(const char *name, const char *text, size_t len, struct err *err)
{
	const char *end = strstr(err->detail, ": ");
	auto_free char *path = alloc_bytes(
	    err->detail, end != NULL ? (size_t)(end - err->detail) : 0);
	size_t line = 1, column = 1;

	json_locate(text, len, path, &line, &column);
	return err_prefix(err, "%s:%zu:%zu", name, line, column);
}

static int
read_roles(const json_t *roles, const char *path, struct test_case *ret,
    struct err *err)
{
	const json_t *role;
	size_t k;

	json_array_foreach(roles, k, role)
	{
		if (!json_is_string(role))
			return err_set(err, ERR_UNPROCESSABLE,
			    "%s.roles[%zu]: must be a string", path, k);
		ret->roles[ret->principal.nroles++] = json_string_value(role);
	}
	ret->principal.roles = ret->roles;
	return 0;
}

static int
read_request(const json_t *request, const char *path, struct request *ret,
    struct err *err)
{
	size_t len = 0;
	auto_free char *text = json_encode(request, &len);
	struct err why = {0};

	/* Its own paths follow: request.args[0]. */
	if (request_parse(text, len, ret, &why) == 0)
		return 0;
	return err_set(
	    err, ERR_UNPROCESSABLE, "%s.request.%s", path, why.detail);
}

static int
read_case(
    const json_t *json, size_t number, struct test_case *ret, struct err *err)
{
	auto_free char *path = alloc_printf("cases[%zu]", number);
	struct members members = {.is_signed = true};

	if (json_read_fields(
		json, path, fields, COUNT(fields), true, &members, err) != 0 ||
	    read_roles(members.roles, path, ret, err) != 0 ||
	    read_request(members.request, path, &ret->request, err) != 0)
		return -1;
	ret->now_ms = CASES_NOW;
	if (members.at != NULL && !clock_parse(members.at, &ret->now_ms))
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s.at: must be a time such as 2026-01-02T03:04:05Z", path);
	if (members.allowed && members.condition != NULL)
		return err_set(err, ERR_UNPROCESSABLE,
		    "%s.condition: what is allowed fails none", path);
	ret->name = members.name != NULL ? alloc_string(members.name)
					 : alloc_printf("case %zu", number + 1);
	ret->principal.subject = members.subject;
	ret->is_signed = members.is_signed;
	ret->allowed = members.allowed;
	ret->rule = members.rule;
	ret->condition = members.condition;
	return 0;
}

static int
read_cases(struct cases *cases, struct err *err)
{
	struct file_members members = {0};
	size_t count;

	if (json_read_fields(cases->file, "", file_fields, COUNT(file_fields),
		true, &members, err) != 0)
		return -1;
	count = json_array_size(members.cases);
	cases->items = alloc_zero(count, sizeof(*cases->items));
	while (cases->count < count) {
		size_t k = cases->count++;

		if (read_case(json_array_get(members.cases, k), k,
			&cases->items[k], err) != 0)
			return -1;
	}
	return 0;
}

int
cases_parse(const char *name, const char *text, size_t len, struct cases *ret,
    struct err *err)
{
	struct cases cases = {.file = json_parse_strict(text, len, err)};

	*ret = (struct cases){0};
	if (cases.file == NULL) {
		if (err->code == ERR_MALFORMED)
			err->code = ERR_UNPROCESSABLE;
		return err_prefix(err, "%s", name);
	}
	if (read_cases(&cases, err) == 0) {
		*ret = cases;
		return 0;
	}
	place(name, text, len, err);
	cases_done(&cases);
	return -1;
}

void
cases_done(struct cases *cases)
{
	for (size_t k = 0; k < cases->count; k++) {
		request_done(&cases->items[k].request);
		free(cases->items[k].name);
	}
	free(cases->items);
	json_decref(cases->file);
	*cases = (struct cases){0};
}

/* -- trying */

static void
try_denied(const struct policy_verdict *verdict, const struct request *request,
    struct case_result *ret)
{
	const char *condition = NULL;
	struct err err = {0};

	policy_explain_to_caller(
	    verdict, request, &ret->rule, &condition, &err);
	if (condition != NULL)
		ret->condition = alloc_string(condition);
	ret->detail = alloc_string(err.detail);
}

static bool
is_wanted(const char *wanted, const char *found)
{
	return wanted == NULL || (found != NULL && strcmp(wanted, found) == 0);
}

void
cases_try(const struct policy *policy, const struct test_case *one,
    int64_t now_ms, struct case_result *ret)
{
	AUTO(policy_verdict_done) struct policy_verdict verdict = {0};

	*ret = (struct case_result){0};
	policy_decide(policy, &one->principal, &one->request,
	    one->now_ms == CASES_NOW ? now_ms : one->now_ms, &verdict);
	ret->allowed =
	    verdict.allowed && (one->is_signed || verdict.is_unsigned);
	ret->rule = verdict.rule;
	if (!verdict.allowed) {
		try_denied(&verdict, &one->request, ret);
	} else if (!ret->allowed) {
		ret->condition = alloc_string("signature");
		ret->detail = alloc_printf(
		    "rule %s: the request must be signed", verdict.rule);
	}
	ret->passed = ret->allowed == one->allowed &&
	    is_wanted(one->rule, ret->rule) &&
	    is_wanted(one->condition, ret->condition);
}

void
case_result_done(struct case_result *result)
{
	free(result->condition);
	free(result->detail);
	*result = (struct case_result){0};
}
