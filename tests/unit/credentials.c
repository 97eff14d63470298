/* Good and bad credentials; only tests link this. */
#include "tests/unit/credentials.h"

#include <openssl/hmac.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#include "certs/issue_certificate.h"
#include "certs/issue_key.h"
#include "certs/openssl.h"
#include "lib/alloc.h"
#include "lib/file.h"

#define DAY_S INT64_C(86400)

static void
write_file(const char *directory, const char *name, const char *text)
{
	auto_free char *path = alloc_printf("%s/%s", directory, name);
	struct err err = {0};

	if (file_write(path, text, strlen(text), 0644, &err) != 0)
		fail_msg("%s", err.detail);
}

static void
write_authority(const struct credentials *credentials)
{
	auto_free char *ca = issue_certificate_encode(credentials->ca);
	auto_free char *pem = issue_key_encode_public(credentials->token_key);
	auto_free char *keys =
	    alloc_printf("%s/token-keys", credentials->directory);
	auto_free char *name =
	    alloc_printf("%s.pem", credentials->token_key_id);

	write_file(credentials->directory, "ca.crt", ca);
	assert_int_equal(mkdir(keys, 0755), 0);
	write_file(keys, name, pem);
}

void
credentials_init(struct credentials *credentials)
{
	const struct validity validity = {CREDENTIALS_NOW - DAY_S, 3650};
	struct err err = {0};

	*credentials = (struct credentials){0};
	snprintf(credentials->directory, sizeof(credentials->directory),
	    "%s/credentials-XXXXXX", BINARY_DIR);
	assert_non_null(mkdtemp(credentials->directory));
	credentials->ca_key = issue_key_new(ISSUE_KEY_P256);
	credentials->ca = issue_authority(credentials->ca_key, &validity);
	credentials->token_key = issue_key_new(ISSUE_KEY_P256);
	key_id(credentials->token_key, credentials->token_key_id);
	write_authority(credentials);

	auto_free char *ca = alloc_printf("%s/ca.crt", credentials->directory);
	auto_free char *keys =
	    alloc_printf("%s/token-keys", credentials->directory);
	if (authority_load(ca, keys, CREDENTIALS_ISSUER, CREDENTIALS_AUDIENCE,
		CREDENTIALS_LIFETIME_MAX_S, &credentials->authority, &err) != 0)
		fail_msg("%s", err.detail);
}

void
credentials_done(struct credentials *credentials)
{
	auto_free char *command =
	    alloc_printf("rm -rf '%s'", credentials->directory);

	assert_int_equal(system(command), 0);
	authority_done(&credentials->authority);
	EVP_PKEY_free(credentials->ca_key);
	EVP_PKEY_free(credentials->token_key);
	X509_free(credentials->ca);
}

struct recipe
recipe_good(const struct credentials *credentials)
{
	return (struct recipe){
	    .issuer_key = credentials->ca_key,
	    .issuer = credentials->ca,
	    .basic_constraints = "critical,CA:FALSE",
	    .key_usage = "critical,digitalSignature",
	    .extended_key_usage = "clientAuth",
	    .san = "URI:taskgate:client:alice",
	    .common_name = "alice",
	    .version = X509_VERSION_3,
	    .from_s = CREDENTIALS_NOW - 3600,
	    .to_s = CREDENTIALS_NOW + DAY_S,
	};
}

struct recipe
recipe_authority(X509 *issuer, EVP_PKEY *issuer_key)
{
	return (struct recipe){
	    .issuer_key = issuer_key,
	    .issuer = issuer,
	    .basic_constraints = "critical,CA:TRUE",
	    .key_usage = "critical,keyCertSign,cRLSign",
	    .common_name = "another CA",
	    .version = X509_VERSION_3,
	    .from_s = CREDENTIALS_NOW - 3600,
	    .to_s = CREDENTIALS_NOW + 365 * DAY_S,
	};
}

static void
add(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;

	if (value == NULL)
		return;
	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	AUTO(X509_EXTENSION_freep)
	X509_EXTENSION *extension =
	    X509V3_EXT_conf_nid(NULL, &context, nid, value);
	assert_non_null(extension);
	assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
}

static void
add_raw_uri(X509 *certificate, const struct recipe *recipe)
{
	if (recipe->raw_uri == NULL)
		return;
	AUTO(GENERAL_NAMES_freep) GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *value = ASN1_IA5STRING_new();
	assert_int_equal(
	    ASN1_STRING_set(value, recipe->raw_uri, (int)recipe->raw_uri_len),
	    1);
	GENERAL_NAME_set0_value(name, GEN_URI, value);
	assert_true(sk_GENERAL_NAME_push(names, name) > 0);
	assert_int_equal(X509_add1_ext_i2d(certificate, NID_subject_alt_name,
			     names, 0, X509V3_ADD_APPEND),
	    1);
}

