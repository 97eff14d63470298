/*
 * What a connection of ours may be: TLS 1.3 alone, the context's CA alone, the
 * host's name or address verified, our certificate shown, no session resumed.
 */
#ifndef CLIENT_TLS_H
#define CLIENT_TLS_H

#include <openssl/ssl.h>

#include "client/context.h"
#include "client/fault.h"

/* Once, before OpenSSL is used and before threads. */
void tls_setup(void);

/* NULL: *fault says what of the context cannot be used. */
SSL_CTX *tls_open(const struct context *context, struct fault *fault);
/* For one connection to this host, a name or an address. */
SSL *tls_start(SSL_CTX *ctx, const char *host, int fd);

/*
 * What the end of SSL_do_handshake(), SSL_read() or SSL_write() with `result`
 * means, where it is not that it is to be called again (FAULT_NONE).
 * `errnum`: as it was then.
 */
struct fault tls_explain(SSL *ssl, int result, int errnum, bool shaking);

#endif
