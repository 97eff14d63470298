/*
 * The guard: a strict reader of RFC 9112 request heads. What it does not
 * accept, libmicrohttpd never sees.
 *
 * Pure: bytes in, verdict out; no I/O, no clock. The connection keeps the
 * bytes, counts the body and owns the deadlines.
 */
#ifndef GATEWAY_GUARD_H
#define GATEWAY_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

#define GUARD_HEAD_MAX 8192
#define GUARD_FIELDS_MAX 64

enum guard_result { GUARD_MORE, GUARD_ACCEPTED, GUARD_REFUSED };

struct guard {
	/* accepted: */
	size_t head_len; /* with the empty line */
	uint64_t content_length; /* 0 where none was announced */
	bool has_length;
	bool expect_continue;
	bool close; /* "Connection: close" */
	char method[16];
	/* the reader's own: */
	size_t seen; /* bytes that need not be looked at again */
	size_t line; /* where the line begins that is being read */
	unsigned fields;
	unsigned parts; /* of the query and of cookies */
	unsigned once; /* bits of fields that may come once and came */
};

void guard_init(struct guard *guard);
/*
 * data[0..len) is all of the head that has arrived, always from its first
 * byte; bytes behind the head are not looked at. GUARD_REFUSED: *err has the
 * code that gives the status (MALFORMED, HEAD_TOO_LARGE, LENGTH_REQUIRED for
 * chunked bodies) and a detail that repeats nothing of the request.
 */
enum guard_result guard_read_head(
    struct guard *guard, const char *data, size_t len, struct err *err);

#endif
