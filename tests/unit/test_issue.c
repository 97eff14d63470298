/* What the operator's tool signs must be what the verifiers take, and nothing
 * that a request asks for. */
#include "certs/issue_certificate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "certs/issue_key.h"
#include "certs/issue_token.h"
#include "certs/openssl.h"
#include "lib/alloc.h"
#include "lib/buffer.h"
#include "tests/unit/credentials.h"

#define THUMBPRINT "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

static struct credentials credentials;
static struct issuer issuer;
static EVP_PKEY *client_key;

static int
make_credentials(void **state)
{
	struct err err = {0};

	(void)state;
	credentials_init(&credentials);
	assert_int_equal(
	    issuer_init(&issuer, credentials.ca_key, credentials.ca, &err), 0);
	client_key = issue_key_new(ISSUE_KEY_P256);
	return 0;
}

static int
remove_credentials(void **state)
{
	(void)state;
	issuer_done(&issuer);
	EVP_PKEY_free(client_key);
	credentials_done(&credentials);
	return 0;
}

static X509 *
sign(enum certificate_profile profile, EVP_PKEY *key, const char *const *names,
    size_t nnames, struct err *err)
{
	const struct certificate_order order = {
	    .profile = profile,
	    .key = key,
	    .names = names,
	    .nnames = nnames,
	    .validity = {CREDENTIALS_NOW, 90},
	};

	return issue_certificate(&issuer, &order, err);
}

static void
test_client_certificate_is_what_the_verifier_takes(void **state)
{
	const char *name = "alice";
	struct certificate certificate;
	struct err err = {0};
	AUTO(X509_freep)
	X509 *leaf = sign(PROFILE_CLIENT, client_key, &name, 1, &err);

	(void)state;
	assert_non_null(leaf);
	if (certificate_verify(credentials.authority.trust, leaf,
		CREDENTIALS_NOW, &certificate, &err) != 0)
		fail_msg("%s", err.detail);
	assert_string_equal(certificate.subject, "alice");
	assert_int_equal(
	    certificate.not_after_s, CREDENTIALS_NOW + INT64_C(90) * 86400);
	assert_int_equal(X509_get_key_usage(leaf), KU_DIGITAL_SIGNATURE);
	assert_int_equal(X509_get_extended_key_usage(leaf), XKU_SSL_CLIENT);
	assert_non_null(X509_get0_subject_key_id(leaf));
	assert_non_null(X509_get0_authority_key_id(leaf));
}

static void
test_server_certificate_is_no_clients(void **state)
{
	const char *const names[] = {"gate.example.org", "127.0.0.1", "::1"};
	struct certificate certificate;
	struct err err = {0};
	AUTO(X509_freep)
	X509 *leaf = sign(PROFILE_SERVER, client_key, names, 3, &err);

	(void)state;
	assert_non_null(leaf);
	assert_int_equal(X509_get_extended_key_usage(leaf), XKU_SSL_SERVER);
	assert_int_equal(X509_check_host(leaf, names[0], 0, 0, NULL), 1);
	assert_int_equal(X509_check_ip_asc(leaf, names[1], 0), 1);
	assert_int_equal(X509_check_ip_asc(leaf, names[2], 0), 1);
	assert_int_equal(X509_check_host(leaf, "localhost", 0, 0, NULL), 0);
	assert_int_equal(certificate_verify(credentials.authority.trust, leaf,
			     CREDENTIALS_NOW, &certificate, &err),
	    -1);
}

static void
test_serial_numbers_are_random_128_bits(void **state)
{
	const char *name = "alice";
	struct err err = {0};
	int bits = 0;
	AUTO(X509_freep)
	X509 *first = sign(PROFILE_CLIENT, client_key, &name, 1, &err);

	(void)state;
	for (int k = 0; k < 16; k++) {
		AUTO(X509_freep)
		X509 *next = sign(PROFILE_CLIENT, client_key, &name, 1, &err);
		const ASN1_INTEGER *serial = X509_get0_serialNumber(next);
		assert_int_not_equal(
		    ASN1_INTEGER_cmp(X509_get0_serialNumber(first), serial), 0);
		AUTO(BN_freep)
		BIGNUM *number = ASN1_INTEGER_to_BN(serial, NULL);
		assert_false(BN_is_negative(number));
		assert_true(BN_num_bits(number) <= 128);
		if (BN_num_bits(number) > bits)
			bits = BN_num_bits(number);
	}
	/* Sixteen of them all below 2^120 would be one chance in 2^128. */
	assert_true(bits > 120);
}

