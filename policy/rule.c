/*
 * What a rule says of a request: pure, and in the order in which a person
 * would ask. Detail that goes to the caller repeats arguments, which it sent
 * itself, but never the value of a variable, which may be a secret.
 */
#include "policy/rule.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "policy/recorded.h"

#define DETAIL_MAX 1024

/* Fills *ret where somebody wants to know; always false. */
static bool
fail(struct policy_candidate *ret, char *condition_take, struct buffer *detail)
{
	if (ret == NULL) {
		free(condition_take);
		return false;
	}
	ret->condition = condition_take;
	ret->detail = buffer_take(detail);
	return false;
}

const char *
rule_key(const struct rule *rule)
{
	return rule->task.name != NULL ? rule->task.name : rule->image;
}

/* Also of a tag, so that its caller is told. */
static bool
names_repository(const struct rule *rule, const struct request *request)
{
	size_t len = image_name_len(request->reference);

	if (rule->image_pattern != NULL)
		return len > 0 &&
		    pattern_is_match(
			rule->image_pattern, request->reference, len);
	return strlen(rule->image) == len &&
	    memcmp(rule->image, request->reference, len) == 0;
}

bool
rule_is_candidate(const struct rule *rule, const struct request *request)
{
	if (rule->task.name != NULL || request->task != NULL)
		return rule->task.name != NULL && request->task != NULL &&
		    strcmp(rule->task.name, request->task) == 0;
	if (rule->digest_required)
		return names_repository(rule, request);
	if (rule->image_kind != request->image_kind)
		return false;
	if (rule->image_pattern == NULL)
		return strcmp(rule->image, request->reference) == 0;
	return pattern_is_match(rule->image_pattern, request->reference,
	    strlen(request->reference));
}

static bool
is_subject(const struct rule_subject *subject, const char *name)
{
	if (subject->pattern == NULL)
		return strcmp(subject->name, name) == 0;
	return pattern_is_match(subject->pattern, name, strlen(name));
}

static bool
is_any_role(const struct rule_subject *subject,
    const struct policy_principal *principal)
{
	for (size_t k = 0; k < principal->nroles; k++) {
		if (is_subject(subject, principal->roles[k]))
			return true;
	}
	return false;
}

bool
rule_subjects_name(const struct rule_subject *subjects, size_t count,
    const struct policy_principal *principal)
{
	for (size_t k = 0; k < count; k++) {
		const struct rule_subject *subject = &subjects[k];

		if (subject->is_role ? is_any_role(subject, principal)
				     : is_subject(subject, principal->subject))
			return true;
	}
	return false;
}

bool
rule_names_caller(
    const struct rule *rule, const struct policy_principal *principal)
{
	return rule_subjects_name(rule->subjects, rule->nsubjects, principal);
}

static bool
check_time(
    const struct rule *rule, int64_t now_ms, struct policy_candidate *ret)
{
	auto_buffer detail = BUFFER_INIT(DETAIL_MAX);
	char end[CLOCK_TEXT];

	if (now_ms >= rule->expires_ms) {
		clock_format(rule->expires_ms, end);
		buffer_printf(&detail, "the rule ended at %s", end);
		return fail(ret, alloc_string("expires"), &detail);
	}
	if (hours_has(&rule->hours, now_ms))
		return true;
	hours_explain(&rule->hours, now_ms, &detail);
	return fail(ret, alloc_string("hours"), &detail);
}

static bool
check_digest(const struct rule *rule, const struct request *request,
    struct policy_candidate *ret)
{
	auto_buffer detail = BUFFER_INIT(DETAIL_MAX);
	int len = (int)image_name_len(request->reference);

	if (!rule->digest_required || request->image_kind != IMAGE_TAG)
		return true;
	buffer_printf(&detail,
	    "%s is a tag, which moves: ask for %.*s@sha256:DIGEST",
	    request->reference, len, request->reference);
	return fail(ret, alloc_string("digest_required"), &detail);
}

