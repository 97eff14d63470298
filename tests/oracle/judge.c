/*
 * The policy engine behind a pipe, for the oracle (test_oracle.py): a line
 * with a policy, or with a question about the last one; a line of answer to
 * each. Only the library's public face is used.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "policy/launch.h"
#include "policy/policy.h"

#define ROLES_MAX 32

static void
answer_error(const struct err *err)
{
	auto_json *answer = json_pack("{s:s}", "error", err->detail);

	json_dumpf(answer, stdout, JSON_COMPACT);
}

static json_t *
list_args(const struct policy_verdict *verdict, const struct request *request)
{
	size_t count;
	auto_free const char **args =
	    launch_args(verdict->launch, request, &count);
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, json_string(args[i]));
	return list;
}

static json_t *
list_entrypoint(const struct policy_verdict *verdict)
{
	size_t count = 0;
	auto_free const char **words =
	    launch_entrypoint(verdict->launch, &count);
	json_t *list = words != NULL ? json_array() : json_null();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, json_string(words[i]));
	return list;
}

static json_t *
describe_grant(
    const struct policy_verdict *verdict, const struct request *request)
{
	json_t *limits = json_object();

	for (int i = 0; i < LIMIT_COUNT; i++)
		json_object_set_new(limits, limit_name((enum limit)i),
		    json_integer(verdict->limits[i]));
	return json_pack("{s:b, s:s, s:s, s:o, s:o, s:b, s:o, s:I, s:I}",
	    "allowed", 1, "rule", verdict->rule, "image",
	    launch_image(verdict->launch, request), "args",
	    list_args(verdict, request), "entrypoint", list_entrypoint(verdict),
	    "unsigned", verdict->is_unsigned, "limits", limits, "uid",
	    (json_int_t)verdict->uid, "gid", (json_int_t)verdict->gid);
}

static json_t *
describe_denial(
    const struct policy_verdict *verdict, const struct request *request)
{
	const char *rule = NULL, *condition = NULL;
	struct err err;

	policy_explain_to_caller(verdict, request, &rule, &condition, &err);
	return json_pack("{s:b, s:s?, s:s?}", "allowed", 0, "rule", rule,
	    "condition", condition);
}

struct judgement {
	const struct policy *policy;
	const struct policy_principal *principal;
	const struct request *request;
	int64_t now_ms;
};

/* Every candidate that names the caller: its rule, and what failed. */
static json_t *
list_candidates(const struct judgement *judgement)
{
	AUTO(policy_candidates_done) struct policy_candidates candidates = {0};
	json_t *list = json_array();

	policy_explain(judgement->policy, judgement->principal,
	    judgement->request, judgement->now_ms, &candidates);
	for (size_t i = 0; i < candidates.count; i++) {
		const struct policy_candidate *candidate = &candidates.list[i];

		if (candidate->names_caller)
			json_array_append_new(list,
			    json_pack("[s, s?]", candidate->rule,
				candidate->condition));
	}
	return list;
}

/* The same of all shadows. */
static json_t *
list_shadows(const struct policy_verdict *verdict)
{
	json_t *list = json_array();

	for (size_t i = 0; i < verdict->nshadows; i++)
		json_array_append_new(list,
		    json_pack("[s, s?]", verdict->shadows[i].rule,
			verdict->shadows[i].condition));
	return list;
}

static void
answer(const struct judgement *judgement)
{
	AUTO(policy_verdict_done) struct policy_verdict verdict = {0};
	const struct request *request = judgement->request;

	policy_decide(judgement->policy, judgement->principal, request,
	    judgement->now_ms, &verdict);
	auto_json *said = verdict.allowed ? describe_grant(&verdict, request)
					  : describe_denial(&verdict, request);

	json_object_set_new(said, "candidates", list_candidates(judgement));
	json_object_set_new(said, "shadows", list_shadows(&verdict));
	json_dumpf(said, stdout, JSON_COMPACT);
}

static void
judge(const struct policy *policy, const json_t *question)
{
	const json_t *principal = json_object_get(question, "principal");
	const json_t *roles = json_object_get(principal, "roles");
	auto_free char *body =
	    json_dumps(json_object_get(question, "request"), JSON_COMPACT);
	const char *names[ROLES_MAX];
	AUTO(request_done) struct request request = {0};
	struct err err;
	size_t i;
	json_t *role;

	if (json_array_size(roles) > ROLES_MAX)
		die("too many roles");
	json_array_foreach(roles, i, role)
	{
		names[i] = json_string_value(role);
	}
	if (request_parse(body, strlen(body), &request, &err) != 0) {
		answer_error(&err);
		return;
	}
	answer(&(struct judgement){
	    .policy = policy,
	    .principal =
		&(struct policy_principal){
		    .subject = json_string_value(
			json_object_get(principal, "subject")),
		    .roles = names,
		    .nroles = json_array_size(roles)},
	    .request = &request,
	    .now_ms = json_integer_value(json_object_get(question, "now_ms")),
	});
}

static void
load(struct policy **policy, const json_t *json)
{
	auto_free char *text = json_dumps(json, JSON_COMPACT);
	struct err err;

	policy_free(*policy);
	*policy = policy_parse("policy", text, strlen(text), &err);
	if (*policy == NULL)
		answer_error(&err);
	else
		fputs("{}", stdout);
}

int
main(void)
{
	struct policy *policy = NULL;
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	while ((len = getline(&line, &size, stdin)) > 0) {
		auto_json *question =
		    json_loadb(line, (size_t)len, JSON_REJECT_DUPLICATES, NULL);
		const json_t *json = json_object_get(question, "policy");

		if (json != NULL)
			load(&policy, json);
		else if (policy != NULL && question != NULL)
			judge(policy, question);
		else
			die("no question");
		putchar('\n');
		fflush(stdout);
	}
	free(line);
	policy_free(policy);
	return 0;
}