static void
test_bad_names_are_not_signed(void **state)
{
	static const struct {
		enum certificate_profile profile;
		const char *name;
	} cases[] = {
	    {PROFILE_CLIENT, ""},
	    {PROFILE_CLIENT, "Alice"},
	    {PROFILE_CLIENT, "alice,URI:taskgate:client:root"},
	    {PROFILE_CLIENT, "a/b"},
	    {PROFILE_SERVER, ""},
	    {PROFILE_SERVER, "a,DNS:b"},
	    {PROFILE_SERVER, "*.example.org"},
	    {PROFILE_SERVER, "-a.example.org"},
	    {PROFILE_SERVER, "a-.example.org"},
	    {PROFILE_SERVER, "a..b"},
	    {PROFILE_SERVER, ".a"},
	    {PROFILE_SERVER, "a."},
	    {PROFILE_SERVER, "Example.org"},
	    {PROFILE_SERVER, "a b"},
	};

	(void)state;
	for (size_t k = 0; k < COUNT(cases); k++) {
		struct err err = {0};
		assert_null(sign(
		    cases[k].profile, client_key, &cases[k].name, 1, &err));
		assert_int_equal(err.code, ERR_UNPROCESSABLE);
	}
}

static void
test_two_names_are_not_signed_for_a_client(void **state)
{
	const char *const names[] = {"alice", "root"};
	struct err err = {0};

	(void)state;
	assert_null(sign(PROFILE_CLIENT, client_key, names, 2, &err));
	assert_null(sign(PROFILE_CLIENT, client_key, names, 0, &err));
	assert_null(sign(PROFILE_SERVER, client_key, names, 0, &err));
}

static void
test_weak_keys_are_not_signed(void **state)
{
	const char *name = "alice";
	AUTO(EVP_PKEY_freep)
	EVP_PKEY *rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
	AUTO(EVP_PKEY_freep)
	EVP_PKEY *curve = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "secp256k1");
	struct err err = {0};

	(void)state;
	assert_null(sign(PROFILE_CLIENT, rsa, &name, 1, &err));
	assert_int_equal(err.code, ERR_UNPROCESSABLE);
	assert_null(sign(PROFILE_CLIENT, curve, &name, 1, &err));
}

static void
test_certificate_does_not_outlive_its_ca(void **state)
{
	const char *name = "alice";
	const struct certificate_order order = {
	    .profile = PROFILE_CLIENT,
	    .key = client_key,
	    .names = &name,
	    .nnames = 1,
	    .validity = {CREDENTIALS_NOW, 3650 * 2},
	};
	struct certificate_order late = order;
	struct err err = {0};
	AUTO(X509_freep) X509 *leaf = issue_certificate(&issuer, &order, &err);

	(void)state;
	assert_non_null(leaf);
	assert_int_equal(ASN1_TIME_compare(X509_get0_notAfter(leaf),
			     X509_get0_notAfter(credentials.ca)),
	    0);
	late.validity.now_s += INT64_C(4000) * 86400;
	assert_null(issue_certificate(&issuer, &late, &err));
	assert_non_null(strstr(err.detail, "expired"));
}

static void
test_issuer_with_another_key_is_refused(void **state)
{
	const char *name = "alice";
	struct issuer other;
	struct err err = {0};
	AUTO(X509_freep)
	X509 *leaf = sign(PROFILE_CLIENT, client_key, &name, 1, &err);

	(void)state;
	assert_int_equal(
	    issuer_init(&other, client_key, credentials.ca, &err), -1);
	assert_int_equal(issuer_init(&other, client_key, leaf, &err), -1);
	assert_non_null(strstr(err.detail, "not a CA's"));
}

