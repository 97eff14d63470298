/*
 * Readiness, as seen by one worker.
 */
#include "gateway/readiness.h"
#include "gateway/gateway.h"
#include "lib/clock.h"

/* Red while there is still time to renew it. */
#define RENEW_S (24 * 3600)

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

static void
add_runner(json_t *reasons, const struct worker *worker)
{
	const struct link_state *state = link_state(worker->link);

	if (!state->connected || !all_are_connected(worker->gateway))
		add(reasons, "runner: it cannot be reached");
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
	int64_t left_s = worker->snapshot->not_after_s - clock_wall_ms() / 1000;

	if (worker->draining || worker->stopping)
		add(reasons, "gateway: it is stopping");
	if (left_s <= 0)
		add(reasons, "gateway: its certificate has expired");
	else if (left_s < RENEW_S)
		add(reasons, "gateway: its certificate expires within a day");
	add_runner(reasons, worker);
	return reasons;
}
