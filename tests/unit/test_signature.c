/* Signed requests: what we make verifies, and nothing else does. */
#include "certs/signature.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "certs/openssl.h"
#include "certs/signature_make.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "tests/unit/corpus.h"

#define NOW INT64_C(1800000000)
#define THUMBPRINT "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define BODY "{\"image\":\"demo/busybox\"}"

static uint8_t body_sha256[SHA256_BYTES];
static EVP_PKEY *key, *another_key;

static struct signed_request
good_request(void)
{
	digest_sha256(BODY, strlen(BODY), body_sha256);
	return (struct signed_request){
	    .method = "POST",
	    .path = "/v1/tasks",
	    .token = "header.payload.signature",
	    .body_sha256 = body_sha256,
	    .idempotency_key = "key-1",
	};
}

static int
make_keys(void **state)
{
	(void)state;
	key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", SN_X9_62_prime256v1);
	another_key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", SN_X9_62_prime256v1);
	return 0;
}

static int
drop_keys(void **state)
{
	(void)state;
	EVP_PKEY_free(key);
	EVP_PKEY_free(another_key);
	return 0;
}

struct made {
	char *input, *value;
};

static void
made_done(struct made *made)
{
	free(made->input);
	free(made->value);
}

#define auto_made AUTO(made_done) struct made

static struct made
make(const struct signed_request *request, EVP_PKEY *with)
{
	const struct signature_key signer = {with, THUMBPRINT};
	struct made made = {0};
	struct err err = {0};

	if (signature_make(
		request, &signer, NOW, &made.input, &made.value, &err) != 0)
		fail_msg("%s", err.detail);
	return made;
}

static int
verify_at(const struct signed_request *request, const struct made *made,
    EVP_PKEY *with, int64_t now_s, struct err *err)
{
	return signature_verify(request,
	    &(struct signature){made->input, made->value},
	    &(struct signature_key){with, THUMBPRINT}, now_s, err);
}

static void
assert_refused(
    const struct signed_request *request, const struct made *made, EVP_PKEY *by)
{
	struct err err = {0};

	if (verify_at(request, made, by, NOW, &err) == 0)
		fail_msg("accepted: %s %s", made->input, made->value);
	assert_int_equal(err.code, ERR_UNAUTHENTICATED);
}

static void
check_kind(EVP_PKEY *of_kind, const char *name)
{
	const struct signed_request request = good_request();
	struct err err = {0};

	assert_non_null(of_kind);
	auto_made made = make(&request, of_kind);
	assert_non_null(strstr(made.input, name));
	assert_true(strlen(made.input) <= SIGNATURE_INPUT_MAX);
	assert_true(strlen(made.value) <= SIGNATURE_VALUE_MAX);
	if (verify_at(&request, &made, of_kind, NOW, &err) != 0)
		fail_msg("%s: %s", name, err.detail);
	EVP_PKEY_free(of_kind);
}

static void
test_each_kind_of_key_signs_and_verifies(void **state)
{
	(void)state;
	check_kind(EVP_PKEY_Q_keygen(NULL, NULL, "EC", SN_X9_62_prime256v1),
	    "\"ecdsa-p256-sha256\"");
	check_kind(EVP_PKEY_Q_keygen(NULL, NULL, "EC", SN_secp384r1),
	    "\"ecdsa-p384-sha384\"");
	check_kind(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), "\"ed25519\"");
	check_kind(EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048),
	    "\"rsa-pss-sha512\"");
}

static void
test_a_key_that_no_certificate_may_have_does_not_sign(void **state)
{
	const struct signed_request request = good_request();
	struct made made = {0};
	struct err err = {0};
	AUTO(EVP_PKEY_freep)
	EVP_PKEY *p521 = EVP_PKEY_Q_keygen(NULL, NULL, "EC", SN_secp521r1);

	(void)state;
	assert_int_equal(
	    signature_make(&request, &(struct signature_key){p521, THUMBPRINT},
		NOW, &made.input, &made.value, &err),
	    -1);
	assert_int_equal(err.code, ERR_UNPROCESSABLE);
}

/* An ECDSA number that begins with zero bytes keeps its full length; one in
 * 256 does. */