/* A request in PEM; `signer` may be somebody else. The caller frees. */
static char *
new_request(EVP_PKEY *key, EVP_PKEY *signer)
{
	AUTO(X509_REQ_freep) X509_REQ *request = X509_REQ_new();
	AUTO(BIO_freep) BIO *out = BIO_new(BIO_s_mem());
	char *data;

	assert_int_equal(X509_REQ_set_pubkey(request, key), 1);
	X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(request), "CN",
	    MBSTRING_UTF8, (const unsigned char *)"root", -1, -1, 0);
	assert_true(X509_REQ_sign(request, signer, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_bio_X509_REQ(out, request), 1);
	long len = BIO_get_mem_data(out, &data);
	return alloc_bytes(data, (size_t)len);
}

static void
test_names_in_a_request_are_not_believed(void **state)
{
	const char *name = "alice";
	auto_free char *pem = new_request(client_key, client_key);
	struct certificate certificate;
	struct err err = {0};
	char common_name[64] = "";

	(void)state;
	AUTO(EVP_PKEY_freep)
	EVP_PKEY *key = issue_request_key(pem, strlen(pem), &err);
	assert_non_null(key);
	AUTO(X509_freep) X509 *leaf = sign(PROFILE_CLIENT, key, &name, 1, &err);
	assert_int_equal(certificate_verify(credentials.authority.trust, leaf,
			     CREDENTIALS_NOW, &certificate, &err),
	    0);
	assert_string_equal(certificate.subject, "alice");
	X509_NAME_get_text_by_NID(X509_get_subject_name(leaf), NID_commonName,
	    common_name, sizeof(common_name));
	assert_string_equal(common_name, "alice");
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(leaf), client_key), 1);
}

static void
test_request_signed_by_another_key_is_refused(void **state)
{
	AUTO(EVP_PKEY_freep) EVP_PKEY *other = issue_key_new(ISSUE_KEY_P256);
	auto_free char *pem = new_request(client_key, other);
	struct err err = {0};

	(void)state;
	assert_null(issue_request_key(pem, strlen(pem), &err));
	assert_non_null(strstr(err.detail, "not signed by its own key"));
}

static void
test_what_is_no_request_is_refused(void **state)
{
	auto_free char *ca = issue_certificate_encode(credentials.ca);
	auto_free char *pem = new_request(client_key, client_key);
	const char *const texts[] = {"", "x", ca,
	    "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n"
	    "-----END CERTIFICATE REQUEST-----\n"};
	struct err err = {0};

	(void)state;
	for (size_t k = 0; k < COUNT(texts); k++)
		assert_null(
		    issue_request_key(texts[k], strlen(texts[k]), &err));
	for (size_t len = 0; len + 2 < strlen(pem); len++)
		assert_null(issue_request_key(pem, len, &err));
}

static void
test_request_with_a_weak_key_is_refused(void **state)
{
	AUTO(EVP_PKEY_freep)
	EVP_PKEY *weak = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
	auto_free char *pem = new_request(weak, weak);
	struct err err = {0};

	(void)state;
	assert_null(issue_request_key(pem, strlen(pem), &err));
	assert_int_equal(err.code, ERR_UNPROCESSABLE);
}

static void
test_keys_go_out_and_come_back(void **state)
{
	(void)state;
	for (int kind = ISSUE_KEY_P256; kind <= ISSUE_KEY_ED25519; kind++) {
		struct err err = {0};
		AUTO(EVP_PKEY_freep)
		EVP_PKEY *key = issue_key_new((enum issue_key_kind)kind);
		auto_secret char *pem = issue_key_encode(key);
		AUTO(EVP_PKEY_freep)
		EVP_PKEY *again = issue_key_parse(pem, strlen(pem), &err);
		assert_non_null(again);
		assert_int_equal(EVP_PKEY_eq(key, again), 1);
		assert_null(issue_key_parse(pem, strlen(pem) / 2, &err));
		auto_free char *public = issue_key_encode_public(key);
		assert_null(strstr(public, "PRIVATE"));
		assert_null(issue_key_parse(public, strlen(public), &err));
	}
}

