/*
 * Requests signed. A trust line: only the user's tool links this.
 */
#ifndef CERTS_SIGNATURE_MAKE_H
#define CERTS_SIGNATURE_MAKE_H

#include "certs/signature.h"

/* How long what we make holds: long enough for a slow upload, and no longer,
 * since whoever it passes by could hold it back. */
#define SIGNATURE_LIFETIME_S 120

/* The values of Signature-Input and Signature; the caller frees both.
 * ERR_UNPROCESSABLE: a key that no certificate may have. */
int signature_make(const struct signed_request *request,
    const struct signature_key *key, int64_t now_s, char **ret_input,
    char **ret_value, struct err *err);

#endif
