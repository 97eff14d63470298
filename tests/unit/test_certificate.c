/* Certificates that must not be accepted, each named after what it tries. */
#include "certs/certificate.h"

#include <openssl/core_names.h>
#include <openssl/rsa.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "certs/issue_certificate.h"
#include "certs/issue_key.h"
#include "certs/openssl.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "tests/unit/credentials.h"

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
verify(X509 *leaf, struct certificate *ret, struct err *err)
{
	return certificate_verify(
	    credentials.authority.trust, leaf, CREDENTIALS_NOW, ret, err);
}

static void
assert_leaf_refused(X509 *leaf, const char *why)
{
	struct certificate certificate = {.subject = "untouched"};
	struct err err = {0};

	assert_int_equal(verify(leaf, &certificate, &err), -1);
	assert_int_equal(err.code, ERR_UNAUTHENTICATED);
	if (strstr(err.detail, why) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.detail, why);
	assert_string_equal(certificate.subject, "untouched");
	assert_int_equal(ERR_peek_error(), 0);
}

static void
assert_refused(const struct recipe *recipe, const char *why)
{
	AUTO(X509_freep) X509 *leaf = recipe_cook(recipe);

	assert_leaf_refused(leaf, why);
}

static void
assert_accepted(const struct recipe *recipe, const char *subject)
{
	AUTO(X509_freep) X509 *leaf = recipe_cook(recipe);
	struct certificate certificate;
	struct err err = {0};

	if (verify(leaf, &certificate, &err) != 0)
		fail_msg("%s", err.detail);
	assert_string_equal(certificate.subject, subject);
}

static void
test_certificate_in_order_gives_its_identity(void **state)
{
	struct recipe recipe = recipe_good(&credentials);
	AUTO(X509_freep) X509 *leaf = recipe_cook(&recipe);
	struct certificate certificate;
	struct err err = {0};
	unsigned char *der = NULL;
	uint8_t digest[SHA256_BYTES];

	(void)state;
	assert_int_equal(verify(leaf, &certificate, &err), 0);
	int len = i2d_X509(leaf, &der);
	digest_sha256(der, (size_t)len, digest);
	OPENSSL_free(der);
	auto_free char *thumbprint = base64url_encode(digest, sizeof(digest));
	assert_string_equal(certificate.subject, "alice");
	assert_string_equal(certificate.thumbprint, thumbprint);
	assert_string_equal(certificate.serial, "1267");
	assert_int_equal(certificate.not_before_s, CREDENTIALS_NOW - 3600);
	assert_int_equal(certificate.not_after_s, CREDENTIALS_NOW + 86400);
}

static void
test_self_signed_certificate_is_refused(void **state)
{
	struct recipe recipe = recipe_good(&credentials);

	(void)state;
	recipe.issuer = NULL;
	recipe.issuer_key = NULL;
	recipe.no_authority_key_id = true;
	assert_refused(&recipe, "self-signed");
}

static void
test_certificate_of_another_ca_is_refused(void **state)
{
	AUTO(EVP_PKEY_freep) EVP_PKEY *key = issue_key_new(ISSUE_KEY_P256);
	struct recipe other = recipe_authority(NULL, NULL);
	struct recipe recipe = recipe_good(&credentials);

	(void)state;
	other.key = key;
	other.no_authority_key_id = true;
	AUTO(X509_freep) X509 *ca = recipe_cook(&other);
	recipe.issuer = ca;
	recipe.issuer_key = key;
	assert_refused(&recipe, "unable to get local issuer");
}

static void
test_forged_ca_with_our_cas_name_is_refused(void **state)
{
	AUTO(EVP_PKEY_freep) EVP_PKEY *key = issue_key_new(ISSUE_KEY_P256);
	struct recipe recipe = recipe_good(&credentials);

	(void)state;
	recipe.issuer_key = key; /* issuer's name and key id stay ours */
	assert_refused(&recipe, "signature");
}