static bool
fail_unknown_param(
    const struct rule *rule, const char *name, struct policy_candidate *ret)
{
	auto_buffer detail = BUFFER_INIT(DETAIL_MAX);

	buffer_append_string(&detail,
	    rule->task.nparams == 0 ? "the task has no params"
				    : "is none of the params ");
	for (size_t k = 0; k < rule->task.nparams; k++)
		buffer_printf(&detail, "%s%s", k > 0 ? ", " : "",
		    rule->task.params[k].name);
	return fail(ret, alloc_printf("params.%s", name), &detail);
}

static bool
check_params(const struct rule *rule, const struct request *request,
    struct policy_candidate *ret)
{
	const char *value, *unknown;
	const struct param *param =
	    named_task_find_fault(&rule->task, request, &value, &unknown);
	auto_buffer detail = BUFFER_INIT(DETAIL_MAX);

	if (unknown != NULL)
		return fail_unknown_param(rule, unknown, ret);
	if (param == NULL)
		return true;
	if (value == NULL) {
		param_explain_missing(param, &detail);
	} else {
		template_quote(value, &detail);
		buffer_append_string(&detail, " ");
		param_explain(param, value, &detail);
	}
	return fail(ret, alloc_printf("params.%s", param->name), &detail);
}

static bool
check_count(const struct rule *rule, const struct request *request,
    struct policy_candidate *ret)
{
	size_t least = rule->nargs;
	size_t most = rule->nargs;
	auto_buffer detail = BUFFER_INIT(DETAIL_MAX);

	if (rule->has_rest) {
		least += (size_t)rule->rest_min;
		most += (size_t)rule->rest_max;
	}
	if (request->nargs >= least && request->nargs <= most)
		return true;
	if (most == 0)
		buffer_printf(&detail,
		    "%zu given, but only the image's own command may run",
		    request->nargs);
	else if (least == most)
		buffer_printf(
		    &detail, "%zu given, not %zu", request->nargs, least);
	else
		buffer_printf(&detail, "%zu given, not %zu to %zu",
		    request->nargs, least, most);
	return fail(ret, alloc_string("args"), &detail);
}

static bool
check_args(const struct rule *rule, const struct request *request,
    struct policy_candidate *ret)
{
	for (size_t k = 0; k < request->nargs; k++) {
		/* What comes too many is the count's to refuse. */
		if (k >= rule->nargs && !rule->has_rest)
			break;
		const struct template *template =
		    k < rule->nargs ? &rule->args[k] : &rule->rest;

		if (template_is_match(template, request->args[k]))
			continue;
		auto_buffer detail = BUFFER_INIT(DETAIL_MAX);

		template_quote(request->args[k], &detail);
		buffer_append_string(&detail, " ");
		template_explain(template, &detail);
		return fail(ret, alloc_printf("args[%zu]", k), &detail);
	}
	return check_count(rule, request, ret);
}

static const struct template *
find_variable(const struct rule *rule, const char *name)
{
	for (size_t k = 0; k < rule->nenv; k++) {
		if (strcmp(rule->env[k].name, name) == 0)
			return &rule->env[k].value;
	}
	return NULL;
}

static bool
fail_unknown_variable(
    const struct rule *rule, const char *name, struct policy_candidate *ret)
{
	auto_buffer detail = BUFFER_INIT(DETAIL_MAX);

	if (rule->nenv == 0)
		buffer_append_string(&detail, "no variable may be set");
	else
		buffer_append_string(&detail, "may not be set, only ");
	for (size_t k = 0; k < rule->nenv; k++)
		buffer_printf(
		    &detail, "%s%s", k > 0 ? ", " : "", rule->env[k].name);
	return fail(ret, alloc_printf("env.%s", name), &detail);
}

/* Of a recorded value the hash tells whether it is one of those that a rule
 * lists, and nothing else. */
static bool
is_hidden_match(const struct template *template, const struct request *request,
    const struct request_hash *hash)
{
	if (template->kind == TEMPLATE_LITERAL)
		return recorded_is_value(hash, template->literal);
	if (template->kind != TEMPLATE_ENUM)
		return template_is_everything(template) ||
		    request->hidden_match;
	for (size_t k = 0; k < template->nvalues; k++) {
		if (recorded_is_value(hash, template->values[k]))
			return true;
	}
	return false;
}

