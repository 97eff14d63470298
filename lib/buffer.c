/*
 * A growing run of bytes with a bound. Never holds more than `max` bytes,
 * whatever is appended.
 */
#include "lib/buffer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"

#define PRINTED_MAX 512 /* without memory of its own */

static void
grow(struct buffer *buffer, size_t needed)
{
	size_t size = buffer->size > 0 ? buffer->size : 256;

	if (needed <= buffer->size)
		return;
	while (size < needed)
		size = size > SIZE_MAX / 2 ? needed : size * 2;
	buffer->data = alloc_resize(buffer->data, size, 1);
	buffer->size = size;
}

void
buffer_append(struct buffer *buffer, const void *data, size_t len)
{
	/* One more is kept for the NUL. */
	if (len > buffer->max - buffer->len || buffer->len + len == SIZE_MAX) {
		buffer->full = true;
		return;
	}
	grow(buffer, buffer->len + len + 1);
	if (len > 0)
		memcpy(buffer->data + buffer->len, data, len);
	buffer->len += len;
	buffer->data[buffer->len] = '\0';
}

void
buffer_append_string(struct buffer *buffer, const char *s)
{
	buffer_append(buffer, s, strlen(s));
}

void
buffer_printf(struct buffer *buffer, const char *format, ...)
{
	char text[PRINTED_MAX];
	auto_free char *longer = NULL;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (n >= (int)sizeof(text)) {
		va_start(ap, format);
		n = vasprintf(&longer, format, ap);
		va_end(ap);
	}
	if (n < 0)
		die("out of memory: a formatted string");
	buffer_append(buffer, longer != NULL ? longer : text, (size_t)n);
}

void
buffer_cut(struct buffer *buffer, size_t len)
{
	if (len > buffer->len)
		die("buffer_cut: %zu of %zu bytes", len, buffer->len);
	buffer->len = len;
	if (buffer->data != NULL)
		buffer->data[len] = '\0';
}

void
buffer_consume(struct buffer *buffer, size_t len)
{
	if (len > buffer->len)
		die("buffer_consume: %zu of %zu bytes", len, buffer->len);
	if (len == 0)
		return;
	memmove(buffer->data, buffer->data + len, buffer->len - len + 1);
	buffer->len -= len;
}

char *
buffer_take(struct buffer *buffer)
{
	char *data = take(buffer->data);

	buffer->len = 0;
	buffer->size = 0;
	return data != NULL ? data : alloc_string("");
}

void
buffer_done(struct buffer *buffer)
{
	free(buffer->data);
	buffer->data = NULL;
	buffer->len = 0;
	buffer->size = 0;
}
