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

enum guard_chunk_state {
	GUARD_CHUNK_SIZE,
	GUARD_CHUNK_SIZE_END, /* the line feed behind a size */
	GUARD_CHUNK_DATA,
	GUARD_CHUNK_DATA_END,
	GUARD_CHUNK_DATA_END_LF,
	GUARD_CHUNK_LAST, /* the empty line behind the last chunk */
	GUARD_CHUNK_LAST_LF,
	GUARD_CHUNK_ENDED
};

struct guard_chunk {
	enum guard_chunk_state state;
	unsigned digits; /* of a size that is being read */
	uint64_t left; /* of its bytes */
};

struct guard {
	/* accepted: */
	size_t head_len; /* with the empty line */
	uint64_t content_length; /* 0 where none was announced */
	bool has_length;
	bool chunked; /* never together with a length */
	bool expect_continue;
	bool close; /* "Connection: close" */
	char method[16];
	uint64_t body_len; /* what the chunks that were read carry */
	/* the reader's own: */
	size_t seen; /* bytes that need not be looked at again */
	size_t line; /* where the line begins that is being read */
	unsigned fields;
	unsigned parts; /* of the query and of cookies */
	unsigned once; /* bits of fields that may come once and came */
	struct guard_chunk chunk;
};

void guard_init(struct guard *guard);
/*
 * data[0..len) is all of the head that has arrived, always from its first
 * byte; bytes behind the head are not looked at. GUARD_REFUSED: *err has the
 * code that gives the status (MALFORMED, HEAD_TOO_LARGE) and a detail that
 * repeats nothing of the request. Whether a chunked body is welcome is the
 * route's to say.
 */
enum guard_result guard_read_head(
    struct guard *guard, const char *data, size_t len, struct err *err);
/*
 * The body of a head with `chunked`, as it arrives: data[0..len) follows what
 * was read before. GUARD_ACCEPTED: the body ends at *ret_taken, and what is
 * behind is not looked at. GUARD_REFUSED: ERR_MALFORMED.
 */
enum guard_result guard_read_chunks(struct guard *guard, const char *data,
    size_t len, size_t *ret_taken, struct err *err);

#endif
