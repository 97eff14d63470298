/* Records as they are shown: what is hashed, and what stands beside it. */
#include "lib/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "tests/unit/corpus.h"

static int
hash_case(const struct corpus_case *one, struct err *err)
{
	AUTO(record_parts_done) struct record_parts parts = {0};
	uint8_t leaf[SHA256_BYTES];
	size_t len;
	auto_free char *text = corpus_read(one, "record", &len);
	auto_json *shown = json_parse_strict(text, len, err);
	int64_t seq = 0;

	assert_non_null(shown);
	record_split(shown, &parts);
	if (record_hash(&parts, &seq, leaf, err) != 0)
		return -1;
	assert_true(seq > 0);
	return 0;
}

static void
visit_accept(const struct corpus_case *one)
{
	struct err err;

	if (hash_case(one, &err) != 0)
		fail_msg("%s: %s", one->name, err.detail);
}

static void
visit_reject(const struct corpus_case *one)
{
	struct err err = {0};

	if (hash_case(one, &err) == 0)
		fail_msg("%s was accepted", one->name);
	if (err.code != ERR_UNPROCESSABLE && err.code != ERR_CONFLICT)
		fail_msg("%s: code %d", one->name, err.code);
}

static void
test_corpus_is_read_as_it_says(void **state)
{
	(void)state;
	corpus_each("record", "accept", visit_accept);
	corpus_each("record", "reject", visit_reject);
}

static void
test_what_is_split_is_whole_and_the_rest_stays(void **state)
{
	AUTO(record_parts_done) struct record_parts parts = {0};
	auto_json *shown = json_pack("{s:i, s:s, s:b, s:[], s:{}}", "seq", 1,
	    "leaf", "x", "redacted", 1, "inclusion", "untrusted");

	(void)state;
	record_split(shown, &parts);
	assert_int_equal(json_object_size(parts.record), 1);
	assert_true(json_is_true(parts.redacted));
	assert_true(json_is_array(parts.inclusion));
	assert_true(json_is_object(parts.untrusted));
	assert_null(parts.dropped);
	assert_int_equal(json_object_size(shown), 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_corpus_is_read_as_it_says),
	    cmocka_unit_test(test_what_is_split_is_whole_and_the_rest_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
