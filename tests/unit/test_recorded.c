/* Requests in records: whole enough to be decided again, and without secrets.
 */
#include "policy/recorded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "tests/unit/corpus.h"

DEFINE_CLEANUP(struct policy, policy_free);
#define auto_policy AUTO(policy_freep)
#define auto_request AUTO(request_done) struct request
#define auto_verdict AUTO(policy_verdict_done) struct policy_verdict

static const struct policy_principal alice = {.subject = "alice"};

static const char rules[] =
    "{\"version\":1,\"rules\":["
    "{\"id\":\"listed\",\"subjects\":[\"alice\"],\"image\":\"x/a\","
    " \"env\":{\"LANG\":\"C\",\"MODE\":{\"enum\":[\"fast\",\"slow\"]},"
    "  \"N\":{\"integer\":{\"min\":1,\"max\":9}},"
    "  \"SECRET\":{\"pattern\":\"[a-z]*\"},\"ANY\":{\"pattern\":\"**\"}}},"
    "{\"id\":\"others\",\"subjects\":[\"bob\"],\"image\":\"x/a\","
    " \"env\":{\"SECRET\":{\"enum\":[\"swordfish\"]}}}]}";

static struct policy *
parse(const char *text)
{
	struct err err = {0};
	struct policy *policy = policy_parse("rules", text, strlen(text), &err);

	if (policy == NULL)
		fail_msg("%s", err.detail);
	return policy;
}

static void
read_body(const char *body, struct request *ret)
{
	struct err err = {0};

	if (request_parse(body, strlen(body), ret, &err) != 0)
		fail_msg("%s: %s", body, err.detail);
}

/* What is recorded of a request of alice's. */
static json_t *
record(const char *text, const char *body)
{
	auto_policy struct policy *policy = parse(text);
	auto_request request = {0};
	auto_verdict verdict = {0};

	read_body(body, &request);
	policy_decide(policy, &alice, &request, 0, &verdict);
	return recorded_write(
	    &request, &(struct recorded_decision){policy, &alice, &verdict});
}

static const char *
shown(const json_t *recorded, const char *name)
{
	return json_string_value(
	    json_object_get(json_object_get(recorded, "env"), name));
}

static void
test_only_values_that_the_rule_lists_are_shown(void **state)
{
	auto_json *recorded = record(rules,
	    "{\"image\":\"x/a\",\"env\":{\"LANG\":\"C\",\"MODE\":\"slow\","
	    "\"N\":\"7\",\"SECRET\":\"swordfish\",\"ANY\":\"open\"}}");
	auto_free char *text = json_encode_canonical(recorded, NULL);

	(void)state;
	assert_string_equal(shown(recorded, "LANG"), "C");
	assert_string_equal(shown(recorded, "MODE"), "slow");
	assert_string_equal(shown(recorded, "N"), "7");
	assert_null(shown(recorded, "ANY"));
	/* Though another's rule lists it. */
	assert_null(strstr(text, "swordfish"));
}

static void
test_a_denied_request_shows_no_value_that_no_rule_lists(void **state)
{
	auto_json *recorded = record(rules,
	    "{\"image\":\"x/a\",\"env\":{\"LANG\":\"C\",\"MODE\":\"secret\","
	    "\"N\":\"70\",\"OTHER\":\"hush\"}}");
	auto_json *nothing = record("{\"version\":1,\"rules\":[]}",
	    "{\"image\":\"x/a\",\"env\":{\"LANG\":\"C\"}}");
	auto_free char *text = json_encode_canonical(recorded, NULL);

	(void)state;
	assert_string_equal(shown(recorded, "LANG"), "C");
	assert_null(strstr(text, "secret"));
	assert_null(strstr(text, "hush"));
	assert_null(strstr(text, "\"70\""));
	assert_null(shown(nothing, "LANG"));
}

static void
test_each_hash_has_a_salt_of_its_own(void **state)
{
	static const char body[] =
	    "{\"image\":\"x\",\"env\":{\"SECRET\":\"swordfish\"}}";
	auto_request request = {0};
	uint8_t salted[RECORDED_SALT_BYTES + 9];
	char hex[SHA256_HEX];

	(void)state;
	read_body(body, &request);
	auto_json *one = recorded_write(&request, NULL);
	auto_json *two = recorded_write(&request, NULL);
	const json_t *hashed =
	    json_object_get(json_object_get(one, "env"), "SECRET");
	const char *salt = json_string_value(json_object_get(hashed, "salt"));

	assert_true(
	    hex_decode(salt, strlen(salt), salted, RECORDED_SALT_BYTES));
	memcpy(salted + RECORDED_SALT_BYTES, "swordfish", 9);
	digest_sha256_hex(salted, sizeof(salted), hex);
	assert_string_equal(
	    json_string_value(json_object_get(hashed, "sha256")), hex);
	assert_false(json_equal(one, two));
}

static void
test_standard_input_is_recorded_by_length_and_hash(void **state)
{
	auto_request request = {0}, again = {0};
	struct err err = {0};

	(void)state;
	read_body(
	    "{\"image\":\"x\",\"stdin\":{\"text\":\"open sesame\"}}", &request);
	auto_json *recorded = recorded_write(&request, NULL);
	auto_free char *text = json_encode_canonical(recorded, NULL);

	assert_null(strstr(text, "sesame"));
	if (recorded_read(recorded, &again, &err) != 0)
		fail_msg("%s", err.detail);
	assert_int_equal(again.stdin_mode, REQUEST_STDIN_INLINE);
	assert_int_equal(again.stdin_len, 11);
}

/* -- what was recorded is decided as it was */

