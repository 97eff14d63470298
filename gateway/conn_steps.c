/*
 * What a connection does in each state. Must never let libmicrohttpd see a
 * byte that the guard has not accepted, nor a request before the answer to the
 * one before has left.
 */
#include <errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "gateway/conn.h"
#include "gateway/exchange.h"
#include "gateway/revocation.h"
#include "gateway/transport.h"
#include "gateway/worker.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"

void
conn_become_idle(struct conn *conn)
{
	const struct config *config = conn->worker->config;
	int64_t idle_ms = config->idle_timeout_s * 1000;

	conn->state = CONN_IDLE;
	guard_init(&conn->guard);
	conn->answered = false;
	conn->completed = false;
	conn_set_deadline(conn,
	    conn->pair >= 0 && idle_ms > CONN_PAIR_IDLE_MS ? CONN_PAIR_IDLE_MS
							   : idle_ms);
}

static bool
step_handshake(struct conn *conn)
{
	switch (conn->worker->transport->handshake(conn)) {
	case IO_OK:
		conn_leave_handshakes(conn);
		if (conn->judging != NULL)
			conn->judge = conn->judging->serial;
		snapshot_release(take(conn->judging));
		conn->readable = true;
		conn_become_idle(conn);
		revocation_greet(conn);
		return true;
	case IO_WANT_READ:
		conn->wants_write = false;
		return false;
	case IO_WANT_WRITE:
		conn->wants_write = true;
		return false;
	default:
		/* The alert is on its way; let it arrive. */
		conn_leave_handshakes(conn);
		conn_report_handshake(conn);
		shutdown(conn->fd, SHUT_WR);
		conn->state = CONN_LINGERING;
		conn_set_deadline(conn, CONN_LINGER_MS);
		return true;
	}
}

static void
begin_head(struct conn *conn)
{
	conn->state = CONN_HEAD;
	uuid_make(clock_wall_ms(), conn->request_id);
	/* Whoever was revoked has no more time than he was left. */
	if (!conn->revoked)
		conn_set_deadline(
		    conn, conn->worker->config->head_timeout_s * 1000);
}

static bool
step_idle(struct conn *conn)
{
	if (conn->in.len == 0)
		pump_read(conn, GUARD_HEAD_MAX);
	if (conn->state != CONN_IDLE)
		return false;
	if (conn->in.len > 0) {
		begin_head(conn);
		return true;
	}
	if (!conn->input_ended && !conn->worker->draining)
		return false;
	conn_end(conn);
	return true;
}

static int
open_pair(struct conn *conn)
{
	int pair[2];

	if (conn->pair >= 0)
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
		pair) < 0)
		return -1;
	conn->pair_poll = alloc_zero(1, sizeof(*conn->pair_poll));
	if (uv_poll_init(conn->worker->loop, conn->pair_poll, pair[0]) != 0)
		die("a socket pair cannot be watched");
	conn->pair_poll->data = conn;
	conn->pair = pair[0];
	conn->pair_events = 0;
	conn->pair_ended = false;
	conn->pair_readable = false;
	/* Takes the other end over in every case. */
	if (http_add_connection_take(conn, pair[1]) < 0) {
		conn_close_pair(conn);
		return -1;
	}
	return 0;
}

static void
begin_request(struct conn *conn)
{
	struct guard *guard = &conn->guard;

	if (open_pair(conn) < 0) {
		conn_refuse_with(
		    conn, ERR_UNAVAILABLE, "too many connections are open");
		return;
	}
	conn->state = CONN_BUSY;
	conn->forward = guard->head_len + guard->content_length;
	conn->chunked = guard->chunked;
	conn->streams = false;
	conn->may_be_quiet = false;
	conn->arrived = 0;
	conn->judged = 0;
	conn->last = conn->last || guard->close;
	conn_set_deadline(conn, conn->worker->config->body_timeout_s * 1000);
}

static bool
step_head(struct conn *conn)
{
	struct err err;

	switch (
	    guard_read_head(&conn->guard, conn->in.data, conn->in.len, &err)) {
	case GUARD_ACCEPTED:
		begin_request(conn);
		return true;
	case GUARD_REFUSED:
		conn_refuse(conn, &err);
		return true;
	default:
		break;
	}
	if (conn->input_ended) {
		conn_refuse_with(
		    conn, ERR_MALFORMED, "the head is not complete");
		return true;
	}
	return pump_read(conn, GUARD_HEAD_MAX - conn->in.len);
}

bool
conn_lacks_body(const struct conn *conn)
{
	return conn->chunked || conn->forward > conn->in.len;
}

size_t
conn_busy_room(const struct conn *conn)
{
	bool is_welcome = !conn->chunked || conn->streams;

	if (conn_lacks_body(conn) && is_welcome)
		return CONN_BODY_WINDOW > conn->in.len
		    ? CONN_BODY_WINDOW - conn->in.len
		    : 0;
	return conn->forward == 0 && conn->in.len == 0 ? 1 : 0;
}

