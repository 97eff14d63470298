/*
 * Any bytes as the body of an approval: what is accepted says one of two
 * things, and approves nothing without saying what.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "policy/approval.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition)
{
	if (!condition)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = malloc(size > 0 ? size : 1);
	struct approval approval = {0};
	struct err err = {0};

	if (size > 0)
		memcpy(text, data, size);
	if (approval_parse(text, size, &approval, &err) != 0) {
		require(
		    err.code == ERR_MALFORMED || err.code == ERR_UNPROCESSABLE);
		require(approval.body == NULL);
		return 0;
	}
	require(approval.approves == (approval.request != NULL));
	require(approval.request == NULL || json_is_object(approval.request));
	require(approval.reason == NULL ||
	    (*approval.reason != '\0' &&
		strlen(approval.reason) <= APPROVAL_REASON_MAX));
	approval_done(&approval);
	return 0;
}
