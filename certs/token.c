/*
 * Role: decides whether a token is ours and holds now, and reads its claims.
 * Trusts the keys and the clock it is given.
 * Must never hand a byte to libjwt that token_read() has not accepted, take a
 * claim from libjwt's parse, or repeat a byte of the token in an error.
 */
#include "certs/token.h"

#include <inttypes.h>
#include <jwt.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"

#define TIME_MAX INT64_C(253402300799) /* the end of the year 9999 */
#define CLAIM_TEXT_MAX 2048

DEFINE_CLEANUP(jwt_t, jwt_free);

static const struct {
	enum scope scope;
	const char *name;
} scopes[] = {
#define SCOPE(name, bit, text) {SCOPE_##name, text},
#include "certs/scopes.def"
#undef SCOPE
};

/* The claims as the payload has them: borrowed from it. */
struct raw_claims {
	const char *issuer, *subject, *audience, *id, *scope;
	int64_t issued_at_s, not_before_s, expires_s;
	const json_t *confirmation;
};

enum claim_kind { CLAIM_TEXT, CLAIM_TIME, CLAIM_OBJECT };

/* RFC 7519 4.1, RFC 8693 4.2, RFC 7800 3.1: all of them are required. */
static const struct {
	const char *name;
	enum claim_kind kind;
	size_t offset;
} claims_table[] = {
    {"iss", CLAIM_TEXT, offsetof(struct raw_claims, issuer)},
    {"sub", CLAIM_TEXT, offsetof(struct raw_claims, subject)},
    {"aud", CLAIM_TEXT, offsetof(struct raw_claims, audience)},
    {"exp", CLAIM_TIME, offsetof(struct raw_claims, expires_s)},
    {"nbf", CLAIM_TIME, offsetof(struct raw_claims, not_before_s)},
    {"iat", CLAIM_TIME, offsetof(struct raw_claims, issued_at_s)},
    {"jti", CLAIM_TEXT, offsetof(struct raw_claims, id)},
    {"scope", CLAIM_TEXT, offsetof(struct raw_claims, scope)},
    {"cnf", CLAIM_OBJECT, offsetof(struct raw_claims, confirmation)},
};

static int
refuse(struct err *err, const char *why)
{
	return err_set(err, ERR_UNAUTHENTICATED, "token: %s", why);
}

enum scope
scope_parse(const char *text, size_t len)
{
	for (size_t k = 0; k < COUNT(scopes); k++) {
		if (strlen(scopes[k].name) == len &&
		    memcmp(scopes[k].name, text, len) == 0)
			return scopes[k].scope;
	}
	return SCOPE_NONE;
}

const char *
scope_name(enum scope one)
{
	for (size_t k = 0; k < COUNT(scopes); k++) {
		if (scopes[k].scope == one)
			return scopes[k].name;
	}
	return "none";
}

bool
token_id_is_valid(const char *id)
{
	size_t len = strspn(id,
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	    "0123456789_-");

	return len >= 1 && len <= TOKEN_ID_MAX && id[len] == '\0';
}

bool
token_role_is_valid(const char *role)
{
	size_t len = strspn(role, "abcdefghijklmnopqrstuvwxyz0123456789_-");

	return len >= 1 && len <= TOKEN_ROLE_MAX && role[len] == '\0' &&
	    role[0] != '_' && role[0] != '-';
}

static bool
read_claim(const json_t *value, enum claim_kind kind, void *ret)
{
	switch (kind) {
	case CLAIM_TEXT:
		*(const char **)ret = json_string_value(value);
		return json_is_string(value) &&
		    json_string_length(value) <= CLAIM_TEXT_MAX;
	case CLAIM_TIME:
		*(int64_t *)ret = (int64_t)json_integer_value(value);
		return json_is_integer(value) && *(int64_t *)ret >= 0 &&
		    *(int64_t *)ret <= TIME_MAX;
	case CLAIM_OBJECT:
		*(const json_t **)ret = value;
		return json_is_object(value);
	}
	return false;
}

static int
read_claims(const json_t *payload, struct raw_claims *ret, struct err *err)
{
	for (size_t k = 0; k < COUNT(claims_table); k++) {
		const char *name = claims_table[k].name;
		const json_t *value = json_object_get(payload, name);
		if (value == NULL)
			return err_set(err, ERR_UNAUTHENTICATED,
			    "token: it has no %s", name);
		if (!read_claim(value, claims_table[k].kind,
			(char *)ret + claims_table[k].offset))
			return err_set(err, ERR_UNAUTHENTICATED,
			    "token: its %s is of the wrong type", name);
	}
	return 0;
}

/* RFC 6749 3.3: names with one blank between them. */
static int
read_scopes(const char *text, unsigned *ret, struct err *err)
{
	unsigned found = 0;

	while (*text != '\0') {
		size_t len = strcspn(text, " ");
		if (len == 0 || (text[len] == ' ' && text[len + 1] == '\0'))
			return refuse(err, "its scope is not a list of names");
		for (size_t k = 0; k < len; k++) {
			unsigned char c = (unsigned char)text[k];
			if (c < 0x21 || c > 0x7e || c == '"' || c == '\\')
				return refuse(
				    err, "its scope is not a list of names");
		}
		found |= scope_parse(text, len);
		text += len + (text[len] == ' ');
	}
	*ret = found;
	return 0;
}

