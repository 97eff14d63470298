/* Who gets past: certificate, token and scope, for every request anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "certs/openssl.h"
#include "gateway/auth.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "tests/unit/credentials.h"

static struct credentials credentials;
static struct certificate alice;

static int
set_up(void **state)
{
	struct recipe recipe;
	struct err err = {0};

	(void)state;
	credentials_init(&credentials);
	recipe = recipe_good(&credentials);
	recipe.san = "URI:taskgate:client:alice";
	AUTO(X509_freep) X509 *leaf = recipe_cook(&recipe);

	return certificate_verify(
	    credentials.authority.trust, leaf, CREDENTIALS_NOW, &alice, &err);
}

static int
tear_down(void **state)
{
	(void)state;
	credentials_done(&credentials);
	return 0;
}

static char *
authorization_with(const char *scopes)
{
	auto_json *header = token_header(&credentials);
	auto_json *payload = token_payload("alice", alice.thumbprint);

	json_object_set_new(payload, "scope", json_string(scopes));
	auto_free char *token =
	    token_sign(header, payload, credentials.token_key);

	return alloc_printf("Bearer %s", token);
}

struct outcome {
	int result;
	struct principal principal;
	struct problem problem;
};

static struct outcome
check_at(enum route_id route, const char *authorization, int64_t now_s)
{
	struct outcome outcome = {0};

	outcome.result = auth_check(
	    &(struct auth_question){.authority = &credentials.authority,
		.certificate = &alice,
		.authorization = authorization,
		.route = &routes[route],
		.now_s = now_s},
	    &outcome.principal, &outcome.problem);
	return outcome;
}

static struct outcome
check(enum route_id route, const char *authorization)
{
	return check_at(route, authorization, CREDENTIALS_NOW);
}

static void
assert_refused(struct outcome outcome, enum err_code code)
{
	assert_int_equal(outcome.result, -1);
	assert_int_equal(outcome.problem.err.code, code);
	/* The refusal's record names who it was. */
	assert_string_equal(outcome.principal.certificate.subject, "alice");
}

static void
test_a_certificate_is_enough_where_the_table_says_so(void **state)
{
	(void)state;
	assert_int_equal(check(ROUTE_status, NULL).result, 0);
	assert_int_equal(check(ROUTE_openapi, "Basic x").result, 0);
}

static void
test_a_token_makes_a_principal(void **state)
{
	auto_free char *good = authorization_with("tasks:run");
	struct outcome outcome = check(ROUTE_task_create, good);

	(void)state;
	assert_int_equal(outcome.result, 0);
	assert_string_equal(outcome.principal.token.subject, "alice");
	assert_int_equal(outcome.principal.token.scopes, SCOPE_TASKS_RUN);
}

static void
test_every_other_route_wants_a_token(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROUTE_COUNT; i++)
		if (routes[i].access == ACCESS_TOKEN)
			assert_refused(
			    check((enum route_id)i, NULL), ERR_UNAUTHENTICATED);
}

static void
test_every_scope_is_asked_for(void **state)
{
	auto_free char *auditor = authorization_with("audit:read");
	auto_free char *reader = authorization_with("tasks:read");

	(void)state;
	for (size_t i = 0; i < ROUTE_COUNT; i++) {
		bool is_audit = routes[i].scope == SCOPE_AUDIT_READ;

		if (routes[i].scope == SCOPE_NONE)
			continue;
		if (is_audit)
			assert_int_equal(
			    check((enum route_id)i, auditor).result, 0);
		struct outcome outcome =
		    check((enum route_id)i, is_audit ? reader : auditor);

		assert_refused(outcome, ERR_INSUFFICIENT_SCOPE);
		assert_string_equal(
		    outcome.problem.scope, scope_name(routes[i].scope));
	}
}

static void
test_any_token_will_do_for_whoami(void **state)
{
	auto_free char *good = authorization_with("");

	(void)state;
	assert_int_equal(check(ROUTE_whoami, good).result, 0);
}

static void
test_the_schemes_name_in_any_case_and_one_blank(void **state)
{
	auto_free char *good = authorization_with("tasks:run");
	const char *token = good + strlen("Bearer ");
	auto_free char *lower = alloc_printf("bearer %s", token);
	auto_free char *two = alloc_printf("Bearer  %s", token);
	auto_free char *none = alloc_printf("Bearer%s", token);
	auto_free char *other = alloc_printf("DPoP %s", token);
	auto_free char *after = alloc_printf("%s x", good);
	const char *const bad[] = {two, none, other, after, token, "", "Bearer",
	    "Bearer ", "Bearer a.b.c"};

	(void)state;
	assert_int_equal(check(ROUTE_whoami, lower).result, 0);
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_refused(
		    check(ROUTE_whoami, bad[i]), ERR_UNAUTHENTICATED);
}

static void
test_a_token_of_the_longest_and_one_more(void **state)
{
	char *text = alloc_zero(1, strlen("Bearer ") + TOKEN_MAX + 2);

	(void)state;
	strcpy(text, "Bearer ");
	memset(text + strlen("Bearer "), 'a', TOKEN_MAX + 1);
	struct outcome outcome = check(ROUTE_whoami, text);

	assert_refused(outcome, ERR_UNAUTHENTICATED);
	assert_non_null(strstr(outcome.problem.err.detail, "longer"));
	free(text);
}

static void
test_a_certificate_that_ends_on_an_open_connection(void **state)
{
	auto_free char *good = authorization_with("tasks:run");

	(void)state;
	assert_refused(check_at(ROUTE_whoami, good, alice.not_after_s + 1),
	    ERR_UNAUTHENTICATED);
	/* Also where no token is asked for. */
	assert_refused(check_at(ROUTE_status, NULL, alice.not_after_s + 1),
	    ERR_UNAUTHENTICATED);
	assert_refused(check_at(ROUTE_status, NULL, alice.not_before_s - 1),
	    ERR_UNAUTHENTICATED);
}

static void
test_a_refusal_repeats_nothing_of_the_token(void **state)
{
	struct outcome outcome = check(ROUTE_whoami, "Bearer SECRET.SECRET.S");

	(void)state;
	assert_refused(outcome, ERR_UNAUTHENTICATED);
	assert_null(strstr(outcome.problem.err.detail, "SECRET"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		test_a_certificate_is_enough_where_the_table_says_so),
	    cmocka_unit_test(test_a_token_makes_a_principal),
	    cmocka_unit_test(test_every_other_route_wants_a_token),
	    cmocka_unit_test(test_every_scope_is_asked_for),
	    cmocka_unit_test(test_any_token_will_do_for_whoami),
	    cmocka_unit_test(test_the_schemes_name_in_any_case_and_one_blank),
	    cmocka_unit_test(test_a_token_of_the_longest_and_one_more),
	    cmocka_unit_test(
		test_a_certificate_that_ends_on_an_open_connection),
	    cmocka_unit_test(test_a_refusal_repeats_nothing_of_the_token),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
