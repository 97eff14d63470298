/*
 * Any bytes as a head, and a chunked body behind it: read whole, read in two
 * pieces and read byte by byte it is the same; what is accepted ends with an
 * empty line and holds nothing that libmicrohttpd could read another way.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/guard.h"
#include "lib/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static void
require_same(const struct guard *a, const struct guard *b)
{
	require(a->head_len == b->head_len);
	require(a->content_length == b->content_length);
	require(a->has_length == b->has_length);
	require(a->chunked == b->chunked);
	require(a->expect_continue == b->expect_continue);
	require(a->close == b->close);
	require(strcmp(a->method, b->method) == 0);
}

static void
check_accepted(const struct guard *guard, const char *head, size_t len)
{
	require(guard->head_len <= len && guard->head_len <= GUARD_HEAD_MAX);
	require(memcmp(head + guard->head_len - 4, "\r\n\r\n", 4) == 0);
	require(memmem(head, guard->head_len - 1, "\r\n\r\n", 4) == NULL);
	require(memmem(head, guard->head_len, " HTTP/1.1\r\n", 11) != NULL);
	require(guard->has_length || guard->content_length == 0);
	require(!guard->has_length || !guard->chunked);
	require(strlen(guard->method) > 0);
	for (size_t k = 0; k < guard->head_len; k++) {
		bool is_end = (head[k] == '\r' && head[k + 1] == '\n') ||
		    (head[k] == '\n' && k > 0 && head[k - 1] == '\r');

		require(is_end || (head[k] >= ' ' && head[k] <= '~'));
	}
}

static enum guard_result
read_in_steps(const char *head, size_t len, size_t step, struct guard *guard,
    struct err *err)
{
	enum guard_result result = GUARD_MORE;

	guard_init(guard);
	for (size_t have = 0; result == GUARD_MORE && have < len;) {
		have = len - have < step ? len : have + step;
		result = guard_read_head(guard, head, have, err);
	}
	return result;
}

/* What was read of a chunked body, in steps of any size. */
struct chunks {
	enum guard_result result;
	size_t taken;
	uint64_t body_len;
	struct err err;
};

static struct chunks
read_chunks_in_steps(
    const struct guard *head, const char *data, size_t len, size_t step)
{
	struct guard guard = *head;
	struct chunks chunks = {.result = GUARD_MORE};

	while (chunks.result == GUARD_MORE && chunks.taken < len) {
		size_t left = len - chunks.taken;
		size_t part = left < step ? left : step;
		size_t taken = 0;

		if (part == 0)
			abort();
		/* Of its own size, so that ASan sees every step too far. */
		auto_free char *copy = malloc(part);
		memcpy(copy, data + chunks.taken, part);
		chunks.result =
		    guard_read_chunks(&guard, copy, part, &taken, &chunks.err);
		if (chunks.result == GUARD_REFUSED)
			break;
		require(taken == part || chunks.result == GUARD_ACCEPTED);
		chunks.taken += taken;
	}
	chunks.body_len = guard.body_len;
	require(chunks.result == GUARD_REFUSED || chunks.body_len <= len);
	return chunks;
}

/* Read in one or in many pieces it is the same, and it ends where every
 * reader finds its end. */
static void
check_chunks(const struct guard *head, const char *data, size_t len)
{
	struct chunks whole = read_chunks_in_steps(head, data, len, len + 1);

	require(
	    (whole.result == GUARD_REFUSED) == (whole.err.code != ERR_NONE));
	if (whole.result == GUARD_ACCEPTED)
		require(whole.taken >= 5 &&
		    memcmp(data + whole.taken - 5, "0\r\n\r\n", 5) == 0);
	for (size_t step = 1; step <= len; step = step * 3 + 1) {
		struct chunks again =
		    read_chunks_in_steps(head, data, len, step);

		require(again.result == whole.result);
		require(again.err.code == whole.err.code);
		require(strcmp(again.err.detail, whole.err.detail) == 0);
		if (again.result == GUARD_REFUSED)
			continue;
		require(again.taken == whole.taken);
		require(again.body_len == whole.body_len);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy without a NUL behind it, so that ASan sees every step too
	 * far. */
	auto_free char *head = malloc(size > 0 ? size : 1);
	struct guard guard, again;
	struct err err = {0}, again_err = {0};
	enum guard_result result;

	if (size == 0)
		return 0;
	memcpy(head, data, size);
	guard_init(&guard);
	result = guard_read_head(&guard, head, size, &err);
	require((result == GUARD_REFUSED) == (err.code != ERR_NONE));
	if (result == GUARD_ACCEPTED)
		check_accepted(&guard, head, size);
	if (result == GUARD_ACCEPTED && guard.chunked)
		check_chunks(
		    &guard, head + guard.head_len, size - guard.head_len);
	for (size_t step = 1; step <= size; step = step * 3 + 1) {
		again_err = (struct err){0};
		require(read_in_steps(head, size, step, &again, &again_err) ==
		    result);
		require(again_err.code == err.code);
		require(strcmp(again_err.detail, err.detail) == 0);
		if (result == GUARD_ACCEPTED)
			require_same(&guard, &again);
	}
	return 0;
}
