/* Any bytes as a file of cases: what is accepted is tried without a fault. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "admin/cases.h"
#include "lib/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char rules[] =
    "{\"version\":1,\"rules\":[{\"id\":\"a\",\"subjects\":[\"**\"],"
    "\"image\":\"**:*\",\"args\":[{\"rest\":{\"pattern\":\"[a-z]*\"}}]}]}";

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct policy *policy;
	auto_free char *text = malloc(size > 0 ? size : 1);
	struct cases cases;
	struct err err = {0};

	if (policy == NULL)
		policy = policy_parse("rules", rules, strlen(rules), &err);
	if (size > 0)
		memcpy(text, data, size);
	if (cases_parse("F", text, size, &cases, &err) != 0) {
		if (err.code != ERR_UNPROCESSABLE)
			abort();
		return 0;
	}
	for (size_t k = 0; k < cases.count; k++) {
		struct case_result result;

		cases_try(policy, &cases.items[k], 0, &result);
		case_result_done(&result);
	}
	cases_done(&cases);
	return 0;
}
