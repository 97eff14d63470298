/*
 * Header fields of every response: nothing is stored, framed, sniffed or
 * referred from.
 */
#ifndef GATEWAY_HEADERS_H
#define GATEWAY_HEADERS_H

#include <stddef.h>

struct header {
	const char *name, *value;
};

#define HEADERS_COUNT 6
extern const struct header headers_security[HEADERS_COUNT];

#endif
