/*
 * What the runner sends, read strictly (docs/protocol.md). Pure. The strings
 * and objects that come out are borrowed from the message, but for a body
 * that travelled as a descriptor.
 */
#ifndef GATEWAY_RUNNER_MESSAGE_H
#define GATEWAY_RUNNER_MESSAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "certs/revocations.h"
#include "lib/err.h"
#include "lib/message.h"

struct runner_welcome {
	int64_t version;
	const char *runner;
};

struct runner_state {
	bool ready;
	json_t *reasons; /* array of strings */
	int64_t queued, running, capacity, warm, warming;
	json_t *counters; /* object */
};

/* Something was revoked, or is no longer. */
struct runner_revocation {
	int64_t change;
	const char *kind_text, *value;
	enum revocation_kind kind;
	int64_t until_ms; /* 0: for ever */
	bool lifted;
};

/* How long each part of a task took, in microseconds; -1: not said. */
struct runner_timing {
	int64_t queue_us, start_us, run_us, audit_us;
};
#define RUNNER_TIMING_NONE ((struct runner_timing){-1, -1, -1, -1})

struct runner_reply {
	int64_t request, status;
	struct runner_timing timing;
	json_t *body; /* NULL: none; owned if `sealed` */
	bool sealed;
	const json_t *timing_members; /* NULL: none; borrowed */
	int *fd; /* a descriptor for the caller, or NULL */
};

struct runner_failure {
	int64_t request, retry_after_s;
	int64_t received; /* where a task's input stands; -1: not said */
	const char *error, *detail, *rule, *condition; /* last two or NULL */
};

/* All: ERR_MALFORMED or ERR_UNPROCESSABLE. */
int runner_read_welcome(
    const struct message *message, struct runner_welcome *ret, struct err *err);
int runner_read_state(
    const struct message *message, struct runner_state *ret, struct err *err);
/* What stands in the descriptor of `revocations`; *ret_set must be empty. */
int runner_read_revocation_list(
    const json_t *list, struct revocations *ret_set, struct err *err);
int runner_read_revocations(const struct message *message, int64_t *ret_change,
    struct revocations *ret_set, struct err *err);
int runner_read_revocation(const struct message *message,
    struct runner_revocation *ret, struct err *err);
int runner_read_reply(
    struct message *message, struct runner_reply *ret, struct err *err);
/* The descriptor is the message's first. */
int runner_read_begin(
    const struct message *message, int64_t *ret_request, struct err *err);
int runner_read_reload_order(
    const struct message *message, int64_t *ret_order, struct err *err);
int runner_read_failure(
    const struct message *message, struct runner_failure *ret, struct err *err);

#endif
