/*
 * A connection's life: taken up, refused, ended, given back. Trusts nothing
 * that comes from the client.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/conn.h"
#include "gateway/exchange.h"
#include "gateway/transport.h"
#include "gateway/worker.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#define OUT_MAX 32768
#define ENDING_MS 10000
#define KEEPALIVE_S 30

static void
handle_closed(uv_handle_t *handle)
{
	struct conn *conn = handle->data;

	if (--conn->handles > 0)
		return;
	buffer_done(&conn->in);
	buffer_done(&conn->out);
	worker_forget_conn(conn->worker, conn);
	free(conn);
}

static void
free_handle(uv_handle_t *handle)
{
	free(handle);
}

void
conn_leave_handshakes(struct conn *conn)
{
	struct worker *worker = conn->worker;

	handshakes_leave(worker->handshakes, &conn->handshake);
	atomic_store_explicit(&worker->counters.handshakes_open,
	    handshakes_count(worker->handshakes), memory_order_relaxed);
}

void
conn_close_pair(struct conn *conn)
{
	if (conn->exchange != NULL) {
		exchange_abandon(conn->exchange);
		conn->exchange = NULL;
	}
	if (conn->passage != NULL)
		conn->passage->conn = NULL;
	conn->passage = NULL;
	if (conn->pair < 0)
		return;
	uv_poll_stop(conn->pair_poll);
	uv_close((uv_handle_t *)conn->pair_poll, free_handle);
	conn->pair_poll = NULL;
	close(conn->pair);
	http_make_due(conn->worker);
	conn->pair = -1;
	conn->pair_events = 0;
}

void
conn_abort(struct conn *conn)
{
	if (conn->state == CONN_CLOSED)
		return;
	conn->state = CONN_CLOSED;
	conn_leave_handshakes(conn);
	conn_close_pair(conn);
	uv_poll_stop(&conn->socket_poll);
	uv_close((uv_handle_t *)&conn->socket_poll, handle_closed);
	uv_close((uv_handle_t *)&conn->deadline, handle_closed);
	conn->worker->transport->done(conn);
	snapshot_release(take(conn->judging));
	close(conn->fd);
	conn->fd = -1;
	limits_leave(conn->worker->addresses, &conn->address_key);
	counter_subtract(&conn->worker->counters.connections_open, 1);
}

void
conn_finish(struct conn *conn)
{
	conn_close_pair(conn);
	buffer_done(&conn->in);
	conn->worker->transport->finish(conn);
	conn->state = CONN_LINGERING;
	conn_set_deadline(conn, CONN_LINGER_MS);
}

void
conn_end(struct conn *conn)
{
	conn_close_pair(conn);
	conn->state = CONN_ENDING;
	conn_set_deadline(conn, ENDING_MS);
}

void
conn_answer(struct conn *conn, const struct problem *problem)
{
	auto_free char *response = NULL;

	if (conn->answered) {
		conn_abort(conn);
		return;
	}
	response = problem_response(problem, conn->request_id);
	buffer_append_string(&conn->out, response);
	conn_end(conn);
	worker_make_ready(conn->worker, conn);
}

void
conn_refuse(struct conn *conn, const struct err *err)
{
	const struct problem problem = {.err = *err};

	if (!conn->answered)
		http_report_refusal(conn, &problem);
	conn_answer(conn, &problem);
}

void
conn_refuse_with(struct conn *conn, enum err_code code, const char *detail)
{
	struct err err;

	err_set(&err, code, "%s", detail);
	conn_refuse(conn, &err);
}

void
conn_report_handshake(struct conn *conn)
{
	struct worker *worker = conn->worker;
	const struct err *why = &conn->peer.err;
	const char *detail =
	    why->code == ERR_NONE ? "the handshake failed" : why->detail;

	counter_add(&worker->counters.handshakes_failed, 1);
	limits_take(
	    worker->failures, &conn->address_key, clock_boot_ms(), NULL);
	log_info("handshake.refused", "address", conn->address_text, "detail",
	    detail, NULL);
	refusals_report(&worker->refusals,
	    &(struct refusal){.code = ERR_UNAUTHENTICATED,
		.address = conn->address_text,
		.detail = detail},
	    clock_boot_ms());
}

/* Another came, and all places are taken. */
static void
put_off(struct conn *conn)
{
	struct worker *worker = conn->worker;

	counter_add(&worker->counters.handshakes_dropped, 1);
	refusals_report(&worker->refusals,
	    &(struct refusal){.code = ERR_BUSY,
		.address = conn->address_text,
		.detail = "the address has too many handshakes under way"},
	    clock_boot_ms());
	conn_abort(conn);
}

static void
enter_handshakes(struct conn *conn)
{
	struct worker *worker = conn->worker;
	struct handshake *loser;

	conn->handshake.conn = conn;
	loser = handshakes_enter(
	    worker->handshakes, &conn->handshake, &conn->address_key);
	if (loser != NULL)
		put_off(loser->conn);
	atomic_store_explicit(&worker->counters.handshakes_open,
	    handshakes_count(worker->handshakes), memory_order_relaxed);
}

void
conn_completed(struct conn *conn)
{
	conn->exchange = NULL;
	conn->completed = true;
	conn->pair_readable = true;
	worker_make_ready(conn->worker, conn);
}

void
conn_drain(struct conn *conn)
{
	conn->last = true;
	/* What has arrived already is heard. */
	if (conn->state == CONN_PAUSED)
		conn_become_idle(conn);
	conn->readable = true;
	if (conn->state == CONN_HANDSHAKE || conn->state == CONN_IDLE)
		conn_advance(conn);
	if (conn->state == CONN_HANDSHAKE)
		conn_abort(conn);
}

static void
begin_handshake(struct conn *conn)
{
	/* A reload meanwhile must not take away whom it asks. */
	conn->judging = snapshot_hold(conn->worker->snapshot);
	conn->ssl = tls_open(conn->judging->tls, conn->fd, &conn->peer);
	if (conn->ssl == NULL) {
		conn_abort(conn);
		return;
	}
	enter_handshakes(conn);
	conn_watch(conn);
}

void
conn_accept_take(struct worker *worker, int fd, const struct address *address)
{
	struct conn *conn = alloc_zero(1, sizeof(*conn));
	int on = 1;
	int keep_s = KEEPALIVE_S;

	conn->worker = worker;
	conn->fd = fd;
	conn->pair = -1;
	conn->in.max = GUARD_HEAD_MAX + CONN_BODY_WINDOW;
	conn->out.max = OUT_MAX;
	conn->address = *address;
	conn->address_key =
	    limits_key_of_address((const struct sockaddr *)&address->name);
	address_format_host(address, conn->address_text);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	/* Whoever vanished without a word is found while it is waited for. */
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &keep_s, sizeof(keep_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &keep_s, sizeof(keep_s));
	if (uv_poll_init(worker->loop, &conn->socket_poll, fd) != 0)
		die("a connection cannot be watched");
	uv_timer_init(worker->loop, &conn->deadline);
	conn->socket_poll.data = conn;
	conn->deadline.data = conn;
	conn->handles = 2;
	conn->next = worker->conns;
	if (conn->next != NULL)
		conn->next->prev = conn;
	worker->conns = conn;
	worker->nconns++;
	counter_add(&worker->counters.connections_accepted, 1);
	counter_add(&worker->counters.connections_open, 1);
	conn_set_deadline(conn, worker->config->handshake_timeout_s * 1000);
	if (worker->listener == LISTENER_PUBLIC)
		begin_handshake(conn);
	else
		conn_advance(conn);
}
