/*
 * What a connection of ours may be: TLS 1.3 alone, the context's CA alone, the
 * host's name or address verified, our certificate shown, no session resumed.
 */
#ifndef CLIENT_TLS_H
#define CLIENT_TLS_H

#include <openssl/ssl.h>

#include "client/context.h"
#include "client/fault.h"
#include "client/identity.h"

/* What all connections of a context share. */
struct tls;

/* Once, before OpenSSL is used and before threads. */
void tls_setup(void);

/* Nothing is read or checked yet. The context is borrowed. */
struct tls *tls_new(const struct context *context);
void tls_free(struct tls *tls);

/*
 * A fresh process spends its time here, so there are two steps for whoever has
 * something to wait for meanwhile; without them it is done where it is needed.
 * tls_warm(): what our first flight needs, 1.3 ms; beside connecting.
 * tls_load(): CA, certificate and key, which the server's answer needs, 0.7 ms;
 * beside its flight. -1: *fault says what of the context cannot be used, now
 * and ever.
 */
void tls_warm(struct tls *tls);
int tls_load(struct tls *tls, struct fault *fault);
/* After tls_load(): for what else is to be signed. */
const struct identity *tls_identity(const struct tls *tls);

/* For one connection to this host, a name or an address. */
SSL *tls_start(struct tls *tls, const char *host, int fd);

/*
 * What the end of SSL_do_handshake(), SSL_read() or SSL_write() with `result`
 * means, where it is not that it is to be called again (FAULT_NONE).
 * `errnum`: as it was then.
 */
struct fault tls_explain(SSL *ssl, int result, int errnum, bool shaking);

#endif
