#include "lib/record.h"

#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/merkle.h"

static const struct {
	const char *name;
	size_t offset;
} beside[] = {
    {"untrusted", offsetof(struct record_parts, untrusted)},
    {"untrusted_salt", offsetof(struct record_parts, salt)},
    {"leaf", offsetof(struct record_parts, leaf)},
    {"inclusion", offsetof(struct record_parts, inclusion)},
    {"dropped", offsetof(struct record_parts, dropped)},
    {"redacted", offsetof(struct record_parts, redacted)},
    {"unreadable", offsetof(struct record_parts, unreadable)},
};

void
record_split(const json_t *shown, struct record_parts *ret)
{
	*ret = (struct record_parts){
	    .record = json_copy((json_t *)(uintptr_t)shown)};
	for (size_t i = 0; i < COUNT(beside); i++) {
		json_t **place = (json_t **)((char *)ret + beside[i].offset);

		*place =
		    json_incref(json_object_get(ret->record, beside[i].name));
		json_object_del(ret->record, beside[i].name);
	}
}

void
record_parts_done(struct record_parts *parts)
{
	json_decref(parts->record);
	for (size_t i = 0; i < COUNT(beside); i++)
		json_decref(*(json_t **)((char *)parts + beside[i].offset));
	*parts = (struct record_parts){0};
}

void
record_hash_untrusted(const uint8_t salt[RECORD_SALT_BYTES], const char *text,
    size_t len, char ret[SHA256_HEX])
{
	auto_free uint8_t *salted = alloc_zero(RECORD_SALT_BYTES + len, 1);

	memcpy(salted, salt, RECORD_SALT_BYTES);
	memcpy(salted + RECORD_SALT_BYTES, text, len);
	digest_sha256_hex(salted, RECORD_SALT_BYTES + len, ret);
}

static int
check_untrusted(const struct record_parts *parts, struct err *err)
{
	const char *hash = json_string_value(
	    json_object_get(parts->record, "untrusted_sha256"));
	uint8_t salt[RECORD_SALT_BYTES];
	auto_free char *text = NULL;
	char hex[SHA256_HEX];
	size_t len;

	if (parts->untrusted == NULL && parts->salt == NULL)
		return 0;
	if (parts->untrusted == NULL || !json_is_exact(parts->untrusted) ||
	    !json_is_string(parts->salt) ||
	    !hex_decode(json_string_value(parts->salt),
		json_string_length(parts->salt), salt, sizeof(salt)))
		return err_set(err, ERR_UNPROCESSABLE,
		    "what a client wrote, or its salt, is none");
	text = json_encode_canonical(parts->untrusted, &len);
	record_hash_untrusted(salt, text, len, hex);
	if (hash == NULL || strcmp(hash, hex) != 0)
		return err_set(err, ERR_CONFLICT,
		    "what a client wrote is not what was hashed");
	return 0;
}

static int
check_leaf(const struct record_parts *parts, const uint8_t hash[SHA256_BYTES],
    struct err *err)
{
	char hex[SHA256_HEX];

	if (parts->leaf == NULL)
		return 0;
	hex_encode(hash, SHA256_BYTES, hex);
	if (!json_is_string(parts->leaf) ||
	    strcmp(json_string_value(parts->leaf), hex) != 0)
		return err_set(err, ERR_CONFLICT,
		    "its bytes are not those that were hashed");
	return 0;
}

int
record_hash(const struct record_parts *parts, int64_t *ret_seq,
    uint8_t ret_leaf[SHA256_BYTES], struct err *err)
{
	const json_t *seq = json_object_get(parts->record, "seq");
	uint8_t hash[SHA256_BYTES];
	auto_free char *text = NULL;
	size_t len;

	if (!json_is_object(parts->record) || !json_is_exact(parts->record) ||
	    !json_is_integer(seq) || json_integer_value(seq) < 1)
		return err_set(
		    err, ERR_UNPROCESSABLE, "it is no record of an audit log");
	if (check_untrusted(parts, err) != 0)
		return -1;
	text = json_encode_canonical(parts->record, &len);
	merkle_hash_leaf(text, len, hash);
	if (check_leaf(parts, hash, err) != 0)
		return -1;
	*ret_seq = json_integer_value(seq);
	memcpy(ret_leaf, hash, sizeof(hash));
	return 0;
}

/* -- as it is shown */

static bool
is_mark(const json_t *mark)
{
	return mark == NULL || json_is_true(mark);
}

/* Its number and its time are all that may be told of it: whatever else stood
 * there would be believed, and nothing proves it. */
static bool
is_bare(const struct record_parts *parts)
{
	const json_t *seq = json_object_get(parts->record, "seq");
	const char *time =
	    json_string_value(json_object_get(parts->record, "time"));
	int64_t time_ms;

	return json_object_size(parts->record) == 2 && json_is_integer(seq) &&
	    json_integer_value(seq) >= 1 && time != NULL &&
	    clock_parse(time, &time_ms) && parts->untrusted == NULL &&
	    parts->salt == NULL && parts->redacted == NULL &&
	    parts->unreadable == NULL;
}

int
record_read_leaf(const struct record_parts *parts, int64_t *ret_seq,
    uint8_t ret_leaf[SHA256_BYTES], struct err *err)
{
	if (!is_mark(parts->dropped) || !is_mark(parts->redacted) ||
	    parts->unreadable != NULL ||
	    (parts->redacted != NULL && parts->untrusted != NULL))
		return err_set(err, ERR_UNPROCESSABLE,
		    "it is marked as what it cannot be");
	if (parts->dropped == NULL)
		return record_hash(parts, ret_seq, ret_leaf, err);
	if (!is_bare(parts) || !json_is_string(parts->leaf) ||
	    !hex_decode(json_string_value(parts->leaf),
		json_string_length(parts->leaf), ret_leaf, SHA256_BYTES))
		return err_set(err, ERR_UNPROCESSABLE,
		    "a record that was dropped has a number, a time and a "
		    "leaf, and nothing else");
	*ret_seq = json_integer_value(json_object_get(parts->record, "seq"));
	return 0;
}

bool
record_is_redacted(const struct record_parts *parts)
{
	return parts->untrusted == NULL &&
	    json_object_get(parts->record, "untrusted_sha256") != NULL;
}