static void
add_all(X509 *certificate, X509 *issuer, const struct recipe *recipe)
{
	add(certificate, issuer, NID_basic_constraints,
	    recipe->basic_constraints);
	add(certificate, issuer, NID_key_usage, recipe->key_usage);
	add(certificate, issuer, NID_ext_key_usage, recipe->extended_key_usage);
	if (!recipe->no_subject_key_id)
		add(certificate, issuer, NID_subject_key_identifier, "hash");
	if (!recipe->no_authority_key_id)
		add(certificate, issuer, NID_authority_key_identifier,
		    "keyid:always");
	add(certificate, issuer, NID_subject_alt_name, recipe->san);
	add_raw_uri(certificate, recipe);
}

static void
set_name(X509_NAME *name, const char *text)
{
	assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
			     (const unsigned char *)text, -1, -1, 0),
	    1);
}

X509 *
recipe_cook(const struct recipe *recipe)
{
	X509 *certificate = X509_new();
	AUTO(EVP_PKEY_freep)
	EVP_PKEY *made =
	    recipe->key == NULL ? issue_key_new(ISSUE_KEY_P256) : NULL;
	EVP_PKEY *key = made != NULL ? made : recipe->key;

	X509 *issuer = recipe->issuer != NULL ? recipe->issuer : certificate;
	EVP_PKEY *signer =
	    recipe->issuer_key != NULL ? recipe->issuer_key : key;
	X509_set_version(certificate, recipe->version);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 4711);
	ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)recipe->from_s);
	ASN1_TIME_set(X509_getm_notAfter(certificate), (time_t)recipe->to_s);
	X509_set_pubkey(certificate, key);
	set_name(X509_get_subject_name(certificate), recipe->common_name);
	X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
	add_all(certificate, issuer, recipe);
	const EVP_MD *digest = EVP_PKEY_get_base_id(signer) == EVP_PKEY_ED25519
	    ? NULL
	    : EVP_sha256();
	assert_true(X509_sign(certificate, signer, digest) > 0);
	return certificate;
}

json_t *
token_header(const struct credentials *credentials)
{
	return json_pack("{s:s, s:s, s:s}", "alg", "ES256", "typ", "JWT", "kid",
	    credentials->token_key_id);
}

json_t *
token_payload(const char *subject, const char *thumbprint)
{
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:s, s:[s,s], "
			 "s:{s:s}}",
	    "iss", CREDENTIALS_ISSUER, "sub", subject, "aud",
	    CREDENTIALS_AUDIENCE, "iat", (json_int_t)CREDENTIALS_NOW, "nbf",
	    (json_int_t)CREDENTIALS_NOW, "exp",
	    (json_int_t)CREDENTIALS_NOW + 3600, "jti", "token-1", "scope",
	    "tasks:run tasks:read", "roles", "developers", "ci", "cnf",
	    "x5t#S256", thumbprint);
}

/* The DER of an ECDSA signature as r and s (RFC 7518 3.4). */
static void
split_signature(const unsigned char *der, size_t len, uint8_t ret[64])
{
	ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &der, (long)len);

	assert_non_null(signature);
	assert_int_equal(
	    BN_bn2binpad(ECDSA_SIG_get0_r(signature), ret, 32), 32);
	assert_int_equal(
	    BN_bn2binpad(ECDSA_SIG_get0_s(signature), ret + 32, 32), 32);
	ECDSA_SIG_free(signature);
}

static char *
signing_input(const char *header, const char *payload)
{
	auto_free char *head = base64url_encode(header, strlen(header));
	auto_free char *body = base64url_encode(payload, strlen(payload));

	return alloc_printf("%s.%s", head, body);
}

char *
token_sign_text(const char *header, const char *payload, EVP_PKEY *key)
{
	auto_free char *input = signing_input(header, payload);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	unsigned char der[256];
	size_t len = sizeof(der);
	uint8_t raw[64];

	assert_int_equal(
	    EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key), 1);
	assert_int_equal(EVP_DigestSign(context, der, &len,
			     (const unsigned char *)input, strlen(input)),
	    1);
	EVP_MD_CTX_free(context);
	split_signature(der, len, raw);
	auto_free char *signature = base64url_encode(raw, sizeof(raw));
	return alloc_printf("%s.%s", input, signature);
}

char *
token_sign(const json_t *header, const json_t *payload, EVP_PKEY *key)
{
	auto_free char *head = json_dumps(header, JSON_COMPACT);
	auto_free char *body = json_dumps(payload, JSON_COMPACT);

	return token_sign_text(head, body, key);
}

char *
token_mac(const json_t *header, const json_t *payload, const char *secret)
{
	auto_free char *head = json_dumps(header, JSON_COMPACT);
	auto_free char *body = json_dumps(payload, JSON_COMPACT);
	auto_free char *input = signing_input(head, body);
	uint8_t mac[32];
	unsigned len = sizeof(mac);

	assert_non_null(HMAC(EVP_sha256(), secret, (int)strlen(secret),
	    (const unsigned char *)input, strlen(input), mac, &len));
	auto_free char *signature = base64url_encode(mac, len);
	return alloc_printf("%s.%s", input, signature);
}