static void
check_same(const struct request *request, const struct request *again)
{
	assert_string_equal(again->reference, request->reference);
	assert_int_equal(again->nargs, request->nargs);
	for (size_t k = 0; k < request->nargs; k++)
		assert_string_equal(again->args[k], request->args[k]);
	assert_int_equal(again->nenv, request->nenv);
	for (size_t k = 0; k < request->nenv; k++)
		assert_string_equal(again->env[k].name, request->env[k].name);
	assert_memory_equal(
	    again->limits, request->limits, sizeof(request->limits));
	assert_int_equal(again->stdin_mode, request->stdin_mode);
	assert_int_equal(again->stdin_len, request->stdin_len);
	assert_int_equal(again->ninputs, request->ninputs);
	assert_int_equal(again->noutputs, request->noutputs);
}

static void
visit_request(const struct corpus_case *one)
{
	size_t len = 0;
	auto_free char *body = corpus_read(one, "body.json", &len);
	auto_request request = {0}, again = {0};
	struct err err = {0};

	if (request_parse(body, len, &request, &err) != 0)
		fail_msg("%s: %s", one->name, err.detail);
	auto_json *recorded = recorded_write(&request, NULL);

	if (recorded_read(recorded, &again, &err) != 0)
		fail_msg("%s: %s", one->name, err.detail);
	check_same(&request, &again);
}

static void
test_every_request_reads_back(void **state)
{
	(void)state;
	corpus_each("request", "accept", visit_request);
}

static void
decide_recorded(const char *text, const json_t *recorded, bool hidden_match,
    struct policy_verdict *ret)
{
	auto_policy struct policy *policy = parse(text);
	auto_request request = {0};
	struct err err = {0};

	if (recorded_read(recorded, &request, &err) != 0)
		fail_msg("%s", err.detail);
	request.hidden_match = hidden_match;
	policy_decide(policy, &alice, &request, 0, ret);
	/* Of the rule nothing but that there is one; its id goes now. */
	ret->rule = NULL;
}

#define RULE_WITH(template)                                     \
	"{\"version\":1,\"rules\":[{\"id\":\"a\",\"subjects\":" \
	"[\"alice\"],\"image\":\"x\",\"env\":{\"V\":" template "}}]}"

static void
test_a_hash_tells_of_what_is_listed_and_of_nothing_else(void **state)
{
	static const struct {
		const char *policy;
		bool least,
		    most; /* allowed where hidden values match not, do */
	} cases[] = {
	    {RULE_WITH("\"seven\""), true, true},
	    {RULE_WITH("\"eight\""), false, false},
	    {RULE_WITH("{\"enum\":[\"six\",\"seven\"]}"), true, true},
	    {RULE_WITH("{\"enum\":[\"six\"]}"), false, false},
	    {RULE_WITH("{\"pattern\":\"**\"}"), true, true},
	    {RULE_WITH("{\"pattern\":\"*\"}"), false, true},
	    {RULE_WITH("{\"integer\":{\"min\":1,\"max\":9}}"), false, true},
	};
	auto_json *recorded = record("{\"version\":1,\"rules\":[]}",
	    "{\"image\":\"x\",\"env\":{\"V\":\"seven\"}}");

	(void)state;
	for (size_t k = 0; k < COUNT(cases); k++) {
		auto_verdict least = {0}, most = {0};

		decide_recorded(cases[k].policy, recorded, false, &least);
		decide_recorded(cases[k].policy, recorded, true, &most);
		if (least.allowed != cases[k].least ||
		    most.allowed != cases[k].most)
			fail_msg("%s: %d %d", cases[k].policy, least.allowed,
			    most.allowed);
	}
}

/* -- what others wrote */

static void
visit_accepted(const struct corpus_case *one)
{
	size_t len = 0;
	auto_free char *text = corpus_read(one, "recorded.json", &len);
	auto_request request = {0};
	struct err err = {0};
	auto_json *json = json_parse_strict(text, len, &err);

	if (json == NULL || recorded_read(json, &request, &err) != 0)
		fail_msg("%s: %s", one->name, err.detail);
}

static void
visit_rejected(const struct corpus_case *one)
{
	size_t len = 0;
	auto_free char *text = corpus_read(one, "recorded.json", &len);
	auto_free char *expected = corpus_read(one, "message", NULL);
	auto_request request = {0};
	struct err err = {0};
	auto_json *json = json_parse_strict(text, len, &err);

	if (json == NULL)
		fail_msg("%s: %s", one->name, err.detail);
	if (recorded_read(json, &request, &err) == 0)
		fail_msg("%s: accepted", one->name);
	expected[strcspn(expected, "\n")] = '\0';
	if (strncmp(err.detail, expected, strlen(expected)) != 0)
		fail_msg("%s: %s", one->name, err.detail);
}

static void
test_the_corpus_is_read_or_refused_with_its_message(void **state)
{
	(void)state;
	corpus_each("recorded", "accept", visit_accepted);
	corpus_each("recorded", "reject", visit_rejected);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_only_values_that_the_rule_lists_are_shown),
	    cmocka_unit_test(
		test_a_denied_request_shows_no_value_that_no_rule_lists),
	    cmocka_unit_test(test_each_hash_has_a_salt_of_its_own),
	    cmocka_unit_test(
		test_standard_input_is_recorded_by_length_and_hash),
	    cmocka_unit_test(test_every_request_reads_back),
	    cmocka_unit_test(
		test_a_hash_tells_of_what_is_listed_and_of_nothing_else),
	    cmocka_unit_test(
		test_the_corpus_is_read_or_refused_with_its_message),
	};

	return cmocka_run_group_tests_name("recorded", tests, NULL, NULL);
}