static struct token_order
token_order_good(void)
{
	static const char *const roles[] = {"ops", "ci"};

	return (struct token_order){
	    .issuer = CREDENTIALS_ISSUER,
	    .audience = CREDENTIALS_AUDIENCE,
	    .subject = "alice",
	    .thumbprint = THUMBPRINT,
	    .scopes = SCOPE_TASKS_RUN | SCOPE_AUDIT_READ,
	    .roles = roles,
	    .nroles = 2,
	    .now_s = CREDENTIALS_NOW,
	    .lifetime_s = 3600,
	};
}

static void
test_token_is_what_the_verifier_takes(void **state)
{
	const struct token_order order = token_order_good();
	const struct token_expectation expected = {CREDENTIALS_ISSUER,
	    CREDENTIALS_AUDIENCE, CREDENTIALS_LIFETIME_MAX_S};
	struct token_claims claims;
	char id[TOKEN_ID_MAX + 1];
	auto_secret char *token = NULL;
	struct err err = {0};

	(void)state;
	assert_int_equal(
	    issue_token(&order, credentials.token_key, &token, id, &err), 0);
	if (token_verify(credentials.authority.keys, &expected, token,
		strlen(token), CREDENTIALS_NOW, &claims, &err) != 0)
		fail_msg("%s", err.detail);
	assert_string_equal(claims.subject, "alice");
	assert_string_equal(claims.id, id);
	assert_string_equal(claims.thumbprint, THUMBPRINT);
	assert_int_equal(claims.scopes, order.scopes);
	assert_int_equal(claims.nroles, 2);
	assert_string_equal(claims.roles[1], "ci");
	assert_int_equal(claims.expires_s, CREDENTIALS_NOW + 3600);
	assert_string_equal(claims.key_id, credentials.token_key_id);
}

static void
test_token_without_scopes_or_roles_is_one_too(void **state)
{
	struct token_order order = token_order_good();
	const struct token_expectation expected = {CREDENTIALS_ISSUER,
	    CREDENTIALS_AUDIENCE, CREDENTIALS_LIFETIME_MAX_S};
	struct token_claims claims;
	char id[TOKEN_ID_MAX + 1];
	auto_secret char *token = NULL;
	struct err err = {0};

	(void)state;
	order.scopes = 0;
	order.nroles = 0;
	assert_int_equal(
	    issue_token(&order, credentials.token_key, &token, id, &err), 0);
	assert_int_equal(
	    token_verify(credentials.authority.keys, &expected, token,
		strlen(token), CREDENTIALS_NOW, &claims, &err),
	    0);
	assert_int_equal(claims.scopes, 0);
	assert_int_equal(claims.nroles, 0);
}

static void
assert_token_not_issued(const struct token_order *order, EVP_PKEY *key)
{
	char id[TOKEN_ID_MAX + 1];
	char *token = NULL;
	struct err err = {0};

	assert_int_equal(issue_token(order, key, &token, id, &err), -1);
	assert_int_equal(err.code, ERR_UNPROCESSABLE);
	assert_null(token);
}

static void
test_tokens_that_would_be_refused_are_not_issued(void **state)
{
	static const char *const bad_role[] = {"Ops"};
	const char *many[TOKEN_ROLES_MAX + 1];
	auto_free char *long_issuer = alloc_printf("%04000d", 0);
	AUTO(EVP_PKEY_freep)
	EVP_PKEY *ed25519 = issue_key_new(ISSUE_KEY_ED25519);
	struct token_order order = token_order_good();

	(void)state;
	assert_token_not_issued(&order, ed25519);
	order.subject = "Alice";
	assert_token_not_issued(&order, credentials.token_key);
	order = token_order_good();
	order.roles = bad_role;
	order.nroles = 1;
	assert_token_not_issued(&order, credentials.token_key);
	for (size_t k = 0; k < COUNT(many); k++)
		many[k] = "role";
	order.roles = many;
	order.nroles = COUNT(many);
	assert_token_not_issued(&order, credentials.token_key);
	order = token_order_good();
	order.lifetime_s = 0;
	assert_token_not_issued(&order, credentials.token_key);
	order = token_order_good();
	order.issuer = long_issuer;
	assert_token_not_issued(&order, credentials.token_key);
}

