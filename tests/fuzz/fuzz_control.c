/*
 * Any bytes as a frame of the control socket: what is accepted can be written
 * again, byte by byte the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runner/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition)
{
	if (!condition)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct control_frame frame;
	uint8_t again[CONTROL_HEAD_MAX];
	size_t len;

	if (!control_decode(data, size, &frame))
		return 0;
	require(frame.type < CONTROL_COUNT && size <= CONTROL_PACKET_MAX);
	len = control_encode(&frame, again);
	if (frame.type == CONTROL_OUTPUT) {
		require(frame.output.stream < CONTROL_STREAMS);
		require(frame.output.data == data + len);
		require(frame.output.len == size - len);
	} else {
		require(len == size);
	}
	require(memcmp(again, data, len) == 0);
	return 0;
}
