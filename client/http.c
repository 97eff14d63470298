/*
 * HTTPS: requests as bytes, connections that are handed from one transfer to
 * the next, and the turning of the wheel.
 */
#include "client/http.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "client/http_transfer.h"
#include "client/signing.h"
#include "client/tls.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"

#define CONNECT_TIMEOUT_MS 10000
#define FDS_MAX 8 /* of the caller's */
#define TRANSFERS_MAX 32
#define IDLE_MAX 4

struct http {
	const struct context *context;
	struct url url;
	char *authority;
	struct tls *tls;
	struct transfer *transfers;
	struct connection *idle[IDLE_MAX];
	size_t nidle;
	bool again_at_once; /* a transfer is new, or goes on */
};

void
http_setup(void)
{
	tls_setup();
}

struct http *
http_open(const struct context *context)
{
	struct http *http = alloc_zero(1, sizeof(*http));

	/* context_load() has seen to it. */
	if (!url_parse(context->server, &http->url))
		die("a server that is no address");
	http->context = context;
	http->authority = url_authority(&http->url);
	http->tls = tls_new(context);
	return http;
}

void
http_close(struct http *http)
{
	while (http->nidle > 0)
		connection_close(http->idle[--http->nidle]);
	tls_free(http->tls);
	free(http->authority);
	free(http);
}

/* One that is there already, or a new one. */
static struct connection *
find_connection(struct http *http)
{
	while (http->nidle > 0) {
		struct connection *connection = http->idle[--http->nidle];

		if (connection_is_idle(connection)) {
			connection->is_reused = true;
			return connection;
		}
		connection_close(connection);
	}
	return connection_open(http->tls, &http->url);
}

static void
add_body(struct buffer *out, const struct http_request *request)
{
	if (request->content_digest != NULL)
		buffer_printf(
		    out, "Content-Digest: %s\r\n", request->content_digest);
	if (request->source != NULL) {
		buffer_append_string(
		    out, "Content-Type: application/octet-stream\r\n");
		if (request->source_len >= 0)
			buffer_printf(out, "Content-Length: %lld\r\n",
			    (long long)request->source_len);
		else
			buffer_append_string(
			    out, "Transfer-Encoding: chunked\r\n");
	}
	if (request->body != NULL)
		buffer_printf(out,
		    "Content-Type: application/json\r\n"
		    "Content-Length: %zu\r\n",
		    strlen(request->body));
	buffer_append_string(out, "\r\n");
	if (request->body != NULL)
		buffer_append_string(out, request->body);
}

static void
add_signature(struct transfer *transfer, const struct http_request *request)
{
	const struct http *http = transfer->http;
	struct err err;

	if (!request->is_signed || transfer->done)
		return;
	if (signing_add_fields(tls_identity(http->tls), http->context->token,
		request, clock_wall_ms() / 1000, &transfer->out, &err) == 0)
		return;
	fault_set(&transfer->fault, FAULT_OWN_CERTIFICATE, err.detail);
	transfer->done = true;
}

static void
add_request(struct transfer *transfer, const struct http_request *request)
{
	const struct http *http = transfer->http;
	struct buffer *out = &transfer->out;

	buffer_printf(out,
	    "%s %s HTTP/1.1\r\n"
	    "Host: %s\r\n"
	    "User-Agent: taskgate/" TASKGATE_VERSION "\r\n"
	    "Accept: */*\r\n",
	    request->method, request->path, http->authority);
	if (!request->anonymous)
		buffer_printf(
		    out, "Authorization: Bearer %s\r\n", http->context->token);
	if (request->idempotency_key != NULL)
		buffer_printf(
		    out, "Idempotency-Key: %s\r\n", request->idempotency_key);
	add_signature(transfer, request);
	add_body(out, request);
}

/* In this order each step of a fresh process has another beside it: the
 * kernel connects, then the server works at its flight. */
static void
begin(struct transfer *transfer)
{
	struct http *http = transfer->http;

	transfer->connection = find_connection(http);
	tls_warm(http->tls);
	connection_shake(transfer->connection);
	if (tls_load(http->tls, &transfer->fault) != 0)
		transfer->done = true;
}

struct transfer *
http_start(struct http *http, const struct http_request *request)
{
	struct transfer *transfer = alloc_zero(1, sizeof(*transfer));
	int64_t now_ms = clock_boot_ms();

	transfer->http = http;
	transfer->request = *request;
	transfer->body = (struct buffer)BUFFER_INIT(request->reply_max);
	transfer->out = (struct buffer)BUFFER_INIT(SIZE_MAX);
	transfer->connect_until_ms = now_ms + CONNECT_TIMEOUT_MS;
	if (request->timeout_s > 0)
		transfer->until_ms =
		    now_ms + (int64_t)request->timeout_s * 1000;
	reply_init(&transfer->reply);
	begin(transfer);
	add_request(transfer, request);
	transfer->next = http->transfers;
	http->transfers = transfer;
	http->again_at_once = true;
	return transfer;
}

