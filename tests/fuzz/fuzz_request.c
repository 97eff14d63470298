/*
 * Any bytes as the body of a request: what is accepted is within every bound
 * that the rest of the project counts on, and is decided without a fault.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static const char everything[] =
    "{\"version\":1,\"rules\":[{\"id\":\"a\",\"subjects\":[\"**\"],"
    "\"image\":\"**:*\",\"args\":[{\"rest\":{\"pattern\":\"[a-z]*\"}}],"
    "\"env\":{\"LANG\":{\"enum\":[\"C\"]}}}]}";

/* An image, or a named task, whose image is the policy's to say. */
static void
check_subject(const struct request *request)
{
	char again[IMAGE_REFERENCE];
	enum image_kind kind;

	require((request->task == NULL) == (request->image != NULL));
	if (request->task != NULL) {
		require(request->reference[0] == '\0' && request->nargs == 0);
		return;
	}
	require(request->nparams == 0);
	require(image_read(request->reference, again, &kind) == NULL);
	require(kind == request->image_kind);
	require(strcmp(again, request->reference) == 0);
}

static void
check_bounds(const struct request *request)
{
	require(request->nargs <= REQUEST_ARGS_MAX);
	for (size_t k = 0; k < request->nargs; k++)
		require(strlen(request->args[k]) < REQUEST_ARG_MAX);
	require(request->nenv <= REQUEST_ENV_MAX);
	for (size_t k = 0; k < request->nenv; k++)
		require(request_env_name_is_valid(request->env[k].name));
	for (size_t k = 0; k < LIMIT_COUNT; k++)
		require(request->limits[k] >= LIMIT_UNSET);
}

static void
check_files(const struct request *request)
{
	require((request->stdin_mode == REQUEST_STDIN_INLINE) ==
	    (request->stdin_data != NULL));
	require(request->stdin_data != NULL || request->stdin_len == 0);
	require(request->stdin_len <= REQUEST_BODY_MAX);
	require(request->ninputs <= REQUEST_FILES_MAX);
	for (size_t k = 0; k < request->ninputs; k++) {
		require(request_file_name_is_valid(request->inputs[k].name));
		require(strlen(request->inputs[k].sha256) == 64);
		require(k == 0 ||
		    strcmp(request->inputs[k - 1].name,
			request->inputs[k].name) < 0);
	}
	require(request->noutputs <= REQUEST_FILES_MAX);
	for (size_t k = 0; k < request->noutputs; k++) {
		require(request_file_name_is_valid(request->outputs[k]));
		for (size_t i = 0; i < k; i++)
			require(strcmp(request->outputs[i],
				    request->outputs[k]) != 0);
	}
}

static void
check_decision(const struct request *request)
{
	static struct policy *policy;
	const struct policy_principal principal = {.subject = "alice"};
	const char *rule, *condition;
	struct policy_verdict verdict;
	struct err err = {0};

	if (policy == NULL)
		policy = policy_parse(
		    "everything", everything, strlen(everything), &err);
	policy_decide(policy, &principal, request, 0, &verdict);
	if (!verdict.allowed)
		policy_explain_to_caller(
		    &verdict, request, &rule, &condition, &err);
	require(verdict.allowed == (err.code == ERR_NONE));
	policy_verdict_done(&verdict);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = malloc(size > 0 ? size : 1);
	struct request request;
	struct err err = {0};

	if (size > 0)
		memcpy(text, data, size);
	if (request_parse(text, size, &request, &err) != 0) {
		require(
		    err.code == ERR_MALFORMED || err.code == ERR_UNPROCESSABLE);
		return 0;
	}
	check_subject(&request);
	check_bounds(&request);
	check_files(&request);
	check_decision(&request);
	request_done(&request);
	return 0;
}
