/* Tokens that must not be accepted, each named after what it tries. */
#include "certs/token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "certs/issue_key.h"
#include "certs/openssl.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/json.h"
#include "tests/unit/credentials.h"

#define THUMBPRINT "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				"abcdefghijklmnopqrstuvwxyz0123456789-_";

static struct credentials credentials;

static int
make_credentials(void **state)
{
	(void)state;
	credentials_init(&credentials);
	return 0;
}

static int
remove_credentials(void **state)
{
	(void)state;
	credentials_done(&credentials);
	return 0;
}

static int
verify_at(const char *token, size_t len, int64_t now_s,
    struct token_claims *ret, struct err *err)
{
	const struct token_expectation expected = {
	    .issuer = CREDENTIALS_ISSUER,
	    .audience = CREDENTIALS_AUDIENCE,
	    .lifetime_max_s = CREDENTIALS_LIFETIME_MAX_S,
	};

	return token_verify(
	    credentials.authority.keys, &expected, token, len, now_s, ret, err);
}

static int
verify(const char *token, struct token_claims *ret, struct err *err)
{
	return verify_at(token, strlen(token), CREDENTIALS_NOW, ret, err);
}

static void
assert_bytes_refused(const char *token, size_t len, const char *why)
{
	struct token_claims claims = {.subject = "untouched"};
	struct err err = {0};

	assert_int_equal(
	    verify_at(token, len, CREDENTIALS_NOW, &claims, &err), -1);
	assert_int_equal(err.code, ERR_UNAUTHENTICATED);
	if (strstr(err.detail, why) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.detail, why);
	assert_string_equal(claims.subject, "untouched");
}

static void
assert_refused(const char *token, const char *why)
{
	assert_bytes_refused(token, strlen(token), why);
}

/* Signed with the right key, whatever the two objects say. */
static void
assert_signed_refused(
    const json_t *header, const json_t *payload, const char *why)
{
	auto_free char *token =
	    token_sign(header, payload, credentials.token_key);

	assert_refused(token, why);
}

static char *
new_token(void)
{
	auto_json *header = token_header(&credentials);
	auto_json *payload = token_payload("alice", THUMBPRINT);

	return token_sign(header, payload, credentials.token_key);
}

/* A token with one claim set to `value`, which is taken over; NULL: left out.*/
static char *
token_with_claim_take(const char *claim, json_t *value)
{
	auto_json *header = token_header(&credentials);
	auto_json *payload = token_payload("alice", THUMBPRINT);

	if (value == NULL)
		assert_int_equal(json_object_del(payload, claim), 0);
	else
		assert_int_equal(json_object_set_new(payload, claim, value), 0);
	return token_sign(header, payload, credentials.token_key);
}

static void
assert_claim_refused_take(const char *claim, json_t *value, const char *why)
{
	auto_free char *token = token_with_claim_take(claim, value);

	assert_refused(token, why);
}

static void
assert_claim_accepted_take(const char *claim, json_t *value)
{
	auto_free char *token = token_with_claim_take(claim, value);
	struct token_claims claims;
	struct err err = {0};

	if (verify(token, &claims, &err) != 0)
		fail_msg("%s", err.detail);
}

static void
test_token_in_order_gives_its_claims(void **state)
{
	auto_free char *token = new_token();
	struct token_claims claims;
	struct err err = {0};

	(void)state;
	if (verify(token, &claims, &err) != 0)
		fail_msg("%s", err.detail);
	assert_string_equal(claims.subject, "alice");
	assert_string_equal(claims.id, "token-1");
	assert_string_equal(claims.key_id, credentials.token_key_id);
	assert_string_equal(claims.thumbprint, THUMBPRINT);
	assert_int_equal(claims.issued_at_s, CREDENTIALS_NOW);
	assert_int_equal(claims.not_before_s, CREDENTIALS_NOW);
	assert_int_equal(claims.expires_s, CREDENTIALS_NOW + 3600);
	assert_int_equal(claims.scopes, SCOPE_TASKS_RUN | SCOPE_TASKS_READ);
	assert_int_equal(claims.nroles, 2);
	assert_string_equal(claims.roles[0], "developers");
	assert_string_equal(claims.roles[1], "ci");
}

