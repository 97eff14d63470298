/*
 * Workers: accepting, limits on what may connect, and the way a worker ends.
 * Must never block, and never stop accepting because descriptors ran out.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/conn.h"
#include "gateway/gateway.h"
#include "gateway/revocation.h"
#include "gateway/worker.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#define BACKLOG 1024
/* In one turn of the loop: a step of a handshake takes half a millisecond, and
 * open connections are served in between. */
#define ACCEPTS_MAX 16
#define HANDSHAKE_STEPS_MAX 4
#define SHED_TOLD_MS (INT64_C(10) * 1000)
#define TABLE_ENTRIES 4096
#define TOKENS_CACHED 1024

static void give_back(struct worker *worker);

/* ---- listening ---- */

int
worker_listen(
    const struct address *address, bool shared, int *ret_fd, struct err *err)
{
	auto_fd int fd = -1;
	char text[ADDRESS_TEXT];
	int on = 1;

	address_format(address, text);
	fd = socket(address->name.ss_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(err, "socket for %s", text);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    (shared &&
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0))
		return err_errno(err, "options of %s", text);
	if (address->name.ss_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
		return err_errno(err, "options of %s", text);
	if (bind(fd, (const struct sockaddr *)&address->name, address->len) < 0)
		return err_errno(err, "bind to %s", text);
	if (listen(fd, BACKLOG) < 0)
		return err_errno(err, "listen on %s", text);
	*ret_fd = take_fd(fd);
	return 0;
}

/* NULL: it may; otherwise why not. */
static const char *
judge_address(struct worker *worker, const struct address *address)
{
	struct limits_key key =
	    limits_key_of_address((const struct sockaddr *)&address->name);
	int64_t now_ms = clock_boot_ms();

	if (worker->nconns >= worker->conns_max)
		return "too many connections are open";
	if (!limits_has(worker->failures, &key, now_ms, NULL))
		return "the address was refused too often";
	if (!limits_enter(worker->addresses, &key, now_ms))
		return "the address has too many connections";
	return NULL;
}

static void
turn_away(
    struct worker *worker, const struct address *address, const char *reason)
{
	char text[ADDRESS_TEXT];

	counter_add(&worker->counters.connections_refused, 1);
	address_format_host(address, text);
	refusals_report(&worker->refusals,
	    &(struct refusal){
		.code = ERR_BUSY, .address = text, .detail = reason},
	    clock_boot_ms());
}

/* Of a file that is open already: to open one by name is not allowed. */
static int
reserve_descriptor(void)
{
	return fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
}

/* Whoever opens connections must not fill the log: those that are not told of
 * are counted in what is told next. */
static void
tell_shed(struct worker *worker)
{
	int64_t now_ms = clock_boot_ms();
	char count[24];

	if (!bucket_has(&worker->shed_told, now_ms))
		return;
	bucket_take(&worker->shed_told);
	snprintf(count, sizeof(count), "%" PRIu64, worker->shed);
	worker->shed = 0;
	log_warning("connection.shed", "reason", "no descriptor is left",
	    "connections", count, NULL);
}

/* No descriptor is left: the one kept in reserve lets the next caller be told
 * so, instead of the loop turning on a connection it cannot take. */
static void
shed(struct worker *worker)
{
	if (worker->reserve_fd < 0)
		return;
	close(worker->reserve_fd);
	worker->reserve_fd = -1;
	int fd = accept4(worker->listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0)
		close(fd);
	worker->reserve_fd = reserve_descriptor();
	if (fd < 0)
		return;
	counter_add(&worker->counters.connections_refused, 1);
	worker->shed++;
	tell_shed(worker);
}

/* False: there is nobody more for now. */
static bool
accept_one(struct worker *worker)
{
	struct address address = {.len = sizeof(address.name)};
	const char *reason;
	int fd = accept4(worker->listen_fd, (struct sockaddr *)&address.name,
	    &address.len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
		shed(worker);
		return false;
	}
	/* accept(2): errors of the connection itself come here too. */
	if (fd < 0)
		return errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM;
	reason = judge_address(worker, &address);
	if (reason == NULL) {
		conn_accept_take(worker, fd, &address);
	} else {
		turn_away(worker, &address, reason);
		close(fd);
	}
	return true;
}

static void
on_listen(uv_poll_t *poll, int status, int events)
{
	struct worker *worker = poll->data;

	(void)status;
	(void)events;
	for (int i = 0; i < ACCEPTS_MAX && accept_one(worker); i++)
		;
}

/* ---- what is to be moved on ---- */

static void
advance_ready(struct worker *worker)
{
	struct conn *conn = worker->ready;

	worker->ready = NULL;
	while (conn != NULL) {
		struct conn *next = conn->next_ready;

		conn->is_ready = false;
		conn->next_ready = NULL;
		conn_advance(conn);
		conn = next;
	}
}

static void
advance_handshakes(struct worker *worker)
{
	struct handshake *next;

	for (int i = 0; i < HANDSHAKE_STEPS_MAX; i++) {
		next = handshakes_next(worker->handshakes);
		if (next == NULL)
			return;
		conn_advance(next->conn);
	}
}

/* Once in a turn of the loop, which does not wait while there is work; a timer
 * of no time would run again before any socket is looked at. */
static void
on_turn(uv_idle_t *turn)
{
	struct worker *worker = turn->data;

	log_hold();
	/* Answers make connections ready. */
	http_run_due(worker);
	advance_ready(worker);
	advance_handshakes(worker);
	log_release();
	if (worker->ready == NULL && !worker->http.due &&
	    handshakes_due(worker->handshakes) == 0)
		uv_idle_stop(turn);
}

void
worker_turn(struct worker *worker)
{
	uv_idle_start(&worker->turn, on_turn);
}

void
worker_make_ready(struct worker *worker, struct conn *conn)
{
	if (conn->is_ready)
		return;
	conn->is_ready = true;
	conn->next_ready = worker->ready;
	worker->ready = conn;
	worker_turn(worker);
}

void
worker_make_due(struct worker *worker, struct conn *conn)
{
	handshakes_want_turn(worker->handshakes, &conn->handshake);
	worker_turn(worker);
}

void
worker_forget_conn(struct worker *worker, struct conn *conn)
{
	for (struct conn **at = &worker->ready; *at != NULL;
	     at = &(*at)->next_ready) {
		if (*at == conn) {
			*at = conn->next_ready;
			break;
		}
	}
	if (conn->prev != NULL)
		conn->prev->next = conn->next;
	else
		worker->conns = conn->next;
	if (conn->next != NULL)
		conn->next->prev = conn->prev;
	worker->nconns--;
	if (worker->draining && worker->nconns == 0)
		give_back(worker);
}

/* ---- orders of the main thread ---- */

static void
on_drain_end(uv_timer_t *timer)
{
	struct worker *worker = timer->data;
	struct conn *next;

	log_warning("gateway.cut", "reason",
	    "requests were still under way when the time was up", NULL);
	for (struct conn *conn = worker->conns; conn != NULL; conn = next) {
		next = conn->next;
		conn_abort(conn);
	}
}

static void
begin_drain(struct worker *worker)
{
	struct conn *next;

	/* Whom the kernel has accepted for us already is not turned away. */
	for (int i = 0; i < BACKLOG && accept_one(worker); i++)
		;
	worker->draining = true;
	uv_poll_stop(&worker->listen_poll);
	close(worker->listen_fd);
	worker->listen_fd = -1;
	uv_timer_start(&worker->drain, on_drain_end, WORKER_DRAIN_S * 1000, 0);
	for (struct conn *conn = worker->conns; conn != NULL; conn = next) {
		next = conn->next;
		conn_drain(conn);
	}
	if (worker->nconns == 0)
		give_back(worker);
}

static void
take_up(struct worker *worker, struct snapshot *snapshot)
{
	snapshot_release(worker->snapshot);
	worker->snapshot = snapshot;
	token_cache_clear(worker->tokens);
	atomic_store(&worker->serving, snapshot->serial);
	reload_worker_took_up(worker->gateway);
}

static void
on_order(uv_async_t *async)
{
	struct worker *worker = async->data;
	struct snapshot *next = atomic_exchange(&worker->next, NULL);

	if (next != NULL)
		take_up(worker, next);
	if (atomic_load(&worker->stop) && !worker->draining)
		begin_drain(worker);
}

void
worker_reload(struct worker *worker, struct snapshot *snapshot)
{
	snapshot_release(
	    atomic_exchange(&worker->next, snapshot_hold(snapshot)));
	uv_async_send(&worker->order);
}

void
worker_drain(struct worker *worker)
{
	atomic_store(&worker->stop, true);
	uv_async_send(&worker->order);
}

/* ---- life ---- */

static void
nothing(uv_handle_t *handle)
{
	(void)handle;
}

/* The last connection has gone: without handles the loop ends by itself. */
static void
give_back(struct worker *worker)
{
	if (worker->closed)
		return;
	worker->closed = true;
	refusals_close(&worker->refusals, nothing);
	http_close(worker, nothing);
	link_close(worker->link);
	uv_close((uv_handle_t *)&worker->listen_poll, nothing);
	uv_close((uv_handle_t *)&worker->order, nothing);
	uv_close((uv_handle_t *)&worker->drain, nothing);
	uv_close((uv_handle_t *)&worker->turn, nothing);
}

/* A limit by address is each worker's share of it. */
static uint32_t
share(const struct worker_spec *spec, int64_t limit)
{
	int64_t workers = spec->config->workers;

	if (spec->listener == LISTENER_OPERATIONS)
		return (uint32_t)limit;
	return (uint32_t)((limit + workers - 1) / workers);
}

static void
make_limits(struct worker *worker, const struct worker_spec *spec)
{
	const struct config *config = spec->config;
	uint32_t rate = (uint32_t)config->requests_per_principal;
	uint32_t refused = (uint32_t)config->failures_per_principal;
	size_t entries = TABLE_ENTRIES;

	worker->conns_max = share(spec, config->connections_max);
	entries += worker->conns_max;
	worker->handshakes =
	    handshakes_new(share(spec, config->handshakes_max));
	worker->addresses = limits_new(&(struct limits_spec){.entries = entries,
	    .active_max = share(spec, config->connections_per_address)});
	/* An address's failures may all be one worker's: as many at once as
	 * the whole allows, then its share of them each minute. */
	worker->failures = limits_new(&(struct limits_spec){.entries = entries,
	    .rate = share(spec, config->failures_per_address),
	    .burst = (uint32_t)config->failures_per_address});
	/* A principal's connections may all be one worker's. */
	worker->refused = limits_new(&(struct limits_spec){
	    .entries = TABLE_ENTRIES, .rate = refused, .burst = refused});
	worker->principals = limits_new(&(struct limits_spec){
	    .entries = TABLE_ENTRIES, .rate = rate * 60, .burst = rate * 2});
}

static void
open_handles(struct worker *worker)
{
	if (uv_poll_init(
		worker->loop, &worker->listen_poll, worker->listen_fd) != 0 ||
	    uv_async_init(worker->loop, &worker->order, on_order) != 0 ||
	    uv_timer_init(worker->loop, &worker->drain) != 0 ||
	    uv_idle_init(worker->loop, &worker->turn) != 0)
		die("a worker's loop cannot be set up");
	worker->listen_poll.data = worker;
	worker->order.data = worker;
	worker->drain.data = worker;
	worker->turn.data = worker;
	uv_poll_start(&worker->listen_poll, UV_READABLE, on_listen);
}

static void
on_runner(void *arg, bool connected)
{
	struct worker *worker = arg;

	atomic_store(&worker->counters.runner_process,
	    (uint64_t)link_state(worker->link)->process);
	atomic_store(&worker->counters.runner_connected, connected ? 1 : 0);
	if (!connected)
		atomic_store(&worker->counters.revocations_known, 0);
}

static size_t
on_revocation(void *arg)
{
	struct worker *worker = arg;

	atomic_store(&worker->counters.revocations_known, 1);
	return revocation_enforce(worker);
}

struct worker *
worker_new_take(const struct worker_spec *spec, struct err *err)
{
	struct worker *worker = alloc_zero(1, sizeof(*worker));

	worker->gateway = spec->gateway;
	worker->config = spec->config;
	worker->listener = spec->listener;
	worker->transport = spec->listener == LISTENER_PUBLIC
	    ? &transport_tls
	    : &transport_plain;
	worker->snapshot = snapshot_hold(spec->snapshot);
	atomic_init(&worker->serving, spec->snapshot->serial);
	worker->listen_fd = spec->listen_fd;
	worker->reserve_fd = reserve_descriptor();
	worker->shed_told = (struct bucket)BUCKET_INIT(1, SHED_TOLD_MS);
	worker->loop = spec->loop == NULL ? &worker->own_loop : spec->loop;
	if (spec->loop == NULL && uv_loop_init(&worker->own_loop) != 0)
		die("a loop cannot be set up");
	make_limits(worker, spec);
	worker->tokens = token_cache_new(TOKENS_CACHED);
	if (http_open(worker, err) < 0)
		die("%s", err->detail);
	open_handles(worker);
	worker->link = link_open(worker->loop, spec->config->runner_socket,
	    (uid_t)spec->config->runner_uid);
	link_on_change(worker->link, on_runner, worker);
	link_on_revocation(worker->link, on_revocation, worker);
	refusals_open(&worker->refusals, worker->loop, worker->link);
	return worker;
}

static void
serve(void *arg)
{
	struct worker *worker = arg;

	uv_run(worker->loop, UV_RUN_DEFAULT);
	atomic_store(&worker->has_ended, true);
	worker->ended(worker);
}

int
worker_start(struct worker *worker, struct err *err)
{
	if (uv_thread_create(&worker->thread, serve, worker) != 0)
		return err_set(err, ERR_INTERNAL, "a thread cannot be started");
	return 0;
}

void
worker_free(struct worker *worker)
{
	snapshot_release(atomic_exchange(&worker->next, NULL));
	snapshot_release(worker->snapshot);
	handshakes_free(worker->handshakes);
	limits_free(worker->addresses);
	limits_free(worker->failures);
	limits_free(worker->refused);
	limits_free(worker->principals);
	token_cache_free(worker->tokens);
	if (worker->reserve_fd >= 0)
		close(worker->reserve_fd);
	if (worker->loop == &worker->own_loop)
		uv_loop_close(&worker->own_loop);
	free(worker);
}