static bool
is_variable_match(
    const struct template *template, const struct request *request, size_t k)
{
	if (request->hashes != NULL && request->hashes[k].sha256 != NULL)
		return is_hidden_match(template, request, &request->hashes[k]);
	return template_is_match(template, request->env[k].value);
}

static bool
check_env(const struct rule *rule, const struct request *request,
    struct policy_candidate *ret)
{
	for (size_t k = 0; k < request->nenv; k++) {
		const struct request_env *variable = &request->env[k];
		const struct template *template =
		    find_variable(rule, variable->name);

		if (template == NULL)
			return fail_unknown_variable(rule, variable->name, ret);
		if (is_variable_match(template, request, k))
			continue;
		auto_buffer detail = BUFFER_INIT(DETAIL_MAX);

		buffer_append_string(&detail, "the value ");
		template_explain(template, &detail);
		return fail(
		    ret, alloc_printf("env.%s", variable->name), &detail);
	}
	return true;
}

static bool
check_stdin(const struct rule *rule, const struct request *request,
    struct policy_candidate *ret)
{
	int64_t most = request->limits[LIMIT_STDIN] != LIMIT_UNSET
	    ? request->limits[LIMIT_STDIN]
	    : rule->limits[LIMIT_STDIN].standard;
	auto_buffer detail = BUFFER_INIT(DETAIL_MAX);
	char most_text[QUANTITY_TEXT];

	if (request->stdin_mode > rule->input) {
		buffer_append_string(&detail,
		    rule->input == REQUEST_STDIN_NONE
			? "there may be none"
			: "may not be streamed, only come with the request");
		return fail(ret, alloc_string("stdin"), &detail);
	}
	if (request->stdin_len <= (uint64_t)most)
		return true;
	limit_format(LIMIT_STDIN, most, most_text);
	buffer_printf(&detail, "%zu bytes, but at most %s", request->stdin_len,
	    most_text);
	return fail(ret, alloc_string("stdin"), &detail);
}

static bool
check_files(
    size_t asked, int64_t most, const char *what, struct policy_candidate *ret)
{
	auto_buffer detail = BUFFER_INIT(DETAIL_MAX);

	if (asked <= (uint64_t)most)
		return true;
	if (most == 0)
		buffer_append_string(&detail, "there may be none");
	else
		buffer_printf(
		    &detail, "%zu files, but at most %" PRId64, asked, most);
	return fail(ret, alloc_string(what), &detail);
}

static bool
check_limits(const struct rule *rule, const struct request *request,
    struct policy_candidate *ret)
{
	for (size_t k = 0; k < LIMIT_COUNT; k++) {
		char asked[QUANTITY_TEXT], most[QUANTITY_TEXT];
		auto_buffer detail = BUFFER_INIT(DETAIL_MAX);

		if (request->limits[k] <= rule->limits[k].most)
			continue;
		limit_format((enum limit)k, request->limits[k], asked);
		limit_format((enum limit)k, rule->limits[k].most, most);
		buffer_printf(&detail, "%s, but at most %s may be asked for",
		    asked, most);
		return fail(ret,
		    alloc_printf("limits.%s", limit_name((enum limit)k)),
		    &detail);
	}
	return true;
}

bool
rule_allows(const struct rule *rule, const struct request *request,
    int64_t now_ms, struct policy_candidate *ret)
{
	return check_time(rule, now_ms, ret) &&
	    check_digest(rule, request, ret) &&
	    check_params(rule, request, ret) &&
	    check_args(rule, request, ret) && check_env(rule, request, ret) &&
	    check_stdin(rule, request, ret) &&
	    check_files(request->ninputs, rule->inputs, "inputs", ret) &&
	    check_files(request->noutputs, rule->outputs, "outputs", ret) &&
	    check_limits(rule, request, ret);
}
