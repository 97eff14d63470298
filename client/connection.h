/*
 * One TLS connection that never blocks: looking the host up, connecting,
 * shaking hands, then bytes in both directions.
 */
#ifndef CLIENT_CONNECTION_H
#define CLIENT_CONNECTION_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/fault.h"
#include "client/tls.h"
#include "client/url.h"

struct lookup;

enum connection_state {
	CONNECTION_LOOKING_UP,
	CONNECTION_CONNECTING,
	CONNECTION_SHAKING,
	CONNECTION_OPEN,
	CONNECTION_FAILED
};

#define CONNECTION_IN_SIZE (64 * 1024)

struct connection {
	enum connection_state state;
	struct fault fault; /* why it failed */
	struct tls *tls; /* borrowed */
	const struct url *url; /* borrowed */
	struct lookup *lookup;
	int fd;
	SSL *ssl;
	bool wants_out; /* nothing moves until there is room */
	bool wants_in; /* nothing more has come yet */
	bool is_reused; /* it has served before */
	bool is_ended; /* the other side has said so in good order */
	int64_t try_until_ms; /* of this address, while there is another */
	/* What has come and is not read yet. */
	size_t in_start, in_end;
	char in[CONNECTION_IN_SIZE];
};

/* Begins: connecting is under way, unless a name is looked up first. */
struct connection *connection_open(struct tls *tls, const struct url *url);
void connection_close(struct connection *connection);

/* Moves on until it is open, has failed, or must wait. */
void connection_shake(struct connection *connection);
/* What to wait for; how long at most goes down in *timeout_ms. */
struct pollfd
connection_wants(const struct connection *connection, int64_t *timeout_ms);

/* Of one that is open. How many bytes went out or came in (into in[]); 0: not
 * now, or is_ended; -1: it has failed. */
ssize_t
connection_write(struct connection *connection, const char *data, size_t len);
ssize_t connection_read(struct connection *connection);
void connection_consume(struct connection *connection, size_t len);
/* Nothing was said since its last use: it can serve again. */
bool connection_is_idle(struct connection *connection);

#endif
