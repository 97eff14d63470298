/*
 * HTTP/1.1 to a server on a Unix socket, on a libuv loop: libcurl's multi
 * interface with our loop's polls and timer. Nothing blocks; answers are
 * bounded; every call has a deadline, but for one whose answer is a stream;
 * connections are reused.
 */
#ifndef RUNNER_HTTP_H
#define RUNNER_HTTP_H

#include <uv.h>

#include "lib/err.h"

struct http;
struct http_call;

#define HTTP_PIECE_MAX (64 * 1024)

struct http_answer {
	int status;
	const char *body; /* a NUL stands behind it */
	size_t len;
};

struct http_request {
	const char *method;
	const char *path; /* "/v1.41/info", with its query */
	const char *body; /* JSON, or NULL */
	size_t answer_max; /* bytes; a longer answer is ERR_TOO_LARGE */
	long timeout_ms; /* for the whole; 0: none */
	/* Where the answer is a stream: it has begun, with status 200; its
	 * bytes as they come, at most HTTP_PIECE_MAX of them in memory. Any
	 * other status is an answer like others. Both or none are NULL; the
	 * end of a stream is ERR_UNAVAILABLE. */
	void (*opened)(void *arg);
	void (*data)(void *arg, const char *data, size_t len);
	/* Once: answer, or NULL and *err (ERR_UNAVAILABLE, ERR_TIMEOUT,
	 * ERR_TOO_LARGE). Never from within http_send(). Both are borrowed
	 * for the call. */
	void (*done)(
	    void *arg, const struct http_answer *answer, const struct err *err);
	void *arg;
};

struct http *http_new(uv_loop_t *loop, const char *socket_path);
/* Calls under way are dropped without a word. Memory goes when the loop has
 * turned. */
void http_free(struct http *http);

/* Copies what it needs. */
struct http_call *
http_send(struct http *http, const struct http_request *request);
/* `done` will not be called. What the server makes of it is not known. */
void http_cancel(struct http_call *call);

#endif
