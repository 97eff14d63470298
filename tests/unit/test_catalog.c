/* What a caller is shown of the policy, and what not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "policy/catalog.h"

DEFINE_CLEANUP(struct policy, policy_free);
#define auto_policy AUTO(policy_freep) struct policy

#define SCHEMA_MAX (1024 * 1024)
/* 2026-01-01 00:00 UTC, a Thursday. */
#define NOW_MS INT64_C(1767225600000)

static struct policy *
policy_of(const char *rules)
{
	auto_free char *text =
	    alloc_printf("{\"version\": 1, \"rules\": [%s]}", rules);
	struct err err;
	struct policy *policy =
	    policy_parse("policy", text, strlen(text), &err);

	if (policy == NULL)
		fail_msg("%s", err.detail);
	return policy;
}

static json_t *
list(const struct policy *policy, const char *subject, const char *after,
    size_t limit, const char **ret_next)
{
	static const char *const roles[] = {"dev"};
	const struct policy_principal principal = {
	    .subject = subject, .roles = roles, .nroles = 1};
	struct err err;
	json_t *rules = catalog_list(policy,
	    &(struct catalog_query){&principal, NOW_MS, after, limit}, ret_next,
	    &err);

	if (rules == NULL)
		assert_int_equal(err.code, ERR_UNPROCESSABLE);
	return rules;
}

static json_t *
only_entry(const char *rule)
{
	auto_policy *policy = policy_of(rule);
	const char *next;
	auto_json *rules = list(policy, "alice", NULL, 10, &next);

	assert_int_equal(json_array_size(rules), 1);
	assert_null(next);
	return json_incref(json_array_get(rules, 0));
}

static const char *
text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	assert_non_null(text);
	return text;
}

