/*
 * What wakes a connection: its socket, its MHD side, its deadline; and what is
 * to be watched for next.
 */
#include <errno.h>
#include <sys/socket.h>

#include "gateway/conn.h"
#include "gateway/exchange.h"
#include "gateway/revocation.h"
#include "gateway/worker.h"

#define STEPS_MAX 64
/* Bytes a second of a body that is passed on, where nobody is typing it. */
#define STREAM_RATE_MIN 1024

static void on_deadline(uv_timer_t *timer);

void
conn_set_deadline(struct conn *conn, int64_t ms)
{
	uv_timer_start(&conn->deadline, on_deadline, (uint64_t)ms, 0);
}

static void
on_socket(uv_poll_t *poll, int status, int events)
{
	struct conn *conn = poll->data;

	if (status < 0) {
		conn_abort(conn);
		return;
	}
	if ((events & UV_DISCONNECT) != 0)
		conn->peer_gone = true;
	if ((events & UV_READABLE) != 0)
		conn->readable = true;
	if (conn->handshake.group != NULL)
		worker_make_due(conn->worker, conn);
	else
		conn_advance(conn);
}

/* Between requests MHD has nothing to say: it has closed. (Or the event is
 * older than the answer.) */
static void
judge_idle_pair(struct conn *conn)
{
	char byte;

	if (recv(conn->pair, &byte, 1, MSG_PEEK) >= 0 || errno != EAGAIN)
		conn_close_pair(conn);
	else
		conn->pair_readable = false;
}

static void
on_pair(uv_poll_t *poll, int status, int events)
{
	struct conn *conn = poll->data;

	/* libuv has stopped watching; reading tells what is wrong. */
	if (status < 0)
		conn->pair_events = 0;
	if (status < 0 || (events & UV_READABLE) != 0)
		conn->pair_readable = true;
	if (conn->state != CONN_BUSY)
		judge_idle_pair(conn);
	else
		conn_advance(conn);
}

/* How long the runner or a task takes is not the connection's to judge. */
static bool
waits_for_runner(const struct conn *conn)
{
	return conn->forward == 0 && !conn->chunked && conn->out.len == 0 &&
	    conn->exchange != NULL && conn->exchange->suspended;
}

/* A body that is passed on has no time limit as a whole. But where nobody is
 * typing it must get on, unless it is us who do not read it. */
static bool
body_gets_on(struct conn *conn)
{
	uint64_t came = conn->arrived - conn->judged;
	int64_t within_s = conn->worker->config->body_timeout_s;

	if (!conn->streams)
		return false;
	conn->judged = conn->arrived;
	return conn->may_be_quiet || conn_busy_room(conn) == 0 ||
	    came >= (uint64_t)within_s * STREAM_RATE_MIN;
}

/* A request whose time is up. */
static void
judge_busy(struct conn *conn)
{
	if (waits_for_runner(conn))
		return;
	/* Without a body that is still to come, it is the client that does
	 * not take its answer, or MHD that does not make one. */
	if (conn->forward == 0 && !conn->chunked)
		conn_abort(conn);
	else if (body_gets_on(conn))
		conn_set_deadline(
		    conn, conn->worker->config->body_timeout_s * 1000);
	else
		conn_refuse_with(conn, ERR_TIMEOUT, "the body took too long");
}

static void
on_deadline(uv_timer_t *timer)
{
	struct conn *conn = timer->data;
	int64_t idle_ms = conn->worker->config->idle_timeout_s * 1000;

	switch (conn->state) {
	case CONN_IDLE:
		if (conn->pair >= 0 && idle_ms > CONN_PAIR_IDLE_MS &&
		    !conn->last) {
			conn_close_pair(conn);
			conn_set_deadline(conn, idle_ms - CONN_PAIR_IDLE_MS);
			return;
		}
		conn_end(conn);
		break;
	case CONN_HEAD:
		conn_refuse_with(conn, ERR_TIMEOUT, "the head took too long");
		break;
	case CONN_BUSY:
		judge_busy(conn);
		break;
	case CONN_PAUSED:
		conn_become_idle(conn);
		revocation_greet(conn);
		break;
	case CONN_HANDSHAKE:
		conn_report_handshake(conn);
		conn_abort(conn);
		break;
	default:
		conn_abort(conn);
		break;
	}
	conn_advance(conn);
}

/* libuv takes a change of what is watched for to the kernel in two calls: in an
 * ordinary request nothing changes. */
static int
wanted_of_socket(const struct conn *conn)
{
	bool is_busy = conn->state == CONN_BUSY;
	int events = 0;

	if (conn->wants_write || conn->out.len > 0)
		events |= UV_WRITABLE;
	if (conn->state == CONN_ENDING)
		return events;
	if (conn->state != CONN_PAUSED &&
	    (!is_busy || (!conn->input_ended && conn_busy_room(conn) > 0)))
		events |= UV_READABLE;
	if (conn->worker->listener == LISTENER_PUBLIC && !conn->peer_gone)
		events |= UV_DISCONNECT;
	return events;
}

static int
wanted_of_pair(const struct conn *conn)
{
	int events = 0;

	if (conn->pair_ended)
		return 0;
	if (conn->out.len == 0)
		events |= UV_READABLE;
	if (conn->forward > 0 && conn->in.len > 0)
		events |= UV_WRITABLE;
	return events;
}

void
conn_watch(struct conn *conn)
{
	int events = wanted_of_socket(conn);

	if (events != conn->socket_events) {
		conn->socket_events = events;
		if (events == 0)
			uv_poll_stop(&conn->socket_poll);
		else
			uv_poll_start(&conn->socket_poll, events, on_socket);
	}
	if (conn->pair < 0)
		return;
	events = wanted_of_pair(conn);
	if (events == conn->pair_events)
		return;
	conn->pair_events = events;
	if (events == 0)
		uv_poll_stop(conn->pair_poll);
	else
		uv_poll_start(conn->pair_poll, events, on_pair);
}

/* Once all of the body is MHD's, time begins anew with each step forward. */
static void
judge_time(struct conn *conn, bool moved)
{
	if (conn->state != CONN_BUSY || conn->forward > 0 || conn->chunked)
		return;
	if (moved || !uv_is_active((const uv_handle_t *)&conn->deadline))
		conn_set_deadline(
		    conn, conn->worker->config->idle_timeout_s * 1000);
}

void
conn_advance(struct conn *conn)
{
	bool moved = false;
	bool again = true;

	/* A deadline may have closed it, with bytes that nobody took. */
	for (int i = 0; again && conn->state != CONN_CLOSED && i < STEPS_MAX;
	     i++) {
		again = pump_flush(conn);
		again |= conn_steps[conn->state](conn);
		moved |= again;
	}
	if (conn->state == CONN_CLOSED)
		return;
	judge_time(conn, moved);
	conn_watch(conn);
	if (again)
		worker_make_ready(conn->worker, conn);
}
