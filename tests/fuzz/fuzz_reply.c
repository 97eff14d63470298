/*
 * Any bytes as a reply: read whole and read in pieces it is the same; a body
 * never reaches beyond what has come.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "client/reply.h"
#include "lib/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition)
{
	if (!condition)
		abort();
}

struct outcome {
	struct reply reply;
	enum reply_step step;
	size_t used;
	size_t body;
};

static struct outcome
read_in_steps(const char *data, size_t len, size_t step)
{
	struct outcome outcome = {0};
	size_t have = 0;

	reply_init(&outcome.reply);
	while (have < len || outcome.step == REPLY_STEP_BODY) {
		size_t used, body;

		if (outcome.step != REPLY_STEP_BODY)
			have = len - have < step ? len : have + step;
		outcome.step = reply_read(&outcome.reply, data + outcome.used,
		    have - outcome.used, &used, &body);
		require(used <= have - outcome.used);
		outcome.used += used;
		require(body <= have - outcome.used);
		if (outcome.step == REPLY_STEP_WHOLE ||
		    outcome.step == REPLY_STEP_BAD)
			break;
		require((outcome.step == REPLY_STEP_BODY) == (body > 0));
		if (outcome.step == REPLY_STEP_BODY)
			reply_take(&outcome.reply, body);
		outcome.used += body;
		outcome.body += body;
	}
	return outcome;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy without a NUL behind it, so that ASan sees every step too
	 * far. */
	auto_free char *copy = malloc(size > 0 ? size : 1);
	struct outcome whole;

	if (size == 0)
		return 0;
	memcpy(copy, data, size);
	whole = read_in_steps(copy, size, size);
	require(
	    whole.reply.head.scope[sizeof(whole.reply.head.scope) - 1] == '\0');
	for (size_t step = 1; step < size; step = step * 3 + 1) {
		struct outcome again = read_in_steps(copy, size, step);

		require((again.step == REPLY_STEP_WHOLE) ==
		    (whole.step == REPLY_STEP_WHOLE));
		require((again.step == REPLY_STEP_BAD) ==
		    (whole.step == REPLY_STEP_BAD));
		if (whole.step != REPLY_STEP_WHOLE)
			continue;
		require(again.used == whole.used && again.body == whole.body);
		require(again.reply.head.status == whole.reply.head.status);
	}
	return 0;
}