static void
test_expired_certificate_is_refused(void **state)
{
	struct recipe recipe = recipe_good(&credentials);

	(void)state;
	recipe.to_s = CREDENTIALS_NOW - 1;
	assert_refused(&recipe, "expired");
	recipe.to_s = CREDENTIALS_NOW + 1;
	assert_accepted(&recipe, "alice");
}

static void
test_certificate_not_yet_valid_is_refused(void **state)
{
	struct recipe recipe = recipe_good(&credentials);

	(void)state;
	recipe.from_s = CREDENTIALS_NOW + 1;
	assert_refused(&recipe, "not yet valid");
	recipe.from_s = CREDENTIALS_NOW;
	assert_accepted(&recipe, "alice");
}

static void
test_ca_used_as_leaf_is_refused(void **state)
{
	struct recipe recipe = recipe_good(&credentials);

	(void)state;
	assert_leaf_refused(credentials.ca, "certificate: ");
	recipe.basic_constraints = "critical,CA:TRUE";
	recipe.key_usage = "critical,digitalSignature,keyCertSign";
	assert_refused(&recipe, "it is a CA's");
}

static void
test_certificate_that_may_sign_certificates_is_refused(void **state)
{
	struct recipe recipe = recipe_good(&credentials);

	(void)state;
	recipe.key_usage = "critical,digitalSignature,keyCertSign";
	assert_refused(&recipe, "certificate: ");
	recipe.key_usage = "critical,digitalSignature,cRLSign";
	assert_refused(&recipe, "key usage is a CA's");
}

static void
test_leaf_that_signs_another_leaf_is_refused(void **state)
{
	AUTO(EVP_PKEY_freep) EVP_PKEY *key = issue_key_new(ISSUE_KEY_P256);
	struct recipe first = recipe_good(&credentials);
	struct recipe second = recipe_good(&credentials);

	(void)state;
	first.key = key;
	AUTO(X509_freep) X509 *leaf = recipe_cook(&first);
	second.issuer = leaf;
	second.issuer_key = key;
	second.san = "URI:taskgate:client:mallory";
	assert_refused(&second, "unable to get local issuer");
}

static void
test_missing_extended_key_usage_is_refused(void **state)
{
	struct recipe recipe = recipe_good(&credentials);

	(void)state;
	recipe.extended_key_usage = NULL;
	assert_refused(&recipe, "no extended key usage");
}

static void
test_any_extended_key_usage_is_refused(void **state)
{
	struct recipe recipe = recipe_good(&credentials);

	(void)state;
	recipe.extended_key_usage = "anyExtendedKeyUsage";
	assert_refused(&recipe, "certificate: ");
	recipe.extended_key_usage = "clientAuth,anyExtendedKeyUsage";
	assert_refused(&recipe, "anyExtendedKeyUsage");
}

static void
test_server_certificate_as_client_is_refused(void **state)
{
	struct recipe recipe = recipe_good(&credentials);

	(void)state;
	recipe.extended_key_usage = "serverAuth";
	assert_refused(&recipe, "certificate: ");
	recipe.extended_key_usage = "serverAuth,clientAuth";
	assert_accepted(&recipe, "alice");
}

static void
test_missing_key_usage_is_refused(void **state)
{
	struct recipe recipe = recipe_good(&credentials);

	(void)state;
	recipe.key_usage = NULL;
	assert_refused(&recipe, "no key usage");
}

static void
test_key_usage_without_digital_signature_is_refused(void **state)
{
	struct recipe recipe = recipe_good(&credentials);

	(void)state;
	recipe.key_usage = "critical,keyAgreement";
	assert_refused(&recipe, "certificate: ");
}

static EVP_PKEY *
new_rsa(size_t bits)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", bits);

	assert_non_null(key);
	return key;
}

