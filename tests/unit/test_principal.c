/* A certificate and a token bound to it, or nobody. */
#include "certs/principal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "certs/openssl.h"
#include "certs/token_cache.h"
#include "lib/alloc.h"
#include "tests/unit/credentials.h"

static struct credentials credentials;
static struct certificate alice, other_alice, bob;

static struct certificate
new_certificate(const char *san)
{
	struct recipe recipe = recipe_good(&credentials);
	struct certificate certificate;
	struct err err = {0};

	recipe.san = san;
	AUTO(X509_freep) X509 *leaf = recipe_cook(&recipe);
	if (certificate_verify(credentials.authority.trust, leaf,
		CREDENTIALS_NOW, &certificate, &err) != 0)
		fail_msg("%s", err.detail);
	return certificate;
}

static int
make_credentials(void **state)
{
	(void)state;
	credentials_init(&credentials);
	alice = new_certificate("URI:taskgate:client:alice");
	other_alice = new_certificate("URI:taskgate:client:alice");
	bob = new_certificate("URI:taskgate:client:bob");
	return 0;
}

static int
remove_credentials(void **state)
{
	(void)state;
	credentials_done(&credentials);
	return 0;
}

static char *
new_token(const char *subject, const char *thumbprint, int64_t expires_s)
{
	json_t *header = token_header(&credentials);
	json_t *payload = token_payload(subject, thumbprint);

	json_object_set_new(payload, "exp", json_integer(expires_s));
	char *token = token_sign(header, payload, credentials.token_key);
	json_decref(header);
	json_decref(payload);
	return token;
}

static int
authenticate(struct token_cache *cache, const struct certificate *certificate,
    const char *token, int64_t now_s, struct err *err)
{
	struct principal principal;

	return principal_authenticate(&credentials.authority, cache,
	    certificate, token, strlen(token), now_s, &principal, err);
}

static void
assert_refused(
    const struct certificate *certificate, const char *token, const char *why)
{
	struct token_cache *cache = token_cache_new(16);
	struct err err = {0};

	/* Without a cache, with an empty one, and once more. */
	for (int k = 0; k < 3; k++) {
		assert_int_equal(authenticate(k == 0 ? NULL : cache,
				     certificate, token, CREDENTIALS_NOW, &err),
		    -1);
		assert_int_equal(err.code, ERR_UNAUTHENTICATED);
		if (strstr(err.detail, why) == NULL)
			fail_msg("\"%s\" does not say \"%s\"", err.detail, why);
	}
	token_cache_free(cache);
}

static void
test_certificate_and_its_token_make_a_principal(void **state)
{
	auto_free char *token =
	    new_token("alice", alice.thumbprint, CREDENTIALS_NOW + 600);
	struct principal principal;
	struct err err = {0};

	(void)state;
	assert_int_equal(
	    principal_authenticate(&credentials.authority, NULL, &alice, token,
		strlen(token), CREDENTIALS_NOW, &principal, &err),
	    0);
	assert_string_equal(principal.certificate.subject, "alice");
	assert_string_equal(principal.certificate.thumbprint, alice.thumbprint);
	assert_string_equal(principal.token.id, "token-1");
	assert_int_equal(principal.token.nroles, 2);
}

static void
test_stolen_token_with_another_certificate_is_refused(void **state)
{
	auto_free char *token =
	    new_token("alice", alice.thumbprint, CREDENTIALS_NOW + 600);

	(void)state;
	assert_refused(&bob, token, "bound to another certificate");
	/* Not even the same person's next certificate. */
	assert_refused(&other_alice, token, "bound to another certificate");
}

static void
test_token_for_another_subject_is_refused(void **state)
{
	auto_free char *token =
	    new_token("alice", bob.thumbprint, CREDENTIALS_NOW + 600);

	(void)state;
	assert_refused(&bob, token, "not the certificate's subject");
}

static void
test_certificate_that_has_expired_since_is_refused(void **state)
{
	auto_free char *token =
	    new_token("alice", alice.thumbprint, CREDENTIALS_NOW + 600);
	struct certificate old = alice;

	(void)state;
	old.not_after_s = CREDENTIALS_NOW;
	assert_refused(&old, token, "expired");
}

static void
test_empty_token_is_refused(void **state)
{
	(void)state;
	assert_refused(&alice, "", "parts");
}

static void
test_cached_token_is_still_bound_to_its_certificate(void **state)
{
	auto_free char *token =
	    new_token("alice", alice.thumbprint, CREDENTIALS_NOW + 600);
	struct token_cache *cache = token_cache_new(16);
	struct err err = {0};

	(void)state;
	for (int k = 0; k < 3; k++) {
		assert_int_equal(
		    authenticate(cache, &alice, token, CREDENTIALS_NOW, &err),
		    0);
		assert_int_equal(
		    authenticate(cache, &bob, token, CREDENTIALS_NOW, &err),
		    -1);
	}
	token_cache_free(cache);
}

static void
test_cached_token_expires(void **state)
{
	const int64_t end_s = CREDENTIALS_NOW + 600;
	auto_free char *token = new_token("alice", alice.thumbprint, end_s);
	struct token_cache *cache = token_cache_new(16);
	struct err err = {0};

	(void)state;
	assert_int_equal(
	    authenticate(cache, &alice, token, CREDENTIALS_NOW, &err), 0);
	assert_int_equal(authenticate(cache, &alice, token,
			     end_s + TOKEN_LEEWAY_S - 1, &err),
	    0);
	assert_int_equal(
	    authenticate(cache, &alice, token, end_s + TOKEN_LEEWAY_S, &err),
	    -1);
	/* And a clock that was set back is looked at as well. */
	assert_int_equal(authenticate(cache, &alice, token,
			     CREDENTIALS_NOW - TOKEN_LEEWAY_S - 1, &err),
	    -1);
	token_cache_free(cache);
}

