/*
 * UTF-8, strictly. Trusts no byte.
 */
#include "lib/utf8.h"

#include "lib/cleanup.h"

/* RFC 3629, section 4: what the first byte says of the rest. The second byte's
 * range keeps out overlong forms, surrogates and all above U+10FFFF. */
static const struct lead {
	uint8_t first, last;
	uint8_t len;
	uint8_t mask;
	uint8_t least, most; /* of the second byte */
} leads[] = {
    {0x00, 0x7f, 1, 0x7f, 0, 0},
    {0xc2, 0xdf, 2, 0x1f, 0x80, 0xbf},
    {0xe0, 0xe0, 3, 0x0f, 0xa0, 0xbf},
    {0xe1, 0xec, 3, 0x0f, 0x80, 0xbf},
    {0xed, 0xed, 3, 0x0f, 0x80, 0x9f},
    {0xee, 0xef, 3, 0x0f, 0x80, 0xbf},
    {0xf0, 0xf0, 4, 0x07, 0x90, 0xbf},
    {0xf1, 0xf3, 4, 0x07, 0x80, 0xbf},
    {0xf4, 0xf4, 4, 0x07, 0x80, 0x8f},
};

static const struct lead *
find_lead(uint8_t byte)
{
	for (size_t i = 0; i < COUNT(leads); i++) {
		if (byte >= leads[i].first && byte <= leads[i].last)
			return &leads[i];
	}
	return NULL;
}

size_t
utf8_decode(const char *s, size_t len, uint32_t *ret_character)
{
	const uint8_t *bytes = (const uint8_t *)s;
	const struct lead *lead = len > 0 ? find_lead(bytes[0]) : NULL;
	uint32_t character;

	if (lead == NULL || lead->len > len)
		return 0;
	character = bytes[0] & lead->mask;
	for (size_t i = 1; i < lead->len; i++) {
		uint8_t least = i == 1 ? lead->least : 0x80;
		uint8_t most = i == 1 ? lead->most : 0xbf;

		if (bytes[i] < least || bytes[i] > most)
			return 0;
		character = character << 6 | (bytes[i] & 0x3f);
	}
	if (ret_character != NULL)
		*ret_character = character;
	return lead->len;
}

bool
utf8_is_valid(const char *s, size_t len)
{
	size_t at = 0;

	while (at < len) {
		size_t n = utf8_decode(s + at, len - at, NULL);

		if (n == 0)
			return false;
		at += n;
	}
	return true;
}

bool
utf8_is_control(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} controls[] = {
	    {0x00, 0x1f}, {0x7f, 0x9f},
	    {0x061c, 0x061c}, /* Arabic letter mark */
	    {0x200e, 0x200f}, /* marks of direction */
	    {0x2028, 0x202e}, /* separators, embeddings, overrides */
	    {0x2066, 0x2069}, /* isolates */
	};

	for (size_t i = 0; i < COUNT(controls); i++) {
		if (c >= controls[i].first && c <= controls[i].last)
			return true;
	}
	return false;
}

/* What stands for itself: of most texts it is every byte. */
static size_t
measure_plain(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len && s[n] >= 0x20 && s[n] < 0x7f)
		n++;
	return n;
}

void
utf8_append_neutral(struct buffer *buffer, const char *s, size_t len)
{
	size_t at = measure_plain(s, len);

	buffer_append(buffer, s, at);
	while (at < len) {
		uint32_t character = 0;
		size_t n = utf8_decode(s + at, len - at, &character);
		size_t take_len = n > 0 ? n : 1;

		if (n > 0 && !utf8_is_control(character)) {
			buffer_append(buffer, s + at, n);
		} else {
			for (size_t i = 0; i < take_len; i++)
				buffer_printf(buffer, "\\x%02x",
				    (unsigned)(uint8_t)s[at + i]);
		}
		at += take_len;
	}
}
