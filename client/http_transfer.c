/*
 * One request and its reply on one connection: what was asked goes out, what
 * comes is read within bounds, both at the same time, because a server may
 * answer before it has taken the whole.
 */
#include "client/http_transfer.h"

#include <string.h>

#include "lib/cleanup.h"

/* Enough for any problem document of ours. */
#define PROBLEM_MAX (64 * 1024)
#define PIECE (64 * 1024) /* of a source's body */
#define TURN_BYTES (512 * 1024) /* then the others have their turn */

static void
finish(struct transfer *transfer)
{
	transfer->done = true;
	transfer->is_reusable = transfer->fault.kind == FAULT_NONE &&
	    !transfer->reply.head.closes && !transfer->cannot_send &&
	    transfer->sent == transfer->out.len &&
	    (transfer->request.source == NULL || transfer->source_ended) &&
	    transfer->connection->in_start == transfer->connection->in_end;
}

static void
fail(struct transfer *transfer, enum fault_kind kind, const char *detail)
{
	fault_set(&transfer->fault, kind, detail);
	finish(transfer);
}

static void
fail_connection(struct transfer *transfer)
{
	transfer->fault = transfer->connection->fault;
	finish(transfer);
}

static void
add_piece(struct transfer *transfer, const char *piece, size_t len)
{
	bool is_chunked = transfer->request.source_len < 0;

	if (is_chunked)
		buffer_printf(&transfer->out, "%zx\r\n", len);
	buffer_append(&transfer->out, piece, len);
	if (is_chunked)
		buffer_append_string(&transfer->out, "\r\n");
}

static bool
end_source(struct transfer *transfer)
{
	transfer->source_ended = true;
	if (transfer->request.source_len >= 0 &&
	    transfer->given != (uint64_t)transfer->request.source_len) {
		fail(transfer, FAULT_SOURCE, "it is shorter than it was");
		return false;
	}
	if (transfer->request.source_len < 0)
		buffer_append_string(&transfer->out, "0\r\n\r\n");
	return transfer->out.len > 0;
}

/* The most that the announced length leaves. */
static size_t
find_room(const struct transfer *transfer)
{
	uint64_t left = transfer->request.source_len < 0
	    ? PIECE
	    : (uint64_t)transfer->request.source_len - transfer->given;

	return left < PIECE ? (size_t)left : PIECE;
}

/* The next piece of a source's body. False: none, at least now. */
static bool
refill(struct transfer *transfer)
{
	char piece[PIECE];
	ssize_t n;

	/* What has no source stays, for transfer_rewind(). */
	if (transfer->request.source == NULL || transfer->source_ended ||
	    transfer->source_waits)
		return false;
	transfer->out.len = 0;
	transfer->sent = 0;
	if (find_room(transfer) == 0)
		return end_source(transfer);
	n = transfer->request.source(
	    transfer->request.arg, piece, find_room(transfer));
	if (n == HTTP_SOURCE_END)
		return end_source(transfer);
	if (n == HTTP_SOURCE_LATER) {
		transfer->source_waits = true;
		return false;
	}
	if (n < 0) {
		fail(transfer, FAULT_SOURCE, NULL);
		return false;
	}
	transfer->given += (uint64_t)n;
	add_piece(transfer, piece, (size_t)n);
	return true;
}

static void
send_request(struct transfer *transfer)
{
	for (size_t sent = 0; !transfer->done && !transfer->cannot_send;) {
		struct buffer *out = &transfer->out;
		ssize_t n;

		if (transfer->sent == out->len && !refill(transfer))
			return;
		n = connection_write(transfer->connection,
		    out->data + transfer->sent, out->len - transfer->sent);
		if (n == 0)
			return;
		if (n < 0) {
			/* It may have answered before it closed. */
			transfer->cannot_send = true;
			transfer->connection->state = CONNECTION_OPEN;
			transfer->again_at_once = true;
			return;
		}
		transfer->sent += (size_t)n;
		sent += (size_t)n;
		if (sent >= TURN_BYTES) {
			transfer->again_at_once = true;
			return;
		}
	}
}

/* Returns whether it was taken. */
static bool
deliver(struct transfer *transfer, const char *data, size_t len)
{
	if (transfer->reply.head.status == 200 &&
	    transfer->request.write != NULL) {
		transfer->paused =
		    !transfer->request.write(transfer->request.arg, data, len);
		return !transfer->paused;
	}
	if (transfer->reply.head.status >= 400 &&
	    transfer->body.max > PROBLEM_MAX)
		transfer->body.max = PROBLEM_MAX;
	buffer_append(&transfer->body, data, len);
	if (transfer->body.full)
		fail(transfer, FAULT_TOO_LARGE, NULL);
	return !transfer->body.full;
}