static void
test_short_numbers_are_filled_up(void **state)
{
	const struct signed_request request = good_request();
	size_t length = 0;

	(void)state;
	for (int k = 0; k < 1000; k++) {
		auto_made made = make(&request, key);
		struct err err = {0};

		assert_int_equal(verify_at(&request, &made, key, NOW, &err), 0);
		if (length != 0)
			assert_int_equal(strlen(made.value), length);
		length = strlen(made.value);
	}
}

static void
test_each_thing_that_is_signed_counts(void **state)
{
	static const uint8_t other_sha256[SHA256_BYTES] = {1};
	const struct signed_request good = good_request();
	struct signed_request bad[] = {good, good, good, good, good, good};

	(void)state;
	bad[0].method = "PUT";
	bad[1].path = "/v1/tasks/";
	bad[2].token = "header.payload.signaturf";
	bad[3].body_sha256 = other_sha256;
	bad[4].idempotency_key = "key-2";
	bad[5].idempotency_key = NULL;
	auto_made made = make(&good, key);
	for (size_t k = 0; k < COUNT(bad); k++)
		assert_refused(&bad[k], &made, key);
}

static void
test_another_key_does_not_verify(void **state)
{
	const struct signed_request request = good_request();
	auto_made made = make(&request, key);

	(void)state;
	assert_refused(&request, &made, another_key);
}

static void
test_another_certificate_of_the_same_key_does_not_verify(void **state)
{
	const struct signed_request request = good_request();
	auto_made made = make(&request, key);
	struct err err = {0};

	(void)state;
	assert_int_equal(signature_verify(&request,
			     &(struct signature){made.input, made.value},
			     &(struct signature_key){key,
				 "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"},
			     NOW, &err),
	    -1);
	assert_non_null(strstr(err.detail, "keyid"));
}

static void
test_two_clocks_may_be_a_minute_apart_and_no_more(void **state)
{
	const struct signed_request request = good_request();
	auto_made made = make(&request, key);
	struct err err = {0};
	int64_t end_s = NOW + SIGNATURE_LIFETIME_S;

	(void)state;
	assert_int_equal(verify_at(&request, &made, key, NOW - 60, &err), 0);
	assert_int_equal(verify_at(&request, &made, key, NOW - 61, &err), -1);
	assert_non_null(strstr(err.detail, "future"));
	assert_int_equal(verify_at(&request, &made, key, end_s + 59, &err), 0);
	assert_int_equal(verify_at(&request, &made, key, end_s + 60, &err), -1);
	assert_non_null(strstr(err.detail, "expired"));
}

static void
test_half_of_a_signature_is_none(void **state)
{
	const struct signed_request request = good_request();
	auto_made made = make(&request, key);

	(void)state;
	assert_refused(&request, &(struct made){made.input, NULL}, key);
	assert_refused(&request, &(struct made){NULL, made.value}, key);
	assert_false(signature_is_there(&(struct signature){0}));
	assert_true(signature_is_there(&(struct signature){"", NULL}));
	assert_true(signature_is_there(&(struct signature){NULL, ""}));
}

static void
refuse_truncations(
    const struct signed_request *request, char *field, const struct made *made)
{
	for (size_t len = strlen(field); len-- > 0;) {
		char kept = field[len];

		field[len] = '\0';
		assert_refused(request, made, key);
		field[len] = kept;
	}
}

static void
refuse_changes(
    const struct signed_request *request, char *field, const struct made *made)
{
	for (size_t at = 0; field[at] != '\0'; at++) {
		char kept = field[at];

		for (int bit = 0; bit < 7; bit++) {
			field[at] = (char)(kept ^ (1 << bit));
			if (field[at] != '\0')
				assert_refused(request, made, key);
		}
		field[at] = kept;
	}
}

static void
test_every_truncation_and_changed_bit_is_refused(void **state)
{
	const struct signed_request request = good_request();
	auto_made made = make(&request, key);

	(void)state;
	refuse_truncations(&request, made.input, &made);
	refuse_truncations(&request, made.value, &made);
	refuse_changes(&request, made.input, &made);
	refuse_changes(&request, made.value, &made);
}

