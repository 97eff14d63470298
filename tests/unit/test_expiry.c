/* When readiness names an end, and which of a bundle's counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "certs/issue_certificate.h"
#include "certs/openssl.h"
#include "gateway/expiry.h"
#include "gateway/snapshot.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/json.h"
#include "tests/unit/credentials.h"

#define MARGIN 100
#define LATE (CREDENTIALS_NOW + 1000000)

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

/* A bundle of two CAs that end at these times; the caller frees. */
static struct trust *
trust_of_two(int64_t first_s, int64_t second_s)
{
	const int64_t ends[] = {first_s, second_s};
	auto_free char *path =
	    alloc_printf("%s/two.crt", credentials.directory);
	struct bundle bundle = {.count = 2};
	struct err err;

	for (size_t k = 0; k < 2; k++) {
		struct recipe recipe =
		    recipe_authority(credentials.ca, credentials.ca_key);

		recipe.to_s = ends[k];
		bundle.certificates[k] = recipe_cook(&recipe);
	}
	auto_free char *pem = issue_bundle_encode(&bundle);
	issue_bundle_done(&bundle);
	assert_int_equal(file_write(path, pem, strlen(pem), 0644, &err), 0);
	struct trust *trust = trust_load(path, &err);
	if (trust == NULL)
		fail_msg("%s", err.detail);
	return trust;
}

/* What is said at this time; the caller frees. */
static json_t *
reasons_at(int64_t server_s, int64_t old_s, int64_t new_s, int64_t now_s)
{
	struct snapshot snapshot = {
	    .not_after_s = server_s,
	    .authority.trust = trust_of_two(old_s, new_s),
	};
	json_t *reasons = json_array();

	expiry_add_reasons(reasons, &snapshot, MARGIN, now_s);
	trust_free(snapshot.authority.trust);
	return reasons;
}

static void
assert_reason(int64_t server_s, int64_t old_s, int64_t new_s, int64_t now_s,
    const char *words)
{
	auto_json *reasons = reasons_at(server_s, old_s, new_s, now_s);

	assert_int_equal(json_array_size(reasons), words == NULL ? 0 : 1);
	if (words != NULL)
		assert_non_null(strstr(
		    json_string_value(json_array_get(reasons, 0)), words));
}

static void
test_the_margin_is_kept_to_the_second(void **state)
{
	const int64_t end_s = CREDENTIALS_NOW + 5000;

	(void)state;
	assert_reason(end_s, LATE, LATE, end_s - MARGIN, NULL);
	assert_reason(end_s, LATE, LATE, end_s - MARGIN + 1,
	    "its certificate expires at 2027-01-15T09:23:20");
	assert_reason(
	    end_s, LATE, LATE, end_s - 1, "its certificate expires at");
	assert_reason(
	    end_s, LATE, LATE, end_s, "its certificate has expired at");
}

static void
test_an_old_ca_may_end_beside_a_new_one(void **state)
{
	const int64_t end_s = CREDENTIALS_NOW + 5000;

	(void)state;
	assert_reason(LATE, end_s, LATE, end_s + 1, NULL);
	assert_reason(LATE, LATE, end_s, end_s + 1, NULL);
	assert_reason(LATE, end_s, end_s - 1, end_s - 1,
	    "the last certificate of the CA bundle expires at");
	assert_reason(LATE, end_s, end_s - 1, end_s,
	    "the last certificate of the CA bundle has expired");
}

static void
test_a_bundle_knows_its_first_and_its_last_end(void **state)
{
	struct trust *trust =
	    trust_of_two(CREDENTIALS_NOW + 7, CREDENTIALS_NOW + 3);

	(void)state;
	assert_int_equal(trust_first_end(trust), CREDENTIALS_NOW + 3);
	assert_int_equal(trust_last_end(trust), CREDENTIALS_NOW + 7);
	trust_free(trust);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_margin_is_kept_to_the_second),
	    cmocka_unit_test(test_an_old_ca_may_end_beside_a_new_one),
	    cmocka_unit_test(test_a_bundle_knows_its_first_and_its_last_end),
	};

	return cmocka_run_group_tests(
	    tests, make_credentials, remove_credentials);
}
