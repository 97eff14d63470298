/*
 * Base64, both ways. What is decoded comes from the server and may be
 * anything.
 */
#include "client/base64.h"

#include <limits.h>
#include <openssl/evp.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/digest.h"

/* EVP_EncodeBlock() takes an int. */
#define PIECE (3 * 1024 * 1024)

char *
base64_encode(const void *data, size_t len)
{
	const unsigned char *from = data;
	char *text = alloc_zero(len / 3 * 4 + 5, 1);
	char *to = text;

	while (len > 0) {
		size_t piece = len < PIECE ? len : PIECE;

		to += EVP_EncodeBlock((unsigned char *)to, from, (int)piece);
		from += piece;
		len -= piece;
	}
	return text;
}

static size_t
count_padding(const char *text, size_t len)
{
	size_t padding = 0;

	while (padding < 2 && padding < len && text[len - 1 - padding] == '=')
		padding++;
	return padding;
}

bool
base64_decode(const char *text, size_t len, char **ret, size_t *ret_len)
{
	size_t body = len - count_padding(text, len);
	auto_free char *plain = NULL;
	uint8_t *bytes = NULL;

	if (len % 4 != 0)
		return false;
	/* The other alphabet's digits are not this one's. */
	if (memchr(text, '-', len) != NULL || memchr(text, '_', len) != NULL)
		return false;
	plain = alloc_bytes(text, body);
	for (char *at = plain; *at != '\0'; at++)
		*at = *at == '+' ? '-' : *at == '/' ? '_' : *at;
	if (!base64url_decode(plain, body, &bytes, ret_len))
		return false;
	*ret = (char *)bytes;
	return true;
}
