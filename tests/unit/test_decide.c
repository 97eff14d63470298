/* The decision, as a table: who asks for what, and what the policy says. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "policy/launch.h"
#include "policy/policy.h"

DEFINE_CLEANUP(struct policy, policy_free);
#define auto_policy AUTO(policy_freep)
#define auto_request AUTO(request_done) struct request
#define auto_verdict AUTO(policy_verdict_done) struct policy_verdict

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* Every kind of condition, one rule each, and some that overlap. */
static const char table_policy[] =
    "{\"version\": 1, \"rules\": ["
    "{\"id\": \"bare\", \"subjects\": [\"alice\"], \"image\": \"x/bare\"},"
    "{\"id\": \"args\", \"subjects\": [\"alice\", \"role:dev\"],"
    " \"image\": \"x/args:1\","
    " \"args\": [{\"enum\": [\"echo\", \"sh\", \"two words\"]},"
    "  {\"integer\": {\"min\": -2, \"max\": 10}},"
    "  {\"rest\": {\"pattern\": \"[a-z]*.txt\"}, \"min\": 1, \"max\": 2}],"
    " \"env\": {\"LANG\": \"C\", \"N\": {\"integer\": {\"min\": 1, \"max\": "
    "9}}},"
    " \"limits\": {\"memory\": {\"default\": \"32MiB\", \"max\": \"1GiB\"},"
    "  \"timeout\": {\"max\": \"10s\"}},"
    " \"user\": {\"uid\": 1000, \"gid\": 1001}},"
    "{\"id\": \"rest\", \"subjects\": [\"ci-*\"], \"image\": \"x/rest\","
    " \"args\": [{\"rest\": {\"pattern\": \"**\"}}]},"
    "{\"id\": \"pattern\", \"subjects\": [\"**\"], \"image\": \"y/*:v[0-9]\"},"
    "{\"id\": \"latest\", \"subjects\": [\"alice\"], \"image\": \"z/**\"},"
    "{\"id\": \"digest\", \"subjects\": [\"alice\"],"
    " \"image\": \"x/d@sha256:" HEX "\"},"
    "{\"id\": \"id\", \"subjects\": [\"alice\"], \"image\": \"sha256:" HEX
    "\"},"
    "{\"id\": \"any-digest\", \"subjects\": [\"role:ops-?\"],"
    " \"image\": \"x/*@sha256:*\"},"
    "{\"id\": \"first\", \"subjects\": [\"alice\"], \"image\": \"x/two\","
    " \"args\": [\"a\"]},"
    "{\"id\": \"second\", \"subjects\": [\"*\"], \"image\": \"x/two\","
    " \"args\": [{\"enum\": [\"a\", \"b\"]}],"
    " \"limits\": {\"pids\": {\"default\": 7}}},"
    "{\"id\": \"root\", \"subjects\": [\"admin\"], \"image\": \"x/root\","
    " \"user\": {\"uid\": 0, \"gid\": 0}},"
    "{\"id\": \"inline\", \"subjects\": [\"alice\"], \"image\": \"x/inline\","
    " \"stdin\": \"inline\", \"inputs\": 1, \"outputs\": 2,"
    " \"limits\": {\"stdin\": {\"default\": 4, \"max\": 5}},"
    " \"warm\": {\"max\": 3}},"
    "{\"id\": \"stream\", \"subjects\": [\"alice\"], \"image\": \"x/stream:2\","
    " \"stdin\": \"stream\", \"limits\": {\"tmp\": {\"default\": \"1MiB\"}},"
    " \"warm\": {\"min\": 2, \"max_age\": \"10m\"},"
    " \"user\": {\"uid\": 1000, \"gid\": 1001}}"
    "]}";

static struct policy *
parse(const char *text)
{
	struct err err = {0};
	struct policy *policy = policy_parse("table", text, strlen(text), &err);

	if (policy == NULL)
		fail_msg("%s", err.detail);
	return policy;
}

static void
ask(const struct policy *policy, const char *subject, const char *role,
    const char *body, struct request *ret_request,
    struct policy_verdict *ret_verdict)
{
	const char *const roles[] = {"other", role};
	const struct policy_principal principal = {
	    .subject = subject,
	    .roles = roles,
	    .nroles = role != NULL ? 2 : 0,
	};
	struct err err = {0};

	if (request_parse(body, strlen(body), ret_request, &err) != 0)
		fail_msg("%s: %s", body, err.detail);
	policy_decide(policy, &principal, ret_request, 0, ret_verdict);
}

struct question {
	const char *subject;
	const char *role; /* besides another one; NULL: none at all */
	const char *body;
	const char *answer; /* "allowed RULE", or what the caller is told */
};

static void
check(const struct policy *policy, const struct question *question)
{
	auto_request request = {0};
	auto_verdict verdict = {0};
	auto_free char *answer = NULL;
	const char *rule = NULL, *condition = NULL;
	struct err err = {0};

	ask(policy, question->subject, question->role, question->body, &request,
	    &verdict);
	if (verdict.allowed) {
		answer = alloc_printf("allowed %s", verdict.rule);
		assert_int_equal(verdict.ndenials, 0);
	} else {
		policy_explain_to_caller(
		    &verdict, &request, &rule, &condition, &err);
		answer = alloc_string(err.detail);
		assert_int_equal(err.code, ERR_DENIED);
		assert_null(verdict.rule);
		assert_int_equal(rule == NULL, condition == NULL);
	}
	if (strcmp(answer, question->answer) != 0)
		fail_msg(
		    "%s %s: %s", question->subject, question->body, answer);
}

