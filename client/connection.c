/*
 * Connections. Decides nothing about requests; what comes is bytes.
 */
#include "client/connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/lookup.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"

#define LOOKUP_POLL_MS 5 /* it has no descriptor to wait for */
/* Before the next address is tried, where there are more. */
#define NEXT_ADDRESS_MS 2000

static void
fail(struct connection *connection, enum fault_kind kind, const char *detail)
{
	fault_set(&connection->fault, kind, detail);
	connection->state = CONNECTION_FAILED;
}

void
connection_close(struct connection *connection)
{
	SSL_free(connection->ssl);
	if (connection->fd >= 0)
		close(connection->fd);
	lookup_free(connection->lookup);
	free(connection);
}

/* A server that is gone without a word is noticed within half a minute, also
 * while a stream is silent. */
static void
set_options(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
	    {IPPROTO_TCP, TCP_NODELAY, 1},
	    {SOL_SOCKET, SO_KEEPALIVE, 1},
	    {IPPROTO_TCP, TCP_KEEPIDLE, 10},
	    {IPPROTO_TCP, TCP_KEEPINTVL, 5},
	    {IPPROTO_TCP, TCP_KEEPCNT, 4},
	    {IPPROTO_TCP, TCP_USER_TIMEOUT, 30000},
	};

	for (size_t i = 0; i < COUNT(options); i++)
		setsockopt(fd, options[i].level, options[i].name,
		    &options[i].value, sizeof(options[i].value));
}

/* The next address, as long as there is one. */
static void
connect_next(struct connection *connection, int errnum)
{
	const struct addrinfo *address = NULL;

	if (connection->fd >= 0)
		close(connection->fd);
	connection->fd = -1;
	while ((address = lookup_next(connection->lookup)) != NULL) {
		connection->fd = socket(address->ai_family,
		    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (connection->fd < 0) {
			errnum = errno;
			continue;
		}
		set_options(connection->fd);
		if (connect(connection->fd, address->ai_addr,
			address->ai_addrlen) == 0 ||
		    errno == EINPROGRESS) {
			connection->state = CONNECTION_CONNECTING;
			connection->wants_out = true;
			connection->try_until_ms =
			    clock_boot_ms() + NEXT_ADDRESS_MS;
			return;
		}
		errnum = errno;
		close(connection->fd);
		connection->fd = -1;
	}
	fail(connection, FAULT_NOT_CONNECTED, strerror(errnum));
}

static bool
look_up(struct connection *connection)
{
	const char *error = NULL;

	switch (lookup_take(connection->lookup, &error)) {
	case LOOKUP_WAITING:
		return false;
	case LOOKUP_FAILED:
		fail(connection, FAULT_NO_HOST, error);
		return true;
	case LOOKUP_FOUND:
		break;
	}
	connect_next(connection, EADDRNOTAVAIL);
	return true;
}

struct connection *
connection_open(struct tls *tls, const struct url *url)
{
	struct connection *connection = alloc_zero(1, sizeof(*connection));

	connection->state = CONNECTION_LOOKING_UP;
	connection->tls = tls;
	connection->url = url;
	connection->fd = -1;
	connection->lookup = lookup_start(url->host, url->port);
	look_up(connection);
	return connection;
}

static bool
finish_connect(struct connection *connection)
{
	struct pollfd fd = {connection->fd, POLLOUT, 0};
	socklen_t size = sizeof(int);
	int errnum = 0;

	if (poll(&fd, 1, 0) != 1) {
		if (!lookup_has_more(connection->lookup) ||
		    clock_boot_ms() < connection->try_until_ms)
			return false;
		errnum = ETIMEDOUT;
	} else if (getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &errnum,
		       &size) != 0) {
		errnum = errno;
	}
	if (errnum != 0) {
		connect_next(connection, errnum);
		return true;
	}
	connection->ssl =
	    tls_start(connection->tls, connection->url->host, connection->fd);
	connection->state = CONNECTION_SHAKING;
	return true;
}

