/*
 * SHA-256, hexadecimal, base64 in both alphabets, randomness. The decoders
 * trust no byte; nothing here keeps anything.
 */
#include "lib/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"

/* Of EVP_sha256() OpenSSL 3 looks up the implementation at each use, under
 * locks, which takes as long as hashing a record does. */
static EVP_MD *sha256;

static void
fetch_sha256(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

void
digest_sha256(const void *data, size_t len, uint8_t ret[SHA256_BYTES])
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	unsigned n = 0;

	(void)pthread_once(&once, fetch_sha256);
	if (sha256 == NULL ||
	    EVP_Digest(data, len, ret, &n, sha256, NULL) != 1 ||
	    n != SHA256_BYTES)
		die("SHA-256 is not available");
}

void
digest_sha256_hex(const void *data, size_t len, char ret[SHA256_HEX])
{
	uint8_t digest[SHA256_BYTES];

	digest_sha256(data, len, digest);
	hex_encode(digest, sizeof(digest), ret);
}

void
hex_encode(const uint8_t *data, size_t len, char *ret)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		ret[2 * i] = digits[data[i] >> 4];
		ret[2 * i + 1] = digits[data[i] & 15];
	}
	ret[2 * len] = '\0';
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
hex_decode(const char *hex, size_t len, uint8_t *ret, size_t size)
{
	if (len % 2 != 0 || len / 2 != size)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (hex_digit(hex[i]) < 0)
			return false;
	}
	for (size_t i = 0; i < size; i++)
		ret[i] = (uint8_t)(hex_digit(hex[2 * i]) * 16 +
		    hex_digit(hex[2 * i + 1]));
	return true;
}

/* RFC 4648 sections 4 and 5: they differ in the last two digits alone. */
static const char standard[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Without padding; room for it stands behind. */
static char *
encode(const char *alphabet, const uint8_t *bytes, size_t len)
{
	char *text = NULL;
	char *to = NULL;

	if (len > SIZE_MAX / 2)
		die("base64: %zu bytes", len);
	text = alloc_zero(len / 3 * 4 + 5, 1);
	to = text;
	for (size_t i = 0; i < len; i += 3) {
		size_t left = len - i;
		uint32_t word = (uint32_t)bytes[i] << 16 |
		    (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
		    (left > 2 ? bytes[i + 2] : 0);

		*to++ = alphabet[word >> 18];
		*to++ = alphabet[word >> 12 & 63];
		if (left > 1)
			*to++ = alphabet[word >> 6 & 63];
		if (left > 2)
			*to++ = alphabet[word & 63];
	}
	return text;
}

static int
digit_of(const char *alphabet, char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == alphabet[62])
		return 62;
	return c == alphabet[63] ? 63 : -1;
}

static bool
decode(const char *alphabet, const char *text, size_t len, uint8_t **ret,
    size_t *ret_len)
{
	auto_free uint8_t *bytes = NULL;
	uint32_t word = 0;
	unsigned bits = 0;
	size_t n = 0;

	if (len % 4 == 1)
		return false;
	bytes = alloc_zero(len / 4 * 3 + 4, 1);
	for (size_t i = 0; i < len; i++) {
		int digit = digit_of(alphabet, text[i]);

		if (digit < 0)
			return false;
		word = word << 6 | (uint32_t)digit;
		bits += 6;
		if (bits < 8)
			continue;
		bits -= 8;
		bytes[n++] = (uint8_t)(word >> bits);
		word &= (1U << bits) - 1;
	}
	/* RFC 4648 3.5: two texts must not mean the same bytes. */
	if (word != 0)
		return false;
	*ret = take(bytes);
	*ret_len = n;
	return true;
}

char *
base64_encode(const void *data, size_t len)
{
	char *text = encode(standard, data, len);

	for (size_t end = strlen(text); end % 4 != 0; end++)
		text[end] = '=';
	return text;
}

bool
base64_decode(const char *text, size_t len, uint8_t **ret, size_t *ret_len)
{
	size_t digits = len;

	if (len % 4 != 0)
		return false;
	for (int k = 0; k < 2 && digits > 0 && text[digits - 1] == '='; k++)
		digits--;
	return decode(standard, text, digits, ret, ret_len);
}

char *
base64url_encode(const void *data, size_t len)
{
	return encode(url, data, len);
}

bool
base64url_decode(const char *text, size_t len, uint8_t **ret, size_t *ret_len)
{
	return decode(url, text, len, ret, ret_len);
}

void
random_bytes(void *ret, size_t len)
{
	uint8_t *to = ret;

	while (len > 0) {
		ssize_t n = getrandom(to, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			die("getrandom failed: %s", strerror(errno));
		to += n;
		len -= (size_t)n;
	}
}