#define IMAGE(name) "{\"image\":\"" name "\"}"
#define ARGS(name, args) "{\"image\":\"" name "\",\"args\":[" args "]}"
#define GOOD_ARGS "\"image\":\"x/args:1\",\"args\":[\"sh\",\"3\",\"a.txt\"]"

static void
test_images_are_decided_as_the_table_says(void **state)
{
	static const struct question questions[] = {
	    {"alice", NULL, IMAGE("x/bare"), "allowed bare"},
	    {"alice", NULL, IMAGE("x/bare:latest"), "allowed bare"},
	    {"alice", NULL, IMAGE("x/bare:1"),
		"no rule lets you run the image x/bare:1"},
	    {"alice", NULL, IMAGE("docker.io/x/bare"),
		"no rule lets you run the image docker.io/x/bare:latest"},
	    {"alice", NULL, IMAGE("x/bare@sha256:" HEX),
		"no rule lets you run the image x/bare@sha256:" HEX},
	    {"alice", NULL, IMAGE("x/barer"),
		"no rule lets you run the image x/barer:latest"},
	    {"bob", NULL, IMAGE("x/bare"),
		"no rule lets you run the image x/bare:latest"},
	    {"bob", NULL, IMAGE("y/a:v1"), "allowed pattern"},
	    {"bob", NULL, IMAGE("y/a:v10"),
		"no rule lets you run the image y/a:v10"},
	    {"bob", NULL, IMAGE("y/a/b:v1"),
		"no rule lets you run the image y/a/b:v1"},
	    {"bob", NULL, IMAGE("y/a"),
		"no rule lets you run the image y/a:latest"},
	    {"alice", NULL, IMAGE("z/a"), "allowed latest"},
	    {"alice", NULL, IMAGE("z/a/b"), "allowed latest"},
	    {"alice", NULL, IMAGE("z/a:1"),
		"no rule lets you run the image z/a:1"},
	    {"alice", NULL, IMAGE("z/a@sha256:" HEX),
		"no rule lets you run the image z/a@sha256:" HEX},
	    {"alice", NULL, IMAGE("x/d@sha256:" HEX), "allowed digest"},
	    {"alice", NULL, IMAGE("sha256:" HEX), "allowed id"},
	    {"bob", NULL, IMAGE("sha256:" HEX),
		"no rule lets you run the image sha256:" HEX},
	    {"bob", "ops-1", IMAGE("x/q@sha256:" HEX), "allowed any-digest"},
	    {"bob", "ops-1", IMAGE("sha256:" HEX),
		"no rule lets you run the image sha256:" HEX},
	};
	auto_policy struct policy *policy = parse(table_policy);

	(void)state;
	for (size_t k = 0; k < COUNT(questions); k++)
		check(policy, &questions[k]);
}

static void
test_subjects_are_decided_as_the_table_says(void **state)
{
	static const struct question questions[] = {
	    {"alicex", NULL, IMAGE("x/bare"),
		"no rule lets you run the image x/bare:latest"},
	    {"alic", NULL, IMAGE("x/bare"),
		"no rule lets you run the image x/bare:latest"},
	    {"", NULL, IMAGE("x/bare"),
		"no rule lets you run the image x/bare:latest"},
	    {"ci-7", NULL, IMAGE("x/rest"), "allowed rest"},
	    {"ci-", NULL, IMAGE("x/rest"), "allowed rest"},
	    {"ci", NULL, IMAGE("x/rest"),
		"no rule lets you run the image x/rest:latest"},
	    {"xci-7", NULL, IMAGE("x/rest"),
		"no rule lets you run the image x/rest:latest"},
	    {"bob", "dev", "{" GOOD_ARGS "}", "allowed args"},
	    {"bob", "devs", "{" GOOD_ARGS "}",
		"no rule lets you run the image x/args:1"},
	    /* A role is no subject, and a subject no role. */
	    {"dev", NULL, "{" GOOD_ARGS "}",
		"no rule lets you run the image x/args:1"},
	    {"bob", "alice", IMAGE("x/bare"),
		"no rule lets you run the image x/bare:latest"},
	    {"role:dev", NULL, "{" GOOD_ARGS "}",
		"no rule lets you run the image x/args:1"},
	    {"bob", "ops-12", IMAGE("x/q@sha256:" HEX),
		"no rule lets you run the image x/q@sha256:" HEX},
	};
	auto_policy struct policy *policy = parse(table_policy);

	(void)state;
	for (size_t k = 0; k < COUNT(questions); k++)
		check(policy, &questions[k]);
}