static void
test_a_trailing_byte_is_refused(void **state)
{
	const struct signed_request request = good_request();
	auto_made made = make(&request, key);

	(void)state;
	for (int c = 1; c < 256; c++) {
		auto_free char *input = alloc_printf("%s%c", made.input, c);
		auto_free char *value = alloc_printf("%s%c", made.value, c);

		assert_refused(
		    &request, &(struct made){input, made.value}, key);
		assert_refused(
		    &request, &(struct made){made.input, value}, key);
	}
}

static void
test_a_missing_signature_says_what_helps(void **state)
{
	struct err err = {0};

	(void)state;
	assert_int_equal(signature_require(&err), -1);
	assert_int_equal(err.code, ERR_UNAUTHENTICATED);
	assert_non_null(strstr(err.detail, "taskgate run"));
	assert_non_null(strstr(err.detail, "docs/api.md"));
}

/* -- made by tests/e2e/harness_sign.py and openssl, once, and kept */

static EVP_PKEY *
read_key(const struct corpus_case *one)
{
	auto_free char *name = corpus_read(one, "key", NULL);
	auto_free char *path = alloc_printf("%s/signature/keys/%.*s.pem",
	    CORPUS_DIR, (int)strcspn(name, "\n"), name);
	struct err err = {0};
	size_t len = 0;
	auto_free char *pem = file_read(path, 8192, &len, &err);

	if (pem == NULL)
		fail_msg("%s", err.detail);
	AUTO(BIO_freep) BIO *bio = BIO_new_mem_buf(pem, (int)len);
	EVP_PKEY *public = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
	assert_non_null(public);
	return public;
}

static int
verify_case(const struct corpus_case *one, struct err *err)
{
	const struct signed_request request = good_request();
	auto_free char *fields = corpus_read(one, "fields", NULL);
	AUTO(EVP_PKEY_freep) EVP_PKEY *public = read_key(one);
	char *value = strchr(fields, '\n');

	assert_non_null(value);
	*value++ = '\0';
	return verify_at(
	    &request, &(struct made){fields, value}, public, NOW, err);
}

static void
accept(const struct corpus_case *one)
{
	struct err err = {0};

	if (verify_case(one, &err) != 0)
		fail_msg("%s: %s", one->name, err.detail);
}

static void
reject(const struct corpus_case *one)
{
	auto_free char *reason = corpus_read(one, "reason", NULL);
	struct err err = {0};

	reason[strcspn(reason, "\n")] = '\0';
	if (verify_case(one, &err) == 0)
		fail_msg("%s: accepted", one->name);
	assert_int_equal(err.code, ERR_UNAUTHENTICATED);
	if (strstr(err.detail, reason) == NULL)
		fail_msg("%s: \"%s\" does not say \"%s\"", one->name,
		    err.detail, reason);
}

static void
test_good_signatures_are_accepted(void **state)
{
	(void)state;
	corpus_each("signature", "accept", accept);
}

static void
test_bad_signatures_are_refused_for_their_reason(void **state)
{
	(void)state;
	corpus_each("signature", "reject", reject);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_each_kind_of_key_signs_and_verifies),
	    cmocka_unit_test(
		test_a_key_that_no_certificate_may_have_does_not_sign),
	    cmocka_unit_test(test_short_numbers_are_filled_up),
	    cmocka_unit_test(test_each_thing_that_is_signed_counts),
	    cmocka_unit_test(test_another_key_does_not_verify),
	    cmocka_unit_test(
		test_another_certificate_of_the_same_key_does_not_verify),
	    cmocka_unit_test(test_two_clocks_may_be_a_minute_apart_and_no_more),
	    cmocka_unit_test(test_half_of_a_signature_is_none),
	    cmocka_unit_test(test_every_truncation_and_changed_bit_is_refused),
	    cmocka_unit_test(test_a_trailing_byte_is_refused),
	    cmocka_unit_test(test_a_missing_signature_says_what_helps),
	    cmocka_unit_test(test_good_signatures_are_accepted),
	    cmocka_unit_test(test_bad_signatures_are_refused_for_their_reason),
	};

	return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
