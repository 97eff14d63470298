/*
 * HTTPS to one server: transfers that run side by side on connections of their
 * own, in one thread. A connection that has served and may go on serves the
 * next.
 *
 * TLS is tls.c's, replies are read by reply.c: no proxy, no redirect, no other
 * protocol, whatever the environment says. Trusts of a reply nothing but that
 * it came from there: every body is bounded.
 */
#ifndef CLIENT_HTTP_H
#define CLIENT_HTTP_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/context.h"
#include "client/retry.h"
#include "lib/buffer.h"

struct http;

/* Once, before anything else of this module and before threads. */
void http_setup(void);

/* The context is borrowed. */
struct http *http_open(const struct context *context);
/* After all transfers are gone. */
void http_close(struct http *http);

/* What a source says instead of how many bytes it gave. */
#define HTTP_SOURCE_END 0
#define HTTP_SOURCE_LATER (-1) /* until http_resume() */
#define HTTP_SOURCE_BROKEN (-2) /* the body breaks off, and the transfer */

struct http_request {
	const char *method;
	const char *path; /* "/v1/tasks?limit=1", encoded */
	const char *body; /* JSON, or NULL; borrowed until the end */
	const char *idempotency_key; /* or NULL */
	bool is_signed; /* by our certificate's key; it has a body and a key */
	bool anonymous; /* the token stays at home */
	int timeout_s; /* of the whole; 0: only while connecting */
	size_t reply_max;
	/* Of a 200 alone: takes the body as it comes. Returns false to pause
	 * until http_resume(); then the same bytes come again. NULL: it is
	 * kept. */
	bool (*write)(void *arg, const char *data, size_t len);
	/* A body that comes piece by piece (application/octet-stream), in
	 * place of `body`; `room` is never 0. */
	ssize_t (*source)(void *arg, char *data, size_t room);
	int64_t source_len; /* -1: not known, chunked */
	const char *content_digest; /* "sha-256=:...:", or NULL */
	void *arg;
};

struct transfer;

/* Begins; things happen in http_turn(). */
struct transfer *
http_start(struct http *http, const struct http_request *request);
/* At any time; what has not ended is given up. */
void http_end(struct transfer *transfer);
/* There is room again, or something to send. */
void http_resume(struct transfer *transfer);

/* Lets everything move on; waits at most timeout_ms for something to happen,
 * there or on one of `fds` (whose revents are set). */
void http_turn(
    struct http *http, struct pollfd *fds, size_t nfds, int64_t timeout_ms);

bool http_is_done(const struct transfer *transfer);

/* Of a transfer that is done. */
struct http_reply {
	int status; /* 0: there was no whole reply; `cause`, `error` say why */
	enum retry_cause cause;
	const char *slug; /* of a struct failure, where there was none */
	const char *error; /* a sentence; borrowed from the transfer */
	const char *body; /* a NUL stands behind it; likewise */
	size_t len;
	int retry_after_s; /* -1: not said */
	const char *scope; /* of WWW-Authenticate, or NULL; likewise */
	int64_t date_s; /* the server's clock; 0: not said */
	bool has_next; /* Link: rel="next" */
	const uint8_t *digest; /* Content-Digest, SHA-256, or NULL; likewise */
	int64_t length; /* of the body, announced; -1: not */
};
struct http_reply http_reply(const struct transfer *transfer);
/* That a reply's head says 200: for streams, before they are done. */
bool http_has_begun(const struct transfer *transfer);

#endif