static int
parse_bundle(const char *pem, size_t count, struct err *err)
{
	struct bundle bundle = {0};
	auto_buffer all = BUFFER_INIT(1 << 20);

	for (size_t k = 0; k < count; k++)
		buffer_append_string(&all, pem);
	buffer_append_string(&all, "");
	int result = issue_bundle_parse(
	    all.data != NULL ? all.data : "", all.len, &bundle, err);
	if (result == 0)
		assert_int_equal(bundle.count, count);
	issue_bundle_done(&bundle);
	return result;
}

static void
test_a_bundle_has_one_certificate_to_sixteen(void **state)
{
	auto_free char *pem = issue_certificate_encode(credentials.ca);
	auto_free char *cut = alloc_printf("%s%.*s", pem, 200, pem);
	struct err err = {0};

	(void)state;
	assert_int_equal(parse_bundle(pem, 1, &err), 0);
	assert_int_equal(parse_bundle(pem, BUNDLE_MAX, &err), 0);
	assert_int_equal(parse_bundle(pem, BUNDLE_MAX + 1, &err), -1);
	assert_int_equal(parse_bundle(pem, 0, &err), -1);
	assert_int_equal(parse_bundle(cut, 1, &err), -1);
	assert_non_null(strstr(err.detail, "certificate 2"));
}

static void
test_a_key_finds_its_certificate_wherever_it_stands(void **state)
{
	const struct validity validity = {CREDENTIALS_NOW, 10};
	AUTO(EVP_PKEY_freep) EVP_PKEY *other = issue_key_new(ISSUE_KEY_P256);
	AUTO(EVP_PKEY_freep) EVP_PKEY *none = issue_key_new(ISSUE_KEY_P256);
	struct bundle bundle = {.count = 2};

	(void)state;
	bundle.certificates[0] = credentials.ca;
	bundle.certificates[1] = issue_authority(other, &validity);
	assert_ptr_equal(issue_bundle_find(&bundle, credentials.ca_key),
	    bundle.certificates[0]);
	assert_ptr_equal(
	    issue_bundle_find(&bundle, other), bundle.certificates[1]);
	assert_null(issue_bundle_find(&bundle, none));
	X509_free(bundle.certificates[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		test_client_certificate_is_what_the_verifier_takes),
	    cmocka_unit_test(test_server_certificate_is_no_clients),
	    cmocka_unit_test(test_serial_numbers_are_random_128_bits),
	    cmocka_unit_test(test_bad_names_are_not_signed),
	    cmocka_unit_test(test_two_names_are_not_signed_for_a_client),
	    cmocka_unit_test(test_weak_keys_are_not_signed),
	    cmocka_unit_test(test_certificate_does_not_outlive_its_ca),
	    cmocka_unit_test(test_issuer_with_another_key_is_refused),
	    cmocka_unit_test(test_a_bundle_has_one_certificate_to_sixteen),
	    cmocka_unit_test(
		test_a_key_finds_its_certificate_wherever_it_stands),
	    cmocka_unit_test(test_names_in_a_request_are_not_believed),
	    cmocka_unit_test(test_request_signed_by_another_key_is_refused),
	    cmocka_unit_test(test_what_is_no_request_is_refused),
	    cmocka_unit_test(test_request_with_a_weak_key_is_refused),
	    cmocka_unit_test(test_keys_go_out_and_come_back),
	    cmocka_unit_test(test_token_is_what_the_verifier_takes),
	    cmocka_unit_test(test_token_without_scopes_or_roles_is_one_too),
	    cmocka_unit_test(test_tokens_that_would_be_refused_are_not_issued),
	};

	return cmocka_run_group_tests(
	    tests, make_credentials, remove_credentials);
}
