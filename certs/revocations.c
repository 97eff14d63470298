/*
 * Role: says whether what identifies a caller, or an image, was revoked.
 * Trusts its caller for the clock, and to put in what was really revoked.
 * Must never call something good because a set is large or a time is odd.
 */
#include "certs/revocations.h"

#include <stdlib.h>
#include <string.h>

#include "certs/certificate.h"
#include "certs/token.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"

#define DIGEST_PREFIX "sha256:"

static const char *const texts[REVOCATION_KIND_COUNT] = {
#define REVOCATION(name, text) [REVOCATION_##name] = text,
#include "certs/revocations.def"
#undef REVOCATION
};

const char *
revocation_kind_text(enum revocation_kind kind)
{
	return texts[kind];
}

bool
revocation_kind_parse(const char *text, enum revocation_kind *ret)
{
	for (unsigned kind = 0; kind < REVOCATION_KIND_COUNT; kind++) {
		if (strcmp(texts[kind], text) == 0) {
			*ret = (enum revocation_kind)kind;
			return true;
		}
	}
	return false;
}

/* -- spellings */

static bool
is_thumbprint(const char *value)
{
	auto_free uint8_t *digest = NULL;
	size_t len = 0;

	return base64url_decode(value, strlen(value), &digest, &len) &&
	    len == SHA256_BYTES;
}

static bool
is_digest(const char *value)
{
	uint8_t digest[SHA256_BYTES];
	size_t prefix = strlen(DIGEST_PREFIX);

	return strncmp(value, DIGEST_PREFIX, prefix) == 0 &&
	    hex_decode(
		value + prefix, strlen(value + prefix), digest, SHA256_BYTES);
}

int
revocation_check_value(
    enum revocation_kind kind, const char *value, struct err *err)
{
	static const struct {
		bool (*is_valid)(const char *value);
		const char *form;
	} forms[REVOCATION_KIND_COUNT] = {
	    [REVOCATION_CERTIFICATE] = {is_thumbprint,
		"a thumbprint (x5t#S256: 43 characters of base64url)"},
	    [REVOCATION_TOKEN] = {token_id_is_valid, "a token's id (its jti)"},
	    [REVOCATION_SUBJECT] = {subject_is_valid, "a subject"},
	    [REVOCATION_LOCK] = {subject_is_valid, "a subject"},
	    [REVOCATION_IMAGE] = {is_digest,
		"a digest (sha256: and 64 hexadecimal digits)"},
	};

	if (forms[kind].is_valid(value))
		return 0;
	return err_set(
	    err, ERR_UNPROCESSABLE, "value: this is not %s", forms[kind].form);
}

/* -- the set */

static void
free_entry(struct revocation *entry)
{
	free(entry->value);
	free(entry->reason);
	free(entry);
}

void
revocations_done(struct revocations *set)
{
	for (size_t i = 0; i < set->count; i++)
		free_entry(set->entries[i]);
	free(set->entries);
	*set = (struct revocations){0};
}

/* Where it is, or would have to be. */
static bool
look_up(const struct revocations *set, enum revocation_kind kind,
    const char *value, size_t *ret_at)
{
	size_t low = 0, high = set->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct revocation *entry = set->entries[middle];
		int order = entry->kind != kind ? (entry->kind < kind ? -1 : 1)
						: strcmp(entry->value, value);

		if (order == 0) {
			*ret_at = middle;
			return true;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_at = low;
	return false;
}

struct revocation *
revocations_find(
    const struct revocations *set, enum revocation_kind kind, const char *value)
{
	size_t at;

	return look_up(set, kind, value, &at) ? set->entries[at] : NULL;
}

struct revocation *
revocations_put(
    struct revocations *set, enum revocation_kind kind, const char *value)
{
	struct revocation *entry;
	size_t at;

	if (look_up(set, kind, value, &at))
		return set->entries[at];
	if (set->count == set->size) {
		set->size = 2 * set->size + 16;
		set->entries = alloc_resize(
		    set->entries, set->size, sizeof(struct revocation *));
	}
	memmove(&set->entries[at + 1], &set->entries[at],
	    (set->count - at) * sizeof(struct revocation *));
	entry = alloc_zero(1, sizeof(*entry));
	entry->kind = kind;
	entry->value = alloc_string(value);
	set->entries[at] = entry;
	set->count++;
	return entry;
}

bool
revocations_remove(
    struct revocations *set, enum revocation_kind kind, const char *value)
{
	size_t at;

	if (!look_up(set, kind, value, &at))
		return false;
	free_entry(set->entries[at]);
	set->count--;
	memmove(&set->entries[at], &set->entries[at + 1],
	    (set->count - at) * sizeof(struct revocation *));
	return true;
}

/* -- asking it */

static const struct revocation *
find_in_force(const struct revocations *set, enum revocation_kind kind,
    const char *value, int64_t now_ms)
{
	const struct revocation *entry =
	    value != NULL ? revocations_find(set, kind, value) : NULL;

	return entry != NULL &&
		(entry->until_ms == 0 || now_ms < entry->until_ms)
	    ? entry
	    : NULL;
}

/* Of a reference that names a digest, that; else the whole. */
static const char *
image_digest(const char *image)
{
	const char *at = image != NULL ? strrchr(image, '@') : NULL;

	return at != NULL ? at + 1 : image;
}

static int
refuse(const struct revocation *entry, struct err *err)
{
	static const char *const sentences[REVOCATION_KIND_COUNT] = {
	    [REVOCATION_CERTIFICATE] = "the certificate was revoked",
	    [REVOCATION_TOKEN] = "the token was revoked",
	    [REVOCATION_SUBJECT] = "the subject was revoked",
	    [REVOCATION_LOCK] = "the subject is locked",
	    [REVOCATION_IMAGE] = "the image was revoked",
	};
	enum err_code code =
	    entry->kind == REVOCATION_IMAGE ? ERR_DENIED : ERR_REVOKED;
	char until[CLOCK_TEXT];

	if (entry->kind != REVOCATION_LOCK || entry->until_ms == 0)
		return err_set(err, code, "%s", sentences[entry->kind]);
	clock_format(entry->until_ms, until);
	return err_set(err, code, "%s until %s", sentences[entry->kind], until);
}

int
revocations_check(const struct revocations *set, const struct revocable *shown,
    int64_t now_ms, struct err *err)
{
	const char *const values[REVOCATION_KIND_COUNT] = {
	    [REVOCATION_CERTIFICATE] = shown->thumbprint,
	    [REVOCATION_TOKEN] = shown->token_id,
	    [REVOCATION_SUBJECT] = shown->subject,
	    [REVOCATION_LOCK] = shown->subject,
	    [REVOCATION_IMAGE] = image_digest(shown->image),
	};

	if (set == NULL || set->count == 0)
		return 0;
	for (unsigned kind = 0; kind < REVOCATION_KIND_COUNT; kind++) {
		const struct revocation *entry = find_in_force(
		    set, (enum revocation_kind)kind, values[kind], now_ms);

		if (entry != NULL)
			return refuse(entry, err);
	}
	return 0;
}
