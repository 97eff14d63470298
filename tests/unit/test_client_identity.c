/* Identities: certificates and keys in PEM, good, damaged and foreign. The
 * short way of reading a key must come to what OpenSSL's own comes to. */
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "certs/openssl.h"
#include "client/certificates.h"
#include "client/identity.h"
#include "client/private_key.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "tests/unit/credentials.h"

static char *
take_text(BIO *bio)
{
	char *data = NULL;
	long len = BIO_get_mem_data(bio, &data);
	char *text = alloc_bytes(data, (size_t)len);

	BIO_free(bio);
	return text;
}

static char *
encode_key(EVP_PKEY *key, const EVP_CIPHER *cipher)
{
	BIO *bio = BIO_new(BIO_s_mem());

	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key, cipher,
			     cipher != NULL ? "password" : NULL,
			     cipher != NULL ? 8 : 0, NULL, NULL),
	    1);
	return take_text(bio);
}

static char *
encode_certificate(X509 *certificate)
{
	BIO *bio = BIO_new(BIO_s_mem());

	assert_int_equal(PEM_write_bio_X509(bio, certificate), 1);
	return take_text(bio);
}

/* What a wrong number would not pass. */
static void
assert_signs_as(EVP_PKEY *key, EVP_PKEY *original)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	const EVP_MD *md = EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256();
	unsigned char signature[1024];
	size_t len = sizeof(signature);

	assert_int_equal(EVP_DigestSignInit(ctx, NULL, md, NULL, key), 1);
	assert_int_equal(EVP_DigestSign(ctx, signature, &len,
			     (const unsigned char *)"data", 4),
	    1);
	EVP_MD_CTX_free(ctx);
	ctx = EVP_MD_CTX_new();
	assert_int_equal(
	    EVP_DigestVerifyInit(ctx, NULL, md, NULL, original), 1);
	assert_int_equal(EVP_DigestVerify(ctx, signature, len,
			     (const unsigned char *)"data", 4),
	    1);
	EVP_MD_CTX_free(ctx);
}

static void
assert_read_as(const char *pem, EVP_PKEY *original)
{
	AUTO(EVP_PKEY_freep) EVP_PKEY *key = private_key_read(pem);

	assert_non_null(key);
	assert_int_equal(EVP_PKEY_eq(key, original), 1);
	assert_signs_as(key, original);
}

static void
test_keys_of_p256_are_read_again_and_again(void **state)
{
	(void)state;
	for (int i = 0; i < 64; i++) {
		AUTO(EVP_PKEY_freep) EVP_PKEY *key = EVP_EC_gen("P-256");
		auto_free char *pem = encode_key(key, NULL);

		assert_read_as(pem, key);
	}
}