static void
test_arguments_are_decided_as_the_table_says(void **state)
{
#define A(args) ARGS("x/args:1", args)
#define INTEGER(text) \
	"rule args: args[1]: \"" text "\" is not an integer from -2 to 10"
	static const struct question questions[] = {
	    {"alice", NULL, ARGS("x/bare", ""), "allowed bare"},
	    {"alice", NULL, ARGS("x/bare", "\"sh\""),
		"rule bare: args: 1 given, but only the image's own command "
		"may run"},
	    {"alice", NULL, A("\"sh\",\"3\",\"a.txt\""), "allowed args"},
	    {"alice", NULL, A("\"two words\",\"3\",\"a.txt\",\"b.txt\""),
		"allowed args"},
	    {"alice", NULL, A("\"rm\",\"3\",\"a.txt\""),
		"rule args: args[0]: \"rm\" is not one of echo, sh, \"two "
		"words\""},
	    {"alice", NULL, A("\"SH\",\"3\",\"a.txt\""),
		"rule args: args[0]: \"SH\" is not one of echo, sh, \"two "
		"words\""},
	    {"alice", NULL, A(""), "rule args: args: 0 given, not 3 to 4"},
	    {"alice", NULL, A("\"sh\",\"3\""),
		"rule args: args: 2 given, not 3 to 4"},
	    {"alice", NULL, A("\"sh\",\"3\",\"a.txt\",\"a.txt\",\"a.txt\""),
		"rule args: args: 5 given, not 3 to 4"},
	    {"alice", NULL, A("\"sh\",\"3\",\"a.txt\",\"../a.txt\""),
		"rule args: args[3]: \"../a.txt\" does not match the pattern "
		"\"[a-z]*.txt\""},
	    {"alice", NULL, A("\"sh\",\"3\",\"a.txt\\n-rf\""),
		"rule args: args[2]: \"a.txt\\x0a-rf\" does not match the "
		"pattern \"[a-z]*.txt\""},
	    {"alice", NULL, A("\"sh\",\"-2\",\"a.txt\""), "allowed args"},
	    {"alice", NULL, A("\"sh\",\"10\",\"a.txt\""), "allowed args"},
	    {"alice", NULL, A("\"sh\",\"0\",\"a.txt\""), "allowed args"},
	    {"alice", NULL, A("\"sh\",\"-3\",\"a.txt\""), INTEGER("-3")},
	    {"alice", NULL, A("\"sh\",\"11\",\"a.txt\""), INTEGER("11")},
	    {"alice", NULL, A("\"sh\",\"\",\"a.txt\""), INTEGER("")},
	    {"alice", NULL, A("\"sh\",\"-\",\"a.txt\""), INTEGER("-")},
	    {"alice", NULL, A("\"sh\",\"-0\",\"a.txt\""), INTEGER("-0")},
	    {"alice", NULL, A("\"sh\",\"+3\",\"a.txt\""), INTEGER("+3")},
	    {"alice", NULL, A("\"sh\",\"03\",\"a.txt\""), INTEGER("03")},
	    {"alice", NULL, A("\"sh\",\" 3\",\"a.txt\""), INTEGER(" 3")},
	    {"alice", NULL, A("\"sh\",\"3 \",\"a.txt\""), INTEGER("3 ")},
	    {"alice", NULL, A("\"sh\",\"0x3\",\"a.txt\""), INTEGER("0x3")},
	    {"alice", NULL, A("\"sh\",\"1e0\",\"a.txt\""), INTEGER("1e0")},
	    {"alice", NULL, A("\"sh\",\"18446744073709551617\",\"a.txt\""),
		INTEGER("18446744073709551617")},
	    {"alice", NULL, A("\"sh\",\"3\\n\",\"a.txt\""), INTEGER("3\\x0a")},
	    {"ci-1", NULL, ARGS("x/rest", ""), "allowed rest"},
	    {"ci-1", NULL, ARGS("x/rest", "\"\",\"a/b\",\"\\n\""),
		"allowed rest"},
	};
	auto_policy struct policy *policy = parse(table_policy);

	(void)state;
	for (size_t k = 0; k < COUNT(questions); k++)
		check(policy, &questions[k]);
#undef A
#undef INTEGER
}