static void
finish_request(struct conn *conn)
{
	if (!conn->answered) {
		conn_refuse_with(conn, ERR_INTERNAL, "no answer was made");
	} else if (conn->cut) {
		conn_abort(conn);
	} else if (conn->surplus && !conn->last && !conn->pair_ended) {
		conn->answered = false;
		uuid_make(clock_wall_ms(), conn->request_id);
		conn_refuse_with(conn, ERR_MALFORMED,
		    "a request came before the one before was answered");
	} else if (conn->last || conn->pair_ended || conn->forward > 0 ||
	    conn->chunked || conn->input_ended || conn->worker->draining) {
		conn_end(conn);
	} else if (conn->pause_ms > 0) {
		conn->state = CONN_PAUSED;
		conn_set_deadline(conn, conn->pause_ms);
	} else {
		conn_become_idle(conn);
	}
}

/* What stands behind the bytes that may go to MHD already is the rest of a
 * chunked body, as far as it has come. False: it is not one. */
static bool
accept_chunks(struct conn *conn)
{
	size_t behind = conn->in.len - (size_t)conn->forward;
	size_t taken = 0;
	struct err err;

	switch (guard_read_chunks(&conn->guard, conn->in.data + conn->forward,
	    behind, &taken, &err)) {
	case GUARD_ACCEPTED:
		conn->chunked = false;
		break;
	case GUARD_REFUSED:
		conn_refuse(conn, &err);
		return false;
	default:
		break;
	}
	conn->forward += taken;
	return true;
}

/* Nothing more can come of a body that stands still because it is not read:
 * its client has closed the socket, and what the kernel and the transport still
 * hold cannot be all that is missing. (Of chunks nobody knows.) */
static bool
is_lost(const struct conn *conn)
{
	int held = 0;

	if (!conn->peer_gone || !conn->streams || !conn_lacks_body(conn) ||
	    conn_busy_room(conn) > 0)
		return false;
	return conn->chunked || ioctl(conn->fd, FIONREAD, &held) < 0 ||
	    conn->forward - conn->in.len > (uint64_t)held + TRANSPORT_HELD_MAX;
}

/* The body was cut off, or the client went while its answer was waited for. */
static bool
is_over(struct conn *conn)
{
	if (conn->input_ended && conn_lacks_body(conn) && !conn->completed &&
	    !conn->pair_ended) {
		conn_refuse_with(
		    conn, ERR_MALFORMED, "the body ended before it was whole");
		return true;
	}
	if (is_lost(conn)) {
		conn_abort(conn);
		return true;
	}
	/* A half-closed client gets its answer, but nobody waits for a task
	 * on behalf of a client that has closed the whole. */
	if (conn->peer_gone && conn->exchange != NULL &&
	    conn->exchange->waits) {
		conn_abort(conn);
		return true;
	}
	return false;
}

static bool
step_busy(struct conn *conn)
{
	bool moved = pump_read(conn, conn_busy_room(conn));

	if (conn->state == CONN_CLOSED)
		return true;
	if (conn->chunked && conn->streams && conn->in.len > conn->forward &&
	    !accept_chunks(conn))
		return true;
	if (is_over(conn))
		return true;
	moved |= pump_forward(conn);
	/* Behind the first bytes of an answer the client may have had all of
	 * it: what comes then is its next request, which waits for its turn. */
	if (conn->forward == 0 && !conn->chunked && conn->in.len > 0 &&
	    !conn->answered)
		conn->surplus = true;
	moved |= pump_answer(conn);
	if (conn->state == CONN_CLOSED)
		return true;
	/* MHD closed without a word: it found fault with something. */
	if (conn->pair_ended)
		conn->completed = true;
	if (!moved && conn->completed && conn->out.len == 0) {
		finish_request(conn);
		return true;
	}
	return moved;
}

static bool
step_ending(struct conn *conn)
{
	if (conn->out.len > 0)
		return false;
	conn_finish(conn);
	return true;
}

/* Past TLS: nobody will read it. */
static bool
step_lingering(struct conn *conn)
{
	struct worker *worker = conn->worker;
	ssize_t n = recv(conn->fd, worker->scratch, sizeof(worker->scratch), 0);

	if (n > 0)
		return true;
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		conn_abort(conn);
	return false;
}

static bool
step_nothing(struct conn *conn)
{
	(void)conn;
	return false;
}

bool (*const conn_steps[CONN_STATES])(struct conn *conn) = {
    [CONN_HANDSHAKE] = step_handshake,
    [CONN_IDLE] = step_idle,
    [CONN_HEAD] = step_head,
    [CONN_BUSY] = step_busy,
    [CONN_PAUSED] = step_nothing,
    [CONN_ENDING] = step_ending,
    [CONN_LINGERING] = step_lingering,
    [CONN_CLOSED] = step_nothing,
};
