/*
 * A connection's life. Trusts nothing that comes from the client; must never
 * let libmicrohttpd see a byte that the guard has not accepted, nor a request
 * before the answer to the one before has left.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "gateway/conn.h"
#include "gateway/exchange.h"
#include "gateway/transport.h"
#include "gateway/worker.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#define BODY_WINDOW 16384
#define OUT_MAX 32768
#define ENDING_MS 10000
#define LINGER_MS 2000
/* So long an idle connection keeps its MHD side: 32 KiB and two descriptors.*/
#define PAIR_IDLE_MS 2000
#define STEPS_MAX 64

static void on_deadline(uv_timer_t *timer);
static void on_pair(uv_poll_t *poll, int status, int events);

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

static void
set_deadline(struct conn *conn, int64_t ms)
{
	uv_timer_start(&conn->deadline, on_deadline, (uint64_t)ms, 0);
}

/* MHD sees the end of its side and gives up the request. */
static void
close_pair(struct conn *conn)
{
	if (conn->exchange != NULL) {
		exchange_abandon(conn->exchange);
		conn->exchange = NULL;
	}
	if (conn->pair < 0)
		return;
	uv_poll_stop(conn->pair_poll);
	uv_close((uv_handle_t *)conn->pair_poll, free_handle);
	conn->pair_poll = NULL;
	close(conn->pair);
	conn->pair = -1;
	conn->pair_events = 0;
}

void
conn_abort(struct conn *conn)
{
	if (conn->state == CONN_CLOSED)
		return;
	conn->state = CONN_CLOSED;
	close_pair(conn);
	uv_poll_stop(&conn->socket_poll);
	uv_close((uv_handle_t *)&conn->socket_poll, handle_closed);
	uv_close((uv_handle_t *)&conn->deadline, handle_closed);
	conn->worker->transport->done(conn);
	close(conn->fd);
	conn->fd = -1;
	limits_leave(conn->worker->addresses, &conn->address_key);
	counter_subtract(&conn->worker->counters.connections_open, 1);
}

/* Our side says that it has finished. What the client still sends is thrown
 * away for a moment: closing at once would reset the connection, and the
 * client could lose the answer (RFC 9112 9.6). */
static void
finish(struct conn *conn)
{
	close_pair(conn);
	buffer_done(&conn->in);
	conn->worker->transport->finish(conn);
	conn->state = CONN_LINGERING;
	set_deadline(conn, LINGER_MS);
}

/* Sends what is left, then finishes. */
static void
end(struct conn *conn)
{
	close_pair(conn);
	conn->state = CONN_ENDING;
	set_deadline(conn, ENDING_MS);
}

/* The connection's own last word, for what MHD will not answer. */
static void
refuse(struct conn *conn, const struct err *err)
{
	auto_free char *response = NULL;
	const struct problem problem = {.err = *err};

	if (conn->answered) {
		conn_abort(conn);
		return;
	}
	response = problem_response(&problem, conn->request_id);
	buffer_append_string(&conn->out, response);
	http_report_refusal(conn, &problem);
	end(conn);
}

static void
refuse_with(struct conn *conn, enum err_code code, const char *detail)
{
	struct err err;

	err_set(&err, code, "%s", detail);
	refuse(conn, &err);
}

/* ---- the states: each step returns whether anything moved ---- */

static void
become_idle(struct conn *conn)
{
	const struct config *config = conn->worker->config;
	int64_t idle_ms = config->idle_timeout_s * 1000;

	conn->state = CONN_IDLE;
	guard_init(&conn->guard);
	conn->answered = false;
	conn->completed = false;
	set_deadline(conn,
	    conn->pair >= 0 && idle_ms > PAIR_IDLE_MS ? PAIR_IDLE_MS : idle_ms);
}

static void
report_handshake(struct conn *conn)
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

static bool
step_handshake(struct conn *conn)
{
	switch (conn->worker->transport->handshake(conn)) {
	case IO_OK:
		conn->judge = conn->worker->snapshot->serial;
		become_idle(conn);
		return true;
	case IO_WANT_READ:
		conn->wants_write = false;
		return false;
	case IO_WANT_WRITE:
		conn->wants_write = true;
		return false;
	default:
		/* The alert is on its way; let it arrive. */
		report_handshake(conn);
		shutdown(conn->fd, SHUT_WR);
		conn->state = CONN_LINGERING;
		set_deadline(conn, LINGER_MS);
		return true;
	}
}

