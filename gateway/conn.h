/*
 * One connection: handshake, guard, bytes between the client and
 * libmicrohttpd, and every deadline.
 *
 *	HANDSHAKE -> IDLE -> HEAD -> BUSY -> IDLE ...
 *	                 \->  ENDING -> LINGERING -> CLOSED
 *
 * and BUSY -> PAUSED -> IDLE after a request too many.
 *
 * What libmicrohttpd sees is one accepted head and exactly as many body bytes
 * as it announced, or the chunks that the guard has accepted; the next request
 * only when the answer to the one before has left.
 */
#ifndef GATEWAY_CONN_H
#define GATEWAY_CONN_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <uv.h>

#include "gateway/address.h"
#include "gateway/guard.h"
#include "gateway/handshakes.h"
#include "gateway/limits.h"
#include "gateway/tls.h"
#include "lib/buffer.h"
#include "lib/clock.h"

struct exchange;
struct passage;
struct problem;
struct snapshot;
struct worker;

enum conn_state {
	CONN_HANDSHAKE,
	CONN_IDLE, /* between requests */
	CONN_HEAD, /* some of a head has come */
	CONN_BUSY, /* a request is with MHD */
	CONN_PAUSED, /* too many requests: nothing is read for a while */
	CONN_ENDING, /* the last bytes are on their way */
	CONN_LINGERING, /* until the client has closed too */
	CONN_CLOSED,
	CONN_STATES
};

struct conn {
	struct worker *worker;
	struct conn *next, *prev; /* of the worker's list */
	struct conn *next_ready;
	bool is_ready; /* in the worker's ready list */

	enum conn_state state;
	int fd;
	int pair; /* our end; -1: none */
	struct handshake handshake; /* its place while it is under way */
	SSL *ssl;
	struct tls_peer peer;
	struct snapshot *judging; /* held until the handshake is over */
	uint64_t judge; /* serial of the snapshot that verified `peer` */
	struct address address;
	char address_text[ADDRESS_TEXT];
	struct limits_key address_key;

	uv_poll_t socket_poll;
	uv_poll_t *pair_poll; /* while there is a pair */
	uv_timer_t deadline;
	unsigned handles; /* not closed yet */
	int socket_events, pair_events; /* watched */
	/* Reading may give something: it was not found empty since. */
	bool readable, pair_readable;

	struct buffer in; /* from the client, not yet MHD's */
	struct buffer out; /* to the client, not yet the transport's */
	struct guard guard;
	uint64_t forward; /* bytes of this request that are still to go to MHD*/
	bool chunked; /* more of them will follow, as they come */
	bool streams; /* the route passes the body on as it comes */
	bool may_be_quiet; /* and it may take as long as it likes */
	uint64_t arrived, judged; /* bytes of the body: in all, last time */
	struct exchange *exchange;
	struct passage *passage; /* while there is a pair */
	char request_id[UUID_TEXT];
	bool wants_write; /* the transport must write before it can read */
	bool input_ended; /* close_notify came: no more requests */
	bool peer_gone; /* and the socket's other side was closed */
	bool answered; /* some of the answer has gone out */
	bool completed; /* MHD has written all of the answer */
	bool cut; /* MHD gave the answer up */
	bool pair_ended; /* MHD has closed */
	bool surplus; /* bytes came that belong to no request yet */
	bool last; /* no request after this one */
	int64_t pause_ms; /* after this request; 0: none */
	bool revoked; /* for that reason */
};

/* Takes the descriptor over. */
void
conn_accept_take(struct worker *worker, int fd, const struct address *address);
/* Does whatever can be done now. */
void conn_advance(struct conn *conn);
/* MHD has finished with the request. */
void conn_completed(struct conn *conn);
/* No request after the one that is under way; at once if there is none. */
void conn_drain(struct conn *conn);
/* At once, whatever is under way. */
void conn_abort(struct conn *conn);

/* ---- the parts of conn_*.c and pump.c among themselves ---- */

/* How long an idle connection keeps its MHD side: 32 KiB, two descriptors. */
#define CONN_PAIR_IDLE_MS 2000
#define CONN_BODY_WINDOW 16384
#define CONN_LINGER_MS 2000
#define CONN_PAUSE_MAX_MS 1000

/* One for each state; each returns whether anything moved. */
extern bool (*const conn_steps[CONN_STATES])(struct conn *conn);

void conn_set_deadline(struct conn *conn, int64_t ms);
/* MHD sees the end of its side and gives the request up. */
void conn_close_pair(struct conn *conn);
void conn_become_idle(struct conn *conn);
/* Sends what is left, then finishes. */
void conn_end(struct conn *conn);
/* Says that no more is coming, and throws away what the client still sends:
 * closing at once would reset the connection, and the client could lose the
 * answer (RFC 9112 9.6). */
void conn_finish(struct conn *conn);
/* The connection's own last word, for what MHD will not answer. */
void conn_refuse(struct conn *conn, const struct err *err);
/* The same for a request that a handler has refused already, before MHD would
 * take an answer. */
void conn_answer(struct conn *conn, const struct problem *problem);
void
conn_refuse_with(struct conn *conn, enum err_code code, const char *detail);
void conn_report_handshake(struct conn *conn);
/* Its place is somebody else's now. */
void conn_leave_handshakes(struct conn *conn);
/* Tells the loop what to wake it for. */
void conn_watch(struct conn *conn);
/* How much may be read while a request is under way: its body, and one byte
 * more, to notice that the client has gone or does not wait its turn. */
size_t conn_busy_room(const struct conn *conn);
/* Some of the body has not come yet. */
bool conn_lacks_body(const struct conn *conn);

/* True where something moved. */
bool pump_read(struct conn *conn, size_t room);
bool pump_flush(struct conn *conn);
bool pump_forward(struct conn *conn);
bool pump_answer(struct conn *conn);

#endif
