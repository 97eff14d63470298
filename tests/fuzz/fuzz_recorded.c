/*
 * Any bytes as the record of a request: what is accepted is decided without a
 * fault, and never allowed where what is hidden is said not to match, but
 * denied where it is said to.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "policy/recorded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char rules[] =
    "{\"version\":1,\"rules\":[{\"id\":\"a\",\"subjects\":[\"**\"],"
    "\"image\":\"**:*\",\"args\":[{\"rest\":{\"pattern\":\"[a-z]*\"}}],"
    "\"env\":{\"LANG\":{\"enum\":[\"C\"]},\"V\":{\"pattern\":\"*\"}}}]}";

static bool
is_allowed(struct request *request, bool hidden_match)
{
	static struct policy *policy;
	const struct policy_principal principal = {.subject = "alice"};
	struct policy_verdict verdict;
	struct err err = {0};
	bool allowed;

	if (policy == NULL)
		policy = policy_parse("rules", rules, strlen(rules), &err);
	request->hidden_match = hidden_match;
	policy_decide(policy, &principal, request, 0, &verdict);
	allowed = verdict.allowed;
	policy_verdict_done(&verdict);
	return allowed;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = malloc(size > 0 ? size : 1);
	struct request request = {0};
	struct err err = {0};

	if (size > 0)
		memcpy(text, data, size);
	auto_json *json = json_parse_strict(text, size, &err);

	if (json == NULL || recorded_read(json, &request, &err) != 0)
		return 0;
	if (is_allowed(&request, false) && !is_allowed(&request, true))
		abort();
	/* It goes into a record. */
	auto_free char *again = json_encode_canonical(json, NULL);
	request_done(&request);
	return 0;
}