static void
test_variables_and_limits_are_decided_as_the_table_says(void **state)
{
#define ENV(env) "{" GOOD_ARGS ",\"env\":{" env "}}"
#define LIMITS(limits) "{" GOOD_ARGS ",\"limits\":{" limits "}}"
	static const struct question questions[] = {
	    {"alice", NULL, ENV("\"LANG\":\"C\",\"N\":\"9\""), "allowed args"},
	    {"alice", NULL, ENV("\"LANG\":\"C.UTF-8\""),
		"rule args: env.LANG: the value is not \"C\""},
	    {"alice", NULL, ENV("\"N\":\"10\""),
		"rule args: env.N: the value is not an integer from 1 to 9"},
	    {"alice", NULL, ENV("\"LD_PRELOAD\":\"/tmp/a.so\""),
		"rule args: env.LD_PRELOAD: may not be set, only LANG, N"},
	    {"alice", NULL, ENV("\"lang\":\"C\""),
		"rule args: env.lang: may not be set, only LANG, N"},
	    {"alice", NULL, "{\"image\":\"x/bare\",\"env\":{\"A\":\"\"}}",
		"rule bare: env.A: no variable may be set"},
	    {"alice", NULL, LIMITS("\"memory\":\"1GiB\""), "allowed args"},
	    {"alice", NULL, LIMITS("\"memory\":\"6MiB\""), "allowed args"},
	    {"alice", NULL, LIMITS("\"memory\":1073741825"),
		"rule args: limits.memory: 1073741825B, but at most 1GiB may "
		"be asked for"},
	    {"alice", NULL, LIMITS("\"timeout\":\"11s\""),
		"rule args: limits.timeout: 11s, but at most 10s may be asked "
		"for"},
	    {"alice", NULL, LIMITS("\"cpus\":\"1.001\""),
		"rule args: limits.cpus: 1.001, but at most 1 may be asked "
		"for"},
	    {"alice", NULL, LIMITS("\"pids\":65"),
		"rule args: limits.pids: 65, but at most 64 may be asked for"},
	    {"alice", NULL, LIMITS("\"output\":\"1GiB\""),
		"rule args: limits.output: 1GiB, but at most 10MiB may be "
		"asked for"},
	    {"alice", NULL, LIMITS("\"tmp\":\"1GiB\""),
		"rule args: limits.tmp: 1GiB, but at most 16MiB may be asked "
		"for"},
	};
	auto_policy struct policy *policy = parse(table_policy);

	(void)state;
	for (size_t k = 0; k < COUNT(questions); k++)
		check(policy, &questions[k]);
#undef ENV
#undef LIMITS
}

static void
test_input_and_files_are_decided_as_the_table_says(void **state)
{
#define BODY(image, more) "{\"image\":\"" image "\"," more "}"
#define TEXT(text) "\"stdin\":{\"text\":\"" text "\"}"
#define BLOB(name) "\"" name "\":\"" HEX "\""
	static const struct question questions[] = {
	    {"alice", NULL, BODY("x/inline", TEXT("1234")), "allowed inline"},
	    {"alice", NULL, BODY("x/inline", TEXT("12345")),
		"rule inline: stdin: 5 bytes, but at most 4B"},
	    {"alice", NULL,
		BODY("x/inline", TEXT("12345") ",\"limits\":{\"stdin\":5}"),
		"allowed inline"},
	    {"alice", NULL,
		BODY("x/inline", TEXT("1234") ",\"limits\":{\"stdin\":3}"),
		"rule inline: stdin: 4 bytes, but at most 3B"},
	    {"alice", NULL,
		BODY("x/inline", TEXT("123456") ",\"limits\":{\"stdin\":6}"),
		"rule inline: limits.stdin: 6B, but at most 5B may be asked "
		"for"},
	    {"alice", NULL, BODY("x/inline", "\"stdin\":{\"stream\":true}"),
		"rule inline: stdin: may not be streamed, only come with the "
		"request"},
	    {"alice", NULL, BODY("x/stream:2", "\"stdin\":{\"stream\":true}"),
		"allowed stream"},
	    {"alice", NULL, BODY("x/stream:2", TEXT("1")), "allowed stream"},
	    {"alice", NULL, BODY("x/bare", TEXT("")),
		"rule bare: stdin: there may be none"},
	    {"alice", NULL, BODY("x/inline", "\"inputs\":{" BLOB("a") "}"),
		"allowed inline"},
	    {"alice", NULL,
		BODY("x/inline", "\"inputs\":{" BLOB("a") "," BLOB("b") "}"),
		"rule inline: inputs: 2 files, but at most 1"},
	    {"alice", NULL, BODY("x/bare", "\"inputs\":{" BLOB("a") "}"),
		"rule bare: inputs: there may be none"},
	    {"alice", NULL, BODY("x/bare", "\"inputs\":{}"), "allowed bare"},
	    {"alice", NULL, BODY("x/inline", "\"outputs\":[\"a\",\"b\"]"),
		"allowed inline"},
	    {"alice", NULL, BODY("x/inline", "\"outputs\":[\"a\",\"b\",\"c\"]"),
		"rule inline: outputs: 3 files, but at most 2"},
	    {"alice", NULL, BODY("x/bare", "\"outputs\":[\"a\"]"),
		"rule bare: outputs: there may be none"},
	};
	auto_policy struct policy *policy = parse(table_policy);

	(void)state;
	for (size_t k = 0; k < COUNT(questions); k++)
		check(policy, &questions[k]);
#undef BODY
#undef TEXT
#undef BLOB
}

static void
test_policy_says_what_is_to_be_kept_warm(void **state)
{
	auto_policy struct policy *policy = parse(table_policy);
	struct policy_warm warm;

	(void)state;
	assert_int_equal(policy_warm_count(policy), 2);
	policy_warm_get(policy, 0, &warm);
	assert_string_equal(warm.rule, "inline");
	assert_string_equal(warm.reference, "x/inline:latest");
	assert_int_equal(warm.min, 0);
	assert_int_equal(warm.max, 3);
	assert_int_equal(warm.max_age_s, 3600);
	assert_int_equal(warm.uid, -1);
	assert_int_equal(warm.gid, -1);
	assert_null(warm.network);
	policy_warm_get(policy, 1, &warm);
	assert_string_equal(warm.rule, "stream");
	assert_string_equal(warm.reference, "x/stream:2");
	assert_int_equal(warm.min, 2);
	assert_int_equal(warm.max, 2);
	assert_int_equal(warm.max_age_s, 600);
	assert_int_equal(warm.uid, 1000);
	assert_int_equal(warm.gid, 1001);
	assert_int_equal(warm.limits[LIMIT_TMP], 1 << 20);
	assert_int_equal(warm.limits[LIMIT_MEMORY], 64 << 20);
}