/* Where the transfer is done, or given up. */
static void
release_connection(struct transfer *transfer)
{
	struct http *http = transfer->http;
	struct connection *connection = take(transfer->connection);

	if (connection == NULL)
		return;
	if (transfer->is_reusable && http->nidle < IDLE_MAX)
		http->idle[http->nidle++] = connection;
	else
		connection_close(connection);
}

void
http_end(struct transfer *transfer)
{
	struct transfer **at = &transfer->http->transfers;

	while (*at != transfer)
		at = &(*at)->next;
	*at = transfer->next;
	release_connection(transfer);
	/* The token is in there. */
	OPENSSL_cleanse(transfer->out.data, transfer->out.size);
	buffer_done(&transfer->out);
	buffer_done(&transfer->body);
	free(transfer);
}

void
http_resume(struct transfer *transfer)
{
	transfer->paused = false;
	transfer->source_waits = false;
	transfer->http->again_at_once = true;
}

static void
advance_all(struct http *http)
{
	int64_t now_ms = clock_boot_ms();

	for (struct transfer *at = http->transfers; at != NULL; at = at->next) {
		transfer_advance(at, now_ms);
		if (!at->done)
			continue;
		if (at->connection != NULL &&
		    transfer_rewind(at, now_ms + CONNECT_TIMEOUT_MS)) {
			connection_close(at->connection);
			at->connection = connection_open(http->tls, &http->url);
			http->again_at_once = true;
			continue;
		}
		release_connection(at);
	}
}

void
http_turn(
    struct http *http, struct pollfd *fds, size_t nfds, int64_t timeout_ms)
{
	struct pollfd all[FDS_MAX + TRANSFERS_MAX];
	size_t count = nfds;
	int64_t now_ms = clock_boot_ms();

	if (nfds > FDS_MAX)
		die("http_turn: %zu descriptors", nfds);
	if (nfds > 0)
		memcpy(all, fds, nfds * sizeof(*fds));
	if (timeout_ms < 0 || http->again_at_once)
		timeout_ms = 0;
	if (timeout_ms > 60000)
		timeout_ms = 60000;
	http->again_at_once = false;
	for (struct transfer *at = http->transfers; at != NULL; at = at->next) {
		if (count == COUNT(all))
			die("http_turn: too many transfers");
		all[count++] = transfer_wants(at, now_ms, &timeout_ms);
	}
	/* Waiting comes first: what a callback does, such as a sink that must
	 * be watched from now on, is the caller's to see before the next. */
	if (poll(all, count, (int)timeout_ms) < 0) {
		if (errno != EINTR)
			die("poll failed");
		for (size_t i = 0; i < nfds; i++)
			all[i].revents = 0;
	}
	for (size_t i = 0; i < nfds; i++)
		fds[i].revents = all[i].revents;
	advance_all(http);
}

bool
http_is_done(const struct transfer *transfer)
{
	return transfer->done;
}

bool
http_has_begun(const struct transfer *transfer)
{
	return transfer->reply.head.status == 200;
}

struct http_reply
http_reply(const struct transfer *done)
{
	/* The sentence is made on demand, in the transfer's own memory. */
	struct transfer *transfer = (struct transfer *)done;
	const struct reply_head *head = &transfer->reply.head;
	struct http_reply reply = {
	    .cause = RETRY_NEVER,
	    .body = transfer->body.data != NULL ? transfer->body.data : "",
	    .len = transfer->body.len,
	    .retry_after_s = head->retry_after_s,
	    .date_s = head->date_s,
	    .has_next = head->has_next,
	    .scope = head->scope[0] != '\0' ? head->scope : NULL,
	    .digest = head->has_digest ? head->digest : NULL,
	    .length = head->length,
	};

	if (transfer->fault.kind != FAULT_NONE) {
		fault_describe(&transfer->fault, transfer->sentence,
		    sizeof(transfer->sentence));
		reply.cause = fault_cause(transfer->fault.kind);
		reply.slug = fault_slug(transfer->fault.kind);
		reply.error = transfer->sentence;
		return reply;
	}
	reply.status = head->status;
	if (reply.status == 429 || reply.status == 503)
		reply.cause = RETRY_PUT_OFF;
	return reply;
}
