/*
 * Readiness, as seen by one worker.
 */
#include "gateway/readiness.h"
#include "gateway/expiry.h"
#include "lib/clock.h"

static void
add(json_t *reasons, const char *reason)
{
	json_array_append_new(reasons, json_string(reason));
}

/* Each worker has a connection of its own, and a request may come to any: also
 * to one that has not seen yet that the runner of before is gone. */
static bool
all_are_connected(const struct gateway *gateway, pid_t process)
{
	for (size_t i = 0; i < gateway->nworkers; i++) {
		struct counters *counters = &gateway->workers[i]->counters;

		if (counter_read(&counters->runner_connected) == 0 ||
		    counter_read(&counters->runner_process) !=
			(uint64_t)process)
			return false;
	}
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

void
readiness_add_runner(json_t *reasons, const struct gateway *gateway,
    const struct link_state *state)
{
	if (!state->connected || !all_are_connected(gateway, state->process))
		add(reasons, "runner: it cannot be reached");
	else if (!all_know_who_was_revoked(gateway))
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
	readiness_add_runner(
	    reasons, worker->gateway, link_state(worker->link));
	return reasons;
}
