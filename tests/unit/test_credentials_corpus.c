/* Certificates and tokens that were made once and kept: what was refused then
 * is refused now, and for the same reason. Their keys are gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "certs/principal.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "tests/unit/corpus.h"

#define NOW INT64_C(1800000000)

static struct authority authority;

static int
load_authority(void **state)
{
	struct err err = {0};

	(void)state;
	if (authority_load(CORPUS_DIR "/certificate/ca.crt",
		CORPUS_DIR "/token/keys", "test-issuer", "urn:taskgate:test",
		86400, &authority, &err) != 0)
		fail_msg("%s", err.detail);
	return 0;
}

static int
drop_authority(void **state)
{
	(void)state;
	authority_done(&authority);
	return 0;
}

/* One line of a case's file. The caller frees. */
static char *
read_line(const struct corpus_case *one, const char *file)
{
	size_t len;
	char *line = corpus_read(one, file, &len);

	if (len > 0 && line[len - 1] == '\n')
		line[len - 1] = '\0';
	return line;
}

static void
expect_subject(const struct corpus_case *one, int result, const char *subject,
    const struct err *err)
{
	auto_free char *expected = read_line(one, "subject");

	if (result != 0)
		fail_msg("%s: %s", one->name, err->detail);
	assert_string_equal(subject, expected);
}

static void
expect_reason(const struct corpus_case *one, int result, const struct err *err)
{
	auto_free char *reason = read_line(one, "reason");

	if (result == 0)
		fail_msg("%s: accepted", one->name);
	assert_int_equal(err->code, ERR_UNAUTHENTICATED);
	if (strstr(err->detail, reason) == NULL)
		fail_msg("%s: \"%s\" does not say \"%s\"", one->name,
		    err->detail, reason);
}

static int
verify_certificate(
    const struct corpus_case *one, struct certificate *ret, struct err *err)
{
	size_t len;
	auto_free char *der = corpus_read(one, "certificate.der", &len);

	return certificate_verify_der(
	    authority.trust, (const uint8_t *)der, len, NOW, ret, err);
}

static void
accept_certificate(const struct corpus_case *one)
{
	struct certificate certificate = {0};
	struct err err = {0};
	int result = verify_certificate(one, &certificate, &err);

	expect_subject(one, result, certificate.subject, &err);
}

static void
refuse_certificate(const struct corpus_case *one)
{
	struct certificate certificate = {0};
	struct err err = {0};

	expect_reason(one, verify_certificate(one, &certificate, &err), &err);
}

static int
verify_token(
    const struct corpus_case *one, struct token_claims *ret, struct err *err)
{
	const struct token_expectation expected = {
	    authority.issuer, authority.audience, authority.lifetime_max_s};
	size_t len;
	auto_free char *token = corpus_read(one, "token", &len);

	return token_verify(
	    authority.keys, &expected, token, len, NOW, ret, err);
}

static void
accept_token(const struct corpus_case *one)
{
	struct token_claims claims = {0};
	struct err err = {0};
	int result = verify_token(one, &claims, &err);

	expect_subject(one, result, claims.subject, &err);
}

static void
refuse_token(const struct corpus_case *one)
{
	struct token_claims claims = {0};
	struct err err = {0};

	expect_reason(one, verify_token(one, &claims, &err), &err);
}

static void
test_good_certificates_are_accepted(void **state)
{
	(void)state;
	corpus_each("certificate", "accept", accept_certificate);
}

static void
test_bad_certificates_are_refused_for_their_reason(void **state)
{
	(void)state;
	corpus_each("certificate", "reject", refuse_certificate);
}

static void
test_good_tokens_are_accepted(void **state)
{
	(void)state;
	corpus_each("token", "accept", accept_token);
}

static void
test_bad_tokens_are_refused_for_their_reason(void **state)
{
	(void)state;
	corpus_each("token", "reject", refuse_token);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good_certificates_are_accepted),
	    cmocka_unit_test(
		test_bad_certificates_are_refused_for_their_reason),
	    cmocka_unit_test(test_good_tokens_are_accepted),
	    cmocka_unit_test(test_bad_tokens_are_refused_for_their_reason),
	};

	return cmocka_run_group_tests(tests, load_authority, drop_authority);
}