static void
test_first_rule_that_allows_counts(void **state)
{
	static const struct question questions[] = {
	    {"alice", NULL, ARGS("x/two", "\"a\""), "allowed first"},
	    {"alice", NULL, ARGS("x/two", "\"b\""), "allowed second"},
	    {"bob", NULL, ARGS("x/two", "\"a\""), "allowed second"},
	    {"alice", NULL, ARGS("x/two", "\"c\""),
		"rule first: args[0]: \"c\" is not \"a\""},
	    {"bob", NULL, ARGS("x/two", "\"c\""),
		"rule second: args[0]: \"c\" is not one of a, b"},
	};
	auto_policy struct policy *policy = parse(table_policy);

	(void)state;
	for (size_t k = 0; k < COUNT(questions); k++)
		check(policy, &questions[k]);
}

static void
test_every_candidate_says_what_failed(void **state)
{
	auto_policy struct policy *policy = parse(table_policy);
	auto_request request = {0};
	auto_verdict verdict = {0};

	(void)state;
	ask(policy, "bob", NULL, ARGS("x/two", "\"c\""), &request, &verdict);
	assert_false(verdict.allowed);
	assert_int_equal(verdict.ndenials, 2);
	assert_string_equal(verdict.denials[0].rule, "first");
	assert_false(verdict.denials[0].names_caller);
	assert_string_equal(verdict.denials[0].condition, "subjects");
	assert_string_equal(verdict.denials[1].rule, "second");
	assert_true(verdict.denials[1].names_caller);
	assert_string_equal(verdict.denials[1].condition, "args[0]");
}

static void
test_explanation_goes_on_behind_the_rule_that_decides(void **state)
{
	auto_policy struct policy *policy = parse(table_policy);
	const struct policy_principal bob = {.subject = "bob"};
	const struct policy_principal alice = {.subject = "alice"};
	AUTO(policy_candidates_done) struct policy_candidates all = {0};
	auto_request request = {0};
	auto_verdict verdict = {0};

	(void)state;
	ask(policy, "alice", NULL, ARGS("x/two", "\"a\""), &request, &verdict);
	assert_string_equal(verdict.rule, "first");
	policy_explain(policy, &alice, &request, 0, &all);
	assert_int_equal(all.count, 2);
	for (size_t k = 0; k < all.count; k++) {
		assert_true(all.list[k].allows);
		assert_null(all.list[k].condition);
		assert_null(all.list[k].detail);
	}
	assert_string_equal(all.list[1].rule, "second");
	policy_candidates_done(&all);
	policy_explain(policy, &bob, &request, 0, &all);
	assert_false(all.list[0].allows);
	assert_string_equal(all.list[0].condition, "subjects");
	assert_true(all.list[1].allows);
}

static void
test_digest_required_takes_any_digest_and_no_tag(void **state)
{
	static const struct question questions[] = {
	    {"alice", NULL, IMAGE("x/one@sha256:" HEX), "allowed one"},
	    {"alice", NULL, IMAGE("x/one"),
		"rule one: digest_required: x/one:latest is a tag, which "
		"moves: ask for x/one@sha256:DIGEST"},
	    {"alice", NULL, IMAGE("x/one:2"),
		"rule one: digest_required: x/one:2 is a tag, which moves: "
		"ask for x/one@sha256:DIGEST"},
	    {"alice", NULL, IMAGE("x/one:3"), "allowed three"},
	    {"alice", NULL, IMAGE("x/oner@sha256:" HEX),
		"no rule lets you run the image x/oner@sha256:" HEX},
	    {"alice", NULL, IMAGE("one@sha256:" HEX),
		"no rule lets you run the image one@sha256:" HEX},
	    {"alice", NULL, IMAGE("sha256:" HEX),
		"no rule lets you run the image sha256:" HEX},
	    {"alice", NULL, IMAGE("r:5000/y/z@sha256:" HEX), "allowed many"},
	    {"alice", NULL, IMAGE("r:5000/y/z:1"),
		"rule many: digest_required: r:5000/y/z:1 is a tag, which "
		"moves: ask for r:5000/y/z@sha256:DIGEST"},
	    {"alice", NULL, IMAGE("r:5000/y/z/a@sha256:" HEX),
		"no rule lets you run the image r:5000/y/z/a@sha256:" HEX},
	    {"alice", NULL, "{\"task\":\"one\"}",
		"no rule lets you run the task one"},
	};
	auto_policy struct policy *policy =
	    parse("{\"version\": 1, \"rules\": ["
		  "{\"id\": \"one\", \"subjects\": [\"*\"],"
		  " \"image\": \"x/one\", \"digest_required\": true},"
		  "{\"id\": \"three\", \"subjects\": [\"*\"],"
		  " \"image\": \"x/one:3\"},"
		  "{\"id\": \"many\", \"subjects\": [\"*\"],"
		  " \"image\": \"r:5000/y/*\", \"digest_required\": true},"
		  "{\"id\": \"name\", \"subjects\": [\"*\"],"
		  " \"image\": \"two\", \"digest_required\": true}]}");

	(void)state;
	for (size_t k = 0; k < COUNT(questions); k++)
		check(policy, &questions[k]);
}