/* Returns whether there is more to read at once. */
static bool
read_more(struct transfer *transfer)
{
	struct connection *connection = transfer->connection;
	ssize_t n = connection_read(connection);

	if (n > 0)
		return true;
	if (n < 0) {
		fail_connection(transfer);
		return false;
	}
	if (connection->is_ended)
		fail(transfer, FAULT_LOST, "it was closed");
	return false;
}

/* One step; returns whether there may be another. */
static bool
read_step(struct transfer *transfer, size_t *total)
{
	struct connection *connection = transfer->connection;
	size_t used, body;
	enum reply_step step =
	    reply_read(&transfer->reply, connection->in + connection->in_start,
		connection->in_end - connection->in_start, &used, &body);

	connection_consume(connection, used);
	*total += used;
	switch (step) {
	case REPLY_STEP_MORE:
		return read_more(transfer);
	case REPLY_STEP_WHOLE:
		finish(transfer);
		return false;
	case REPLY_STEP_BAD:
		fail(transfer, FAULT_NO_HTTP, NULL);
		return false;
	case REPLY_STEP_BODY:
		break;
	}
	if (!deliver(transfer, connection->in + connection->in_start, body))
		return false;
	reply_take(&transfer->reply, body);
	connection_consume(connection, body);
	*total += body;
	return true;
}

static void
receive_reply(struct transfer *transfer)
{
	size_t total = 0;

	if (transfer->paused)
		return;
	while (read_step(transfer, &total)) {
		if (total >= TURN_BYTES) {
			transfer->again_at_once = true;
			return;
		}
	}
}

/* RFC 9110 9.2.2: without a word of the server it may have been carried out
 * or not; only what is as good done twice is sent again. */
static bool
is_repeatable(const struct http_request *request)
{
	return request->source == NULL &&
	    (request->idempotency_key != NULL ||
		strcmp(request->method, "POST") != 0);
}

bool
transfer_rewind(struct transfer *transfer, int64_t connect_until_ms)
{
	if (!transfer->connection->is_reused || transfer->retried ||
	    transfer->reply.head.status != 0 ||
	    transfer->fault.kind != FAULT_LOST ||
	    !is_repeatable(&transfer->request))
		return false;
	transfer->retried = true;
	transfer->done = false;
	transfer->cannot_send = false;
	transfer->sent = 0;
	transfer->connect_until_ms = connect_until_ms;
	transfer->fault = (struct fault){0};
	reply_init(&transfer->reply);
	return true;
}

static void
check_time(struct transfer *transfer, int64_t now_ms)
{
	bool is_open = transfer->connection->state == CONNECTION_OPEN;

	if (transfer->until_ms != 0 && now_ms >= transfer->until_ms)
		fail(transfer, is_open ? FAULT_TIMEOUT : FAULT_CONNECT_TIMEOUT,
		    NULL);
	else if (!is_open && now_ms >= transfer->connect_until_ms)
		fail(transfer, FAULT_CONNECT_TIMEOUT, NULL);
}

void
transfer_advance(struct transfer *transfer, int64_t now_ms)
{
	transfer->again_at_once = false;
	if (transfer->done)
		return;
	connection_shake(transfer->connection);
	if (transfer->connection->state == CONNECTION_FAILED) {
		fail_connection(transfer);
		return;
	}
	if (transfer->connection->state == CONNECTION_OPEN) {
		send_request(transfer);
		if (!transfer->done)
			receive_reply(transfer);
	}
	if (!transfer->done)
		check_time(transfer, now_ms);
}

static void
shorten(int64_t *timeout_ms, int64_t until_ms, int64_t now_ms)
{
	int64_t left = until_ms > now_ms ? until_ms - now_ms : 0;

	if (left < *timeout_ms)
		*timeout_ms = left;
}

struct pollfd
transfer_wants(
    const struct transfer *transfer, int64_t now_ms, int64_t *timeout_ms)
{
	const struct connection *connection = transfer->connection;
	struct pollfd wants = {-1, 0, 0};

	if (transfer->done)
		return wants;
	if (transfer->again_at_once)
		*timeout_ms = 0;
	if (transfer->until_ms != 0)
		shorten(timeout_ms, transfer->until_ms, now_ms);
	if (connection->state != CONNECTION_OPEN) {
		shorten(timeout_ms, transfer->connect_until_ms, now_ms);
		return connection_wants(connection, timeout_ms);
	}
	wants.fd = connection->fd;
	if (!transfer->paused)
		wants.events |= POLLIN;
	if (transfer->sent < transfer->out.len && !transfer->cannot_send)
		wants.events |= POLLOUT;
	/* Nothing is waited for: an end of the line is no news yet. */
	if (wants.events == 0)
		wants.fd = -1;
	return wants;
}