static void
test_algorithm_none_is_refused(void **state)
{
	static const char *const names[] = {"none", "None", "NONE", "nOnE", ""};
	auto_json *payload = token_payload("alice", THUMBPRINT);

	(void)state;
	for (size_t k = 0; k < COUNT(names); k++) {
		auto_json *header = token_header(&credentials);
		json_object_set_new(header, "alg", json_string(names[k]));
		assert_signed_refused(header, payload, "not ES256");
		/* And in its own form, with nothing behind the last dot. */
		auto_free char *token =
		    token_sign(header, payload, credentials.token_key);
		strrchr(token, '.')[1] = '\0';
		assert_refused(token, "empty");
	}
}

static void
test_hs256_keyed_with_the_public_pem_is_refused(void **state)
{
	auto_json *header = token_header(&credentials);
	auto_json *payload = token_payload("alice", THUMBPRINT);
	auto_free char *pem = issue_key_encode_public(credentials.token_key);

	(void)state;
	json_object_set_new(header, "alg", json_string("HS256"));
	auto_free char *token = token_mac(header, payload, pem);
	assert_refused(token, "signature has a wrong length");
	/* The same claim, with a signature of the expected length. */
	assert_signed_refused(header, payload, "not ES256");
}

static void
test_other_spellings_of_the_algorithm_are_refused(void **state)
{
	static const char *const names[] = {"es256", "Es256", "ES256 ",
	    " ES256", "ES384", "ES512", "ES256K", "RS256", "PS256", "EdDSA",
	    "HS384", "ES25"};
	auto_json *payload = token_payload("alice", THUMBPRINT);

	(void)state;
	for (size_t k = 0; k < COUNT(names); k++) {
		auto_json *header = token_header(&credentials);
		json_object_set_new(header, "alg", json_string(names[k]));
		assert_signed_refused(header, payload, "not ES256");
	}
}

static void
test_algorithm_of_another_type_is_refused(void **state)
{
	auto_json *payload = token_payload("alice", THUMBPRINT);
	auto_json *header = token_header(&credentials);

	(void)state;
	json_object_set_new(header, "alg", json_pack("[s]", "ES256"));
	assert_signed_refused(header, payload, "not ES256");
	json_object_set_new(header, "alg", json_null());
	assert_signed_refused(header, payload, "not ES256");
	json_object_del(header, "alg");
	assert_signed_refused(header, payload, "not ES256");
}

static void
test_signature_by_another_key_is_refused(void **state)
{
	AUTO(EVP_PKEY_freep) EVP_PKEY *key = issue_key_new(ISSUE_KEY_P256);
	auto_json *header = token_header(&credentials);
	auto_json *payload = token_payload("alice", THUMBPRINT);
	auto_free char *token = token_sign(header, payload, key);

	(void)state;
	assert_refused(token, "signature does not verify");
}

static void
test_all_zero_signature_is_refused(void **state)
{
	auto_free char *token = new_token();
	char *signature = strrchr(token, '.') + 1;

	(void)state;
	memset(signature, 'A', strlen(signature));
	assert_refused(token, "signature does not verify");
}

static void
test_every_changed_byte_is_refused(void **state)
{
	auto_free char *token = new_token();
	struct token_claims claims;
	struct err err = {0};

	(void)state;
	for (size_t k = 0; token[k] != '\0'; k++) {
		char was = token[k];
		token[k] = was == 'A' ? 'B' : 'A';
		assert_int_equal(verify(token, &claims, &err), -1);
		token[k] = was;
	}
	assert_int_equal(verify(token, &claims, &err), 0);
}

static void
test_every_truncation_is_refused(void **state)
{
	auto_free char *token = new_token();
	struct token_claims claims;
	struct err err = {0};

	(void)state;
	for (size_t len = 0; len < strlen(token); len++)
		assert_int_equal(
		    verify_at(token, len, CREDENTIALS_NOW, &claims, &err), -1);
}

