/*
 * Whether a request was signed by who asks. Looked at here so that what does
 * not hold is refused at the door; the runner verifies the same two fields
 * again, which go to it as they came.
 */
#ifndef GATEWAY_SIGNED_H
#define GATEWAY_SIGNED_H

#include <jansson.h>

#include "certs/signature.h"

struct exchange;

/* *ret: the fields of a signature that holds over all of the body and `key`
 * (the Idempotency-Key, or NULL), borrowed from the request; both NULL where
 * there are none. ERR_UNAUTHENTICATED. */
int signed_read(const struct exchange *x, const char *key,
    struct signature *ret, struct err *err);

/* An Idempotency-Key; NULL: none, which may be. ERR_MALFORMED. */
int signed_check_key(const char *key, struct err *err);
/* Both, as far as they are there, to what the runner is asked. */
void signed_add_members(
    const char *key, const struct signature *signature, json_t *members);

#endif
