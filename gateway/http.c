/*
 * Running libmicrohttpd, and its callbacks. It sees only what the guard has
 * let through; everything it is asked to send was composed here.
 *
 * It runs when one of us has done something that it must see, once in a turn of
 * the loop: behind each of its sockets there is only ourselves. Its own epoll
 * descriptor would say so too, but also of each answer that was taken, which
 * costs an ordinary request three calls for nothing.
 *
 * Of 0.9.75 (measured): a resumed connection makes neither its epoll
 * descriptor readable nor its timeout zero, so it is run by hand; the end of a
 * chunked answer is reported one run later, and so are many ends at once taken
 * down, though no timeout says so: it runs until it has nothing left twice;
 * suspended connections notice nothing, so the connection tells them; one that
 * was suspended with its head is called once more without data, before its
 * body, as it is at the end of it.
 */
#include <stdlib.h>
#include <strings.h>
#include <sys/un.h>

#include "gateway/auth.h"
#include "gateway/conn.h"
#include "gateway/exchange.h"
#include "gateway/http.h"
#include "gateway/revocation.h"
#include "gateway/upload.h"
#include "gateway/worker.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#define RUNS_MAX 32
#define RUNS_IDLE 2
#define MEDIA_TYPE_BYTES "application/octet-stream"
#define MHD_POOL_BYTES 32768 /* a head of 8 KiB and what MHD makes of it */

static void on_timer(uv_timer_t *timer);

static void
run(struct worker *worker)
{
	struct http *http = &worker->http;
	MHD_UNSIGNED_LONG_LONG wait_ms = 0;
	int idle = 0;

	for (int i = 0; i < RUNS_MAX && idle < RUNS_IDLE; i++) {
		MHD_run(http->daemon);
		if (MHD_get_timeout(http->daemon, &wait_ms) != MHD_YES)
			idle++;
		else if (wait_ms > 0)
			break;
	}
	if (idle == RUNS_IDLE)
		uv_timer_stop(&http->timer);
	else
		uv_timer_start(&http->timer, on_timer, wait_ms, 0);
}

static void
on_timer(uv_timer_t *timer)
{
	run(timer->data);
}

void
http_make_due(struct worker *worker)
{
	worker->http.due = true;
	worker_turn(worker);
}

void
http_run_due(struct worker *worker)
{
	if (!worker->http.due)
		return;
	worker->http.due = false;
	run(worker);
}

/* ---- a request's way ---- */

/* A body whose length is told, as far as the route takes one. */
static int
check_length(const struct exchange *x, struct err *err)
{
	const struct guard *guard = &x->conn->guard;

	if (guard->chunked)
		return err_set(err, ERR_LENGTH_REQUIRED,
		    "a chunked body is not taken here");
	if (guard->content_length > x->route->body_max)
		return err_set(err, ERR_TOO_LARGE,
		    x->route->body == BODY_NONE
			? "no body is taken here"
			: "at most %zu bytes are taken here",
		    x->route->body_max);
	if (x->route->body != BODY_NONE && !guard->has_length)
		return err_set(
		    err, ERR_LENGTH_REQUIRED, "the Content-Length is missing");
	return 0;
}

static int
check_stream(const struct exchange *x, struct err *err)
{
	const struct guard *guard = &x->conn->guard;

	if (!guard->chunked && !guard->has_length)
		return err_set(err, ERR_LENGTH_REQUIRED,
		    "neither Content-Length nor chunks were announced");
	return 0;
}

static int
check_body(const struct exchange *x, struct err *err)
{
	bool streams = route_streams(x->route);
	const char *type = exchange_field(x, MHD_HTTP_HEADER_CONTENT_TYPE);

	if ((streams ? check_stream(x, err) : check_length(x, err)) < 0)
		return -1;
	if (x->route->body == BODY_NONE)
		return 0;
	if (streams &&
	    (type == NULL || strcasecmp(type, MEDIA_TYPE_BYTES) != 0))
		return err_set(err, ERR_MEDIA_TYPE,
		    "the Content-Type is not " MEDIA_TYPE_BYTES);
	if (!streams && !exchange_is_json(type))
		return err_set(err, ERR_MEDIA_TYPE,
		    "the Content-Type is not application/json");
	if (exchange_field(x, MHD_HTTP_HEADER_CONTENT_ENCODING) != NULL)
		return err_set(
		    err, ERR_MEDIA_TYPE, "no Content-Encoding is taken");
	return 0;
}

/* The certificate was verified at the handshake, perhaps against a CA that
 * has been replaced since. */
static int
judge_again(struct exchange *x, struct err *err)
{
	struct conn *conn = x->conn;

	if (conn->judge == x->worker->snapshot->serial)
		return 0;
	if (certificate_verify(x->worker->snapshot->authority.trust,
		SSL_get0_peer_certificate(conn->ssl), clock_wall_ms() / 1000,
		&conn->peer.certificate, err) < 0)
		return -1;
	conn->judge = x->worker->snapshot->serial;
	return 0;
}

