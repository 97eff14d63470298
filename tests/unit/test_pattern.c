/* Patterns, against a table and against a plain matcher that goes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "policy/pattern.h"
#include "tests/unit/corpus.h"

DEFINE_CLEANUP(struct pattern, pattern_free);
#define auto_pattern AUTO(pattern_freep)

/* The first line is the pattern, the rest a value that it matches. */
static void
visit_accepted(const struct corpus_case *one)
{
	size_t len = 0;
	auto_free char *text = corpus_read(one, "pattern", &len);
	char *value = strchr(text, '\n') + 1;
	const char *why = NULL;

	value[-1] = '\0';
	auto_pattern struct pattern *pattern = pattern_new(text, &why);

	if (pattern == NULL)
		fail_msg("%s: %s", one->name, why);
	assert_true(pattern_is_match(pattern, value, strlen(value)));
}

static void
visit_rejected(const struct corpus_case *one)
{
	auto_free char *text = corpus_read(one, "pattern", NULL);
	const char *why = NULL;

	if (pattern_new(text, &why) != NULL)
		fail_msg("%s: accepted", one->name);
	assert_non_null(why);
}

static void
test_corpus_patterns_are_accepted(void **state)
{
	(void)state;
	corpus_each("pattern", "accept", visit_accepted);
}

static void
test_corpus_patterns_are_refused(void **state)
{
	(void)state;
	corpus_each("pattern", "reject", visit_rejected);
}

static void
test_values_match_as_the_table_says(void **state)
{
	static const struct {
		const char *pattern;
		const char *value;
		bool matches;
	} table[] = {
	    {"abc", "abc", true},
	    {"abc", "abcd", false},
	    {"abc", "xabc", false},
	    {"abc", "ab", false},
	    {"abc", "", false},
	    {"abc", "ABC", false},
	    {"a.c", "abc", false},
	    {"a.c", "a.c", true},
	    {"?", "a", true},
	    {"?", "", false},
	    {"?", "ab", false},
	    {"?", "/", false},
	    {"??", "\xc3\xa9", true},
	    {"?", "\xc3\xa9", false},
	    {"*", "", true},
	    {"*", "anything at all", true},
	    {"*", "a/b", false},
	    {"*", "/", false},
	    {"*", "a\nb", true},
	    {"**", "", true},
	    {"**", "a/b//c\n", true},
	    {"a*", "a", true},
	    {"a*", "abc", true},
	    {"a*", "ba", false},
	    {"*a", "bca", true},
	    {"*a", "a/a", false},
	    {"a*b*c", "axxbyyc", true},
	    {"a*b*c", "axxcyyb", false},
	    {"a*b*c", "abc", true},
	    {"a*b*c", "abcbc", true},
	    {"**/x", "a/b/x", true},
	    {"**/x", "x", false},
	    {"**x", "a/x", true},
	    {"**a*b", "a/ab", true},
	    {"**a*b", "a/b", false},
	    {"**a*b", "aa/aab", true},
	    {"*/**", "a/", true},
	    {"*/**", "/a/b", true},
	    {"*/**", "a", false},
	    {"[a-z0-9]", "q", true},
	    {"[a-z0-9]", "Q", false},
	    {"[a-z0-9]", "", false},
	    {"[a-z0-9]", "qq", false},
	    {"[a-]", "-", true},
	    {"[-a]", "-", true},
	    {"[]]", "]", true},
	    {"[]a]", "a", true},
	    {"[]a]", "]", true},
	    {"[*]", "*", true},
	    {"[*]", "a", false},
	    {"[?]", "?", true},
	    {"[[]", "[", true},
	    {"[^]", "^", true},
	    {"[!]", "!", true},
	    {"[$]", "$", true},
	    {"[\\]", "\\", true},
	    {"[|]", "|", true},
	    {"[,-/]", "/", true},
	    {"[.]*", ".profile", true},
	    {"[.]*", "profile", false},
	    {"a]", "a]", true},
	    {"-*", "-rf", true},
	    {"[a-z]*", "-rf", false},
	    {"a$b^c", "a$b^c", true},
	    {"\xc3\xa9*", "\xc3\xa9t\xc3\xa9", true},
	};

	(void)state;
	for (size_t k = 0; k < COUNT(table); k++) {
		const char *why = NULL;
		auto_pattern struct pattern *pattern =
		    pattern_new(table[k].pattern, &why);

		if (pattern == NULL)
			fail_msg("%s: %s", table[k].pattern, why);
		if (pattern_is_match(pattern, table[k].value,
			strlen(table[k].value)) != table[k].matches)
			fail_msg("%s and %s", table[k].pattern, table[k].value);
		assert_string_equal(pattern_text(pattern), table[k].pattern);
	}
}

