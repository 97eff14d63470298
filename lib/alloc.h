/*
 * Memory, or the end: sizes are bounded before memory is asked for, so running
 * out means that the machine is broken. The process then dies and supervision
 * starts it again; nothing is lost, because records come before effects.
 */
#ifndef LIB_ALLOC_H
#define LIB_ALLOC_H

#include <stddef.h>

/* Prints one line to standard error and aborts. A programmer's error. */
_Noreturn void
die(const char *format, ...) __attribute__((format(printf, 1, 2)));

void *alloc_zero(size_t count, size_t size);
void *alloc_resize(void *old, size_t count, size_t size);
char *alloc_string(const char *s);
/* A copy of len bytes with a NUL behind them. */
char *alloc_bytes(const void *data, size_t len);
char *
alloc_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