static void
test_a_pinned_tag_runs_its_digest(void **state)
{
	auto_policy struct policy *policy =
	    parse("{\"version\": 1, \"rules\": ["
		  "{\"id\": \"pinned\", \"subjects\": [\"*\"],"
		  " \"image\": \"r:5000/x/one:2\", \"warm\": {\"min\": 1},"
		  " \"digest\": \"sha256:" HEX "\"},"
		  "{\"id\": \"entry\", \"subjects\": [\"*\"],"
		  " \"image\": \"x/two\", \"entrypoint\": [\"/a\", \"b\"]},"
		  "{\"id\": \"plain\", \"subjects\": [\"*\"],"
		  " \"image\": \"x/three\"}]}");
	auto_request request = {0}, two = {0}, three = {0};
	auto_verdict verdict = {0}, entry = {0}, plain = {0};
	struct policy_warm warm;
	size_t count = 0;

	(void)state;
	ask(policy, "alice", NULL, IMAGE("r:5000/x/one:2"), &request, &verdict);
	assert_string_equal(
	    launch_image(verdict.launch, &request), "r:5000/x/one@sha256:" HEX);
	policy_warm_get(policy, 0, &warm);
	assert_string_equal(warm.reference, "r:5000/x/one@sha256:" HEX);
	ask(policy, "alice", NULL, IMAGE("x/two"), &two, &entry);
	assert_string_equal(launch_image(entry.launch, &two), "x/two:latest");
	auto_free const char **list = launch_entrypoint(entry.launch, &count);

	assert_int_equal(count, 2);
	assert_string_equal(list[0], "/a");
	assert_string_equal(list[1], "b");
	ask(policy, "alice", NULL, IMAGE("x/three"), &three, &plain);
	assert_null(plain.launch);
	assert_null(launch_entrypoint(plain.launch, &count));
}

static void
test_shadows_decide_nothing_and_say_what_they_would_have(void **state)
{
	auto_policy struct policy *policy =
	    parse("{\"version\": 1, \"rules\": ["
		  "{\"id\": \"watched\", \"subjects\": [\"alice\"],"
		  " \"image\": \"x/one\", \"mode\": \"shadow\","
		  " \"unsigned\": true},"
		  "{\"id\": \"real\", \"subjects\": [\"alice\"],"
		  " \"image\": \"x/one\", \"args\": [\"a\"]},"
		  "{\"id\": \"pattern\", \"subjects\": [\"bob\"],"
		  " \"image\": \"x/*\", \"mode\": \"shadow\"}]}");
	const struct policy_principal alice = {.subject = "alice"};
	AUTO(policy_candidates_done) struct policy_candidates all = {0};
	auto_request request = {0}, other = {0};
	auto_verdict verdict = {0}, denied = {0};

	(void)state;
	ask(policy, "alice", NULL, ARGS("x/one", "\"a\""), &request, &verdict);
	assert_true(verdict.allowed);
	assert_string_equal(verdict.rule, "real");
	assert_false(verdict.is_unsigned);
	assert_int_equal(verdict.nshadows, 2);
	assert_string_equal(verdict.shadows[0].rule, "watched");
	assert_false(verdict.shadows[0].allows);
	assert_string_equal(verdict.shadows[0].condition, "args");
	assert_string_equal(verdict.shadows[1].condition, "subjects");
	ask(policy, "alice", NULL, IMAGE("x/one"), &other, &denied);
	assert_false(denied.allowed);
	assert_int_equal(denied.ndenials, 1);
	assert_true(denied.shadows[0].allows);
	policy_explain(policy, &alice, &request, 0, &all);
	assert_int_equal(all.count, 1);
}

static void
test_granted_limits_are_the_asked_ones_or_the_defaults(void **state)
{
	auto_policy struct policy *policy = parse(table_policy);
	auto_request request = {0};
	auto_verdict verdict = {0};

	(void)state;
	ask(policy, "alice", NULL,
	    "{" GOOD_ARGS ",\"limits\":{\"pids\":10,\"timeout\":1}}", &request,
	    &verdict);
	assert_true(verdict.allowed);
	assert_int_equal(verdict.limits[LIMIT_MEMORY], 32 * 1024 * 1024);
	assert_int_equal(verdict.limits[LIMIT_PIDS], 10);
	assert_int_equal(verdict.limits[LIMIT_TIMEOUT], 1);
	assert_int_equal(verdict.limits[LIMIT_CPUS], 1000);
	assert_int_equal(verdict.limits[LIMIT_OUTPUT], 10 * 1024 * 1024);
	assert_int_equal(verdict.limits[LIMIT_TMP], 16 * 1024 * 1024);
	assert_int_equal(verdict.uid, 1000);
	assert_int_equal(verdict.gid, 1001);
	assert_null(verdict.network);
}

