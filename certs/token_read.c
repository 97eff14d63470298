/*
 * Role: takes the compact form of a token apart, byte by byte, before any
 * library sees it.
 * Trusts nothing.
 * Must never accept what libjwt would read in another way than we do, and
 * never repeat a byte of a token in an error.
 */
#include <string.h>

#include "certs/token.h"
#include "lib/cleanup.h"
#include "lib/json.h"

/* ES256: r and s of 32 bytes each (RFC 7518 3.4). */
#define SIGNATURE_BYTES 64

struct part {
	const char *text;
	size_t len;
};

enum { PART_HEADER, PART_PAYLOAD, PART_SIGNATURE, PART_COUNT };

static int
refuse(struct err *err, const char *why)
{
	return err_set(err, ERR_UNAUTHENTICATED, "token: %s", why);
}

static int
split(
    const char *token, size_t len, struct part ret[PART_COUNT], struct err *err)
{
	const char *end = token + len;

	for (size_t k = 0; k < PART_COUNT; k++) {
		const char *dot = memchr(token, '.', (size_t)(end - token));
		bool last = k == PART_SIGNATURE;
		if ((dot == NULL) != last)
			return refuse(err, "it has not exactly three parts");
		ret[k].text = token;
		ret[k].len = (size_t)((last ? end : dot) - token);
		if (ret[k].len == 0)
			return refuse(err, "one of its parts is empty");
		token += ret[k].len + 1;
	}
	return 0;
}

static json_t *
read_object(const struct part *part, const char *name, struct err *err)
{
	uint8_t *bytes = NULL;
	size_t len = 0;

	if (!base64url_decode(part->text, part->len, &bytes, &len)) {
		err_set(err, ERR_UNAUTHENTICATED,
		    "token: its %s is not strict base64url", name);
		return NULL;
	}
	auto_free char *text = (char *)bytes;
	struct err ignored = {0};
	auto_json *json = json_parse_strict(text, len, &ignored);
	/* The parser's reason might repeat a member's name. */
	if (json == NULL || !json_is_object(json)) {
		err_set(err, ERR_UNAUTHENTICATED,
		    "token: its %s is not one strict JSON object", name);
		return NULL;
	}
	return take(json);
}

static int
check_signature_form(const struct part *part, struct err *err)
{
	uint8_t *bytes = NULL;
	size_t len = 0;

	if (!base64url_decode(part->text, part->len, &bytes, &len))
		return refuse(err, "its signature is not strict base64url");
	free(bytes);
	if (len != SIGNATURE_BYTES)
		return refuse(err, "its signature has a wrong length");
	return 0;
}

static bool
member_equals(const json_t *object, const char *name, const char *expected)
{
	const char *value = json_string_value(json_object_get(object, name));

	return value != NULL && strcmp(value, expected) == 0;
}

/*
 * RFC 7515 4.1: crit, jku, x5u, x5c and jwk tell a verifier to trust what the
 * token brings along. Nothing but the three members that we issue is accepted,
 * so they need no list.
 */
static int
check_header(const json_t *header, struct err *err)
{
	const char *key_id = json_string_value(json_object_get(header, "kid"));

	if (!member_equals(header, "alg", "ES256"))
		return refuse(err, "its algorithm is not ES256");
	if (!member_equals(header, "typ", "JWT"))
		return refuse(err, "its type is not JWT");
	if (key_id == NULL || !token_id_is_valid(key_id))
		return refuse(err, "it names no key");
	if (json_object_size(header) != 3)
		return refuse(err,
		    "its header has members besides alg, typ "
		    "and kid");
	return 0;
}

int
token_read(const char *token, size_t len, json_t **ret_header,
    json_t **ret_payload, struct err *err)
{
	struct part parts[PART_COUNT] = {{0}};

	if (len > TOKEN_MAX)
		return refuse(err, "it is longer than 4096 bytes");
	if (split(token, len, parts, err) != 0 ||
	    check_signature_form(&parts[PART_SIGNATURE], err) != 0)
		return -1;
	auto_json *header = read_object(&parts[PART_HEADER], "header", err);
	if (header == NULL || check_header(header, err) != 0)
		return -1;
	auto_json *payload = read_object(&parts[PART_PAYLOAD], "payload", err);
	if (payload == NULL)
		return -1;
	*ret_header = take(header);
	*ret_payload = take(payload);
	return 0;
}