static void
test_usage_is_what_stands_behind_run(void **state)
{
	static const struct {
		const char *args, *usage;
	} cases[] = {
	    {"[]", "x/y:latest"},
	    {"[\"echo\"]", "x/y:latest -- echo"},
	    {"[\"\", \"two words\", \"it's\", \"*\"]",
		"x/y:latest -- '' 'two words' 'it'\\''s' '*'"},
	    {"[{\"enum\": [\"fit\", \"a b\"]}]", "x/y:latest -- fit|'a b'"},
	    {"[{\"integer\": {\"min\": -5, \"max\": 10}}]",
		"x/y:latest -- -5..10"},
	    {"[{\"pattern\": \"[a-z]*.txt\"}]", "x/y:latest -- <[a-z]*.txt>"},
	    {"[\"a\", {\"rest\": {\"pattern\": \"**\"}, \"min\": 1, \"max\": "
	     "20}]",
		"x/y:latest -- a <**>{1,20}"},
	    {"[{\"rest\": \"x\"}]", "x/y:latest -- x{0,1024}"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		auto_free char *rule =
		    alloc_printf("{\"id\": \"r\", \"subjects\": [\"alice\"], "
				 "\"image\": \"x/y\", \"args\": %s}",
			cases[i].args);
		auto_json *entry = only_entry(rule);

		assert_string_equal(text_of(entry, "usage"), cases[i].usage);
	}
}

static void
test_usage_of_a_named_task_has_its_params(void **state)
{
	auto_json *entry = only_entry(
	    "{\"id\": \"r\", \"subjects\": [\"alice\"], \"task\": \"resize\","
	    " \"image\": \"x/y\", \"args\": [\"{width}{mode}{name}{file}\"],"
	    " \"env\": {\"A\": \"b\"}, \"params\": {"
	    "\"width\": {\"integer\": {\"min\": 1, \"max\": 9}},"
	    "\"mode\": {\"enum\": [\"fit\", \"a b\"], \"default\": \"fit\"},"
	    "\"name\": {\"string\": {}},"
	    "\"file\": {\"string\": {\"pattern\": \"[a-z]*\"}}}}");

	(void)state;
	assert_string_equal(text_of(entry, "usage"),
	    "[-e A=b] --task resize -p file=<[a-z]*> [-p mode=fit|'a b'] "
	    "-p name=TEXT -p width=1..9");
	assert_string_equal(text_of(entry, "task"), "resize");
	assert_non_null(json_object_get(entry, "params"));
}

static void
test_usage_of_many_and_long_values_is_cut(void **state)
{
	struct buffer rule = BUFFER_INIT(1024 * 1024);
	auto_free char *text = NULL;

	(void)state;
	buffer_append_string(&rule,
	    "{\"id\": \"r\", \"subjects\": [\"alice\"], \"image\": \"x/y\", "
	    "\"args\": [{\"enum\": [\"v\"");
	for (int i = 0; i < 100; i++)
		buffer_printf(&rule, ", \"v%d\"", i);
	buffer_append_string(&rule, "]}");
	for (int i = 0; i < 1000; i++)
		buffer_append_string(&rule, ", \"\xc3\xbc\xc3\xbc\"");
	buffer_append_string(&rule, "]}");
	text = buffer_take(&rule);
	auto_json *entry = only_entry(text);
	const char *usage = text_of(entry, "usage");

	assert_non_null(strstr(usage, "v|v0|v1|"));
	assert_non_null(strstr(usage, "|v14|... "));
	assert_true(strlen(usage) <= 4096);
	assert_string_equal(usage + strlen(usage) - 3, "...");
	/* All of it stands in the templates. */
	assert_int_equal(json_array_size(json_object_get(entry, "args")), 1001);
}

static void
test_an_entry_says_what_the_rule_says_but_not_of_others(void **state)
{
	auto_json *entry = only_entry(
	    "{\"//\": \"why\", \"id\": \"r\", \"description\": \"d\", "
	    "\"subjects\": [\"alice\", \"bob\"], \"image\": \"x/*\", "
	    "\"env\": {\"//\": 1, \"LANG\": {\"enum\": [\"C\"], \"//\": 2}}, "
	    "\"stdin\": \"inline\", \"inputs\": 2, \"outputs\": 3, "
	    "\"limits\": {\"memory\": {\"max\": \"32MiB\"}, "
	    "\"cpus\": {\"default\": \"0.5\", \"max\": 2}}, "
	    "\"mounts\": [{\"source\": \"/srv/a\", \"target\": \"/in\"}], "
	    "\"secrets\": {\"token\": \"api-token\", \"//\": 3}, "
	    "\"user\": {\"uid\": 5, \"gid\": 6}, \"unsigned\": true}");
	auto_free char *text = json_encode(entry, NULL);

	(void)state;
	assert_string_equal(text,
	    "{\"rule\":\"r\",\"usage\":\"[-e LANG=C] "
	    "x/*:latest\",\"description\":\"d\","
	    "\"image\":\"x/*\",\"env\":{\"LANG\":{\"enum\":[\"C\"]}},"
	    "\"stdin\":\"inline\",\"inputs\":2,\"outputs\":3,"
	    "\"user\":{\"uid\":5,\"gid\":6},\"unsigned\":true,"
	    "\"mounts\":[{\"target\":\"/in\",\"read_only\":true}],"
	    "\"secrets\":[\"token\"],"
	    "\"limits\":{\"memory\":{\"default\":33554432,\"max\":33554432},"
	    "\"cpus\":{\"default\":\"0.5\",\"max\":\"2\"},"
	    "\"pids\":{\"default\":64,\"max\":64},"
	    "\"timeout\":{\"default\":60,\"max\":60},"
	    "\"output\":{\"default\":10485760,\"max\":10485760},"
	    "\"tmp\":{\"default\":16777216,\"max\":16777216},"
	    "\"stdin\":{\"default\":10485760,\"max\":10485760}}}");
}

#define RULE(id, subject)                                        \
	"{\"id\": \"" id "\", \"subjects\": [\"" subject "\"], " \
	"\"image\": \"x/y\"}"

static void
test_rules_that_name_the_caller_and_no_others_are_paged(void **state)
{
	auto_policy *policy =
	    policy_of(RULE("a", "alice") "," RULE("b", "bob") "," RULE("c",
		"role:dev") "," RULE("d", "al*") "," RULE("e", "role:ops"));
	const char *next;
	auto_json *first = list(policy, "alice", NULL, 2, &next);

	(void)state;
	assert_int_equal(json_array_size(first), 2);
	assert_string_equal(text_of(json_array_get(first, 0), "rule"), "a");
	assert_string_equal(text_of(json_array_get(first, 1), "rule"), "c");
	assert_string_equal(next, "c");
	auto_json *second = list(policy, "alice", next, 2, &next);

	assert_int_equal(json_array_size(second), 1);
	assert_string_equal(text_of(json_array_get(second, 0), "rule"), "d");
	assert_null(next);
	/* That there is a rule of this name is no business of alice's. */
	assert_null(list(policy, "alice", "b", 2, &next));
	assert_null(list(policy, "alice", "nothing", 2, &next));
	auto_json *last = list(policy, "alice", "d", 2, &next);

	assert_int_equal(json_array_size(last), 0);
}

static void
test_what_is_over_or_a_shadow_is_not_listed(void **state)
{
	static const struct {
		const char *member;
		size_t listed;
	} cases[] = {
	    {"\"expires\": \"2026-01-01T00:00:00.001Z\"", 1},
	    {"\"expires\": \"2026-01-01T00:00:00Z\"", 0},
	    {"\"mode\": \"enforce\"", 1},
	    {"\"mode\": \"shadow\"", 0},
	    /* Not now, but it may be run. */
	    {"\"hours\": [{\"from\": \"08:00\", \"to\": \"09:00\"}]", 1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		auto_free char *rule =
		    alloc_printf("{\"id\": \"r\", \"subjects\": [\"alice\"], "
				 "\"image\": \"x/y\", %s}",
			cases[i].member);
		auto_policy *policy = policy_of(rule);
		const char *next;
		auto_json *rules = list(policy, "alice", NULL, 10, &next);

		assert_int_equal(json_array_size(rules), cases[i].listed);
	}
}

static void
test_of_an_approval_it_is_not_told_whose(void **state)
{
	auto_json *entry = only_entry(
	    "{\"id\": \"r\", \"subjects\": [\"alice\"], \"image\": \"x/y\", "
	    "\"approval\": {\"by\": [\"carol\"], \"ttl\": \"1h\"}}");
	auto_free char *text =
	    json_encode(json_object_get(entry, "approval"), NULL);

	(void)state;
	assert_string_equal(text, "{\"ttl\":\"1h\"}");
}

/* Whoever gives rules a new member says here what callers see of it, and gives
 * it to the schema. */
static void
test_every_member_of_a_rule_is_in_schema_and_catalog(void **state)
{
	static const char *const names[] = {
#define MEMBER(name, kind, required, least, most, read) name,
#include "policy/rule_members.def"
#undef MEMBER
	};
	struct err err;
	auto_json *schema = json_parse_file(
	    SOURCE_DIR "/policy/policy.schema.json", SCHEMA_MAX, &err);
	const json_t *rule =
	    json_object_get(json_object_get(schema, "$defs"), "rule");
	const json_t *members = json_object_get(rule, "properties");

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		if (!catalog_knows(names[i]))
			fail_msg("%s is not in the catalog's table", names[i]);
		if (json_object_get(members, names[i]) == NULL)
			fail_msg("%s is not in the schema", names[i]);
	}
	/* And comments. */
	assert_non_null(json_object_get(members, "//"));
	assert_int_equal(json_object_size(members), COUNT(names) + 1);
	assert_true(catalog_knows("//"));
	/* Nothing but these is in the catalog's table. */
	assert_int_equal(catalog_count(), COUNT(names) + 1);
	assert_false(catalog_knows("nothing"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_usage_is_what_stands_behind_run),
	    cmocka_unit_test(test_usage_of_a_named_task_has_its_params),
	    cmocka_unit_test(test_usage_of_many_and_long_values_is_cut),
	    cmocka_unit_test(
		test_an_entry_says_what_the_rule_says_but_not_of_others),
	    cmocka_unit_test(
		test_rules_that_name_the_caller_and_no_others_are_paged),
	    cmocka_unit_test(test_what_is_over_or_a_shadow_is_not_listed),
	    cmocka_unit_test(test_of_an_approval_it_is_not_told_whose),
	    cmocka_unit_test(
		test_every_member_of_a_rule_is_in_schema_and_catalog),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
