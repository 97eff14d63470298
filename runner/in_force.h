/*
 * What the runner reads from files that may change while it runs: CA bundle,
 * token keys, audit key and policy. Read whole or not at all, at the start and
 * at each reload.
 */
#ifndef RUNNER_IN_FORCE_H
#define RUNNER_IN_FORCE_H

#include "certs/principal.h"
#include "policy/policy.h"
#include "runner/config.h"

struct in_force {
	struct authority authority;
	EVP_PKEY *audit_key; /* Ed25519 */
	struct policy *policy;
};

/* The detail names the file. */
int in_force_load(
    const struct config *config, struct in_force *ret, struct err *err);
void in_force_done(struct in_force *in_force);

/* The private key in a PEM file that nobody else may read.
 * ERR_UNPROCESSABLE: not one Ed25519 key. The caller frees. */
EVP_PKEY *audit_key_load(const char *path, struct err *err);

#endif
