/*
 * Names of images. Pure; trusts nothing.
 */
#include "policy/image.h"

#include <string.h>

#include "lib/cleanup.h"

#define LATEST ":latest"
#define DIGEST_PREFIX "sha256:"
#define DIGEST_HEX 64
#define TAG_MAX 128
#define PORT_DIGITS 5

static const char lower_alnum[] = "abcdefghijklmnopqrstuvwxyz0123456789";
static const char hex_digits[] = "0123456789abcdef";
static const char tag_bytes[] = "abcdefghijklmnopqrstuvwxyz"
				"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

static bool
consists_of(const char *text, size_t len, const char *bytes)
{
	return len > 0 && strspn(text, bytes) >= len;
}

static bool
is_digest(const char *text)
{
	size_t prefix = strlen(DIGEST_PREFIX);

	return strncmp(text, DIGEST_PREFIX, prefix) == 0 &&
	    strspn(text + prefix, hex_digits) == DIGEST_HEX &&
	    text[prefix + DIGEST_HEX] == '\0';
}

static bool
is_tag(const char *text)
{
	return text[0] != '.' && text[0] != '-' && strlen(text) <= TAG_MAX &&
	    consists_of(text, strlen(text), tag_bytes);
}

/* What may stand between letters and digits: ".", "_", "__", any "-"s. */
static size_t
separator(const char *text, size_t len)
{
	size_t dashes = 0;

	if (len >= 2 && text[0] == '_' && text[1] == '_')
		return 2;
	if (len >= 1 && (text[0] == '.' || text[0] == '_'))
		return 1;
	while (dashes < len && text[dashes] == '-')
		dashes++;
	return dashes;
}

/* distribution/reference: path-component. */
static bool
is_component(const char *text, size_t len)
{
	for (;;) {
		size_t word = strspn(text, lower_alnum);

		if (word == 0 || len == 0)
			return false;
		if (word >= len)
			return true;
		size_t gap = separator(text + word, len - word);

		if (gap == 0)
			return false;
		text += word + gap;
		len -= word + gap;
	}
}

/* A registry's host, perhaps with a port: the first component alone. */
static bool
is_registry(const char *text, size_t len)
{
	const char *colon = memchr(text, ':', len);

	if (colon == NULL)
		return is_component(text, len);
	size_t port = len - (size_t)(colon - text) - 1;

	return is_component(text, (size_t)(colon - text)) &&
	    port <= PORT_DIGITS && consists_of(colon + 1, port, "0123456789");
}

static bool
is_repository(const char *text, size_t len)
{
	const char *slash = memchr(text, '/', len);

	if (slash == NULL)
		return is_component(text, len);
	if (!is_registry(text, (size_t)(slash - text)))
		return false;
	while (slash != NULL) {
		len -= (size_t)(slash - text) + 1;
		text = slash + 1;
		slash = memchr(text, '/', len);
		if (!is_component(
			text, slash == NULL ? len : (size_t)(slash - text)))
			return false;
	}
	return true;
}

/* The engine looks for an image id that begins so: "cafe", "sha256:ca". */
static bool
is_taken_for_an_id(const char *text, size_t name_len, bool has_tag)
{
	static const char *const algorithms[] = {"sha256", "sha384", "sha512"};

	if (memchr(text, '/', name_len) != NULL)
		return false;
	for (size_t k = 0; k < COUNT(algorithms); k++) {
		if (name_len == strlen(algorithms[k]) &&
		    strncmp(text, algorithms[k], name_len) == 0)
			return true;
	}
	return !has_tag && consists_of(text, name_len, hex_digits);
}

/* Where the tag's colon is: one behind the last slash; or NULL. */
static const char *
find_tag(const char *text)
{
	const char *slash = strrchr(text, '/');

	return strchr(slash == NULL ? text : slash, ':');
}

/* Both together are IMAGE_MAX bytes at most, which the caller has seen to. */
static void
write_reference(const char *text, const char *tag, char ret[IMAGE_REFERENCE])
{
	size_t len = strlen(text);
	size_t tag_len = strlen(tag);

	memcpy(ret, text, len);
	memcpy(ret + len, tag, tag_len + 1);
}

static const char *
read_digest(const char *text, const char *at, char ret[IMAGE_REFERENCE],
    enum image_kind *ret_kind)
{
	size_t name_len = (size_t)(at - text);
	const char *tag = find_tag(text);

	if (!is_digest(at + 1))
		return "a digest is sha256: and 64 hexadecimal digits in "
		       "lower case";
	if (tag != NULL && tag < at)
		return "a tag and a digest together; leave the tag away";
	if (!is_repository(text, name_len))
		return "not the name of an image";
	write_reference(text, "", ret);
	*ret_kind = IMAGE_DIGEST;
	return NULL;
}

const char *
image_read(
    const char *text, char ret[IMAGE_REFERENCE], enum image_kind *ret_kind)
{
	const char *at = strchr(text, '@');
	const char *tag = find_tag(text);
	size_t name_len = tag != NULL ? (size_t)(tag - text) : strlen(text);

	if (strlen(text) > IMAGE_MAX)
		return "longer than 255 bytes";
	if (is_digest(text)) {
		write_reference(text, "", ret);
		*ret_kind = IMAGE_ID;
		return NULL;
	}
	if (at != NULL)
		return read_digest(text, at, ret, ret_kind);
	if (!is_repository(text, name_len))
		return "not the name of an image";
	if (tag != NULL && !is_tag(tag + 1))
		return "not the tag of an image";
	if (is_taken_for_an_id(text, name_len, tag != NULL))
		return "could be taken for the beginning of an image id; add "
		       "a tag such as :latest";
	if (tag == NULL && strlen(text) + strlen(LATEST) > IMAGE_MAX)
		return "longer than 255 bytes with :latest";
	write_reference(text, tag == NULL ? LATEST : "", ret);
	*ret_kind = IMAGE_TAG;
	return NULL;
}

bool
image_respell(const char *text, char ret[IMAGE_REFERENCE])
{
	enum image_kind kind;

	if (image_read(text, ret, &kind) != NULL || kind != IMAGE_TAG)
		return false;
	char *tag = ret + image_name_len(ret);

	if (strcmp(tag, LATEST) != 0)
		return false;
	if (strcmp(ret, text) == 0)
		*tag = '\0';
	return true;
}

size_t
image_name_len(const char *reference)
{
	const char *at = strchr(reference, '@');
	const char *tag = find_tag(reference);

	if (is_digest(reference))
		return 0;
	if (at == NULL)
		at = tag;
	return at != NULL ? (size_t)(at - reference) : strlen(reference);
}

enum image_kind
image_pattern_kind(const char *pattern, bool *ret_add_latest)
{
	*ret_add_latest = false;
	if (strncmp(pattern, DIGEST_PREFIX, strlen(DIGEST_PREFIX)) == 0)
		return IMAGE_ID;
	if (strchr(pattern, '@') != NULL)
		return IMAGE_DIGEST;
	*ret_add_latest = find_tag(pattern) == NULL;
	return IMAGE_TAG;
}
