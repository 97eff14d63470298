/*
 * The nonce of a request (docs/api.md): what two requests with the same one
 * ask for is done once.
 */
#ifndef LIB_IDEMPOTENCY_KEY_H
#define LIB_IDEMPOTENCY_KEY_H

#include <stdbool.h>

#define IDEMPOTENCY_KEY_MAX 64 /* bytes */

/* 1 to 64 bytes of [A-Za-z0-9_-]. */
bool idempotency_key_is_valid(const char *key);

#endif
