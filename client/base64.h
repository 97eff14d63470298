/*
 * Base64 with padding (RFC 4648 section 4): output that is not text, inside
 * JSON.
 */
#ifndef CLIENT_BASE64_H
#define CLIENT_BASE64_H

#include <stdbool.h>
#include <stddef.h>

/* The caller frees. */
char *base64_encode(const void *data, size_t len);
/* Strict: no blanks, padding where it belongs. *ret (the caller frees, a NUL
 * stands behind it) and *ret_len on true. */
bool base64_decode(const char *text, size_t len, char **ret, size_t *ret_len);

#endif