/* Returns whether it goes on; what it waits for is in wants_*. */
static bool
take_result(struct connection *connection, int result, int errnum)
{
	struct fault fault = tls_explain(connection->ssl, result, errnum,
	    connection->state == CONNECTION_SHAKING);

	connection->wants_out = false;
	connection->wants_in = false;
	if (fault.kind != FAULT_NONE) {
		connection->fault = fault;
		connection->state = CONNECTION_FAILED;
		return false;
	}
	connection->wants_out = SSL_want_write(connection->ssl);
	connection->wants_in = !connection->wants_out;
	return true;
}

static bool
shake_hands(struct connection *connection)
{
	int result;

	errno = 0;
	ERR_clear_error();
	result = SSL_do_handshake(connection->ssl);
	if (result != 1) {
		take_result(connection, result, errno);
		return false;
	}
	connection->state = CONNECTION_OPEN;
	connection->wants_out = false;
	connection->wants_in = false;
	return true;
}

void
connection_shake(struct connection *connection)
{
	static bool (*const steps[])(struct connection *) = {
	    [CONNECTION_LOOKING_UP] = look_up,
	    [CONNECTION_CONNECTING] = finish_connect,
	    [CONNECTION_SHAKING] = shake_hands,
	    [CONNECTION_FAILED] = NULL,
	};

	while (steps[connection->state] != NULL &&
	    steps[connection->state](connection))
		;
}

struct pollfd
connection_wants(const struct connection *connection, int64_t *timeout_ms)
{
	struct pollfd wants = {connection->fd, 0, 0};

	if (connection->state == CONNECTION_LOOKING_UP &&
	    *timeout_ms > LOOKUP_POLL_MS)
		*timeout_ms = LOOKUP_POLL_MS;
	if (connection->state == CONNECTION_CONNECTING &&
	    lookup_has_more(connection->lookup) &&
	    *timeout_ms > NEXT_ADDRESS_MS)
		*timeout_ms = NEXT_ADDRESS_MS;
	if (connection->wants_out)
		wants.events |= POLLOUT;
	if (connection->wants_in)
		wants.events |= POLLIN;
	return wants;
}

ssize_t
connection_write(struct connection *connection, const char *data, size_t len)
{
	size_t done = 0;
	int result;

	errno = 0;
	ERR_clear_error();
	result = SSL_write_ex(connection->ssl, data, len, &done);
	if (result == 1) {
		connection->wants_out = false;
		return (ssize_t)done;
	}
	return take_result(connection, result, errno) ? 0 : -1;
}

/* A server ends in good order by close_notify; a connection that just ends
 * may have been cut by anybody on the way. */
ssize_t
connection_read(struct connection *connection)
{
	size_t done = 0;
	bool out = connection->wants_out;
	int result;

	if (connection->in_start > 0) {
		memmove(connection->in, connection->in + connection->in_start,
		    connection->in_end - connection->in_start);
		connection->in_end -= connection->in_start;
		connection->in_start = 0;
	}
	if (connection->in_end == CONNECTION_IN_SIZE)
		return 0;
	errno = 0;
	ERR_clear_error();
	result =
	    SSL_read_ex(connection->ssl, connection->in + connection->in_end,
		CONNECTION_IN_SIZE - connection->in_end, &done);
	if (result == 1) {
		connection->wants_in = false;
		connection->in_end += done;
		return (ssize_t)done;
	}
	if (SSL_get_error(connection->ssl, result) == SSL_ERROR_ZERO_RETURN) {
		connection->is_ended = true;
		return 0;
	}
	if (!take_result(connection, result, errno))
		return -1;
	/* Reading says nothing about whether there is room for writing. */
	connection->wants_out |= out;
	return 0;
}

void
connection_consume(struct connection *connection, size_t len)
{
	connection->in_start += len;
}

bool
connection_is_idle(struct connection *connection)
{
	return connection->state == CONNECTION_OPEN &&
	    connection->in_start == connection->in_end &&
	    connection_read(connection) == 0 && !connection->is_ended;
}
