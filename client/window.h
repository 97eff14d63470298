/*
 * What of a task's standard input is under way: read here, and not yet known
 * to have arrived there. Bounded; goes back to where the server stands. Pure.
 */
#ifndef CLIENT_WINDOW_H
#define CLIENT_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WINDOW_MAX (4 * 1024 * 1024)

struct window {
	char *data; /* what has not been acknowledged */
	size_t size; /* of the memory */
	size_t len;
	uint64_t base; /* offset of its first byte */
	size_t sent; /* of `len` */
	bool ended; /* nothing comes behind it */
};

void window_done(struct window *window);

size_t window_room(const struct window *window);
/* At most window_room() bytes. */
void window_add(struct window *window, const char *data, size_t len);
void window_end(struct window *window);

/* The offset of the next byte to send. */
uint64_t window_offset(const struct window *window);
size_t window_unsent(const struct window *window);
/* Copies what is unsent, at most `room` bytes, which count as sent then. */
size_t window_send(struct window *window, char *ret, size_t room);

/*
 * The server has `received` bytes: what is before it is let go of, and sending
 * goes on there. False: it says something that cannot be, or wants bytes that
 * are no longer here.
 */
bool window_go_on(struct window *window, uint64_t received);

#endif