static void
test_keys_of_another_kind_are_read(void **state)
{
	EVP_PKEY *keys[] = {EVP_EC_gen("P-384"), EVP_RSA_gen(2048),
	    EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")};

	(void)state;
	for (size_t i = 0; i < COUNT(keys); i++) {
		auto_free char *pem = encode_key(keys[i], NULL);

		assert_read_as(pem, keys[i]);
		EVP_PKEY_free(keys[i]);
	}
}

static void
test_a_key_in_the_older_form_is_read(void **state)
{
	AUTO(EVP_PKEY_freep) EVP_PKEY *key = EVP_EC_gen("P-256");
	BIO *bio = BIO_new(BIO_s_mem());
	auto_free char *pem = NULL;

	(void)state;
	assert_int_equal(PEM_write_bio_PrivateKey_traditional(
			     bio, key, NULL, NULL, 0, NULL, NULL),
	    1);
	pem = take_text(bio);
	assert_non_null(strstr(pem, "BEGIN EC PRIVATE KEY"));
	assert_read_as(pem, key);
}

/* It would have to ask the terminal. */
static void
test_a_key_under_a_password_is_refused(void **state)
{
	AUTO(EVP_PKEY_freep) EVP_PKEY *key = EVP_EC_gen("P-256");
	auto_free char *pem = encode_key(key, EVP_aes_128_cbc());

	(void)state;
	assert_null(private_key_read(pem));
}

static void
test_what_is_no_key_is_refused(void **state)
{
	static const char *const bad[] = {"", "no key",
	    "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
	    "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_null(private_key_read(bad[i]));
}

static char *
encode_der(const unsigned char *der, long len)
{
	BIO *bio = BIO_new(BIO_s_mem());

	assert_true(PEM_write_bio(bio, PEM_STRING_PKCS8INF, "", der, len) > 0);
	return take_text(bio);
}

/* A bit anywhere but in the number makes another form, or a point that is not
 * on the curve: never the key that is not there. */
static void
test_a_changed_bit_is_never_taken_for_the_form(void **state)
{
	AUTO(EVP_PKEY_freep) EVP_PKEY *key = EVP_EC_gen("P-256");
	auto_free char *pem = encode_key(key, NULL);
	BIO *bio = BIO_new_mem_buf(pem, -1);
	char *name = NULL, *header = NULL;
	unsigned char *der = NULL;
	long len = 0;

	(void)state;
	assert_int_equal(PEM_read_bio(bio, &name, &header, &der, &len), 1);
	assert_int_equal(len, 138);
	for (long i = 0; i < len; i++) {
		if (i >= 36 && i < 68)
			continue;
		der[i] ^= 1;
		auto_free char *changed = encode_der(der, len);
		AUTO(EVP_PKEY_freep)
		EVP_PKEY *other = private_key_read(changed);

		if (other != NULL && EVP_PKEY_eq(other, key) != 1)
			fail_msg("byte %ld makes another key", i);
		der[i] ^= 1;
	}
	for (long cut = 1; cut < len; cut++) {
		auto_free char *changed = encode_der(der, cut);

		assert_null(private_key_read(changed));
	}
	BIO_free(bio);
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_free(der);
}

struct member {
	struct credentials credentials;
	EVP_PKEY *key;
	char *certificate, *ca, *key_pem;
};

static int
make_member(void **state)
{
	struct member *member = alloc_zero(1, sizeof(*member));
	struct recipe recipe;
	X509 *certificate = NULL;

	credentials_init(&member->credentials);
	member->key = EVP_EC_gen("P-256");
	recipe = recipe_good(&member->credentials);
	recipe.key = member->key;
	certificate = recipe_cook(&recipe);
	member->certificate = encode_certificate(certificate);
	X509_free(certificate);
	member->ca = encode_certificate(member->credentials.ca);
	member->key_pem = encode_key(member->key, NULL);
	*state = member;
	return 0;
}

static int
free_member(void **state)
{
	struct member *member = *state;

	free(member->certificate);
	free(member->ca);
	free(member->key_pem);
	EVP_PKEY_free(member->key);
	credentials_done(&member->credentials);
	free(member);
	return 0;
}

static void
test_an_identity_has_certificate_chain_and_key(void **state)
{
	const struct member *member = *state;
	auto_free char *both =
	    alloc_printf("%s%s", member->certificate, member->ca);
	auto_identity alone = {0}, with_chain = {0};
	struct err err;

	assert_int_equal(
	    identity_read(member->certificate, member->key_pem, &alone, &err),
	    0);
	assert_int_equal(sk_X509_num(alone.chain), 0);
	assert_int_equal(EVP_PKEY_eq(alone.key, member->key), 1);
	assert_int_equal(
	    identity_read(both, member->key_pem, &with_chain, &err), 0);
	assert_int_equal(sk_X509_num(with_chain.chain), 1);
	assert_int_equal(
	    X509_cmp(with_chain.certificate, alone.certificate), 0);
}

static void
test_a_key_that_is_anothers_makes_no_identity(void **state)
{
	const struct member *member = *state;
	AUTO(EVP_PKEY_freep) EVP_PKEY *other = EVP_EC_gen("P-256");
	auto_free char *pem = encode_key(other, NULL);
	auto_identity identity = {0};
	struct err err;

	assert_int_equal(
	    identity_read(member->certificate, pem, &identity, &err), -1);
	assert_non_null(strstr(err.detail, "do not belong together"));
	assert_int_equal(
	    identity_read(member->certificate, "no key", &identity, &err), -1);
	assert_non_null(strstr(err.detail, "private key"));
	assert_int_equal(
	    identity_read("no certificate", member->key_pem, &identity, &err),
	    -1);
	assert_null(identity.key);
}

static void
test_a_broken_certificate_behind_a_whole_one_is_refused(void **state)
{
	const struct member *member = *state;
	auto_free char *text = alloc_printf(
	    "%s-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
	    member->certificate);
	auto_free char *cut = alloc_bytes(text, strlen(text) - 10);
	auto_free char *comment =
	    alloc_printf("alice:\n%s\nThat was all.\n", member->certificate);
	AUTO(certificates_freep) STACK_OF(X509) *list = NULL;
	struct err err;

	assert_null(certificates_read(text, &err));
	assert_null(certificates_read(cut, &err));
	assert_null(certificates_read("", &err));
	list = certificates_read(comment, &err);
	assert_int_equal(sk_X509_num(list), 1);
}

#define WITH_MEMBER(test) \
	cmocka_unit_test_setup_teardown(test, make_member, free_member)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_keys_of_p256_are_read_again_and_again),
	    cmocka_unit_test(test_keys_of_another_kind_are_read),
	    cmocka_unit_test(test_a_key_in_the_older_form_is_read),
	    cmocka_unit_test(test_a_key_under_a_password_is_refused),
	    cmocka_unit_test(test_what_is_no_key_is_refused),
	    cmocka_unit_test(test_a_changed_bit_is_never_taken_for_the_form),
	    WITH_MEMBER(test_an_identity_has_certificate_chain_and_key),
	    WITH_MEMBER(test_a_key_that_is_anothers_makes_no_identity),
	    WITH_MEMBER(
		test_a_broken_certificate_behind_a_whole_one_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
