/*
 * Any bytes as a packet of the private socket: what is accepted is of a known
 * type and can be sent on unchanged.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static void
check_round_trip(struct message *message)
{
	AUTO(packet_done) struct packet packet = {0};
	AUTO(message_done) struct message again = {0};
	struct err err = {0};

	/* Canonical escapes can be longer than what was read. */
	if (message_encode(message->type, message->members, &packet.data,
		&packet.len, &err) != 0) {
		require(err.code == ERR_TOO_LARGE);
		return;
	}
	require(message_decode(&packet, &again, &err) == 0);
	require(again.type == message->type);
	require(json_equal(again.members, message->members));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(packet_done) struct packet packet = {0};
	AUTO(message_done) struct message message = {0};
	struct err err = {0};

	if (size == 0 || size > PACKET_MAX)
		return 0;
	packet.data = alloc_bytes(data, size);
	packet.len = size;
	if (message_decode(&packet, &message, &err) != 0) {
		require(err.code == ERR_MALFORMED);
		return 0;
	}
	require(message.type < MESSAGE_COUNT);
	require(json_object_get(message.members, "type") == NULL);
	check_round_trip(&message);
	return 0;
}
