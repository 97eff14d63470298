/*
 * When to try again: a pure decision over what happened and how long it has
 * been going on.
 */
#ifndef CLIENT_RETRY_H
#define CLIENT_RETRY_H

#include <stdbool.h>
#include <stdint.h>

enum retry_cause {
	RETRY_NOT_CONNECTED, /* nothing was sent: refused, no such host */
	RETRY_LOST, /* connected, but no whole reply came */
	RETRY_PUT_OFF, /* 429 or 503 */
	RETRY_NEVER /* an answer, or a fault that stays: TLS, our own */
};

struct retry_policy {
	bool again_when_not_connected;
	bool again_when_lost; /* doing it twice does no harm */
	int64_t budget_ms; /* since the last success */
};

/* One answer is wanted: a person waits, and a server that is not there is
 * better said at once. */
extern const struct retry_policy retry_call;
/* The same for what must not be done twice. */
extern const struct retry_policy retry_once;
/* A stream that has begun, or a task that is waited for: outlives a restart
 * of the server. */
extern const struct retry_policy retry_stream;

struct retry {
	int64_t since_ms; /* 0: all is well */
	unsigned attempts;
};

/*
 * Whether to try again, and after how long: exponential back-off from 100 ms
 * to 5 s, or what the server asked for (retry_after_s, -1: nothing), within
 * the policy's budget. `random` spreads clients: any number.
 */
bool retry_decide(const struct retry_policy *policy, struct retry *retry,
    enum retry_cause cause, int retry_after_s, int64_t now_ms, uint32_t random,
    int64_t *ret_delay_ms);
/* It worked. */
void retry_reset(struct retry *retry);

#endif
