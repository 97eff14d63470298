/*
 * Refusals, for the audit: each one at first, and what is more than a minute's
 * share of one subject (or address), of all that gateways report, or of all
 * together, summed up, so that neither a flood nor a gateway gone mad fills
 * disk or log.
 */
#ifndef RUNNER_REFUSALS_H
#define RUNNER_REFUSALS_H

#include "certs/principal.h"
#include "runner/tasks.h"

struct refusals;

struct refusal {
	enum err_code code;
	int64_t count; /* how many it stands for */
	const char *address;
	const char *subject, *thumbprint, *token_id; /* NULL: not known */
	const char *rule; /* NULL */
	const char *condition; /* NULL */
	const char *request_sha256; /* NULL */
	const char *task; /* what was to be decided about it; NULL */
	/* Of a task that the policy denied; the request is in `untrusted`. */
	bool of_task;
	bool is_signed;
	json_t *roles; /* array; borrowed; NULL */
	json_t *shadows; /* policy/recorded.h; borrowed; NULL */
	json_t *untrusted; /* borrowed; NULL */
	bool by_gateway; /* the gateway says so; nothing of it is verified */
};

/* Its record, if it is recorded singly. The caller frees. */
struct audit_entry *refusals_entry(
    const struct refusal *refusal, int64_t wall_ms, const char *policy_sha256);

struct refusals *refusals_new(struct tasks *tasks);
/* What is summed up is written. */
void refusals_free(struct refusals *refusals);
void refusals_add(struct refusals *refusals, const struct refusal *refusal);

#endif
