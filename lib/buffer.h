/*
 * A growing run of bytes with a bound. Appending past the bound sets `full`
 * and changes nothing; the caller looks once, at the end.
 */
#ifndef LIB_BUFFER_H
#define LIB_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

struct buffer {
	char *data; /* a NUL stands behind the last byte; NULL while empty */
	size_t len;
	size_t size;
	size_t max;
	bool full;
};

#define BUFFER_INIT(bound)     \
	{                      \
		.max = (bound) \
	}

void buffer_append(struct buffer *buffer, const void *data, size_t len);
void buffer_append_string(struct buffer *buffer, const char *s);
void buffer_printf(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Drops what stands behind the first len bytes. */
void buffer_cut(struct buffer *buffer, size_t len);
/* Drops len bytes from the front. */
void buffer_consume(struct buffer *buffer, size_t len);
/* The caller owns the bytes (never NULL); the buffer is empty again. */
char *buffer_take(struct buffer *buffer);
void buffer_done(struct buffer *buffer);

#define auto_buffer __attribute__((cleanup(buffer_done), unused)) struct buffer

#endif
