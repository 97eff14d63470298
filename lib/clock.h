/*
 * The clocks, and how we write time. Functions that decide take the time as a
 * parameter; only edges ask here.
 */
#ifndef LIB_CLOCK_H
#define LIB_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Milliseconds since the epoch, UTC. */
int64_t clock_wall_ms(void);
/* CLOCK_BOOTTIME: for deadlines; goes on while the machine sleeps. */
int64_t clock_boot_ms(void);
/* The same, finer: for how long a stage took. */
int64_t clock_boot_us(void);

#define CLOCK_TEXT 25 /* "2026-01-02T03:04:05.678Z" and NUL */
/* RFC 3339, UTC, milliseconds. */
void clock_format(int64_t wall_ms, char ret[CLOCK_TEXT]);
/* Accepts what clock_format() writes, and the same without milliseconds. */
bool clock_parse(const char *text, int64_t *ret_wall_ms);

#define UUID_TEXT 37
/* RFC 9562 version 7, lower case; sorts by time of making. Not for what must
 * stay secret, nor after a fork(): the two would make the same. */
void uuid_make(int64_t wall_ms, char ret[UUID_TEXT]);
bool uuid_is_valid(const char *text);

#endif
