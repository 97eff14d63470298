/* Policy files: what is refused, where, and that nothing of it stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/digest.h"
#include "lib/file.h"
#include "policy/policy.h"
#include "tests/unit/corpus.h"
#include "tests/unit/folder.h"

DEFINE_CLEANUP(struct policy, policy_free);
#define auto_policy AUTO(policy_freep)

#define RULE(id) \
	"{\"id\":\"" id "\",\"subjects\":[\"alice\"],\"image\":\"demo/a\"}"
#define POLICY(rules) "{\"version\":1,\"rules\":[" rules "]}"

static void
visit_accepted(const struct corpus_case *one)
{
	size_t len = 0;
	auto_free char *text = corpus_read(one, "policy.json", &len);
	struct err err = {0};
	auto_policy struct policy *policy =
	    policy_parse("policy.json", text, len, &err);
	char expected[SHA256_HEX];

	if (policy == NULL)
		fail_msg("%s: %s", one->name, err.detail);
	digest_sha256_hex(text, len, expected);
	assert_string_equal(policy_sha256(policy), expected);
	while (len > 0 && text[len - 1] != '}')
		len--;
	for (size_t cut = 0; cut < len; cut++) {
		auto_free char *less = alloc_bytes(text, cut);

		if (policy_parse("policy.json", less, cut, &err) != NULL)
			fail_msg("%s: accepted at byte %zu", one->name, cut);
	}
	text[len] = '}';
	assert_null(policy_parse("policy.json", text, len + 1, &err));
}

/* `message` is how the detail begins. */
static void
visit_rejected(const struct corpus_case *one)
{
	size_t len = 0;
	auto_free char *text = corpus_read(one, "policy.json", &len);
	auto_free char *expected = corpus_read(one, "message", NULL);
	struct err err = {0};

	expected[strcspn(expected, "\n")] = '\0';
	if (policy_parse("policy.json", text, len, &err) != NULL)
		fail_msg("%s: accepted", one->name);
	if (strncmp(err.detail, expected, strlen(expected)) != 0)
		fail_msg("%s: %s", one->name, err.detail);
	assert_int_equal(err.code, ERR_UNPROCESSABLE);
}

static void
test_corpus_policies_are_accepted(void **state)
{
	(void)state;
	corpus_each("policy", "accept", visit_accepted);
}

static void
test_corpus_policies_are_refused_with_place_and_reason(void **state)
{
	(void)state;
	corpus_each("policy", "reject", visit_rejected);
}

static void
test_examples_are_accepted(void **state)
{
	struct err err = {0};
	auto_policy struct policy *policy =
	    policy_load(SOURCE_DIR "/policy/examples", &err);

	(void)state;
	if (policy == NULL)
		fail_msg("%s", err.detail);
	assert_true(policy_rule_count(policy) > 0);
}

static char *
folder_write(const char *folder, const char *name, const char *text)
{
	auto_free char *path = folder_path(folder, name);
	struct err err = {0};

	assert_int_equal(file_write(path, text, strlen(text), 0600, &err), 0);
	return take(path);
}

static char *
write_many(size_t bytes, const char *last)
{
	auto_buffer text = BUFFER_INIT(SIZE_MAX / 2);

	buffer_append_string(&text, "{\"version\":1,\"rules\":[");
	for (size_t k = 0; text.len < bytes; k++)
		buffer_printf(&text,
		    "{\"id\":\"r%zu\",\"description\":\"%01000d\","
		    "\"subjects\":[\"alice\"],\"image\":\"demo/a\"},\n",
		    k, 0);
	buffer_append_string(&text, last);
	return buffer_take(&text);
}

static void
test_policy_of_50_megabytes_is_read_or_refused_with_its_place(void **state)
{
	auto_free char *good = write_many(50 << 20, RULE("last") "]}");
	auto_free char *bad = write_many(50 << 20, "{\"id\":\"last\"}]}");
	struct err err = {0};
	auto_policy struct policy *policy =
	    policy_parse("p", good, strlen(good), &err);

	(void)state;
	if (policy == NULL)
		fail_msg("%s", err.detail);
	assert_true(policy_rule_count(policy) > 40000);
	assert_null(policy_parse("p", bad, strlen(bad), &err));
	assert_non_null(strstr(err.detail, ".subjects: missing"));
}

static void
test_file_above_the_most_is_refused_unread(void **state)
{
	const char *folder = *state;
	auto_free char *path = folder_write(folder, "p.json", "{");
	struct err err = {0};

	assert_int_equal(truncate(path, POLICY_FILE_MAX + 1), 0);
	assert_null(policy_load(path, &err));
	assert_non_null(strstr(err.detail, path));
}

