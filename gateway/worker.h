/*
 * A worker: one thread with its own loop, its own listening socket, its own
 * HTTP daemon and its own connection to the runner. It shares nothing with
 * the others but the configuration and a snapshot that never change.
 *
 * The operations listener is a worker too: on the main thread, with plain
 * transport and its own rows of the route table.
 */
#ifndef GATEWAY_WORKER_H
#define GATEWAY_WORKER_H

#include <uv.h>

#include "certs/principal.h"
#include "gateway/config.h"
#include "gateway/counters.h"
#include "gateway/handshakes.h"
#include "gateway/http.h"
#include "gateway/limits.h"
#include "gateway/link.h"
#include "gateway/refusals.h"
#include "gateway/snapshot.h"
#include "gateway/transport.h"
#include "lib/bucket.h"

#define WORKER_SCRATCH 16384 /* a TLS record */
#define WORKER_DRAIN_S 30

struct conn;
struct gateway;

struct worker {
	struct gateway *gateway; /* all workers, for /metrics */
	const struct config *config;
	enum listener listener;
	const struct transport *transport;
	struct snapshot *snapshot;
	uv_loop_t *loop;
	uv_loop_t own_loop; /* where `loop` points for a thread's */
	uv_thread_t thread;

	int listen_fd, reserve_fd;
	uint64_t shed; /* connections, since that was told of */
	struct bucket shed_told;
	uv_poll_t listen_poll;
	uv_async_t order; /* look at what the main thread wants */
	_Atomic(struct snapshot *) next; /* to be taken up; NULL: none */
	atomic_uint_fast64_t serving; /* the serial of `snapshot` */
	atomic_bool stop;
	uv_timer_t drain;
	bool draining;
	bool stopping; /* operations: others are draining */
	atomic_bool has_ended; /* the thread's loop has */
	bool closed; /* everything is given back; the loop will end */
	void (*ended)(struct worker *worker);

	struct conn *conns; /* all of them */
	struct conn *ready; /* to be moved on in this turn of the loop */
	struct handshakes *handshakes; /* under way */
	uv_idle_t turn; /* moves both on, and libmicrohttpd */
	size_t nconns, conns_max;
	struct limits *addresses; /* open connections */
	struct limits *failures; /* refused handshakes and tokens */
	struct limits *refused; /* tokens, by subject of the certificate */
	struct limits *principals; /* requests */

	struct http http;
	struct link *link;
	struct refusals refusals;
	struct token_cache *tokens;
	struct counters counters;
	char scratch[WORKER_SCRATCH];
};

/* The listening socket is taken over. */
struct worker_spec {
	struct gateway *gateway;
	const struct config *config;
	enum listener listener;
	struct snapshot *snapshot; /* held by the worker too */
	int listen_fd;
	uv_loop_t *loop; /* NULL: its own, on a thread of its own */
};

struct worker *worker_new_take(const struct worker_spec *spec, struct err *err);
/* The thread; `ended` is called on it as the last thing. */
int worker_start(struct worker *worker, struct err *err);
/* From any thread. */
void worker_reload(struct worker *worker, struct snapshot *snapshot);
void worker_drain(struct worker *worker);
/* After the loop has ended. */
void worker_free(struct worker *worker);

/* On the worker's own thread: moves the connection on, soon. */
void worker_make_ready(struct worker *worker, struct conn *conn);
/* The same for a handshake that can go on, when its turn comes. */
void worker_make_due(struct worker *worker, struct conn *conn);
/* The loop takes a turn before it waits: something is due. */
void worker_turn(struct worker *worker);
void worker_forget_conn(struct worker *worker, struct conn *conn);

/* A listening socket, shared with SO_REUSEPORT where `shared` says so. */
int worker_listen(
    const struct address *address, bool shared, int *ret_fd, struct err *err);

#endif
