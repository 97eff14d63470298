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

static void
require_data(const struct control_data *found, uint32_t count,
    const uint8_t *data, size_t head, size_t size)
{
	require(head == CONTROL_DATA_HEAD && found->index < count);
	require(found->data == data + head && found->len == size - head);
	require(found->len > 0 && found->offset <= INT64_MAX - found->len);
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
	/* Of another version only the version is read. */
	if (frame.type == CONTROL_HELLO &&
	    frame.hello.version != CONTROL_VERSION) {
		require(len <= size && memcmp(again + 4, data + 4, 4) == 0);
		return 0;
	}
	if (frame.type == CONTROL_OUTPUT)
		require_data(&frame.output, CONTROL_STREAMS, data, len, size);
	else if (frame.type == CONTROL_FILE)
		require_data(&frame.file, CONTROL_FILES_MAX, data, len, size);
	else if (frame.type == CONTROL_INPUT)
		require_data(&frame.input, 1, data, len, size);
	else
		require(len == size);
	require(memcmp(again, data, len) == 0);
	return 0;
}
