/* A moment as people write it on a command line. Pure. */
#ifndef LIB_WHEN_H
#define LIB_WHEN_H

#include <stdbool.h>
#include <stdint.h>

/* A date, a time (RFC 3339, UTC), or how long ago: "7d". */
bool when_parse(const char *text, int64_t now_ms, int64_t *ret_ms);

#endif