/* However they were written, one spelling. */
static void
test_what_is_of_the_machine_goes_with_verdict_and_warm(void **state)
{
	auto_policy struct policy *policy =
	    parse("{\"version\":1,\"rules\":["
		  "{\"id\":\"with\",\"subjects\":[\"alice\"],"
		  "\"image\":\"a/b\",\"warm\":{\"min\":1},"
		  "\"network\":\"build\","
		  "\"secrets\":{\"//\":0,\"z\":\"one\",\"a\":\"two\"}},"
		  "{\"id\":\"without\",\"subjects\":[\"bob\"],"
		  "\"image\":\"a/b\",\"warm\":{\"min\":1}}]}");
	static const char expected[] = "{\"a\":\"two\",\"z\":\"one\"}";
	auto_request request = {0}, again = {0};
	auto_verdict verdict = {0}, other = {0};
	struct policy_claim claim;
	struct policy_warm warm;
	size_t at = 0;

	(void)state;
	ask(policy, "alice", NULL, IMAGE("a/b"), &request, &verdict);
	assert_string_equal(verdict.secrets, expected);
	assert_string_equal(verdict.network, "build");
	ask(policy, "bob", NULL, IMAGE("a/b"), &again, &other);
	assert_true(other.allowed);
	assert_null(other.secrets);
	assert_null(other.network);
	policy_warm_get(policy, 0, &warm);
	assert_string_equal(warm.secrets, expected);
	assert_string_equal(warm.network, "build");
	policy_warm_get(policy, 1, &warm);
	assert_null(warm.secrets);
	assert_true(policy_next_claim(policy, &at, &claim));
	assert_string_equal(claim.rule, "with");
	assert_string_equal(claim.secrets, expected);
	assert_false(policy_next_claim(policy, &at, &claim));
}

static void
test_maximum_below_the_usual_default_is_the_default(void **state)
{
	auto_policy struct policy *policy = parse(table_policy);
	auto_request request = {0};
	auto_verdict verdict = {0};

	(void)state;
	ask(policy, "alice", NULL, "{" GOOD_ARGS "}", &request, &verdict);
	assert_int_equal(verdict.limits[LIMIT_TIMEOUT], 10);
}

static void
test_user_is_the_rules_or_the_runners(void **state)
{
	auto_policy struct policy *policy = parse(table_policy);
	auto_request root = {0}, other = {0};
	auto_verdict root_verdict = {0}, other_verdict = {0};

	(void)state;
	ask(policy, "admin", NULL, IMAGE("x/root"), &root, &root_verdict);
	assert_int_equal(root_verdict.uid, 0);
	assert_int_equal(root_verdict.gid, 0);
	ask(policy, "alice", NULL, IMAGE("x/bare"), &other, &other_verdict);
	assert_int_equal(other_verdict.uid, -1);
	assert_int_equal(other_verdict.gid, -1);
}

#define SIGNED(members)                                                     \
	"{\"version\":1,\"rules\":[{\"id\":\"a\",\"subjects\":[\"alice\"]," \
	"\"image\":\"x/"                                                    \
	"args:1\",\"args\":[{\"rest\":{\"pattern\":\"**\"}}]" members       \
	"},{\"id\":\"b\",\"subjects\":[\"**\"],\"unsigned\":true,"          \
	"\"image\":\"x/args:1\",\"args\":[{\"rest\":{\"pattern\":\"**\"}}]}]}"

/* A later rule takes no signature away. */
static void
test_the_rule_that_decides_says_whether_to_sign(void **state)
{
	static const struct {
		const char *policy, *subject, *rule;
		bool is_unsigned;
	} cases[] = {
	    {SIGNED(""), "alice", "a", false},
	    {SIGNED(",\"unsigned\":false"), "alice", "a", false},
	    {SIGNED(",\"unsigned\":true"), "alice", "a", true},
	    {SIGNED(""), "bob", "b", true},
	};

	(void)state;
	for (size_t k = 0; k < COUNT(cases); k++) {
		auto_policy struct policy *policy = parse(cases[k].policy);
		auto_request request = {0};
		auto_verdict verdict = {0};

		ask(policy, cases[k].subject, NULL, "{" GOOD_ARGS "}", &request,
		    &verdict);
		assert_true(verdict.allowed);
		assert_string_equal(verdict.rule, cases[k].rule);
		assert_int_equal(verdict.is_unsigned, cases[k].is_unsigned);
	}
}

static void
test_empty_policy_denies_everything(void **state)
{
	static const struct question question = {"alice", "admin",
	    IMAGE("x/bare"), "no rule lets you run the image x/bare:latest"};
	auto_policy struct policy *policy =
	    parse("{\"version\":1,\"rules\":[]}");

	(void)state;
	check(policy, &question);
}