static void
test_short_rsa_key_is_refused(void **state)
{
	AUTO(EVP_PKEY_freep) EVP_PKEY *weak = new_rsa(1024);
	AUTO(EVP_PKEY_freep) EVP_PKEY *almost = new_rsa(2040);
	AUTO(EVP_PKEY_freep) EVP_PKEY *good = new_rsa(2048);
	struct recipe recipe = recipe_good(&credentials);

	(void)state;
	recipe.key = weak;
	assert_refused(&recipe, "key");
	recipe.key = almost;
	assert_refused(&recipe, "key");
	recipe.key = good;
	assert_accepted(&recipe, "alice");
}

static void
test_wrong_curve_is_refused(void **state)
{
	static const char *const curves[] = {
	    "secp256k1", "P-224", "P-521", "brainpoolP256r1"};
	struct recipe recipe = recipe_good(&credentials);

	(void)state;
	for (size_t k = 0; k < COUNT(curves); k++) {
		AUTO(EVP_PKEY_freep)
		EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", curves[k]);
		assert_non_null(key);
		recipe.key = key;
		assert_refused(&recipe, "P-256 or P-384");
	}
}

static void
test_explicit_curve_parameters_are_refused(void **state)
{
	AUTO(EVP_PKEY_freep) EVP_PKEY *key = issue_key_new(ISSUE_KEY_P256);
	struct recipe recipe = recipe_good(&credentials);

	(void)state;
	assert_int_equal(
	    EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_ENCODING,
		OSSL_PKEY_EC_ENCODING_EXPLICIT),
	    1);
	recipe.key = key;
	AUTO(X509_freep) X509 *made = recipe_cook(&recipe);
	unsigned char *der = NULL;
	int len = i2d_X509(made, &der);
	const unsigned char *from = der;
	AUTO(X509_freep) X509 *leaf = d2i_X509(NULL, &from, len);
	OPENSSL_free(der);
	assert_non_null(leaf);
	assert_leaf_refused(leaf, "certificate: ");
}

static void
test_other_kinds_of_key_are_told_apart(void **state)
{
	AUTO(EVP_PKEY_freep)
	EVP_PKEY *p384 = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
	AUTO(EVP_PKEY_freep)
	EVP_PKEY *ed25519 = issue_key_new(ISSUE_KEY_ED25519);
	AUTO(EVP_PKEY_freep)
	EVP_PKEY *ed448 = EVP_PKEY_Q_keygen(NULL, NULL, "ED448");
	struct recipe recipe = recipe_good(&credentials);

	(void)state;
	recipe.key = p384;
	assert_accepted(&recipe, "alice");
	recipe.key = ed25519;
	assert_accepted(&recipe, "alice");
	recipe.key = ed448;
	assert_refused(&recipe, "of a kind that is not accepted");
}

static void
test_common_name_alone_is_no_identity(void **state)
{
	struct recipe recipe = recipe_good(&credentials);

	(void)state;
	recipe.san = NULL;
	assert_refused(&recipe, "no subject alternative name");
	recipe.common_name = "taskgate:client:alice";
	assert_refused(&recipe, "no subject alternative name");
}

static void
test_identity_is_never_the_common_name(void **state)
{
	struct recipe recipe = recipe_good(&credentials);

	(void)state;
	recipe.common_name = "root";
	assert_accepted(&recipe, "alice");
}

static void
test_two_names_are_refused(void **state)
{
	static const char *const names[] = {
	    "URI:taskgate:client:alice,URI:taskgate:client:bob",
	    "URI:taskgate:client:alice,DNS:example.org",
	    "DNS:example.org,URI:taskgate:client:alice",
	};
	struct recipe recipe = recipe_good(&credentials);

	(void)state;
	for (size_t k = 0; k < COUNT(names); k++) {
		recipe.san = names[k];
		assert_refused(&recipe, "exactly one");
	}
}

