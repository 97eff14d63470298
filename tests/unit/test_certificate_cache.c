/* A certificate that verified is not verified again, and holds no longer for
 * it. */
#include "certs/certificate_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "certs/openssl.h"
#include "lib/alloc.h"
#include "tests/unit/credentials.h"

static struct credentials credentials;
static struct certificate_cache *cache;

static int
set_up(void **state)
{
	(void)state;
	credentials_init(&credentials);
	cache = certificate_cache_new(8);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	certificate_cache_free(cache);
	credentials_done(&credentials);
	return 0;
}

struct der {
	unsigned char *bytes;
	size_t len;
};

static struct der
new_der(int64_t to_s)
{
	struct recipe recipe = recipe_good(&credentials);
	struct der der = {0};

	recipe.to_s = to_s;
	AUTO(X509_freep) X509 *leaf = recipe_cook(&recipe);
	int len = i2d_X509(leaf, &der.bytes);
	assert_true(len > 0);
	der.len = (size_t)len;
	return der;
}

/* NULL for the trust: nothing but the cache can say yes. */
static int
verify(const struct der *der, bool by_trust, int64_t now_s,
    const struct verified_certificate **ret, struct err *err)
{
	const struct trust *trust =
	    by_trust ? credentials.authority.trust : NULL;

	return certificate_cache_verify(
	    cache, trust, der->bytes, der->len, now_s, ret, err);
}

static void
test_what_verified_is_found_with_its_key(void **state)
{
	struct der der = new_der(CREDENTIALS_NOW + 100);
	const struct verified_certificate *first = NULL, *again = NULL;
	struct err err = {0};

	(void)state;
	assert_int_equal(verify(&der, true, CREDENTIALS_NOW, &first, &err), 0);
	assert_string_equal(first->certificate.subject, "alice");
	assert_int_equal(EVP_PKEY_get_bits(first->key), 256);
	assert_int_equal(verify(&der, false, CREDENTIALS_NOW, &again, &err), 0);
	assert_ptr_equal(first, again);
	OPENSSL_free(der.bytes);
}

static void
test_what_has_ended_is_refused_although_it_verified(void **state)
{
	struct der der = new_der(CREDENTIALS_NOW + 100);
	const struct verified_certificate *found = NULL;
	struct err err = {0};

	(void)state;
	assert_int_equal(verify(&der, true, CREDENTIALS_NOW, &found, &err), 0);
	assert_int_equal(
	    verify(&der, false, CREDENTIALS_NOW + 99, &found, &err), 0);
	assert_int_equal(
	    verify(&der, false, CREDENTIALS_NOW + 100, &found, &err), -1);
	assert_int_equal(err.code, ERR_UNAUTHENTICATED);
	OPENSSL_free(der.bytes);
}

static void
test_each_changed_byte_is_verified_for_itself(void **state)
{
	struct der der = new_der(CREDENTIALS_NOW + 100);
	const struct verified_certificate *found = NULL;
	struct err err = {0};

	(void)state;
	assert_int_equal(verify(&der, true, CREDENTIALS_NOW, &found, &err), 0);
	for (size_t at = 0; at < der.len; at++) {
		der.bytes[at] ^= 1;
		assert_int_equal(
		    verify(&der, true, CREDENTIALS_NOW, &found, &err), -1);
		der.bytes[at] ^= 1;
	}
	OPENSSL_free(der.bytes);
}

static void
test_what_was_refused_is_not_kept(void **state)
{
	struct der der = new_der(CREDENTIALS_NOW + 100);
	const struct verified_certificate *found = NULL;
	struct err err = {0};

	(void)state;
	/* Not yet, and then. */
	assert_int_equal(
	    verify(&der, true, CREDENTIALS_NOW - 7200, &found, &err), -1);
	assert_int_equal(verify(&der, true, CREDENTIALS_NOW, &found, &err), 0);
	OPENSSL_free(der.bytes);
}

static void
test_after_clearing_everything_is_verified_again(void **state)
{
	struct der der = new_der(CREDENTIALS_NOW + 100);
	const struct verified_certificate *found = NULL;
	struct err err = {0};
	struct credentials others;

	(void)state;
	credentials_init(&others);
	const struct trust *other = others.authority.trust;

	assert_int_equal(verify(&der, true, CREDENTIALS_NOW, &found, &err), 0);
	assert_int_equal(certificate_cache_verify(cache, other, der.bytes,
			     der.len, CREDENTIALS_NOW, &found, &err),
	    0);
	certificate_cache_clear(cache);
	assert_int_equal(certificate_cache_verify(cache, other, der.bytes,
			     der.len, CREDENTIALS_NOW, &found, &err),
	    -1);
	OPENSSL_free(der.bytes);
	credentials_done(&others);
}

static void
test_it_is_bounded_and_gives_back_what_makes_room(void **state)
{
	(void)state;
	for (int k = 0; k < 64; k++) {
		struct der der = new_der(CREDENTIALS_NOW + 100 + k);
		const struct verified_certificate *found = NULL;
		struct err err = {0};

		assert_int_equal(
		    verify(&der, true, CREDENTIALS_NOW, &found, &err), 0);
		assert_int_equal(
		    verify(&der, false, CREDENTIALS_NOW, &found, &err), 0);
		assert_int_equal(
		    found->certificate.not_after_s, CREDENTIALS_NOW + 100 + k);
		OPENSSL_free(der.bytes);
	}
	certificate_cache_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_verified_is_found_with_its_key),
	    cmocka_unit_test(
		test_what_has_ended_is_refused_although_it_verified),
	    cmocka_unit_test(test_each_changed_byte_is_verified_for_itself),
	    cmocka_unit_test(test_what_was_refused_is_not_kept),
	    cmocka_unit_test(test_after_clearing_everything_is_verified_again),
	    cmocka_unit_test(test_it_is_bounded_and_gives_back_what_makes_room),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
