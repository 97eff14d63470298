/*
 * TLS by OpenSSL: version 1.3 alone, a client certificate always, nothing
 * resumed. No file or variable of the environment can loosen it.
 *
 * Trusts the CA bundle it is given. Must never let a handshake succeed whose
 * certificate certificate_verify() did not accept.
 */
#ifndef GATEWAY_TLS_H
#define GATEWAY_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "certs/certificate.h"
#include "lib/err.h"

/* What a handshake found out about the peer. */
struct tls_peer {
	bool verified; /* certificate holds what certificate_verify() gave */
	struct certificate certificate;
	struct err err; /* why it was not */
};

/* Once, before any other use of OpenSSL; dies if it cannot. */
void tls_init(void);

/* The server's side. `trust` must outlive it. *ret_not_after_s: when our own
 * certificate ends. */
SSL_CTX *tls_context_new(const char *certificate_path, const char *key_path,
    const struct trust *trust, int64_t *ret_not_after_s, struct err *err);

/* Non-blocking on fd; `peer` is filled by the handshake and must outlive it.
 */
SSL *tls_open(SSL_CTX *context, int fd, struct tls_peer *peer);

/* After the handshake, once more from what OpenSSL has: a certificate is
 * there, its verification said yes, and it is the one that was verified. */
bool tls_peer_is_verified(SSL *ssl, const struct tls_peer *peer);

#endif
