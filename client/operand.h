/*
 * What stands on a command line and goes into a path: checked byte by byte.
 */
#ifndef CLIENT_OPERAND_H
#define CLIENT_OPERAND_H

#include <stdbool.h>

#include "lib/clock.h"
#include "lib/err.h"

#define OPERAND_ID UUID_TEXT

/* A task's id, in lower case. ERR_UNPROCESSABLE. */
int operand_read_id(const char *text, char ret[OPERAND_ID], struct err *err);
/* [A-Za-z0-9._-], 1 to 64, or NULL: nothing that a query would have to encode.
 * ERR_UNPROCESSABLE names `what`. */
int operand_check_word(const char *what, const char *text, struct err *err);
/* "HUP", "SIGHUP", "hup" or "1" to "HUP". ERR_UNPROCESSABLE. */
int operand_read_signal(const char *text, char ret[8], struct err *err);

#endif
