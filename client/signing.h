/*
 * Requests signed with the key of the user's certificate.
 */
#ifndef CLIENT_SIGNING_H
#define CLIENT_SIGNING_H

#include <stdint.h>

#include "client/http.h"
#include "client/identity.h"

/*
 * The lines of a head that sign a request with a body and a key, for some
 * minutes from now on. ERR_UNPROCESSABLE: the key cannot.
 */
int signing_add_fields(const struct identity *identity, const char *token,
    const struct http_request *request, int64_t now_s, struct buffer *ret,
    struct err *err);

#endif
