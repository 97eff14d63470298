/* Exports of an audit log, whole and tampered with. */
#include "admin/verify_export.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "tests/unit/audit_key.h"
#include "tests/unit/corpus.h"

/* Findings; -1 where it was refused as a whole. */
static long
look_at(const char *text, size_t len, const struct checkpoint *from,
    struct verify_report *ret)
{
	struct verify_question question = {.origin = AUDIT_ORIGIN,
	    .keys = {{audit_key_make(AUDIT_KEY_FIRST)}, 1},
	    .from = from};
	struct err err = {0};
	FILE *file = len > 0 ? fmemopen((void *)(uintptr_t)text, len, "r")
			     : fopen("/dev/null", "r");
	int result;

	assert_non_null(file);
	result = verify_export(file, &question, ret, &err);
	fclose(file);
	audit_keys_done(&question.keys);
	if (result != 0)
		assert_true(err.detail[0] != '\0');
	return result != 0 ? -1 : (long)ret->nfindings;
}

static void
check_accepted(const struct corpus_case *one)
{
	size_t len;
	auto_free char *text = corpus_read(one, "export.jsonl", &len);
	struct verify_report report;
	long found = look_at(text, len, NULL, &report);

	if (found != 0)
		fail_msg("%s: %ld: %s", one->name, found,
		    found > 0 ? report.findings[0].what : "refused");
	assert_int_equal(report.head.size, 7);
}

static void
check_rejected(const struct corpus_case *one)
{
	size_t len;
	auto_free char *text = corpus_read(one, "export.jsonl", &len);
	struct verify_report report;

	if (look_at(text, len, NULL, &report) == 0)
		fail_msg("%s was accepted", one->name);
}

static void
test_what_was_signed_is_accepted(void **state)
{
	(void)state;
	corpus_each("export", "accept", check_accepted);
}

static void
test_what_was_changed_is_not(void **state)
{
	(void)state;
	corpus_each("export", "reject", check_rejected);
}

static char *
read_whole(size_t *ret_len)
{
	const struct corpus_case whole = {
	    "whole", CORPUS_DIR "/export/accept/whole"};

	return corpus_read(&whole, "export.jsonl", ret_len);
}

static void
test_wherever_it_is_cut_off_it_is_found(void **state)
{
	size_t len;
	auto_free char *text = read_whole(&len);
	struct verify_report report;

	(void)state;
	/* But for the newline at its end. */
	for (size_t cut = 0; cut < len - 1; cut++)
		assert_int_not_equal(look_at(text, cut, NULL, &report), 0);
}

static void
test_a_line_that_is_too_long_is_passed_over_as_one(void **state)
{
	size_t len, more = VERIFY_LINE_MAX + 100;
	auto_free char *text = read_whole(&len);
	auto_free char *longer = calloc(len + more + 1, 1);
	struct verify_report report;

	(void)state;
	memcpy(longer, text, len);
	memset(longer + len, 'x', more);
	longer[len + more] = '\n';
	assert_true(look_at(longer, len + more + 1, NULL, &report) > 0);
	assert_int_equal(report.records, 8);
}

static void
test_a_checkpoint_of_its_time_is_met(void **state)
{
	size_t len;
	auto_free char *text = read_whole(&len);
	struct verify_report report, other;
	struct checkpoint from;

	(void)state;
	assert_int_equal(look_at(text, len, NULL, &report), 0);
	from = report.head;
	assert_int_equal(look_at(text, len, &from, &other), 0);
	from.root[0] ^= 1;
	assert_true(look_at(text, len, &from, &other) > 0);
	from.size = 9;
	assert_true(look_at(text, len, &from, &other) > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_was_signed_is_accepted),
	    cmocka_unit_test(test_what_was_changed_is_not),
	    cmocka_unit_test(test_wherever_it_is_cut_off_it_is_found),
	    cmocka_unit_test(
		test_a_line_that_is_too_long_is_passed_over_as_one),
	    cmocka_unit_test(test_a_checkpoint_of_its_time_is_met),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
