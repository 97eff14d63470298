/*
 * The window. Memory grows with what waits, never beyond WINDOW_MAX.
 */
#include "client/window.h"

#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"

#define SIZE_LEAST (64 * 1024)

void
window_done(struct window *window)
{
	free(window->data);
	*window = (struct window){0};
}

size_t
window_room(const struct window *window)
{
	return window->ended ? 0 : WINDOW_MAX - window->len;
}

void
window_add(struct window *window, const char *data, size_t len)
{
	size_t size = window->size > 0 ? window->size : SIZE_LEAST;

	if (len > window_room(window))
		die("window: %zu bytes too many", len);
	while (size < window->len + len)
		size *= 2;
	if (size != window->size)
		window->data = alloc_resize(window->data, size, 1);
	window->size = size;
	memcpy(window->data + window->len, data, len);
	window->len += len;
}

void
window_end(struct window *window)
{
	window->ended = true;
}

uint64_t
window_offset(const struct window *window)
{
	return window->base + window->sent;
}

size_t
window_unsent(const struct window *window)
{
	return window->len - window->sent;
}

size_t
window_send(struct window *window, char *ret, size_t room)
{
	size_t len = window_unsent(window);

	if (len > room)
		len = room;
	if (len > 0)
		memcpy(ret, window->data + window->sent, len);
	window->sent += len;
	return len;
}

bool
window_go_on(struct window *window, uint64_t received)
{
	size_t gone;

	if (received < window->base || received - window->base > window->len)
		return false;
	gone = (size_t)(received - window->base);
	if (gone > 0)
		memmove(window->data, window->data + gone, window->len - gone);
	window->base = received;
	window->len -= gone;
	window->sent = 0;
	return true;
}
