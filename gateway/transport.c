/*
 * The plain transport: the operations listener's. Never used for anything
 * that reaches the runner.
 */
#include <errno.h>
#include <sys/socket.h>

#include "gateway/conn.h"
#include "gateway/transport.h"

static enum io_result
accept_at_once(struct conn *conn)
{
	(void)conn;
	return IO_OK;
}

static enum io_result
read_plain(struct conn *conn, void *data, size_t size, size_t *ret_len)
{
	ssize_t n = recv(conn->fd, data, size, 0);

	if (n == 0)
		return IO_END;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? IO_WANT_READ
							 : IO_FAILED;
	*ret_len = (size_t)n;
	conn->readable = *ret_len == size;
	return IO_OK;
}

static enum io_result
write_plain(struct conn *conn, const void *data, size_t len, size_t *ret_len)
{
	ssize_t n = send(conn->fd, data, len, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? IO_WANT_WRITE
							 : IO_FAILED;
	*ret_len = (size_t)n;
	return IO_OK;
}

static void
finish_plain(struct conn *conn)
{
	shutdown(conn->fd, SHUT_WR);
}

static void
done_plain(struct conn *conn)
{
	(void)conn;
}

const struct transport transport_plain = {
    .handshake = accept_at_once,
    .read = read_plain,
    .write = write_plain,
    .finish = finish_plain,
    .done = done_plain,
};