static void
test_two_name_extensions_are_refused(void **state)
{
	struct recipe recipe = recipe_good(&credentials);

	(void)state;
	recipe.raw_uri = "taskgate:client:bob";
	recipe.raw_uri_len = strlen(recipe.raw_uri);
	assert_refused(&recipe, "certificate: ");
}

static void
test_other_kinds_of_name_are_refused(void **state)
{
	static const char *const names[] = {"DNS:taskgate.client.alice",
	    "email:alice@example.org", "IP:127.0.0.1",
	    "URI:https://taskgate:client:alice", "URI:taskgate:server:alice",
	    "URI:TASKGATE:client:alice", "URI:taskgate:client"};
	struct recipe recipe = recipe_good(&credentials);

	(void)state;
	for (size_t k = 0; k < COUNT(names); k++) {
		recipe.san = names[k];
		assert_refused(&recipe, "subject alternative name");
	}
}

static void
test_name_with_nul_is_refused(void **state)
{
	static const char uri[] = "taskgate:client:alice\0.evil";
	struct recipe recipe = recipe_good(&credentials);

	(void)state;
	recipe.san = NULL;
	recipe.raw_uri = uri;
	recipe.raw_uri_len = sizeof(uri) - 1;
	assert_refused(&recipe, "not a valid name");
	recipe.raw_uri_len = strlen(uri) + 1; /* the NUL alone */
	assert_refused(&recipe, "not a valid name");
	recipe.raw_uri_len = strlen(uri);
	assert_accepted(&recipe, "alice");
}

static void
test_malformed_subjects_are_refused(void **state)
{
	static const char *const uris[] = {"taskgate:client:",
	    "taskgate:client:Alice", "taskgate:client:.alice",
	    "taskgate:client:-alice", "taskgate:client:_",
	    "taskgate:client:a b", "taskgate:client:a/b", "taskgate:client:a*",
	    "taskgate:client:\xc3\xa4", "taskgate:client:alice\n",
	    "taskgate:client:a%41", "taskgate:client:client:a"};
	struct recipe recipe = recipe_good(&credentials);

	(void)state;
	recipe.san = NULL;
	for (size_t k = 0; k < COUNT(uris); k++) {
		recipe.raw_uri = uris[k];
		recipe.raw_uri_len = strlen(uris[k]);
		assert_refused(&recipe, "not a valid name");
	}
}

static void
test_over_long_subject_is_refused(void **state)
{
	auto_free char *uri =
	    alloc_printf("taskgate:client:%0*d", SUBJECT_MAX + 1, 7);
	struct recipe recipe = recipe_good(&credentials);

	(void)state;
	recipe.san = NULL;
	recipe.raw_uri = uri;
	recipe.raw_uri_len = strlen(uri);
	assert_refused(&recipe, "not a valid name");
	recipe.raw_uri_len--;
	assert_accepted(&recipe,
	    "000000000000000000000000000000000000000000000000000000000000000"
	    "0");
}

static void
test_version_1_certificate_is_refused(void **state)
{
	struct recipe recipe = recipe_good(&credentials);

	(void)state;
	recipe.version = X509_VERSION_1;
	recipe.basic_constraints = recipe.key_usage = NULL;
	recipe.extended_key_usage = recipe.san = NULL;
	recipe.no_subject_key_id = recipe.no_authority_key_id = true;
	assert_refused(&recipe, "certificate: ");
}

static void
test_version_1_with_extensions_is_refused(void **state)
{
	struct recipe recipe = recipe_good(&credentials);

	(void)state;
	recipe.version = X509_VERSION_1;
	assert_refused(&recipe, "certificate: ");
}

static void
test_unknown_critical_extension_is_refused(void **state)
{
	struct recipe recipe = recipe_good(&credentials);
	AUTO(X509_freep) X509 *leaf = recipe_cook(&recipe);
	AUTO(X509_EXTENSION_freep)
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL,
	    NID_netscape_comment, "critical,you must understand this");

	(void)state;
	assert_non_null(extension);
	assert_int_equal(X509_add_ext(leaf, extension, -1), 1);
	assert_true(X509_sign(leaf, credentials.ca_key, EVP_sha256()) > 0);
	assert_leaf_refused(leaf, "critical extension");
}