static void
test_trailing_junk_is_refused(void **state)
{
	static const char *const tails[] = {
	    ".", "A", "=", "==", "\n", " ", "%00", ".AAAA", "\r\n"};
	auto_free char *token = new_token();

	(void)state;
	for (size_t k = 0; k < COUNT(tails); k++) {
		auto_free char *longer = alloc_printf("%s%s", token, tails[k]);
		assert_refused(longer, "token: ");
	}
	/* A NUL: C strings would end there. */
	assert_bytes_refused(token, strlen(token) + 1, "base64url");
}

static void
test_leading_junk_is_refused(void **state)
{
	static const char *const heads[] = {" ", ".", "\t", "Bearer "};
	auto_free char *token = new_token();

	(void)state;
	for (size_t k = 0; k < COUNT(heads); k++) {
		auto_free char *longer = alloc_printf("%s%s", heads[k], token);
		assert_refused(longer, "token: ");
	}
}

static void
test_padding_and_other_alphabets_are_refused(void **state)
{
	static const char bytes[] = "=+/ \n\t%~\x80";
	auto_free char *token = new_token();

	(void)state;
	for (size_t k = 0; k < sizeof(bytes) - 1; k++) {
		for (const char *dot = token; dot != NULL;
		     dot = strchr(dot + 1, '.')) {
			size_t at = (size_t)(dot - token) + 2;
			auto_free char *other = alloc_string(token);
			other[at] = bytes[k];
			assert_refused(other, "base64url");
		}
	}
}

/* 64 bytes are 85 characters and two bits: four spellings of the last one. */
static void
test_non_canonical_last_character_is_refused(void **state)
{
	auto_free char *token = new_token();
	char *last = token + strlen(token) - 1;
	size_t value = (size_t)(strchr(base64url, *last) - base64url);

	(void)state;
	assert_int_equal(value % 16, 0);
	for (size_t k = 1; k < 16; k++) {
		*last = base64url[value + k];
		assert_refused(token, "base64url");
	}
}

static void
test_wrong_number_of_parts_is_refused(void **state)
{
	(void)state;
	assert_refused("", "parts");
	assert_refused("e30", "parts");
	assert_refused("e30.e30", "parts");
	assert_refused("e30.e30.e30.e30", "parts");
	assert_refused("..", "empty");
	assert_refused("e30..AAAA", "empty");
	assert_refused(".e30.AAAA", "empty");
	assert_refused("a.b.c.d.e", "parts"); /* JWE */
}

static void
test_duplicate_members_are_refused(void **state)
{
	auto_json *header = token_header(&credentials);
	auto_json *payload = token_payload("alice", THUMBPRINT);
	auto_free char *head = json_dumps(header, JSON_COMPACT);
	auto_free char *body = json_dumps(payload, JSON_COMPACT);
	auto_free char *two_algorithms =
	    alloc_printf("{\"alg\":\"none\",%s", head + 1);
	auto_free char *two_subjects =
	    alloc_printf("{\"sub\":\"root\",%s", body + 1);
	auto_free char *escaped =
	    alloc_printf("{\"\\u0073ub\":\"root\",%s", body + 1);
	auto_free char *first =
	    token_sign_text(two_algorithms, body, credentials.token_key);
	auto_free char *second =
	    token_sign_text(head, two_subjects, credentials.token_key);
	auto_free char *third =
	    token_sign_text(head, escaped, credentials.token_key);

	(void)state;
	assert_refused(first, "header is not one strict JSON object");
	assert_refused(second, "payload is not one strict JSON object");
	assert_refused(third, "payload is not one strict JSON object");
}

static void
test_parts_that_are_not_one_object_are_refused(void **state)
{
	static const char *const texts[] = {"[]", "null", "\"x\"", "1", "{",
	    "{} ", "{}x", "{}{}", "\xef\xbb\xbf{}", "{\"a\":\"\\u0000\"}",
	    "{\"a\":NaN}", "{'a':1}"};
	auto_json *header = token_header(&credentials);
	auto_free char *head = json_dumps(header, JSON_COMPACT);

	(void)state;
	for (size_t k = 0; k < COUNT(texts); k++) {
		auto_free char *first =
		    token_sign_text(texts[k], "{}", credentials.token_key);
		auto_free char *second =
		    token_sign_text(head, texts[k], credentials.token_key);
		assert_refused(first, "token: its ");
		assert_refused(second, "token: ");
	}
}

