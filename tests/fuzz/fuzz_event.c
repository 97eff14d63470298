/*
 * Any bytes as the engine's stream of events: cut anywhere, they are the same
 * events, and what is held is bounded.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "runner/event_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition)
{
	if (!condition)
		abort();
}

/* How many events, and how many of them could be read. */
struct count {
	size_t all, read;
};

static struct count
read_all(const char *data, size_t size, size_t piece)
{
	struct event_reader reader;
	struct count count = {0, 0};
	json_t *event = NULL;

	event_reader_init(&reader);
	for (size_t at = 0; at < size; at += piece) {
		event_reader_feed(
		    &reader, data + at, size - at < piece ? size - at : piece);
		while (event_reader_next(&reader, &event)) {
			require(event == NULL || json_is_object(event));
			count.all++;
			count.read += event != NULL;
			json_decref(event);
		}
		require(reader.line.len <= EVENT_LINE_MAX);
		require(reader.fed.len == 0);
	}
	event_reader_done(&reader);
	return count;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = NULL;
	struct count whole, cut;

	if (size < 1)
		return 0;
	/* A copy of its own: reading behind it is seen. */
	text = malloc(size);
	memcpy(text, data + 1, size - 1);
	whole = read_all(text, size - 1, size);
	cut = read_all(text, size - 1, (size_t)data[0] + 1);
	require(whole.all == cut.all && whole.read == cut.read);
	require(whole.read <= whole.all);
	return 0;
}
