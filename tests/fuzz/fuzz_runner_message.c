/*
 * Any JSON object as each of the runner's messages: it is read or refused, and
 * what was read keeps to its bounds.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/runner_message.h"
#include "lib/cleanup.h"
#include "lib/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static void
read_each(struct message *message)
{
	struct runner_welcome welcome;
	struct runner_state state;
	struct runner_reply reply;
	struct runner_failure failure;
	struct runner_revocation revocation;
	struct revocations set = {0};
	int64_t request;
	struct err err = {0};

	if (runner_read_welcome(message, &welcome, &err) == 0)
		require(welcome.version == PROTOCOL_VERSION &&
		    strlen(welcome.runner) <= 64);
	if (runner_read_state(message, &state, &err) == 0)
		require(json_is_array(state.reasons) && state.queued >= 0 &&
		    json_is_object(state.counters));
	/* Without a descriptor nothing can be sealed. */
	if (runner_read_reply(message, &reply, &err) == 0)
		require(reply.request > 0 && reply.status / 100 == 2 &&
		    !reply.sealed && reply.fd == NULL &&
		    reply.timing.run_us >= -1 && reply.timing.audit_us >= -1);
	/* Nor can anything begin. */
	require(runner_read_begin(message, &request, &err) != 0);
	if (runner_read_reload_order(message, &request, &err) == 0)
		require(request > 0);
	if (runner_read_revocation(message, &revocation, &err) == 0)
		require(revocation.change > 0 && revocation.until_ms >= 0 &&
		    revocation_check_value(
			revocation.kind, revocation.value, &err) == 0);
	require(runner_read_revocations(message, &request, &set, &err) != 0);
	if (runner_read_failure(message, &failure, &err) == 0)
		require(failure.request > 0 && failure.retry_after_s >= 0 &&
		    failure.error != NULL && failure.detail != NULL &&
		    failure.received >= -1);
}

static void
read_list(const json_t *list)
{
	AUTO(revocations_done) struct revocations set = {0};
	struct err err;

	if (runner_read_revocation_list(list, &set, &err) != 0)
		return;
	require(set.count <= json_array_size(list));
	for (size_t i = 0; i < set.count; i++)
		require(revocation_check_value(set.entries[i]->kind,
			    set.entries[i]->value, &err) == 0 &&
		    set.entries[i]->until_ms >= 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err;
	auto_json *json = json_parse_strict((const char *)data, size, &err);
	struct message message = {.members = json, .fds = {-1, -1}};

	if (json == NULL)
		return 0;
	read_list(json);
	if (!json_is_object(json))
		return 0;
	/* message_decode() takes it out. */
	json_object_del(json, "type");
	read_each(&message);
	return 0;
}
