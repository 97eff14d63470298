/*
 * Readiness, as seen by one worker.
 */
#include "gateway/readiness.h"
#include "gateway/expiry.h"
#include "gateway/gateway.h"
#include "lib/clock.h"

static void
add(json_t *reasons, const char *reason)
{
	json_array_append_new(reasons, json_string(reason));
}

/* Each worker has a connection of its own, and a request may come to any. */
static bool
all_are_connected(const struct gateway *gateway)
{
	for (size_t i = 0; i < gateway->nworkers; i++)
		if (counter_read(
			&gateway->workers[i]->counters.runner_connected) == 0)
			return false;
	return true;
}

static bool
all_know_who_was_revoked(const struct gateway *gateway)
{
	for (size_t i = 0; i < gateway->nworkers; i++)
		if (counter_read(
			&gateway->workers[i]->counters.revocations_known) == 0)
			return false;
	return true;
}

static void
add_runner(json_t *reasons, const struct worker *worker)
{
	const struct link_state *state = link_state(worker->link);

	if (!state->connected || !all_are_connected(worker->gateway))
		add(reasons, "runner: it cannot be reached");
	else if (!all_know_who_was_revoked(worker->gateway))
		add(reasons, "runner: it has not said yet who was revoked");
	else if (state->said.reasons == NULL)
		add(reasons, "runner: it has not said yet how it is");
	else if (!state->said.ready &&
	    json_array_size(state->said.reasons) == 0)
		add(reasons, "runner: it is not ready");
	else
		json_array_extend(reasons, state->said.reasons);
}

json_t *
readiness_reasons(const struct worker *worker)
{
	json_t *reasons = json_array();

	if (worker->draining || worker->stopping)
		add(reasons, "gateway: it is stopping");
	expiry_add_reasons(reasons, worker->snapshot,
	    worker->config->expiry_margin_s, clock_wall_ms() / 1000);
	add_runner(reasons, worker);
	return reasons;
}