static void
test_regular_expressions_and_mistakes_are_refused(void **state)
{
	static const struct {
		const char *pattern;
		const char *reason; /* a part of it */
	} table[] = {
	    {"", "empty"},
	    {"^abc", "whole value"},
	    {"abc$", "whole value"},
	    {"^", "whole value"},
	    {"$", "whole value"},
	    {".*", "regular expression"},
	    {"a.*b", "regular expression"},
	    {"a.+b", "regular expression"},
	    {"[a-z]+", "regular expression"},
	    {"[a-z]{2}", "regular expression"},
	    {"(?:a)", "regular expression"},
	    {"a|b", "enum"},
	    {"\\d", "backslash"},
	    {"a\\", "backslash"},
	    {"***", "three stars"},
	    {"a***b", "three stars"},
	    {"[", "does not end"},
	    {"[a", "does not end"},
	    {"[]", "does not end"},
	    {"[a-", "does not end"},
	    {"[a-z", "does not end"},
	    {"[^a]", "turned around"},
	    {"[!a]", "turned around"},
	    {"[z-a]", "before it begins"},
	    {"[[:alpha:]]", "named classes"},
	    {"[\xc3\xa9]", "not ASCII"},
	    {"[a-\xff]", "not ASCII"},
	};

	(void)state;
	for (size_t k = 0; k < COUNT(table); k++) {
		const char *why = NULL;

		if (pattern_new(table[k].pattern, &why) != NULL)
			fail_msg("%s was accepted", table[k].pattern);
		if (strstr(why, table[k].reason) == NULL)
			fail_msg("%s: %s", table[k].pattern, why);
	}
}

static void
test_special_is_what_means_more_than_itself(void **state)
{
	(void)state;
	assert_true(pattern_is_special("a*"));
	assert_true(pattern_is_special("a?"));
	assert_true(pattern_is_special("[a]"));
	assert_false(pattern_is_special("a.b-c_d/e:f@g]"));
	assert_false(pattern_is_special(""));
}

static void
test_longest_pattern_is_accepted_and_one_more_is_not(void **state)
{
	char text[PATTERN_MAX + 2];
	const char *why = NULL;

	(void)state;
	memset(text, 'a', sizeof(text));
	text[PATTERN_MAX] = '\0';
	auto_pattern struct pattern *longest = pattern_new(text, &why);

	assert_non_null(longest);
	assert_true(pattern_is_match(longest, text, PATTERN_MAX));
	assert_false(pattern_is_match(longest, text, PATTERN_MAX - 1));
	text[PATTERN_MAX] = 'a';
	text[PATTERN_MAX + 1] = '\0';
	assert_false(pattern_is_match(longest, text, PATTERN_MAX + 1));
	assert_null(pattern_new(text, &why));
}

