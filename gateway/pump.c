/*
 * Bytes on their way: client to libmicrohttpd, and back. Each function moves
 * what it can without blocking and leaves the rest where it is: a side that
 * is slow stops the other through full buffers, nothing grows.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "gateway/conn.h"
#include "gateway/transport.h"
#include "gateway/worker.h"

/* So that one connection with much to say does not starve the others. */
#define PUMP_ROUNDS 16

/* From the client into `in`, `room` bytes at most. */
bool
pump_read(struct conn *conn, size_t room)
{
	struct worker *worker = conn->worker;
	size_t len;

	if (room == 0 || conn->input_ended || !conn->readable)
		return false;
	conn->wants_write = false;
	if (room > sizeof(worker->scratch))
		room = sizeof(worker->scratch);
	switch (worker->transport->read(conn, worker->scratch, room, &len)) {
	case IO_OK:
		buffer_append(&conn->in, worker->scratch, len);
		conn->arrived += len;
		return true;
	case IO_WANT_READ:
		conn->readable = false;
		return false;
	case IO_WANT_WRITE:
		conn->wants_write = true;
		return false;
	case IO_END:
		conn->input_ended = true;
		return true;
	default:
		conn_abort(conn);
		return false;
	}
}

/* As much as the transport takes; true while more may go. */
static bool
write_some(struct conn *conn, const char *data, size_t len, size_t *ret_len)
{
	switch (conn->worker->transport->write(conn, data, len, ret_len)) {
	case IO_OK:
		return true;
	case IO_WANT_READ: /* reading is always wanted */
	case IO_WANT_WRITE:
		return false;
	default:
		conn_abort(conn);
		return false;
	}
}

/* What waits in `out`. */
bool
pump_flush(struct conn *conn)
{
	bool moved = false;
	size_t len;

	while (conn->out.len > 0 &&
	    write_some(conn, conn->out.data, conn->out.len, &len)) {
		buffer_consume(&conn->out, len);
		moved = true;
	}
	if (conn->out.len == 0 && moved)
		buffer_done(&conn->out);
	return moved;
}

/* The accepted head and as many bytes as it announced, or the chunks that were
 * accepted: never one more. */
bool
pump_forward(struct conn *conn)
{
	bool moved = false;

	while (conn->forward > 0 && conn->in.len > 0 && conn->pair >= 0) {
		size_t len = conn->in.len;
		ssize_t n;

		if (len > conn->forward)
			len = (size_t)conn->forward;
		n = send(conn->pair, conn->in.data, len, MSG_NOSIGNAL);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		/* MHD has answered and closed before it read all of the body;
		 * the answer waits to be read. */
		if (n < 0) {
			conn->last = true;
			conn->pair_readable = true;
			conn->forward = 0;
			conn->chunked = false;
			buffer_done(&conn->in);
			break;
		}
		http_make_due(conn->worker);
		buffer_consume(&conn->in, (size_t)n);
		conn->forward -= (size_t)n;
		moved = true;
	}
	if (conn->in.len == 0)
		buffer_done(&conn->in);
	return moved;
}

/* What MHD says to "Expect: 100-continue" is not the answer yet. */
static bool
is_interim(const char *data, size_t len)
{
	static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";

	return len == strlen(interim) && memcmp(data, interim, len) == 0;
}

/* One read of MHD's answer; true where it gave something. */
static bool
pump_answer_once(struct conn *conn)
{
	struct worker *worker = conn->worker;
	size_t sent = 0;
	ssize_t n =
	    recv(conn->pair, worker->scratch, sizeof(worker->scratch), 0);

	if (n < 0 && errno == EINTR)
		return false;
	/* What is less than was asked for is all there is. */
	conn->pair_readable = n == (ssize_t)sizeof(worker->scratch);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0) {
		conn->pair_ended = true;
		return false;
	}
	if (!is_interim(worker->scratch, (size_t)n))
		conn->answered = true;
	/* There is room for more of it. */
	if (!conn->completed)
		http_make_due(worker);
	while (sent < (size_t)n) {
		size_t len;

		if (!write_some(
			conn, worker->scratch + sent, (size_t)n - sent, &len))
			break;
		sent += len;
	}
	if (conn->state == CONN_CLOSED)
		return false;
	buffer_append(&conn->out, worker->scratch + sent, (size_t)n - sent);
	return true;
}

/* From MHD to the client, as long as the client takes it. */
bool
pump_answer(struct conn *conn)
{
	bool moved = false;

	for (int i = 0; i < PUMP_ROUNDS; i++) {
		if (conn->out.len > 0 || conn->pair < 0 || conn->pair_ended ||
		    !conn->pair_readable || !pump_answer_once(conn))
			break;
		moved = true;
	}
	return moved;
}