static int
read_roles(const json_t *payload, struct token_claims *ret, struct err *err)
{
	const json_t *roles = json_object_get(payload, "roles");

	if (roles == NULL)
		return 0;
	if (!json_is_array(roles) || json_array_size(roles) > TOKEN_ROLES_MAX)
		return refuse(err, "its roles are not a list of at most 16");
	for (size_t k = 0; k < json_array_size(roles); k++) {
		const char *role = json_string_value(json_array_get(roles, k));
		if (role == NULL || !token_role_is_valid(role))
			return refuse(err, "one of its roles is not a name");
		snprintf(ret->roles[k], sizeof(ret->roles[k]), "%s", role);
	}
	ret->nroles = json_array_size(roles);
	return 0;
}

/* RFC 8705 3.1. A confirmation of another kind is a condition that we would
 * not check, so it is refused rather than passed over. */
static int
read_thumbprint(
    const json_t *confirmation, char ret[SHA256_BASE64URL], struct err *err)
{
	const json_t *value = json_object_get(confirmation, "x5t#S256");
	uint8_t *bytes;
	size_t len;

	if (!json_is_string(value) || json_object_size(confirmation) != 1 ||
	    json_string_length(value) != SHA256_BASE64URL - 1 ||
	    !base64url_decode(
		json_string_value(value), SHA256_BASE64URL - 1, &bytes, &len))
		return refuse(err, "its cnf is not a certificate's thumbprint");
	free(bytes);
	memcpy(ret, json_string_value(value), SHA256_BASE64URL);
	return 0;
}

static int
check_lifetime(const struct raw_claims *raw, int64_t max_s, struct err *err)
{
	if (raw->expires_s <= raw->issued_at_s ||
	    raw->expires_s <= raw->not_before_s)
		return refuse(err, "it ends before it begins");
	if (raw->expires_s - raw->issued_at_s > max_s)
		return refuse(err, "its lifetime is longer than allowed");
	return 0;
}

static int
interpret(const json_t *payload, const struct token_expectation *expected,
    struct token_claims *ret, struct err *err)
{
	struct raw_claims raw = {
	    .issuer = "", .subject = "", .audience = "", .id = "", .scope = ""};

	if (read_claims(payload, &raw, err) != 0)
		return -1;
	if (strcmp(raw.issuer, expected->issuer) != 0)
		return refuse(err, "its iss is not the issuer expected here");
	if (strcmp(raw.audience, expected->audience) != 0)
		return refuse(err, "its aud is not this installation");
	if (!subject_is_valid(raw.subject))
		return refuse(err, "its sub is not a valid name");
	if (!token_id_is_valid(raw.id))
		return refuse(err, "its jti is not a valid identifier");
	if (check_lifetime(&raw, expected->lifetime_max_s, err) != 0 ||
	    read_scopes(raw.scope, &ret->scopes, err) != 0 ||
	    read_roles(payload, ret, err) != 0 ||
	    read_thumbprint(raw.confirmation, ret->thumbprint, err) != 0)
		return -1;
	/* Both were found to fit when they were found valid. */
	snprintf(ret->subject, sizeof(ret->subject), "%s", raw.subject);
	snprintf(ret->id, sizeof(ret->id), "%s", raw.id);
	ret->issued_at_s = raw.issued_at_s;
	ret->not_before_s = raw.not_before_s;
	ret->expires_s = raw.expires_s;
	return 0;
}

/*
 * libjwt 1.10.2 reads C strings, compares algorithms without regard to case
 * and chooses by the token's header: so it gets a key of ours alone, a token
 * whose algorithm token_read() compared exactly, and is asked again.
 */
static int
check_signature(const struct token_keys *keys, const char *key_id,
    const char *token, size_t len, struct err *err)
{
	const char *pem = token_keys_find(keys, key_id);

	if (pem == NULL)
		return refuse(err, "its key is not known here");
	auto_free char *text = alloc_bytes(token, len);
	AUTO(jwt_freep) jwt_t *jwt = NULL;
	ERR_clear_error();
	int result = jwt_decode(
	    &jwt, text, (const unsigned char *)pem, (int)strlen(pem));
	ERR_clear_error();
	if (result != 0 || jwt == NULL || jwt_get_alg(jwt) != JWT_ALG_ES256)
		return refuse(err, "its signature does not verify");
	return 0;
}

int
token_verify(const struct token_keys *keys,
    const struct token_expectation *expected, const char *token, size_t len,
    int64_t now_s, struct token_claims *ret, struct err *err)
{
	struct token_claims claims = {0};
	auto_json *header = NULL;
	auto_json *payload = NULL;

	if (token_read(token, len, &header, &payload, err) != 0)
		return -1;
	const char *key_id = json_string_value(json_object_get(header, "kid"));
	if (check_signature(keys, key_id, token, len, err) != 0 ||
	    interpret(payload, expected, &claims, err) != 0 ||
	    token_check_time(&claims, now_s, err) != 0)
		return -1;
	snprintf(claims.key_id, sizeof(claims.key_id), "%s", key_id);
	*ret = claims;
	return 0;
}

int
token_check_time(
    const struct token_claims *claims, int64_t now_s, struct err *err)
{
	if (now_s - TOKEN_LEEWAY_S >= claims->expires_s)
		return refuse(err, "it has expired");
	if (now_s + TOKEN_LEEWAY_S < claims->not_before_s)
		return refuse(err, "it is not valid yet");
	if (now_s + TOKEN_LEEWAY_S < claims->issued_at_s)
		return refuse(err, "it was issued in the future");
	return 0;
}
