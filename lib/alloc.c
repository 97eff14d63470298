/*
 * Memory, or the end. Trusts its callers to have bounded what they ask for;
 * never returns NULL.
 */
#include "lib/alloc.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"

void
die(const char *format, ...)
{
	va_list ap;

	/* What led here. */
	log_release();
	va_start(ap, format);
	fputs("fatal: ", stderr);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
	va_end(ap);
	abort();
}

void *
alloc_zero(size_t count, size_t size)
{
	/* calloc(0) may return NULL, which is no failure. */
	void *p = calloc(count > 0 ? count : 1, size > 0 ? size : 1);

	if (p == NULL)
		die("out of memory: %zu times %zu bytes", count, size);
	return p;
}

void *
alloc_resize(void *old, size_t count, size_t size)
{
	/* realloc(p, 0) frees p in glibc. */
	void *p = reallocarray(old, count > 0 ? count : 1, size > 0 ? size : 1);

	if (p == NULL)
		die("out of memory: %zu times %zu bytes", count, size);
	return p;
}

char *
alloc_string(const char *s)
{
	return alloc_bytes(s, strlen(s));
}

char *
alloc_bytes(const void *data, size_t len)
{
	char *copy = NULL;

	if (len == SIZE_MAX)
		die("out of memory: %zu bytes", len);
	copy = alloc_zero(len + 1, 1);
	if (len > 0)
		memcpy(copy, data, len);
	return copy;
}

char *
alloc_printf(const char *format, ...)
{
	char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	if (n < 0)
		die("out of memory: a formatted string");
	return text;
}
