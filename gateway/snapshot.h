/*
 * What all workers serve with: TLS context, authority and policy. Never
 * changed once it is made; a reload makes another and swaps it whole. Shared
 * by counting.
 */
#ifndef GATEWAY_SNAPSHOT_H
#define GATEWAY_SNAPSHOT_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "certs/principal.h"
#include "gateway/config.h"
#include "policy/policy.h"

struct snapshot {
	atomic_uint users;
	uint64_t serial; /* no two have the same */
	SSL_CTX *tls;
	int64_t not_after_s; /* of our own certificate */
	struct authority authority;
	struct policy *policy;
};

/* With one user. NULL: what was in force stays so. */
struct snapshot *snapshot_load(const struct config *config, struct err *err);
struct snapshot *snapshot_hold(struct snapshot *snapshot);
void snapshot_release(struct snapshot *snapshot);

#endif
