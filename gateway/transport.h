/*
 * How a connection's bytes travel: through TLS, or plainly on the loopback
 * listener of the operations interface. Nothing here blocks.
 */
#ifndef GATEWAY_TRANSPORT_H
#define GATEWAY_TRANSPORT_H

#include <stddef.h>

struct conn;

enum io_result {
	IO_OK,
	IO_WANT_READ,
	IO_WANT_WRITE,
	IO_END, /* the peer has ended its side in order */
	IO_FAILED /* anything else, such as an end without close_notify */
};

/* Bytes that a transport has taken from the kernel and not given on, at most:
 * TLS reads ahead. */
#define TRANSPORT_HELD_MAX 32768

struct transport {
	/* IO_OK when data may flow. */
	enum io_result (*handshake)(struct conn *conn);
	/* Clears conn->readable where there is no more for now. */
	enum io_result (*read)(
	    struct conn *conn, void *data, size_t size, size_t *ret_len);
	enum io_result (*write)(
	    struct conn *conn, const void *data, size_t len, size_t *ret_len);
	/* Says that no more is coming; the socket stays open for reading. */
	void (*finish)(struct conn *conn);
	void (*done)(struct conn *conn);
};

extern const struct transport transport_tls;
extern const struct transport transport_plain;

#endif
