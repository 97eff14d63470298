/*
 * What the gateway refuses by itself, told to the runner for the audit. The
 * first of a kind goes at once; what follows within a second is summed up, and
 * as long as it goes on, what follows within twice as long, up to a quarter of
 * a minute: a flood fills neither disk nor log. Denied tasks are of one kind
 * where their requests are the same, so that each is on record; of an address
 * that has many of them, all that its rule denies. While the runner is away the
 * sums are kept. Time is a parameter.
 */
#ifndef GATEWAY_REFUSALS_H
#define GATEWAY_REFUSALS_H

#include <uv.h>

#include "certs/principal.h"
#include "gateway/address.h"
#include "lib/err.h"
#include "policy/policy.h"

struct link;

struct refusal {
	enum err_code code;
	const char *address;
	const struct certificate *certificate; /* NULL: none was accepted */
	const char *token_id; /* NULL: none was accepted */
	const char *rule; /* NULL: none */
	/* What the client wrote; each may be NULL. */
	const char *method, *path, *detail;
	/* Of a task that the policy denied, as docs/protocol.md has it;
	 * borrowed; NULL: it was something else. */
	json_t *task;
};

#define REFUSALS_MAX 256
#define REFUSALS_PATH_MAX 256
/* Kinds of one address. */
#define REFUSALS_OF_ONE_MAX 32
/* Bytes of a denied task's request that are passed on. */
#define REFUSALS_REQUEST_MAX (16 * 1024)

struct refusals_entry {
	int64_t count; /* not told yet; 0 and no window: free */
	int64_t window_ends_ms, window_ms;
	enum err_code code;
	char address[ADDRESS_TEXT];
	char subject[SUBJECT_MAX + 1];
	char thumbprint[SHA256_BASE64URL];
	char token_id[TOKEN_ID_MAX + 1];
	char rule[RULE_ID_MAX + 1];
	char method[16];
	char path[REFUSALS_PATH_MAX + 1];
	char detail[ERR_DETAIL_MAX];
	json_t *task; /* owned; NULL */
};

struct refusals {
	struct link *link;
	uv_timer_t flush;
	/* The last one takes what no other has room for: its address is
	 * "many". */
	struct refusals_entry entries[REFUSALS_MAX + 1];
};

/* link may be NULL: nothing is told. */
void
refusals_open(struct refusals *refusals, uv_loop_t *loop, struct link *link);
void refusals_report(
    struct refusals *refusals, const struct refusal *refusal, int64_t now_ms);
/* Tells what is due; called by a timer of its own. */
void refusals_flush(struct refusals *refusals, int64_t now_ms);
/* Tells what is left. */
void refusals_close(struct refusals *refusals, uv_close_cb closed);

#endif