/* Whoever goes on regardless: until there is a token again, and where many
 * connections wait for the same one, each time twice as long. */
static int64_t
pause_after(int64_t last_ms, int64_t wait_ms)
{
	int64_t pause_ms = wait_ms > 2 * last_ms ? wait_ms : 2 * last_ms;

	return pause_ms < CONN_PAUSE_MAX_MS ? pause_ms : CONN_PAUSE_MAX_MS;
}

/* Before the token is looked at: checking one costs far more than asking. */
static int
check_rates(const struct exchange *x, struct problem *ret_problem)
{
	struct worker *worker = x->worker;
	struct conn *conn = x->conn;
	struct limits_key subject =
	    limits_key_of_subject(conn->peer.certificate.subject);
	int64_t now_ms = clock_boot_ms();
	int64_t wait_ms = 0;

	/* Who was refused too often is put off with the connection. */
	if (!limits_has(
		worker->failures, &conn->address_key, now_ms, &wait_ms) ||
	    !limits_has(worker->refused, &subject, now_ms, &wait_ms))
		conn->last = true;
	else if (!limits_take(worker->principals, &subject, now_ms, &wait_ms))
		conn->pause_ms = pause_after(conn->pause_ms, wait_ms);
	if (wait_ms == 0) {
		conn->pause_ms = 0;
		return 0;
	}
	ret_problem->retry_after_s = (wait_ms + 999) / 1000;
	return err_set(&ret_problem->err, ERR_BUSY,
	    "too many requests, or too many that were refused");
}

/* Of every request, also for what is not there: its certificate still holds,
 * and it is not one too many. */
static int
admit(struct exchange *x, struct problem *ret_problem)
{
	if (x->worker->listener == LISTENER_OPERATIONS)
		return 0;
	if (check_rates(x, ret_problem) < 0 ||
	    revocation_check(x, NULL, &ret_problem->err) < 0 ||
	    judge_again(x, &ret_problem->err) < 0)
		return -1;
	return certificate_check_time(&x->conn->peer.certificate,
	    clock_wall_ms() / 1000, &ret_problem->err);
}

static int
authorise(struct exchange *x, struct problem *ret_problem)
{
	const struct auth_question question = {
	    .authority = &x->worker->snapshot->authority,
	    .cache = x->worker->tokens,
	    .certificate = &x->conn->peer.certificate,
	    .authorization = exchange_field(x, MHD_HTTP_HEADER_AUTHORIZATION),
	    .route = x->route,
	    .now_s = clock_wall_ms() / 1000,
	};

	uint64_t began_ns = uv_hrtime();
	int result;

	if (x->route->access == ACCESS_OPEN)
		return 0;
	result = auth_check(&question, &x->principal, ret_problem);
	x->auth_us = (int64_t)((uv_hrtime() - began_ns) / 1000);
	return result < 0
	    ? result
	    : revocation_check(x, x->principal.token.id, &ret_problem->err);
}

/* Route, who and how much: before a byte of the body is taken. */
static void
begin(struct exchange *x)
{
	char allow[ROUTE_ALLOW_MAX];
	struct problem problem = {.allow = allow};

	x->route = route_find(x->worker->listener, x->method, x->path,
	    &x->in_path, allow, &problem.err);
	if (admit(x, &problem) < 0 || x->route == NULL ||
	    authorise(x, &problem) < 0 || check_body(x, &problem.err) < 0) {
		exchange_refuse(x, &problem);
		return;
	}
	x->body.max = x->route->body_max;
	if (route_streams(x->route))
		exchange_handle(x);
}

static enum MHD_Result
queue(struct exchange *x)
{
	enum MHD_Result result =
	    MHD_queue_response(x->mhd, x->status, x->response);

	MHD_destroy_response(x->response);
	x->response = NULL;
	x->queued = true;
	return result;
}

static enum MHD_Result
suspend(struct exchange *x)
{
	x->suspended = true;
	MHD_suspend_connection(x->mhd);
	return MHD_YES;
}

/* The head has come. */
static enum MHD_Result
on_head(struct exchange *x)
{
	const struct guard *guard = &x->conn->guard;

	begin(x);
	/* Before a body the answer is given now, and ends the connection. */
	if (x->response != NULL &&
	    (guard->content_length > 0 || guard->chunked))
		return queue(x);
	if (x->response != NULL || x->upload == NULL)
		return MHD_YES;
	/* Not a byte of the body, nor 100 Continue, before the runner says
	 * that it may come. */
	x->in_body = true;
	x->held_at_head = true;
	return suspend(x);
}

static enum MHD_Result
on_body(struct exchange *x, const char *data, size_t *len)
{
	size_t taken = *len;

	if (x->upload != NULL)
		taken = upload_take(x->upload, data, *len);
	else
		buffer_append(&x->body, data, *len);
	*len -= taken;
	/* The body's turn may have ended with an answer of the connection's.*/
	return x->conn == NULL ? MHD_NO : MHD_YES;
}