/* Places that lie on the edge of a machine word. */
static void
test_patterns_of_every_length_match_themselves(void **state)
{
	(void)state;
	for (size_t len = 1; len < 200; len++) {
		auto_free char *text = alloc_zero(len + 2, 1);
		const char *why = NULL;

		for (size_t k = 0; k < len; k++)
			text[k] = (char)('a' + k % 26);
		for (int star = 0; star < 2; star++) {
			if (star == 1)
				text[len - 1] = '*';
			auto_pattern struct pattern *pattern =
			    pattern_new(text, &why);

			assert_non_null(pattern);
			assert_true(pattern_is_match(pattern, text, len));
			assert_int_equal(
			    pattern_is_match(pattern, text, len - 1), star);
			text[len] = 'x';
			assert_int_equal(
			    pattern_is_match(pattern, text, len + 1), star);
			text[len] = '\0';
		}
	}
}

/* What takes exponential time when a matcher goes back. */
static void
test_many_stars_over_a_long_value_are_answered(void **state)
{
	size_t len = PATTERN_VALUE_MAX;
	auto_free char *value = alloc_zero(len + 2, 1);
	const char *why = NULL;
	auto_pattern struct pattern *pattern = pattern_new(
	    "*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", &why);

	(void)state;
	memset(value, 'a', len);
	assert_non_null(pattern);
	assert_false(pattern_is_match(pattern, value, len));
	value[len - 1] = 'b';
	assert_true(pattern_is_match(pattern, value, len));
	/* One byte more is too long for all but "**". */
	value[len - 1] = 'a';
	value[len] = 'b';
	assert_false(pattern_is_match(pattern, value, len + 1));
	pattern_free(pattern);
	pattern = pattern_new("**", &why);
	assert_true(pattern_is_match(pattern, value, len + 1));
}

/* The meaning written down as plainly as can be; patterns without classes. */
static bool
matches_plainly(const char *pattern, const char *value)
{
	if (*pattern == '\0')
		return *value == '\0';
	if (pattern[0] == '*' && pattern[1] == '*')
		return matches_plainly(pattern + 2, value) ||
		    (*value != '\0' && matches_plainly(pattern, value + 1));
	if (pattern[0] == '*')
		return matches_plainly(pattern + 1, value) ||
		    (*value != '\0' && *value != '/' &&
			matches_plainly(pattern, value + 1));
	if (*value == '\0' ||
	    (pattern[0] == '?' ? *value == '/' : *value != pattern[0]))
		return false;
	return matches_plainly(pattern + 1, value + 1);
}

static void
make_random(uint32_t *random, const char *alphabet, size_t most, char *ret)
{
	*random = *random * 1664525 + 1013904223;
	size_t len = (*random >> 8) % (most + 1);

	for (size_t k = 0; k < len; k++) {
		*random = *random * 1664525 + 1013904223;
		ret[k] = alphabet[(*random >> 16) % strlen(alphabet)];
	}
	ret[len] = '\0';
}

static void
test_random_patterns_agree_with_a_plain_matcher(void **state)
{
	uint32_t random = 20260102;
	unsigned matched = 0;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		char text[12], value[12];
		const char *why = NULL;

		make_random(&random, "ab/*?*", 8, text);
		auto_pattern struct pattern *pattern = pattern_new(text, &why);

		for (int k = 0; k < 20 && pattern != NULL; k++) {
			make_random(&random, "ab/", 9, value);
			bool expected = matches_plainly(text, value);

			matched += expected;
			if (pattern_is_match(pattern, value, strlen(value)) !=
			    expected)
				fail_msg("%s and %s", text, value);
		}
	}
	assert_true(matched > 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_corpus_patterns_are_accepted),
	    cmocka_unit_test(test_corpus_patterns_are_refused),
	    cmocka_unit_test(test_values_match_as_the_table_says),
	    cmocka_unit_test(test_regular_expressions_and_mistakes_are_refused),
	    cmocka_unit_test(test_special_is_what_means_more_than_itself),
	    cmocka_unit_test(
		test_longest_pattern_is_accepted_and_one_more_is_not),
	    cmocka_unit_test(test_patterns_of_every_length_match_themselves),
	    cmocka_unit_test(test_many_stars_over_a_long_value_are_answered),
	    cmocka_unit_test(test_random_patterns_agree_with_a_plain_matcher),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