static void
put(struct token_cache *cache, uint8_t first, uint64_t row, int64_t expires_s)
{
	uint8_t digest[SHA256_BYTES] = {0};
	struct token_claims claims = {.expires_s = expires_s};

	memcpy(digest, &row, sizeof(row));
	digest[SHA256_BYTES - 1] = first;
	token_cache_put(cache, digest, &claims);
}

static const struct token_claims *
find(struct token_cache *cache, uint8_t first, uint64_t row)
{
	uint8_t digest[SHA256_BYTES] = {0};

	memcpy(digest, &row, sizeof(row));
	digest[SHA256_BYTES - 1] = first;
	return token_cache_find(cache, digest);
}

static void
test_full_cache_drops_what_ends_first(void **state)
{
	struct token_cache *cache = token_cache_new(8);

	(void)state;
	for (uint8_t k = 0; k < 4; k++)
		put(cache, k, 2, 100 - k);
	assert_non_null(find(cache, 3, 2));
	put(cache, 9, 2, 1000);
	assert_null(find(cache, 3, 2));
	assert_non_null(find(cache, 9, 2));
	assert_non_null(find(cache, 0, 2));
	/* Another row is not touched, nor another digest found. */
	assert_null(find(cache, 0, 3));
	token_cache_clear(cache);
	assert_null(find(cache, 9, 2));
	token_cache_free(cache);
}

static void
test_cache_of_no_entries_still_works(void **state)
{
	struct token_cache *cache = token_cache_new(0);

	(void)state;
	put(cache, 1, 7, 100);
	assert_non_null(find(cache, 1, 7));
	token_cache_free(cache);
	token_cache_free(NULL);
}

static void
test_changed_token_is_not_found_in_the_cache(void **state)
{
	auto_free char *token =
	    new_token("alice", alice.thumbprint, CREDENTIALS_NOW + 600);
	struct token_cache *cache = token_cache_new(16);
	struct err err = {0};

	(void)state;
	assert_int_equal(
	    authenticate(cache, &alice, token, CREDENTIALS_NOW, &err), 0);
	token[strlen(token) / 2] ^= 1;
	assert_int_equal(
	    authenticate(cache, &alice, token, CREDENTIALS_NOW, &err), -1);
	token_cache_free(cache);
}

static void
test_missing_scope_is_named(void **state)
{
	struct principal principal = {
	    .token.scopes = SCOPE_TASKS_RUN | SCOPE_TASKS_READ};
	struct err err = {0};

	(void)state;
	assert_int_equal(
	    principal_require(&principal, SCOPE_TASKS_RUN, &err), 0);
	assert_int_equal(principal_require(&principal, SCOPE_NONE, &err), 0);
	assert_int_equal(
	    principal_require(&principal, SCOPE_TASKS_CANCEL, &err), -1);
	assert_int_equal(err.code, ERR_INSUFFICIENT_SCOPE);
	assert_non_null(strstr(err.detail, "tasks:cancel"));
	/* Reading one's own is not reading everybody's; admin is not all. */
	assert_int_equal(
	    principal_require(&principal, SCOPE_TASKS_READ_ALL, &err), -1);
	principal.token.scopes = SCOPE_ADMIN;
	assert_int_equal(
	    principal_require(&principal, SCOPE_TASKS_RUN, &err), -1);
}

static void
test_authority_without_issuer_or_audience_is_refused(void **state)
{
	auto_free char *ca = alloc_printf("%s/ca.crt", credentials.directory);
	auto_free char *keys =
	    alloc_printf("%s/token-keys", credentials.directory);
	struct authority authority;
	struct err err = {0};

	(void)state;
	assert_int_equal(
	    authority_load(ca, keys, "", "a", 60, &authority, &err), -1);
	assert_int_equal(
	    authority_load(ca, keys, "i", "", 60, &authority, &err), -1);
	assert_int_equal(
	    authority_load(ca, keys, "i", "a", 0, &authority, &err), -1);
	assert_int_equal(
	    authority_load(ca, ca, "i", "a", 60, &authority, &err), -1);
	assert_int_equal(
	    authority_load(keys, keys, "i", "a", 60, &authority, &err), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_certificate_and_its_token_make_a_principal),
	    cmocka_unit_test(
		test_stolen_token_with_another_certificate_is_refused),
	    cmocka_unit_test(test_token_for_another_subject_is_refused),
	    cmocka_unit_test(
		test_certificate_that_has_expired_since_is_refused),
	    cmocka_unit_test(test_empty_token_is_refused),
	    cmocka_unit_test(
		test_cached_token_is_still_bound_to_its_certificate),
	    cmocka_unit_test(test_cached_token_expires),
	    cmocka_unit_test(test_full_cache_drops_what_ends_first),
	    cmocka_unit_test(test_cache_of_no_entries_still_works),
	    cmocka_unit_test(test_changed_token_is_not_found_in_the_cache),
	    cmocka_unit_test(test_missing_scope_is_named),
	    cmocka_unit_test(
		test_authority_without_issuer_or_audience_is_refused),
	};

	return cmocka_run_group_tests(
	    tests, make_credentials, remove_credentials);
}
