/*
 * decide ROUNDS: how long a decision takes by 10 and by 10,000 rules with exact
 * images, turn about, of ten images, and of a thousand, whose rules no cache
 * holds; the dearest pattern on the longest value; reading the
 * larger policy. One JSON object, nanoseconds, the median of the rounds (of the
 * pattern, the median of the dearest one).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "policy/pattern.h"
#include "policy/policy.h"
#include "tests/bench/timing.h"

#define DECISIONS 1000 /* in a row, of different images */
#define ROUNDS_MAX 1000

DEFINE_CLEANUP(struct policy, policy_free);
DEFINE_CLEANUP(struct pattern, pattern_free);

static char *
write_policy(int count)
{
	auto_buffer text = BUFFER_INIT(SIZE_MAX / 2);

	buffer_append_string(&text, "{\"version\":1,\"rules\":[");
	for (int k = 0; k < count; k++)
		buffer_printf(&text,
		    "%s{\"id\":\"rule-%d\",\"subjects\":[\"role:dev\","
		    "\"alice\"],\"image\":\"tools/image-%d:1.%d\",\"args\":["
		    "{\"enum\":[\"fit\",\"crop\"]},{\"integer\":{\"min\":1,"
		    "\"max\":4096}},{\"rest\":{\"pattern\":\"[a-z]*.png\"}}],"
		    "\"env\":{\"LANG\":\"C\"}}",
		    k > 0 ? "," : "", k, k, k % 10);
	buffer_append_string(&text, "]}");
	return buffer_take(&text);
}

static struct policy *
read_policy(const char *text)
{
	struct err err = {0};
	struct policy *policy = policy_parse("bench", text, strlen(text), &err);

	if (policy == NULL)
		die("%s", err.detail);
	return policy;
}

/* Of one decision; every one is allowed. They are about so many images in
 * turn, each by a rule of its own. */
static int64_t
time_decisions(
    const struct policy *policy, size_t images, struct request *request)
{
	const struct policy_principal alice = {.subject = "alice"};
	size_t rules = policy_rule_count(policy);
	int64_t ns = 0;

	for (size_t k = 0; k < DECISIONS; k++) {
		size_t number = k % images * 7919 % rules;
		struct policy_verdict verdict;
		int64_t began;

		snprintf(request->reference, sizeof(request->reference),
		    "tools/image-%zu:1.%zu", number, number % 10);
		began = now_ns();
		policy_decide(policy, &alice, request, 0, &verdict);
		ns += now_ns() - began;
		if (!verdict.allowed)
			die("a request that no rule allows");
		policy_verdict_done(&verdict);
	}
	return ns / DECISIONS;
}

static void
measure_decisions(int rounds, json_t *result)
{
	static const char body[] =
	    "{\"image\":\"tools/image-0:1.0\",\"args\":[\"crop\",\"300\","
	    "\"a.png\",\"b.png\"],\"env\":{\"LANG\":\"C\"}}";
	auto_free char *small_text = write_policy(10);
	auto_free char *large_text = write_policy(10000);
	AUTO(policy_freep) struct policy *small = read_policy(small_text);
	AUTO(policy_freep) struct policy *large = NULL;
	AUTO(request_done) struct request request = {0};
	int64_t few[ROUNDS_MAX], many[ROUNDS_MAX], spread[ROUNDS_MAX];
	int64_t began = now_ns();
	struct err err;

	large = read_policy(large_text);
	json_object_set_new(result, "load", json_integer(now_ns() - began));
	if (request_parse(body, strlen(body), &request, &err) != 0)
		die("%s", err.detail);
	for (int k = -1; k < rounds; k++) {
		/* The first does not count: caches fill. */
		size_t at = k < 0 ? 0 : (size_t)k;

		few[at] = time_decisions(small, 10, &request);
		many[at] = time_decisions(large, 10, &request);
		spread[at] = time_decisions(large, DECISIONS, &request);
	}
	json_object_set_new(
	    result, "few", json_integer(percentile(few, (size_t)rounds, 50)));
	json_object_set_new(
	    result, "many", json_integer(percentile(many, (size_t)rounds, 50)));
	json_object_set_new(result, "spread",
	    json_integer(percentile(spread, (size_t)rounds, 50)));
}

/* `part` again and again, PATTERN_MAX bytes at most. */
static char *
repeat(const char *part, const char *last)
{
	auto_buffer text = BUFFER_INIT(SIZE_MAX / 2);

	while (text.len + strlen(part) + strlen(last) <= PATTERN_MAX)
		buffer_append_string(&text, part);
	buffer_append_string(&text, last);
	return buffer_take(&text);
}

static void
measure_patterns(int rounds, json_t *result)
{
	static const struct {
		const char *part, *last, *value;
	} cases[] = {
	    {"*a", "b", "a"},
	    {"**a?", "b", "a"},
	    {"?*", "b", "a"},
	    {"[a-z]*", "1", "a"},
	    {"*a*b", "c", "ab"},
	    {"a", "**", "a"},
	};
	static char value[PATTERN_VALUE_MAX + 1];
	int64_t worst = 0;

	for (size_t c = 0; c < COUNT(cases); c++) {
		auto_free char *text = repeat(cases[c].part, cases[c].last);
		size_t len = strlen(cases[c].value);
		int64_t times[ROUNDS_MAX];
		const char *why = NULL;
		AUTO(pattern_freep)
		struct pattern *pattern = pattern_new(text, &why);

		if (pattern == NULL)
			die("%s: %s", text, why);
		for (size_t k = 0; k < sizeof(value) - 1; k++)
			value[k] = cases[c].value[k % len];
		for (int k = 0; k < rounds; k++) {
			int64_t began = now_ns();

			(void)pattern_is_match(
			    pattern, value, sizeof(value) - 1);
			times[k] = now_ns() - began;
		}
		int64_t typical = percentile(times, (size_t)rounds, 50);

		if (typical > worst)
			worst = typical;
	}
	json_object_set_new(result, "pattern", json_integer(worst));
}

int
main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 0;
	auto_json *result = json_object();

	if (rounds < 1 || rounds > ROUNDS_MAX) {
		fprintf(stderr, "usage: decide ROUNDS\n");
		return 2;
	}
	measure_decisions(rounds, result);
	measure_patterns(rounds, result);
	auto_free char *text = json_encode(result, NULL);

	puts(text);
	return 0;
}