static void
begin_head(struct conn *conn)
{
	conn->state = CONN_HEAD;
	conn->started_us = clock_boot_ms() * 1000;
	uuid_make(clock_wall_ms(), conn->request_id);
	set_deadline(conn, conn->worker->config->head_timeout_s * 1000);
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
	end(conn);
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
	/* Takes the other end over in every case. */
	if (http_add_connection_take(conn, pair[1]) < 0) {
		close_pair(conn);
		return -1;
	}
	return 0;
}

static void
begin_request(struct conn *conn)
{
	struct guard *guard = &conn->guard;

	if (open_pair(conn) < 0) {
		refuse_with(
		    conn, ERR_UNAVAILABLE, "too many connections are open");
		return;
	}
	conn->state = CONN_BUSY;
	conn->forward = guard->head_len + guard->content_length;
	conn->last = conn->last || guard->close;
	set_deadline(conn, conn->worker->config->body_timeout_s * 1000);
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
		refuse(conn, &err);
		return true;
	default:
		break;
	}
	if (conn->input_ended) {
		refuse_with(conn, ERR_MALFORMED, "the head is not complete");
		return true;
	}
	return pump_read(conn, GUARD_HEAD_MAX - conn->in.len);
}

/* How much may be read while a request is under way: its body, and one byte
 * more, to notice that the client has gone or does not wait its turn. */
static size_t
busy_room(const struct conn *conn)
{
	if (conn->forward > conn->in.len)
		return BODY_WINDOW > conn->in.len ? BODY_WINDOW - conn->in.len
						  : 0;
	return conn->forward == 0 && conn->in.len == 0 ? 1 : 0;
}

static void
finish_request(struct conn *conn)
{
	if (!conn->answered) {
		refuse_with(conn, ERR_INTERNAL, "no answer was made");
	} else if (conn->cut) {
		conn_abort(conn);
	} else if (conn->surplus && !conn->last && !conn->pair_ended) {
		conn->answered = false;
		uuid_make(clock_wall_ms(), conn->request_id);
		refuse_with(conn, ERR_MALFORMED,
		    "a request came before the one before was answered");
	} else if (conn->last || conn->pair_ended || conn->forward > 0 ||
	    conn->input_ended || conn->worker->draining) {
		end(conn);
	} else {
		become_idle(conn);
	}
}

