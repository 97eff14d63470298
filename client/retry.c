/*
 * Back-off. Decides, does nothing; the clock and the dice are parameters.
 */
#include "client/retry.h"

#define DELAY_LEAST_MS 100
#define DELAY_MOST_MS 5000

const struct retry_policy retry_call = {false, true, 10000};
const struct retry_policy retry_once = {false, false, 10000};
const struct retry_policy retry_stream = {true, true, 60000};

/* A server that was there a moment ago is being restarted. */
static bool
is_worth_it(const struct retry_policy *policy, const struct retry *retry,
    enum retry_cause cause)
{
	if (cause == RETRY_NOT_CONNECTED)
		return policy->again_when_not_connected || retry->attempts > 0;
	if (cause == RETRY_LOST)
		return policy->again_when_lost;
	return cause == RETRY_PUT_OFF;
}

static int64_t
back_off(unsigned attempts, uint32_t random)
{
	int64_t delay = DELAY_LEAST_MS;

	for (unsigned i = 0; i < attempts && delay < DELAY_MOST_MS; i++)
		delay *= 2;
	if (delay > DELAY_MOST_MS)
		delay = DELAY_MOST_MS;
	/* Half of it is chance, so that a server that comes back is not met
	 * by all its clients at once. */
	return delay / 2 + (int64_t)(random % (uint32_t)(delay / 2 + 1));
}

bool
retry_decide(const struct retry_policy *policy, struct retry *retry,
    enum retry_cause cause, int retry_after_s, int64_t now_ms, uint32_t random,
    int64_t *ret_delay_ms)
{
	int64_t since = retry->attempts > 0 ? retry->since_ms : now_ms;
	int64_t delay = retry_after_s >= 0 ? (int64_t)retry_after_s * 1000
					   : back_off(retry->attempts, random);

	if (!is_worth_it(policy, retry, cause))
		return false;
	/* "Retry-After: 0" must not make a tight loop. */
	if (delay < DELAY_LEAST_MS / 2)
		delay = DELAY_LEAST_MS / 2;
	if (now_ms + delay > since + policy->budget_ms)
		return false;
	retry->since_ms = since;
	retry->attempts++;
	*ret_delay_ms = delay;
	return true;
}

void
retry_reset(struct retry *retry)
{
	*retry = (struct retry){0};
}