static void
test_nesting_of_a_thousand_is_refused(void **state)
{
	auto_buffer text = BUFFER_INIT(SIZE_MAX / 2);
	struct err err = {0};

	(void)state;
	buffer_append_string(&text, "{\"version\":1,\"rules\":");
	for (int k = 0; k < 1000; k++)
		buffer_append_string(&text, k % 2 == 0 ? "[" : "{\"a\":");
	assert_null(policy_parse("p", text.data, text.len, &err));
	assert_int_equal(err.code, ERR_UNPROCESSABLE);
	assert_int_equal(strncmp(err.detail, "p:1:", 4), 0);
}

static void
test_file_that_is_not_there_is_no_policy(void **state)
{
	const char *folder = *state;
	auto_free char *path = folder_path(folder, "none.json");
	struct err err = {0};

	assert_null(policy_load(path, &err));
	assert_non_null(strstr(err.detail, path));
}

static void
test_refused_file_is_named_with_its_place(void **state)
{
	const char *folder = *state;
	auto_free char *path =
	    folder_write(folder, "p.json", "{\n \"version\": 3}");
	auto_free char *expected =
	    alloc_printf("%s:2:13: version: must be 1", path);
	struct err err = {0};

	assert_null(policy_load(path, &err));
	assert_non_null(strstr(err.detail, ":1:1: rules: missing"));
	free(path);
	path = folder_write(
	    folder, "p.json", "{\n \"version\": 3, \"rules\": []}");
	assert_null(policy_load(path, &err));
	assert_string_equal(err.detail, expected);
}

static void
test_folder_is_read_in_the_order_of_its_names(void **state)
{
	const char *folder = *state;
	auto_free char *b =
	    folder_write(folder, "20-b.json", POLICY(RULE("b")));
	auto_free char *a =
	    folder_write(folder, "10-a.json", POLICY(RULE("a") "," RULE("c")));
	auto_free char *other = folder_write(folder, "README", "not JSON");
	auto_free char *hidden = folder_write(folder, ".30-c.json", "not JSON");
	struct err err = {0};
	auto_policy struct policy *policy = policy_load(folder, &err);
	static const char both[] =
	    POLICY(RULE("a") "," RULE("c")) POLICY(RULE("b"));
	char expected[SHA256_HEX];

	if (policy == NULL)
		fail_msg("%s", err.detail);
	assert_int_equal(policy_rule_count(policy), 3);
	digest_sha256_hex(both, strlen(both), expected);
	assert_string_equal(policy_sha256(policy), expected);
}

static void
test_same_id_in_two_files_is_refused_in_the_second(void **state)
{
	const char *folder = *state;
	auto_free char *a =
	    folder_write(folder, "a.json", POLICY(RULE("x") "," RULE("same")));
	auto_free char *b =
	    folder_write(folder, "b.json", "\n" POLICY(RULE("same")));
	auto_free char *expected = alloc_printf(
	    "%s:2:29: rules[0].id: \"same\" is already the id of rules[1] in "
	    "%s",
	    b, a);
	struct err err = {0};

	assert_null(policy_load(folder, &err));
	assert_string_equal(err.detail, expected);
}

static void
test_broken_file_of_a_folder_refuses_the_whole(void **state)
{
	const char *folder = *state;
	auto_free char *a = folder_write(folder, "a.json", POLICY(RULE("a")));
	auto_free char *b = folder_write(folder, "b.json", "{");
	struct err err = {0};

	assert_null(policy_load(folder, &err));
	assert_non_null(strstr(err.detail, "b.json:1:2: "));
}

static void
test_folder_without_a_policy_is_refused(void **state)
{
	const char *folder = *state;
	struct err err = {0};

	assert_null(policy_load(folder, &err));
	assert_int_equal(err.code, ERR_UNPROCESSABLE);
}

static void
test_folder_as_a_file_of_a_folder_is_refused(void **state)
{
	const char *folder = *state;
	auto_free char *inner = folder_path(folder, "a.json");
	struct err err = {0};

	assert_int_equal(mkdir(inner, 0700), 0);
	assert_null(policy_load(folder, &err));
	assert_true(strlen(err.detail) > 0);
}

#define FOLDER_TEST(test) \
	cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_corpus_policies_are_accepted),
	    cmocka_unit_test(
		test_corpus_policies_are_refused_with_place_and_reason),
	    cmocka_unit_test(test_examples_are_accepted),
	    cmocka_unit_test(
		test_policy_of_50_megabytes_is_read_or_refused_with_its_place),
	    cmocka_unit_test(test_nesting_of_a_thousand_is_refused),
	    FOLDER_TEST(test_file_above_the_most_is_refused_unread),
	    FOLDER_TEST(test_file_that_is_not_there_is_no_policy),
	    FOLDER_TEST(test_refused_file_is_named_with_its_place),
	    FOLDER_TEST(test_folder_is_read_in_the_order_of_its_names),
	    FOLDER_TEST(test_same_id_in_two_files_is_refused_in_the_second),
	    FOLDER_TEST(test_broken_file_of_a_folder_refuses_the_whole),
	    FOLDER_TEST(test_folder_without_a_policy_is_refused),
	    FOLDER_TEST(test_folder_as_a_file_of_a_folder_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