static void
test_sha1_signature_is_refused(void **state)
{
	struct recipe recipe = recipe_good(&credentials);
	AUTO(X509_freep) X509 *leaf = recipe_cook(&recipe);

	(void)state;
	assert_true(X509_sign(leaf, credentials.ca_key, EVP_sha1()) > 0);
	assert_leaf_refused(leaf, "certificate: ");
}

static void
test_out_of_range_serial_is_refused(void **state)
{
	struct recipe recipe = recipe_good(&credentials);
	AUTO(X509_freep) X509 *leaf = recipe_cook(&recipe);
	AUTO(BN_freep) BIGNUM *number = BN_new();

	(void)state;
	assert_int_equal(BN_set_bit(number, 168), 1);
	BN_to_ASN1_INTEGER(number, X509_get_serialNumber(leaf));
	assert_true(X509_sign(leaf, credentials.ca_key, EVP_sha256()) > 0);
	assert_leaf_refused(leaf, "serial number");
	ASN1_INTEGER_set(X509_get_serialNumber(leaf), -5);
	assert_true(X509_sign(leaf, credentials.ca_key, EVP_sha256()) > 0);
	assert_leaf_refused(leaf, "serial number");
}

/* A trust of root and intermediate: `depth` of them below the root. */
static struct trust *
load_chain(size_t depth, EVP_PKEY *keys[], X509 *chain[])
{
	auto_free char *path =
	    alloc_printf("%s/chain.crt", credentials.directory);
	auto_free char *bundle = issue_certificate_encode(credentials.ca);
	struct err err = {0};

	for (size_t k = 0; k < depth; k++) {
		struct recipe recipe =
		    recipe_authority(k == 0 ? credentials.ca : chain[k - 1],
			k == 0 ? credentials.ca_key : keys[k - 1]);
		auto_free char *name = alloc_printf("intermediate %zu", k);
		keys[k] = issue_key_new(ISSUE_KEY_P256);
		recipe.key = keys[k];
		recipe.common_name = name;
		chain[k] = recipe_cook(&recipe);
		auto_free char *one = issue_certificate_encode(chain[k]);
		char *longer = alloc_printf("%s%s", bundle, one);
		free(bundle);
		bundle = longer;
	}
	assert_int_equal(
	    file_write(path, bundle, strlen(bundle), 0644, &err), 0);
	struct trust *trust = trust_load(path, &err);
	assert_non_null(trust);
	return trust;
}

static void
test_chain_deeper_than_two_is_refused(void **state)
{
	(void)state;
	for (size_t depth = 1; depth <= 2; depth++) {
		EVP_PKEY *keys[2] = {NULL};
		X509 *chain[2] = {NULL};
		struct trust *trust = load_chain(depth, keys, chain);
		struct recipe recipe = recipe_good(&credentials);
		struct certificate certificate;
		struct err err = {0};

		recipe.issuer = chain[depth - 1];
		recipe.issuer_key = keys[depth - 1];
		AUTO(X509_freep) X509 *leaf = recipe_cook(&recipe);
		assert_int_equal(certificate_verify(trust, leaf,
				     CREDENTIALS_NOW, &certificate, &err),
		    depth == 1 ? 0 : -1);
		trust_free(trust);
		for (size_t k = 0; k < depth; k++) {
			EVP_PKEY_free(keys[k]);
			X509_free(chain[k]);
		}
	}
}

static int
verify_der(const uint8_t *der, size_t len)
{
	struct certificate certificate;
	struct err err = {0};

	return certificate_verify_der(credentials.authority.trust, der, len,
	    CREDENTIALS_NOW, &certificate, &err);
}