static void
test_long_values_and_enumerations_are_cut(void **state)
{
	auto_buffer text = BUFFER_INIT(SIZE_MAX);
	auto_buffer body = BUFFER_INIT(SIZE_MAX);

	(void)state;
	buffer_append_string(&text,
	    "{\"version\":1,\"rules\":[{\"id\":\"a\",\"subjects\":[\"**\"],"
	    "\"image\":\"a/b\",\"args\":[{\"enum\":[\"first\"");
	for (int k = 0; k < 1000; k++)
		buffer_printf(&text, ",\"value-%d\"", k);
	buffer_append_string(&text, "]}]}]}");
	buffer_append_string(&body, "{\"image\":\"a/b\",\"args\":[\"");
	for (int k = 0; k < 1000; k++)
		buffer_append_string(&body, "\xc3\xa9");
	buffer_append_string(&body, "\"]}");
	auto_policy struct policy *policy = parse(text.data);
	auto_request request = {0};
	auto_verdict verdict = {0};

	ask(policy, "alice", NULL, body.data, &request, &verdict);
	const char *detail = verdict.denials[0].detail;

	assert_true(strlen(detail) < 480);
	assert_non_null(strstr(detail, "...\" is not one of first, value-0,"));
	assert_non_null(strstr(detail, " more"));
	assert_memory_equal(detail, "\"\xc3\xa9", 3);
}

/* Ten thousand rules, each with an image of its own. */
static void
test_many_rules_are_each_found(void **state)
{
	enum { RULES = 10000 };
	auto_buffer text = BUFFER_INIT(SIZE_MAX);

	(void)state;
	buffer_append_string(&text, "{\"version\":1,\"rules\":[");
	for (int k = 0; k < RULES; k++)
		buffer_printf(&text,
		    "%s{\"id\":\"r%d\",\"subjects\":[\"alice\"],"
		    "\"image\":\"%s/i%d\"}",
		    k > 0 ? "," : "", k, k % 100 == 99 ? "p*" : "e", k);
	buffer_append_string(&text, "]}");
	auto_policy struct policy *policy = parse(text.data);

	assert_int_equal(policy_rule_count(policy), RULES);
	for (int k = 0; k < RULES; k += 7) {
		auto_free char *body = alloc_printf(
		    "{\"image\":\"%s/i%d\"}", k % 100 == 99 ? "pq" : "e", k);
		auto_free char *expected = alloc_printf("allowed r%d", k);
		const struct question question = {
		    "alice", NULL, body, expected};

		check(policy, &question);
	}
}

/* Rules with patterns and rules without stand in one order. */
static void
test_order_of_the_file_holds_between_patterns_and_names(void **state)
{
	static const char *const images[] = {"a/b", "a/*", "*/b", "**", "a/?"};
	auto_buffer text = BUFFER_INIT(SIZE_MAX);

	(void)state;
	for (size_t first = 0; first < COUNT(images); first++) {
		const struct question question = {
		    "alice", NULL, IMAGE("a/b"), "allowed r0"};

		text.len = 0;
		buffer_append_string(&text, "{\"version\":1,\"rules\":[");
		for (size_t k = 0; k < COUNT(images); k++)
			buffer_printf(&text,
			    "%s{\"id\":\"r%zu\",\"subjects\":[\"alice\"],"
			    "\"image\":\"%s\"}",
			    k > 0 ? "," : "", k,
			    images[(first + k) % COUNT(images)]);
		buffer_append_string(&text, "]}");
		auto_policy struct policy *policy = parse(text.data);

		check(policy, &question);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_images_are_decided_as_the_table_says),
	    cmocka_unit_test(test_subjects_are_decided_as_the_table_says),
	    cmocka_unit_test(test_arguments_are_decided_as_the_table_says),
	    cmocka_unit_test(
		test_variables_and_limits_are_decided_as_the_table_says),
	    cmocka_unit_test(
		test_input_and_files_are_decided_as_the_table_says),
	    cmocka_unit_test(test_policy_says_what_is_to_be_kept_warm),
	    cmocka_unit_test(test_first_rule_that_allows_counts),
	    cmocka_unit_test(test_every_candidate_says_what_failed),
	    cmocka_unit_test(
		test_explanation_goes_on_behind_the_rule_that_decides),
	    cmocka_unit_test(test_digest_required_takes_any_digest_and_no_tag),
	    cmocka_unit_test(test_a_pinned_tag_runs_its_digest),
	    cmocka_unit_test(
		test_shadows_decide_nothing_and_say_what_they_would_have),
	    cmocka_unit_test(
		test_granted_limits_are_the_asked_ones_or_the_defaults),
	    cmocka_unit_test(
		test_what_is_of_the_machine_goes_with_verdict_and_warm),
	    cmocka_unit_test(
		test_maximum_below_the_usual_default_is_the_default),
	    cmocka_unit_test(test_user_is_the_rules_or_the_runners),
	    cmocka_unit_test(test_the_rule_that_decides_says_whether_to_sign),
	    cmocka_unit_test(test_empty_policy_denies_everything),
	    cmocka_unit_test(test_long_values_and_enumerations_are_cut),
	    cmocka_unit_test(test_many_rules_are_each_found),
	    cmocka_unit_test(
		test_order_of_the_file_holds_between_patterns_and_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
