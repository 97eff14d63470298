/*
 * What the user's own certificate and token say of themselves. Nothing is
 * verified here, and nothing is decided by it but what a person is told: the
 * server judges.
 */
#ifndef CLIENT_CREDENTIAL_H
#define CLIENT_CREDENTIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "client/context.h"
#include "lib/digest.h"

struct certificate_facts {
	int64_t not_before_s, not_after_s;
	char thumbprint[SHA256_BASE64URL];
};

struct token_facts {
	int64_t not_before_s, expires_s;
	char thumbprint[SHA256_BASE64URL]; /* of the certificate it is for */
};

/* The first certificate of a PEM text. ERR_UNPROCESSABLE. */
int credential_read_certificate(
    const char *pem, struct certificate_facts *ret, struct err *err);
/* ERR_UNPROCESSABLE; the detail holds no byte of the token. */
int credential_read_token(
    const char *token, struct token_facts *ret, struct err *err);

/*
 * Why the server may have refused this context at this time, with what helps:
 * an expired or not yet valid certificate or token, one that is bound to
 * another certificate. NULL: nothing that can be seen from here. The caller
 * frees.
 */
char *credential_explain(const struct context *context, int64_t now_s);

#endif
