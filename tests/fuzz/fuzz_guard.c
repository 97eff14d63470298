/*
 * Any bytes as a head: read whole, read in two pieces and read byte by byte it
 * is the same; what is accepted ends with an empty line and holds nothing that
 * libmicrohttpd could read another way.
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