static void
test_der_is_refused_at_every_truncation(void **state)
{
	struct recipe recipe = recipe_good(&credentials);
	AUTO(X509_freep) X509 *leaf = recipe_cook(&recipe);
	unsigned char *der = NULL;
	int len = i2d_X509(leaf, &der);

	(void)state;
	assert_int_equal(verify_der(der, (size_t)len), 0);
	for (int k = 0; k < len; k++)
		assert_int_equal(verify_der(der, (size_t)k), -1);
	OPENSSL_free(der);
}

static void
test_der_rejects_trailing_byte(void **state)
{
	struct recipe recipe = recipe_good(&credentials);
	AUTO(X509_freep) X509 *leaf = recipe_cook(&recipe);
	unsigned char *der = NULL;
	int len = i2d_X509(leaf, &der);
	auto_free uint8_t *longer = alloc_zero((size_t)len + 1, 1);

	(void)state;
	memcpy(longer, der, (size_t)len);
	OPENSSL_free(der);
	assert_int_equal(verify_der(longer, (size_t)len + 1), -1);
}

/* The outer SEQUENCE's length in three bytes instead of two is BER, and would
 * have another thumbprint. */
static void
test_der_with_a_second_encoding_is_refused(void **state)
{
	struct recipe recipe = recipe_good(&credentials);
	AUTO(X509_freep) X509 *leaf = recipe_cook(&recipe);
	unsigned char *der = NULL;
	int len = i2d_X509(leaf, &der);
	auto_free uint8_t *other = alloc_zero((size_t)len + 1, 1);

	(void)state;
	assert_int_equal(der[1], 0x82);
	other[0] = der[0];
	other[1] = 0x83;
	other[2] = 0;
	memcpy(other + 3, der + 2, (size_t)len - 2);
	OPENSSL_free(der);
	assert_int_equal(verify_der(other, (size_t)len + 1), -1);
}

static void
test_der_over_4096_bytes_is_refused(void **state)
{
	struct recipe recipe = recipe_good(&credentials);
	auto_free char *comment = alloc_printf("%0*d", 4096, 0);
	AUTO(X509_freep) X509 *leaf = recipe_cook(&recipe);
	AUTO(X509_EXTENSION_freep)
	X509_EXTENSION *extension =
	    X509V3_EXT_conf_nid(NULL, NULL, NID_netscape_comment, comment);

	(void)state;
	assert_int_equal(X509_add_ext(leaf, extension, -1), 1);
	assert_true(X509_sign(leaf, credentials.ca_key, EVP_sha256()) > 0);
	assert_leaf_refused(leaf, "too long");
	unsigned char *der = NULL;
	int len = i2d_X509(leaf, &der);
	assert_int_equal(verify_der(der, (size_t)len), -1);
	OPENSSL_free(der);
}

static void
test_certificate_on_an_open_connection_expires(void **state)
{
	struct recipe recipe = recipe_good(&credentials);
	AUTO(X509_freep) X509 *leaf = recipe_cook(&recipe);
	struct certificate certificate;
	struct err err = {0};

	(void)state;
	assert_int_equal(verify(leaf, &certificate, &err), 0);
	int64_t end = certificate.not_after_s;
	assert_int_equal(
	    certificate_check_time(&certificate, end - 1, &err), 0);
	assert_int_equal(certificate_check_time(&certificate, end, &err), -1);
	assert_int_equal(certificate_check_time(
			     &certificate, certificate.not_before_s - 1, &err),
	    -1);
	assert_int_equal(err.code, ERR_UNAUTHENTICATED);
}

static void
assert_bundle_refused(const char *text, const char *why)
{
	auto_free char *path =
	    alloc_printf("%s/bundle.crt", credentials.directory);
	struct err err = {0};

	assert_int_equal(file_write(path, text, strlen(text), 0644, &err), 0);
	assert_null(trust_load(path, &err));
	if (strstr(err.detail, why) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.detail, why);
}

