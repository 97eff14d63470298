/*
 * One transfer from the inside. Used by http.c and http_transfer.c alone.
 */
#ifndef CLIENT_HTTP_TRANSFER_H
#define CLIENT_HTTP_TRANSFER_H

#include "client/connection.h"
#include "client/http.h"
#include "client/reply.h"

struct transfer {
	struct transfer *next; /* http.c's */
	struct http *http;
	struct http_request request; /* what it points to is borrowed */
	struct connection *connection; /* NULL once it is done */
	int64_t connect_until_ms;
	int64_t until_ms; /* 0: no end */

	struct buffer out; /* head and body, or the next piece of it */
	size_t sent; /* of `out` */
	uint64_t given; /* of a source's body so far */
	bool source_ended;
	bool source_waits; /* until http_resume() */
	bool cannot_send; /* the other side takes no more of it */

	struct reply reply;
	struct buffer body;
	bool paused; /* until http_resume() */
	bool retried; /* on another connection than an old one */
	bool is_reusable; /* its connection, once it is done */
	bool done;
	bool again_at_once; /* there is more to do without waiting */
	struct fault fault;
	char sentence[320];
};

/* Moves on as far as it goes without waiting. */
void transfer_advance(struct transfer *transfer, int64_t now_ms);
/* The server may just have closed a connection that was idle. Whether the
 * transfer can be begun anew on another; then it is. */
bool transfer_rewind(struct transfer *transfer, int64_t connect_until_ms);
/* What to wait for, and how long at most. */
struct pollfd transfer_wants(
    const struct transfer *transfer, int64_t now_ms, int64_t *timeout_ms);

#endif