/* The body was cut off, or the client went while its answer was waited for. */
static bool
is_over(struct conn *conn)
{
	if (conn->input_ended && conn->forward > conn->in.len &&
	    !conn->completed && !conn->pair_ended) {
		refuse_with(conn, ERR_MALFORMED,
		    "the body ended before its announced length");
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
	bool moved = pump_read(conn, busy_room(conn));

	if (conn->state == CONN_CLOSED || is_over(conn))
		return true;
	moved |= pump_forward(conn);
	if (conn->forward == 0 && conn->in.len > 0)
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
	finish(conn);
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
step_closed(struct conn *conn)
{
	(void)conn;
	return false;
}

static bool (*const steps[CONN_STATES])(struct conn *conn) = {
    [CONN_HANDSHAKE] = step_handshake,
    [CONN_IDLE] = step_idle,
    [CONN_HEAD] = step_head,
    [CONN_BUSY] = step_busy,
    [CONN_ENDING] = step_ending,
    [CONN_LINGERING] = step_lingering,
    [CONN_CLOSED] = step_closed,
};

/* ---- events ---- */

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
	conn_advance(conn);
}

static void
on_pair(uv_poll_t *poll, int status, int events)
{
	struct conn *conn = poll->data;

	(void)events;
	/* libuv has stopped watching; reading tells what is wrong. */
	if (status < 0)
		conn->pair_events = 0;
	conn_advance(conn);
}

static void
on_deadline(uv_timer_t *timer)
{
	struct conn *conn = timer->data;
	int64_t idle_ms = conn->worker->config->idle_timeout_s * 1000;

	switch (conn->state) {
	case CONN_IDLE:
		if (conn->pair >= 0 && idle_ms > PAIR_IDLE_MS) {
			close_pair(conn);
			set_deadline(conn, idle_ms - PAIR_IDLE_MS);
			return;
		}
		end(conn);
		break;
	case CONN_HEAD:
		refuse_with(conn, ERR_TIMEOUT, "the head took too long");
		break;
	case CONN_BUSY:
		/* Without a body that is still to come, it is the client that
		 * does not take its answer. */
		if (conn->forward == 0)
			conn_abort(conn);
		else
			refuse_with(
			    conn, ERR_TIMEOUT, "the body took too long");
		break;
	case CONN_HANDSHAKE:
		report_handshake(conn);
		conn_abort(conn);
		break;
	default:
		conn_abort(conn);
		break;
	}
	conn_advance(conn);
}

static int
wanted_of_socket(const struct conn *conn)
{
	int events = 0;

	if (conn->wants_write || conn->out.len > 0)
		events |= UV_WRITABLE;
	if (conn->state == CONN_BUSY) {
		if (!conn->input_ended && busy_room(conn) > 0)
			events |= UV_READABLE;
		if (conn->worker->listener == LISTENER_PUBLIC &&
		    !conn->peer_gone)
			events |= UV_DISCONNECT;
	} else if (conn->state != CONN_ENDING) {
		events |= UV_READABLE;
	}
	return events;
}

static int
wanted_of_pair(const struct conn *conn)
{
	int events = 0;

	if (conn->state != CONN_BUSY || conn->pair_ended)
		return 0;
	if (conn->out.len == 0)
		events |= UV_READABLE;
	if (conn->forward > 0 && conn->in.len > 0)
		events |= UV_WRITABLE;
	return events;
}

static void
watch(struct conn *conn)
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

/* Once all of the body is MHD's, time runs only while the client does not
 * take its answer: how long a task takes is not the connection's to judge. */
static void
judge_time(struct conn *conn, bool moved)
{
	if (conn->state != CONN_BUSY || conn->forward > 0)
		return;
	if (conn->out.len == 0)
		uv_timer_stop(&conn->deadline);
	else if (moved || !uv_is_active((const uv_handle_t *)&conn->deadline))
		set_deadline(conn, conn->worker->config->idle_timeout_s * 1000);
}

void
conn_advance(struct conn *conn)
{
	bool moved = false;
	bool again = true;

	for (int i = 0; again && i < STEPS_MAX; i++) {
		again = pump_flush(conn);
		again |= steps[conn->state](conn);
		moved |= again;
	}
	if (conn->state == CONN_CLOSED)
		return;
	judge_time(conn, moved);
	watch(conn);
	if (again)
		worker_make_ready(conn->worker, conn);
}

void
conn_completed(struct conn *conn)
{
	conn->exchange = NULL;
	conn->completed = true;
	worker_make_ready(conn->worker, conn);
}

void
conn_drain(struct conn *conn)
{
	conn->last = true;
	if (conn->state == CONN_HANDSHAKE)
		conn_abort(conn);
	else if (conn->state == CONN_IDLE)
		conn_advance(conn);
}

void
conn_accept_take(struct worker *worker, int fd, const struct address *address)
{
	struct conn *conn = alloc_zero(1, sizeof(*conn));
	int on = 1;

	conn->worker = worker;
	conn->fd = fd;
	conn->pair = -1;
	conn->in.max = GUARD_HEAD_MAX + BODY_WINDOW;
	conn->out.max = OUT_MAX;
	conn->address = *address;
	conn->address_key =
	    limits_key_of_address((const struct sockaddr *)&address->name);
	address_format_host(address, conn->address_text);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
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
	set_deadline(conn, worker->config->handshake_timeout_s * 1000);
	if (worker->listener == LISTENER_PUBLIC) {
		conn->ssl = tls_open(worker->snapshot->tls, fd, &conn->peer);
		if (conn->ssl == NULL) {
			conn_abort(conn);
			return;
		}
	}
	conn_advance(conn);
}