static void
test_bundle_without_a_ca_is_a_failure_to_start(void **state)
{
	struct recipe recipe = recipe_good(&credentials);
	AUTO(X509_freep) X509 *leaf = recipe_cook(&recipe);
	auto_free char *leaf_pem = issue_certificate_encode(leaf);
	auto_free char *ca_pem = issue_certificate_encode(credentials.ca);
	auto_free char *both = alloc_printf("%s%s", ca_pem, leaf_pem);
	auto_free char *cut = alloc_bytes(ca_pem, strlen(ca_pem) - 40);
	struct err err = {0};

	(void)state;
	assert_bundle_refused("", "no certificate");
	assert_bundle_refused("not PEM at all\n", "no certificate");
	assert_bundle_refused(leaf_pem, "not a CA's");
	assert_bundle_refused(both, "certificate 2 is not a CA's");
	assert_bundle_refused(cut, "certificate 1");
	assert_null(trust_load("/nonexistent/ca.crt", &err));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_certificate_in_order_gives_its_identity),
	    cmocka_unit_test(test_self_signed_certificate_is_refused),
	    cmocka_unit_test(test_certificate_of_another_ca_is_refused),
	    cmocka_unit_test(test_forged_ca_with_our_cas_name_is_refused),
	    cmocka_unit_test(test_expired_certificate_is_refused),
	    cmocka_unit_test(test_certificate_not_yet_valid_is_refused),
	    cmocka_unit_test(test_ca_used_as_leaf_is_refused),
	    cmocka_unit_test(
		test_certificate_that_may_sign_certificates_is_refused),
	    cmocka_unit_test(test_leaf_that_signs_another_leaf_is_refused),
	    cmocka_unit_test(test_missing_extended_key_usage_is_refused),
	    cmocka_unit_test(test_any_extended_key_usage_is_refused),
	    cmocka_unit_test(test_server_certificate_as_client_is_refused),
	    cmocka_unit_test(test_missing_key_usage_is_refused),
	    cmocka_unit_test(
		test_key_usage_without_digital_signature_is_refused),
	    cmocka_unit_test(test_short_rsa_key_is_refused),
	    cmocka_unit_test(test_wrong_curve_is_refused),
	    cmocka_unit_test(test_explicit_curve_parameters_are_refused),
	    cmocka_unit_test(test_other_kinds_of_key_are_told_apart),
	    cmocka_unit_test(test_common_name_alone_is_no_identity),
	    cmocka_unit_test(test_identity_is_never_the_common_name),
	    cmocka_unit_test(test_two_names_are_refused),
	    cmocka_unit_test(test_two_name_extensions_are_refused),
	    cmocka_unit_test(test_other_kinds_of_name_are_refused),
	    cmocka_unit_test(test_name_with_nul_is_refused),
	    cmocka_unit_test(test_malformed_subjects_are_refused),
	    cmocka_unit_test(test_over_long_subject_is_refused),
	    cmocka_unit_test(test_version_1_certificate_is_refused),
	    cmocka_unit_test(test_version_1_with_extensions_is_refused),
	    cmocka_unit_test(test_unknown_critical_extension_is_refused),
	    cmocka_unit_test(test_sha1_signature_is_refused),
	    cmocka_unit_test(test_out_of_range_serial_is_refused),
	    cmocka_unit_test(test_chain_deeper_than_two_is_refused),
	    cmocka_unit_test(test_der_is_refused_at_every_truncation),
	    cmocka_unit_test(test_der_rejects_trailing_byte),
	    cmocka_unit_test(test_der_with_a_second_encoding_is_refused),
	    cmocka_unit_test(test_der_over_4096_bytes_is_refused),
	    cmocka_unit_test(test_certificate_on_an_open_connection_expires),
	    cmocka_unit_test(test_bundle_without_a_ca_is_a_failure_to_start),
	};

	return cmocka_run_group_tests(
	    tests, make_credentials, remove_credentials);
}
