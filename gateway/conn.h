/*
 * One connection: handshake, guard, bytes between the client and
 * libmicrohttpd, and every deadline.
 *
 *	HANDSHAKE -> IDLE -> HEAD -> BUSY -> IDLE ...
 *	                 \->  ENDING -> LINGERING -> CLOSED
 *
 * What libmicrohttpd sees is one accepted head and exactly as many body bytes
 * as it announced; the next request only when the answer to the one before has
 * left.
 */
#ifndef GATEWAY_CONN_H
#define GATEWAY_CONN_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <uv.h>

#include "gateway/address.h"
#include "gateway/guard.h"
#include "gateway/limits.h"
#include "gateway/tls.h"
#include "lib/buffer.h"
#include "lib/clock.h"

struct exchange;
struct worker;

enum conn_state {
	CONN_HANDSHAKE,
	CONN_IDLE, /* between requests */
	CONN_HEAD, /* some of a head has come */
	CONN_BUSY, /* a request is with MHD */
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
	SSL *ssl;
	struct tls_peer peer;
	uint64_t judge; /* serial of the snapshot that verified `peer` */
	struct address address;
	char address_text[ADDRESS_TEXT];
	struct limits_key address_key;

	uv_poll_t socket_poll;
	uv_poll_t *pair_poll; /* while there is a pair */
	uv_timer_t deadline;
	unsigned handles; /* not closed yet */
	int socket_events, pair_events; /* watched */

	struct buffer in; /* from the client, not yet MHD's */
	struct buffer out; /* to the client, not yet the transport's */
	struct guard guard;
	uint64_t forward; /* bytes of this request that are still to go to MHD*/
	struct exchange *exchange;
	char request_id[UUID_TEXT];
	int64_t started_us;
	bool wants_write; /* the transport must write before it can read */
	bool input_ended; /* close_notify came: no more requests */
	bool peer_gone; /* and the socket's other side was closed */
	bool answered; /* some of the answer has gone out */
	bool completed; /* MHD has written all of the answer */
	bool cut; /* MHD gave the answer up */
	bool pair_ended; /* MHD has closed */
	bool surplus; /* bytes came that belong to no request yet */
	bool last; /* no request after this one */
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

/* pump.c's: true where something moved. */
bool pump_read(struct conn *conn, size_t room);
bool pump_flush(struct conn *conn);
bool pump_forward(struct conn *conn);
bool pump_answer(struct conn *conn);

#endif