static enum MHD_Result
on_request(void *arg, struct MHD_Connection *mhd, const char *path,
    const char *method, const char *version, const char *data, size_t *len,
    void **context)
{
	struct exchange *x = *context;

	(void)arg;
	(void)version;
	if (x == NULL) {
		const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		    mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
		const struct passage *passage = info->socket_context;

		if (passage->conn == NULL)
			return MHD_NO;
		x = exchange_new(passage->conn, mhd, method, path);
		*context = x;
		return on_head(x);
	}
	if (x->conn == NULL) /* the client has gone: MHD gives up too */
		return MHD_NO;
	if (x->held_at_head) {
		x->held_at_head = false;
		if (*len == 0)
			return MHD_YES;
	}
	if (*len > 0)
		return on_body(x, data, len);
	if (x->response == NULL && !x->handled) {
		x->handled = true;
		if (x->upload != NULL)
			upload_end(x->upload);
		else
			exchange_handle(x);
	}
	return x->response != NULL ? queue(x) : suspend(x);
}

static void
on_completed(void *arg, struct MHD_Connection *mhd, void **context,
    enum MHD_RequestTerminationCode code)
{
	struct exchange *x = *context;

	(void)arg;
	(void)mhd;
	if (x == NULL)
		return;
	*context = NULL;
	if (x->conn != NULL) {
		/* An answer that was cut short must not look complete. */
		if (code != MHD_REQUEST_TERMINATED_COMPLETED_OK)
			x->conn->cut = true;
		conn_completed(x->conn);
	}
	exchange_free(x);
}

static void
on_connection(void *arg, struct MHD_Connection *mhd, void **context,
    enum MHD_ConnectionNotificationCode code)
{
	struct worker *worker = arg;
	struct passage *passage = *context;

	(void)mhd;
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		*context = take(worker->http.arriving);
		return;
	}
	if (passage->conn != NULL)
		passage->conn->passage = NULL;
	free(passage);
	*context = NULL;
}

int
http_open(struct worker *worker, struct err *err)
{
	struct http *http = &worker->http;

	http->daemon = MHD_start_daemon(
	    MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME,
	    0, NULL, NULL, on_request, worker, MHD_OPTION_NOTIFY_CONNECTION,
	    on_connection, worker, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
	    worker, MHD_OPTION_CONNECTION_LIMIT,
	    (unsigned)worker->conns_max + 64,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MHD_POOL_BYTES,
	    MHD_OPTION_END);
	if (http->daemon == NULL)
		return err_set(
		    err, ERR_INTERNAL, "libmicrohttpd cannot be started");
	uv_timer_init(worker->loop, &http->timer);
	http->timer.data = worker;
	return 0;
}

void
http_close(struct worker *worker, uv_close_cb closed)
{
	struct http *http = &worker->http;

	/* What was abandoned is still to be taken down. */
	run(worker);
	uv_close((uv_handle_t *)&http->timer, closed);
	MHD_stop_daemon(http->daemon);
	http->daemon = NULL;
}

int
http_add_connection_take(struct conn *conn, int fd)
{
	/* A name is asked for; that of the client is the connection's. */
	static const struct sockaddr_un name = {.sun_family = AF_UNIX};
	struct http *http = &conn->worker->http;
	enum MHD_Result result;

	conn->passage = alloc_zero(1, sizeof(*conn->passage));
	conn->passage->conn = conn;
	http->arriving = conn->passage;
	result = MHD_add_connection(
	    http->daemon, fd, (const struct sockaddr *)&name, sizeof(name));
	http_make_due(conn->worker);
	if (result == MHD_YES)
		return 0;
	/* Refused before it was a connection to MHD. */
	if (http->arriving != NULL)
		conn->passage = NULL;
	free(take(http->arriving));
	return -1;
}

void
http_resume(struct exchange *exchange)
{
	exchange->suspended = false;
	MHD_resume_connection(exchange->mhd);
	http_make_due(exchange->worker);
}

void
http_report_refusal(struct conn *conn, const struct problem *problem)
{
	struct worker *worker = conn->worker;
	bool known = conn->peer.verified;

	counter_add(&worker->counters.refusals[problem->err.code], 1);
	counter_add(
	    &worker->counters
		 .answers[ROUTE_COUNT][err_status(problem->err.code) / 100],
	    1);
	log_failure(LOG_LEVEL_INFO, "request.refused", &problem->err,
	    "request_id", conn->request_id, "address", conn->address_text,
	    "subject", known ? conn->peer.certificate.subject : "", NULL);
	if (problem->err.code == ERR_INTERNAL ||
	    problem->err.code == ERR_UNAVAILABLE)
		return;
	refusals_report(&worker->refusals,
	    &(struct refusal){.code = problem->err.code,
		.address = conn->address_text,
		.certificate = known ? &conn->peer.certificate : NULL,
		.method = conn->guard.method,
		.detail = problem->err.detail},
	    clock_boot_ms());
}
