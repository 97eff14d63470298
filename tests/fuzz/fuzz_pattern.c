/*
 * A line of pattern and a value behind it: compiled or refused; where both are
 * short and the pattern has no class, the answer is that of a plain matcher.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "policy/pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SHORT 14

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static bool
matches_plainly(const char *pattern, const char *value, size_t len)
{
	if (*pattern == '\0')
		return len == 0;
	if (pattern[0] == '*' && pattern[1] == '*')
		return matches_plainly(pattern + 2, value, len) ||
		    (len > 0 && matches_plainly(pattern, value + 1, len - 1));
	if (pattern[0] == '*')
		return matches_plainly(pattern + 1, value, len) ||
		    (len > 0 && *value != '/' &&
			matches_plainly(pattern, value + 1, len - 1));
	if (len == 0 ||
	    (pattern[0] == '?' ? *value == '/' : *value != pattern[0]))
		return false;
	return matches_plainly(pattern + 1, value + 1, len - 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, '\n', size);
	size_t pattern_len = end != NULL ? (size_t)(end - data) : size;
	size_t value_len = end != NULL ? size - pattern_len - 1 : 0;
	const char *why = NULL;

	if (memchr(data, '\0', pattern_len) != NULL)
		return 0;
	auto_free char *text = alloc_bytes(data, pattern_len);
	auto_free char *value = malloc(value_len > 0 ? value_len : 1);
	struct pattern *pattern = pattern_new(text, &why);

	if (value_len > 0)
		memcpy(value, end + 1, value_len);
	require((pattern == NULL) == (why != NULL));
	if (pattern == NULL)
		return 0;
	bool matches = pattern_is_match(pattern, value, value_len);

	if (strchr(text, '[') == NULL && pattern_len <= SHORT &&
	    value_len <= SHORT)
		require(matches == matches_plainly(text, value, value_len));
	if (!pattern_is_special(text))
		require(matches ==
		    (pattern_len == value_len &&
			memcmp(text, value, value_len) == 0));
	pattern_free(pattern);
	return 0;
}