static void
test_deep_nesting_is_refused(void **state)
{
	auto_json *header = token_header(&credentials);
	auto_free char *head = json_dumps(header, JSON_COMPACT);
	char body[600] = "{\"a\":";

	(void)state;
	memset(body + strlen(body), '[', 500);
	auto_free char *token =
	    token_sign_text(head, body, credentials.token_key);
	assert_refused(token, "payload");
}

static void
test_header_that_brings_its_own_trust_is_refused(void **state)
{
	static const char *const names[] = {"crit", "jku", "x5u", "x5c", "jwk",
	    "x5t", "x5t#S256", "b64", "cty", "zip", "enc", "url"};
	auto_json *payload = token_payload("alice", THUMBPRINT);

	(void)state;
	for (size_t k = 0; k < COUNT(names); k++) {
		auto_json *header = token_header(&credentials);
		json_object_set_new(header, names[k],
		    json_pack("[s]", "https://evil.example/keys"));
		assert_signed_refused(
		    header, payload, "members besides alg, typ and kid");
	}
}

static void
test_another_type_is_refused(void **state)
{
	static const char *const names[] = {
	    "at+jwt", "jwt", "JWS", "", "application/jwt"};
	auto_json *payload = token_payload("alice", THUMBPRINT);
	auto_json *header = token_header(&credentials);

	(void)state;
	for (size_t k = 0; k < COUNT(names); k++) {
		json_object_set_new(header, "typ", json_string(names[k]));
		assert_signed_refused(header, payload, "type is not JWT");
	}
	json_object_set_new(header, "typ", json_true());
	assert_signed_refused(header, payload, "type is not JWT");
	json_object_del(header, "typ");
	assert_signed_refused(header, payload, "type is not JWT");
}

static void
test_unknown_key_is_refused(void **state)
{
	auto_json *payload = token_payload("alice", THUMBPRINT);
	auto_json *header = token_header(&credentials);

	(void)state;
	json_object_set_new(header, "kid", json_string("someone-else"));
	assert_signed_refused(header, payload, "key is not known");
}

