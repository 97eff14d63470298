/*
 * Any bytes as a policy: refused with file, line and column, or in force and
 * then able to decide.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "policy/allowances.h"
#include "policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static const char body[] =
    "{\"image\":\"demo/busybox\",\"args\":[\"sh\",\"-c\",\"echo\"],"
    "\"env\":{\"LANG\":\"C\"},\"limits\":{\"memory\":\"64MiB\"}}";

static void
check_decision(const struct policy *policy)
{
	static const char *const roles[] = {"dev"};
	const struct policy_principal principal = {
	    .subject = "alice", .roles = roles, .nroles = 1};
	struct policy_verdict verdict;
	struct request request;
	struct err err = {0};

	require(request_parse(body, strlen(body), &request, &err) == 0);
	policy_decide(policy, &principal, &request, 0, &verdict);
	require(verdict.allowed == (verdict.rule != NULL));
	for (size_t k = 0; k < LIMIT_COUNT && verdict.allowed; k++)
		require(verdict.limits[k] >= 0);
	for (size_t k = 0; k < verdict.ndenials; k++)
		require(verdict.denials[k].condition != NULL &&
		    verdict.denials[k].detail != NULL);
	policy_verdict_done(&verdict);
	request_done(&request);
}

static void
check_warm(const struct policy *policy)
{
	struct policy_warm warm;
	char again[IMAGE_REFERENCE];
	enum image_kind kind;

	require(policy_warm_count(policy) <= policy_rule_count(policy));
	for (size_t k = 0; k < policy_warm_count(policy); k++) {
		policy_warm_get(policy, k, &warm);
		require(image_read(warm.reference, again, &kind) == NULL);
		require(strcmp(again, warm.reference) == 0);
		require(warm.min >= 0 && warm.min <= warm.max);
		require(warm.max >= 1 && warm.max <= 64);
		require(warm.max_age_s >= 10 && warm.max_age_s <= 86400);
	}
}

static void
check_allowances(const struct policy *policy)
{
	for (size_t k = 0; k < policy_rule_count(policy); k++) {
		struct allowances allowances;

		allowances_find(policy, policy_rule_id(policy, k), &allowances);
		require(allowances.nwindows <= ALLOWANCE_WINDOWS_MAX);
		for (size_t i = 0; i < allowances.nwindows; i++) {
			const struct allowance_window *window =
			    &allowances.rate[i];

			require(window->tasks >= 1 &&
			    window->tasks <= ALLOWANCE_TASKS_MAX);
			require(window->per_s >= 1 &&
			    window->per_s <= ALLOWANCE_PERIOD_MAX_S);
		}
		require(allowances.running_per_subject >= 0 &&
		    allowances.running_per_subject <= ALLOWANCE_RUNNING_MAX);
		require(allowances.running_total >= 0 &&
		    allowances.running_total <= ALLOWANCE_RUNNING_MAX);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = malloc(size > 0 ? size : 1);
	struct err err = {0};
	struct policy *policy;
	unsigned line, column;

	if (size > 0)
		memcpy(text, data, size);
	policy = policy_parse("f", text, size, &err);
	if (policy == NULL) {
		require(err.code == ERR_UNPROCESSABLE);
		require(sscanf(err.detail, "f:%u:%u: ", &line, &column) == 2);
		require(line >= 1 && column >= 1);
		return 0;
	}
	check_decision(policy);
	check_warm(policy);
	check_allowances(policy);
	policy_free(policy);
	return 0;
}
