/*
 * SHA-256, hexadecimal, base64 (RFC 4648 section 4, padded) and base64url
 * (section 5, without padding).
 */
#ifndef LIB_DIGEST_H
#define LIB_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32
#define SHA256_HEX 65 /* with the NUL */
#define SHA256_BASE64URL 44 /* with the NUL */

void digest_sha256(const void *data, size_t len, uint8_t ret[SHA256_BYTES]);
void digest_sha256_hex(const void *data, size_t len, char ret[SHA256_HEX]);

void hex_encode(const uint8_t *data, size_t len, char *ret);
/* Lower-case digits only; false unless exactly `size` bytes come of it. */
bool hex_decode(const char *hex, size_t len, uint8_t *ret, size_t size);

/* Padded; the caller frees. */
char *base64_encode(const void *data, size_t len);
/* As strict as base64url_decode(), and the padding must be there. */
bool
base64_decode(const char *text, size_t len, uint8_t **ret, size_t *ret_len);

/* The caller frees. */
char *base64url_encode(const void *data, size_t len);
/*
 * Strict: no padding, no blanks, the unused bits of the last character zero.
 * *ret (the caller frees, a NUL stands behind it) and *ret_len on true.
 */
bool
base64url_decode(const char *text, size_t len, uint8_t **ret, size_t *ret_len);

/* Random bytes of the kernel's; dies if there are none. */
void random_bytes(void *ret, size_t len);

#endif
