/*
 * The receipt of an attached task: that there can be one is found out before
 * the task is made; when it has ended, it is fetched, verified, compared with
 * what was sent and what came, and put in its file.
 */
#ifndef CLIENT_RUN_RECEIPT_H
#define CLIENT_RUN_RECEIPT_H

#include "client/follow.h"
#include "client/target.h"
#include "lib/audit_keys.h"
#include "lib/digest.h"

struct run_receipt {
	bool wanted;
	struct target target;
	struct audit_keys keys;
	char request_sha256[SHA256_HEX];
};

/* --receipt; without it nothing happens here. Streams that are followed are
 * hashed from then on. */
int
run_receipt_open(const struct invocation *invocation, struct session *session,
    struct follow *follow, struct run_receipt *ret, struct failure *failure);
/* What is about to be sent. */
void run_receipt_order(struct run_receipt *receipt, const json_t *order);
/* `document`: the task, finished. */
int run_receipt_finish(struct run_receipt *receipt, struct session *session,
    struct follow *follow, const json_t *document, struct failure *failure);
void run_receipt_done(struct run_receipt *receipt);

#endif
