/*
 * The command that helps: what a person can do about a failure.
 */
#ifndef CLIENT_ADVICE_H
#define CLIENT_ADVICE_H

#include "client/context.h"
#include "client/failure.h"

/* About a context that could not be used. */
void advice_for_context(const struct err *err, struct failure *failure);
/* About what a server answered, or that none did. For a refused certificate
 * or token the detail says what can be seen from here. */
void advice_for_reply(
    const struct context *context, int64_t now_s, struct failure *failure);

/* Whom to ask for a new token, or for everything. The caller frees. */
char *advice_token(const struct context *context);
char *advice_enroll(const struct context *context);

#endif
