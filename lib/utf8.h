/*
 * UTF-8 (RFC 3629), strictly: no overlong forms, no surrogates, nothing above
 * U+10FFFF.
 */
#ifndef LIB_UTF8_H
#define LIB_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buffer.h"

/* The number of bytes of the character at s (1 to 4), or 0 where there is
 * none. *ret_character may be NULL. */
size_t utf8_decode(const char *s, size_t len, uint32_t *ret_character);
bool utf8_is_valid(const char *s, size_t len);

/* C0, DEL, C1, the line and paragraph separators, and the controls that turn
 * the direction of writing. */
bool utf8_is_control(uint32_t character);

/* Appends the text with controls and invalid bytes written as \xNN. */
void utf8_append_neutral(struct buffer *buffer, const char *s, size_t len);

#endif
