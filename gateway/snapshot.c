/*
 * Loading what the workers serve with. All or nothing: one file that cannot
 * be read leaves everything as it was.
 */
#include <stdlib.h>

#include "gateway/snapshot.h"
#include "gateway/tls.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"

static void
snapshot_free(struct snapshot *snapshot)
{
	SSL_CTX_free(snapshot->tls);
	policy_free(snapshot->policy);
	authority_done(&snapshot->authority);
	free(snapshot);
}
DEFINE_CLEANUP(struct snapshot, snapshot_free);

struct snapshot *
snapshot_load(const struct config *config, struct err *err)
{
	AUTO(snapshot_freep)
	struct snapshot *snapshot = alloc_zero(1, sizeof(*snapshot));

	static atomic_uint_fast64_t made;

	atomic_init(&snapshot->users, 1);
	snapshot->serial = atomic_fetch_add(&made, 1) + 1;
	if (authority_load(config->ca, config->token_keys, config->issuer,
		config->audience, config->token_lifetime_max_s,
		&snapshot->authority, err) < 0)
		return NULL;
	snapshot->tls = tls_context_new(config->certificate, config->key,
	    snapshot->authority.trust, &snapshot->not_after_s, err);
	if (snapshot->tls == NULL)
		return NULL;
	snapshot->policy = policy_load(config->policy, err);
	if (snapshot->policy == NULL)
		return NULL;
	return take(snapshot);
}

struct snapshot *
snapshot_hold(struct snapshot *snapshot)
{
	atomic_fetch_add(&snapshot->users, 1);
	return snapshot;
}

void
snapshot_release(struct snapshot *snapshot)
{
	if (snapshot != NULL && atomic_fetch_sub(&snapshot->users, 1) == 1)
		snapshot_free(snapshot);
}
