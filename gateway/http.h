/*
 * libmicrohttpd on the worker's loop: it runs when something was done that it
 * must see, and never blocks or listens.
 */
#ifndef GATEWAY_HTTP_H
#define GATEWAY_HTTP_H

#include <microhttpd.h>
#include <stdbool.h>
#include <uv.h>

#include "lib/err.h"

struct conn;
struct exchange;
struct problem;
struct worker;

/* What an MHD connection and ours know of each other. It lives as long as the
 * MHD connection, which may still hold bytes of a client that has gone. */
struct passage {
	struct conn *conn; /* NULL: the client has gone */
};

struct http {
	struct MHD_Daemon *daemon;
	uv_timer_t timer;
	bool due; /* to be run in the worker's next turn */
	struct passage *arriving; /* while MHD_add_connection() runs */
};

int http_open(struct worker *worker, struct err *err);
/* No exchange may be left. The timer is closed with `closed`. */
void http_close(struct worker *worker, uv_close_cb closed);

/* Bytes went to the other side of one of MHD's sockets, were taken from there
 * while it has more to say, or that side was closed. */
void http_make_due(struct worker *worker);
void http_run_due(struct worker *worker);

/* The MHD side of a pair; taken over in every case. Sets conn->passage. */
int http_add_connection_take(struct conn *conn, int fd);
/* MHD goes on with the exchange, which has an answer or has been abandoned. */
void http_resume(struct exchange *exchange);

/* Counts, logs and reports what the connection itself refused. */
void http_report_refusal(struct conn *conn, const struct problem *problem);

#endif
