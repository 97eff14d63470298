/*
 * Standard input that goes along with the order: the bytes of --stdin.
 */
#ifndef CLIENT_STANDARD_INPUT_H
#define CLIENT_STANDARD_INPUT_H

#include <jansson.h>
#include <stddef.h>

#include "client/failure.h"

/* In base64 it still fits into an order. */
#define STANDARD_INPUT_MAX (700 * 1024)

/* A file, or all of our own ("-"). The caller frees *ret. */
int standard_input_read(
    const char *path, char **ret, size_t *ret_len, struct failure *failure);
/* "stdin" of an order: text where it is, else base64. Pure. */
json_t *standard_input_render(const char *data, size_t len);

#endif