static const char over_long[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
				"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

static void
test_key_name_that_is_a_path_is_refused(void **state)
{
	static const char *const names[] = {"", ".", "..", "../ca", "a/b",
	    "/dev/null", "a.pem", "a b", "\xc3\xa4", over_long};
	auto_json *payload = token_payload("alice", THUMBPRINT);
	auto_json *header = token_header(&credentials);

	(void)state;
	for (size_t k = 0; k < COUNT(names); k++) {
		json_object_set_new(header, "kid", json_string(names[k]));
		assert_signed_refused(header, payload, "names no key");
	}
	json_object_set_new(header, "kid", json_integer(1));
	assert_signed_refused(header, payload, "names no key");
	json_object_del(header, "kid");
	assert_signed_refused(header, payload, "names no key");
}

static void
test_each_missing_claim_is_refused(void **state)
{
	static const char *const names[] = {
	    "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "scope", "cnf"};

	(void)state;
	for (size_t k = 0; k < COUNT(names); k++) {
		auto_free char *why = alloc_printf("it has no %s", names[k]);
		assert_claim_refused_take(names[k], NULL, why);
	}
}

static void
test_each_claim_of_a_wrong_type_is_refused(void **state)
{
	static const char *const names[] = {
	    "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "scope", "cnf"};

	(void)state;
	for (size_t k = 0; k < COUNT(names); k++) {
		json_t *const values[] = {json_true(), json_null(),
		    json_pack("[s]", "alice"), json_real(1.5),
		    json_integer(-1)};
		for (size_t j = 0; j < COUNT(values); j++)
			assert_claim_refused_take(
			    names[k], values[j], "wrong type");
	}
	assert_claim_refused_take(
	    "exp", json_string("1800003600"), "wrong type");
	assert_claim_refused_take("exp", json_integer(INT64_MAX), "wrong type");
	assert_claim_refused_take(
	    "iat", json_integer(INT64_C(253402300800)), "wrong type");
}

static void
test_roles_are_typed_and_bounded(void **state)
{
	auto_json *many = json_array();

	(void)state;
	for (size_t k = 0; k < TOKEN_ROLES_MAX; k++)
		json_array_append_new(many, json_string("role"));
	assert_claim_accepted_take("roles", json_deep_copy(many));
	json_array_append_new(many, json_string("role"));
	assert_claim_refused_take("roles", json_incref(many), "roles");
	assert_claim_refused_take("roles", json_string("admin"), "roles");
	assert_claim_refused_take("roles", json_pack("[i]", 1), "roles");
	assert_claim_refused_take("roles", json_pack("[s]", ""), "roles");
	assert_claim_refused_take("roles", json_pack("[s]", "A"), "roles");
	assert_claim_refused_take("roles", json_pack("[s]", "-a"), "roles");
	assert_claim_refused_take("roles",
	    json_pack("[s]", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), "roles");
	assert_claim_accepted_take(
	    "roles", json_pack("[s]", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
	assert_claim_accepted_take("roles", NULL);
}

static void
test_malformed_scopes_are_refused(void **state)
{
	static const char *const texts[] = {" ", " tasks:run", "tasks:run ",
	    "tasks:run  tasks:read", "tasks:run\ttasks:read", "tasks:run\n",
	    "a\"b", "a\\b", "\xc3\xa4"};

	(void)state;
	for (size_t k = 0; k < COUNT(texts); k++)
		assert_claim_refused_take(
		    "scope", json_string(texts[k]), "scope");
}

static void
test_unknown_scopes_give_nothing(void **state)
{
	auto_free char *token = token_with_claim_take("scope",
	    json_string("TASKS:RUN tasks:runs tasks tasks:read:all:x admi"));
	auto_free char *none = token_with_claim_take("scope", json_string(""));
	struct token_claims claims;
	struct err err = {0};

	(void)state;
	assert_int_equal(verify(token, &claims, &err), 0);
	assert_int_equal(claims.scopes, 0);
	assert_int_equal(verify(none, &claims, &err), 0);
	assert_int_equal(claims.scopes, 0);
}

static void
test_confirmation_of_another_kind_is_refused(void **state)
{
	json_t *const values[] = {
	    json_object(),
	    json_pack("{s:s}", "jkt", THUMBPRINT),
	    json_pack("{s:s}", "x5t#s256", THUMBPRINT),
	    json_pack("{s:i}", "x5t#S256", 1),
	    json_pack("{s:s}", "x5t#S256", ""),
	    json_pack("{s:s}", "x5t#S256", THUMBPRINT "A"),
	    json_pack("{s:s}", "x5t#S256", THUMBPRINT "="),
	    /* The last character carries four bits: 9 leaves one over. */
	    json_pack("{s:s}", "x5t#S256",
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9"),
	    json_pack("{s:s, s:s}", "x5t#S256", THUMBPRINT, "jkt", "x"),
	};

	(void)state;
	for (size_t k = 0; k < COUNT(values); k++)
		assert_claim_refused_take("cnf", values[k], "cnf");
}

static void
test_another_issuer_or_audience_is_refused(void **state)
{
	static const char *const texts[] = {"", "test-issuer ", "TEST-ISSUER",
	    "test-issue", "urn:taskgate:other"};

	(void)state;
	for (size_t k = 0; k < COUNT(texts); k++) {
		assert_claim_refused_take(
		    "iss", json_string(texts[k]), "its iss");
		assert_claim_refused_take(
		    "aud", json_string(texts[k]), "its aud");
	}
	/* One audience among several is another installation's token. */
	assert_claim_refused_take("aud",
	    json_pack("[s,s]", CREDENTIALS_AUDIENCE, "other"), "wrong type");
}

static void
test_malformed_subject_or_id_is_refused(void **state)
{
	(void)state;
	assert_claim_refused_take("sub", json_string(""), "its sub");
	assert_claim_refused_take("sub", json_string("Alice"), "its sub");
	assert_claim_refused_take("sub", json_string("a b"), "its sub");
	assert_claim_refused_take("jti", json_string(""), "its jti");
	assert_claim_refused_take("jti", json_string("a\nb"), "its jti");
	assert_claim_refused_take("jti",
	    json_string("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			"aaaaaaaaaaa"),
	    "its jti");
}

static int
verify_times(
    int64_t issued_s, int64_t not_before_s, int64_t expires_s, int64_t now_s)
{
	auto_json *header = token_header(&credentials);
	auto_json *payload = token_payload("alice", THUMBPRINT);
	struct token_claims claims;
	struct err err = {0};

	json_object_set_new(payload, "iat", json_integer(issued_s));
	json_object_set_new(payload, "nbf", json_integer(not_before_s));
	json_object_set_new(payload, "exp", json_integer(expires_s));
	auto_free char *token =
	    token_sign(header, payload, credentials.token_key);
	return verify_at(token, strlen(token), now_s, &claims, &err);
}

static void
test_expired_token_is_refused_after_the_leeway(void **state)
{
	const int64_t now_s = CREDENTIALS_NOW;
	const int64_t then_s = now_s - 600;

	(void)state;
	assert_int_equal(verify_times(then_s, then_s, now_s - 59, now_s), 0);
	assert_int_equal(verify_times(then_s, then_s, now_s - 60, now_s), -1);
	assert_int_equal(verify_times(0, 0, 1, now_s), -1);
}

static void
test_token_of_the_future_is_refused_before_the_leeway(void **state)
{
	const int64_t now_s = CREDENTIALS_NOW;
	const int64_t end_s = now_s + 600;

	(void)state;
	assert_int_equal(verify_times(now_s, now_s + 60, end_s, now_s), 0);
	assert_int_equal(verify_times(now_s, now_s + 61, end_s, now_s), -1);
	assert_int_equal(verify_times(now_s + 60, now_s, end_s, now_s), 0);
	assert_int_equal(verify_times(now_s + 61, now_s, end_s, now_s), -1);
}

static void
test_over_long_lifetime_is_refused(void **state)
{
	const int64_t now_s = CREDENTIALS_NOW;
	const int64_t max_s = CREDENTIALS_LIFETIME_MAX_S;

	(void)state;
	assert_int_equal(verify_times(now_s, now_s, now_s + max_s, now_s), 0);
	assert_int_equal(
	    verify_times(now_s, now_s, now_s + max_s + 1, now_s), -1);
	assert_int_equal(verify_times(0, 0, INT64_C(253402300799), now_s), -1);
}

static void
test_token_that_ends_before_it_begins_is_refused(void **state)
{
	const int64_t now_s = CREDENTIALS_NOW;

	(void)state;
	assert_int_equal(verify_times(now_s, now_s, now_s, now_s), -1);
	assert_int_equal(
	    verify_times(now_s - 10, now_s + 20, now_s + 10, now_s), -1);
}

static void
test_4097_bytes_are_refused_before_anything_else(void **state)
{
	auto_json *header = token_header(&credentials);
	auto_json *payload = token_payload("alice", THUMBPRINT);
	struct token_claims claims;
	struct err err = {0};

	(void)state;
	/* The largest payload that still fits: an unknown claim fills it. */
	for (size_t size = 2500; size < 3000; size++) {
		auto_free char *filler = alloc_printf("%0*d", (int)size, 0);
		json_object_set_new(payload, "filler", json_string(filler));
		auto_free char *token =
		    token_sign(header, payload, credentials.token_key);
		if (strlen(token) <= TOKEN_MAX) {
			assert_int_equal(verify(token, &claims, &err), 0);
			continue;
		}
		assert_true(strlen(token) < TOKEN_MAX + 3);
		assert_refused(token, "longer than 4096 bytes");
		return;
	}
	fail();
}

static void
test_300_kilobytes_do_not_reach_the_library(void **state)
{
	const size_t len = (size_t)300 * 1024;
	auto_free char *token = alloc_zero(len + 1, 1);

	(void)state;
	memset(token, 'A', len);
	token[100] = token[len - 100] = '.';
	assert_bytes_refused(token, len, "longer than 4096 bytes");
}

static void
test_refusal_repeats_no_byte_of_the_token(void **state)
{
	auto_json *header = token_header(&credentials);
	auto_json *payload = token_payload("alice", THUMBPRINT);
	struct token_claims claims;
	struct err err = {0};

	(void)state;
	json_object_set_new(header, "kid", json_string("marker-marker"));
	json_object_set_new(payload, "sub", json_string("MARKER-MARKER"));
	auto_free char *token =
	    token_sign(header, payload, credentials.token_key);
	assert_int_equal(verify(token, &claims, &err), -1);
	assert_null(strcasestr(err.detail, "marker"));
	json_object_set_new(
	    header, "kid", json_string(credentials.token_key_id));
	auto_free char *other =
	    token_sign(header, payload, credentials.token_key);
	assert_int_equal(verify(other, &claims, &err), -1);
	assert_null(strcasestr(err.detail, "marker"));
}

static void
write_key(const char *directory, const char *name, const char *text)
{
	auto_free char *path = alloc_printf("%s/%s", directory, name);
	struct err err = {0};

	assert_int_equal(file_write(path, text, strlen(text), 0644, &err), 0);
}

static void
assert_keys_refused(const char *name, const char *text, const char *why)
{
	auto_free char *directory =
	    alloc_printf("%s/keys-XXXXXX", credentials.directory);
	struct err err = {0};

	assert_non_null(mkdtemp(directory));
	write_key(directory, name, text);
	assert_null(token_keys_load(directory, &err));
	if (strstr(err.detail, why) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.detail, why);
}

static void
test_missing_or_empty_key_is_a_failure_to_start(void **state)
{
	auto_free char *pem = issue_key_encode_public(credentials.token_key);
	struct err err = {0};

	(void)state;
	assert_keys_refused("a.pem", "", "no public key");
	assert_keys_refused("a.pem", "\n", "no public key");
	assert_keys_refused("a.pem", "secret", "no public key");
	assert_keys_refused("readme.txt", pem, "there is no key");
	assert_keys_refused(".pem", pem, "there is no key");
	assert_keys_refused("a b.pem", pem, "the name is not KID.pem");
	assert_null(token_keys_load("/nonexistent", &err));
}

static void
test_key_of_another_kind_is_a_failure_to_start(void **state)
{
	AUTO(EVP_PKEY_freep)
	EVP_PKEY *p384 = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
	AUTO(EVP_PKEY_freep)
	EVP_PKEY *ed25519 = issue_key_new(ISSUE_KEY_ED25519);
	AUTO(EVP_PKEY_freep)
	EVP_PKEY *rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	auto_free char *first = issue_key_encode_public(p384);
	auto_free char *second = issue_key_encode_public(ed25519);
	auto_free char *third = issue_key_encode_public(rsa);
	auto_free char *good = issue_key_encode_public(credentials.token_key);
	auto_secret char *private = issue_key_encode(credentials.token_key);
	auto_free char *twice = alloc_printf("%s%s", good, good);
	auto_free char *both = alloc_printf("%s%s", good, private);

	(void)state;
	assert_keys_refused("a.pem", first, "not on P-256");
	assert_keys_refused("a.pem", second, "not on P-256");
	assert_keys_refused("a.pem", third, "not on P-256");
	assert_keys_refused("a.pem", private, "private key");
	assert_keys_refused("a.pem", both, "private key");
	assert_keys_refused("a.pem", twice, "more than one key");
}

static void
test_key_is_chosen_by_its_name_alone(void **state)
{
	AUTO(EVP_PKEY_freep) EVP_PKEY *old = issue_key_new(ISSUE_KEY_P256);
	auto_free char *pem = issue_key_encode_public(old);
	auto_free char *ours = issue_key_encode_public(credentials.token_key);
	auto_free char *directory =
	    alloc_printf("%s/keys-XXXXXX", credentials.directory);
	auto_json *header = token_header(&credentials);
	auto_json *payload = token_payload("alice", THUMBPRINT);
	const struct token_expectation expected = {CREDENTIALS_ISSUER,
	    CREDENTIALS_AUDIENCE, CREDENTIALS_LIFETIME_MAX_S};
	struct token_claims claims;
	struct err err = {0};

	(void)state;
	assert_non_null(mkdtemp(directory));
	write_key(directory, "old.pem", pem);
	write_key(directory, "new.pem", ours);
	struct token_keys *keys = token_keys_load(directory, &err);
	assert_non_null(keys);
	json_object_set_new(header, "kid", json_string("old"));
	auto_free char *right = token_sign(header, payload, old);
	auto_free char *wrong =
	    token_sign(header, payload, credentials.token_key);
	assert_int_equal(token_verify(keys, &expected, right, strlen(right),
			     CREDENTIALS_NOW, &claims, &err),
	    0);
	assert_string_equal(claims.key_id, "old");
	assert_int_equal(token_verify(keys, &expected, wrong, strlen(wrong),
			     CREDENTIALS_NOW, &claims, &err),
	    -1);
	token_keys_free(keys);
}

static void
test_scope_names_go_both_ways(void **state)
{
	(void)state;
	for (unsigned bit = 1; bit <= SCOPE_ADMIN; bit <<= 1) {
		const char *name = scope_name((enum scope)bit);
		assert_int_equal(scope_parse(name, strlen(name)), bit);
		assert_int_equal(
		    scope_parse(name, strlen(name) - 1), SCOPE_NONE);
	}
	assert_int_equal(scope_parse("", 0), SCOPE_NONE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_token_in_order_gives_its_claims),
	    cmocka_unit_test(test_algorithm_none_is_refused),
	    cmocka_unit_test(test_hs256_keyed_with_the_public_pem_is_refused),
	    cmocka_unit_test(test_other_spellings_of_the_algorithm_are_refused),
	    cmocka_unit_test(test_algorithm_of_another_type_is_refused),
	    cmocka_unit_test(test_signature_by_another_key_is_refused),
	    cmocka_unit_test(test_all_zero_signature_is_refused),
	    cmocka_unit_test(test_every_changed_byte_is_refused),
	    cmocka_unit_test(test_every_truncation_is_refused),
	    cmocka_unit_test(test_trailing_junk_is_refused),
	    cmocka_unit_test(test_leading_junk_is_refused),
	    cmocka_unit_test(test_padding_and_other_alphabets_are_refused),
	    cmocka_unit_test(test_non_canonical_last_character_is_refused),
	    cmocka_unit_test(test_wrong_number_of_parts_is_refused),
	    cmocka_unit_test(test_duplicate_members_are_refused),
	    cmocka_unit_test(test_parts_that_are_not_one_object_are_refused),
	    cmocka_unit_test(test_deep_nesting_is_refused),
	    cmocka_unit_test(test_header_that_brings_its_own_trust_is_refused),
	    cmocka_unit_test(test_another_type_is_refused),
	    cmocka_unit_test(test_unknown_key_is_refused),
	    cmocka_unit_test(test_key_name_that_is_a_path_is_refused),
	    cmocka_unit_test(test_each_missing_claim_is_refused),
	    cmocka_unit_test(test_each_claim_of_a_wrong_type_is_refused),
	    cmocka_unit_test(test_roles_are_typed_and_bounded),
	    cmocka_unit_test(test_malformed_scopes_are_refused),
	    cmocka_unit_test(test_unknown_scopes_give_nothing),
	    cmocka_unit_test(test_confirmation_of_another_kind_is_refused),
	    cmocka_unit_test(test_another_issuer_or_audience_is_refused),
	    cmocka_unit_test(test_malformed_subject_or_id_is_refused),
	    cmocka_unit_test(test_expired_token_is_refused_after_the_leeway),
	    cmocka_unit_test(
		test_token_of_the_future_is_refused_before_the_leeway),
	    cmocka_unit_test(test_over_long_lifetime_is_refused),
	    cmocka_unit_test(test_token_that_ends_before_it_begins_is_refused),
	    cmocka_unit_test(test_4097_bytes_are_refused_before_anything_else),
	    cmocka_unit_test(test_300_kilobytes_do_not_reach_the_library),
	    cmocka_unit_test(test_refusal_repeats_no_byte_of_the_token),
	    cmocka_unit_test(test_missing_or_empty_key_is_a_failure_to_start),
	    cmocka_unit_test(test_key_of_another_kind_is_a_failure_to_start),
	    cmocka_unit_test(test_key_is_chosen_by_its_name_alone),
	    cmocka_unit_test(test_scope_names_go_both_ways),
	};

	return cmocka_run_group_tests(
	    tests, make_credentials, remove_credentials);
}
