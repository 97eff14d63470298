/* What was revoked: which spellings there are, what is found, and until when.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "certs/revocations.h"
#include "lib/cleanup.h"

#define THUMBPRINT "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define HEX32 "0123456789abcdef0123456789abcdef"
#define DIGEST "sha256:" HEX32 HEX32
#define NOW_MS INT64_C(1800000000000)

static void
test_each_thing_has_one_spelling(void **state)
{
	static const struct {
		enum revocation_kind kind;
		const char *value;
		bool valid;
	} cases[] = {
	    {REVOCATION_CERTIFICATE, THUMBPRINT, true},
	    {REVOCATION_CERTIFICATE, THUMBPRINT "=", false},
	    {REVOCATION_CERTIFICATE, THUMBPRINT "A", false},
	    /* Bits that belong to no byte. */
	    {REVOCATION_CERTIFICATE,
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB", false},
	    {REVOCATION_CERTIFICATE, "", false},
	    {REVOCATION_TOKEN, "a-B_9", true},
	    {REVOCATION_TOKEN, "a b", false},
	    {REVOCATION_TOKEN, "", false},
	    {REVOCATION_SUBJECT, "alice", true},
	    {REVOCATION_SUBJECT, "Alice", false},
	    {REVOCATION_LOCK, "alice", true},
	    {REVOCATION_LOCK, "al/ice", false},
	    {REVOCATION_IMAGE, DIGEST, true},
	    {REVOCATION_IMAGE, HEX32 HEX32, false},
	    {REVOCATION_IMAGE, DIGEST "0", false},
	    {REVOCATION_IMAGE, "sha256:" HEX32, false},
	    {REVOCATION_IMAGE, "busybox", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err err = {0};
		bool valid = revocation_check_value(
				 cases[i].kind, cases[i].value, &err) == 0;

		if (valid != cases[i].valid)
			fail_msg("%s %s", revocation_kind_text(cases[i].kind),
			    cases[i].value);
		assert_int_equal(
		    err.code, valid ? ERR_NONE : ERR_UNPROCESSABLE);
	}
}

static void
test_kinds_are_read_as_they_are_written(void **state)
{
	enum revocation_kind found;

	(void)state;
	for (unsigned kind = 0; kind < REVOCATION_KIND_COUNT; kind++) {
		assert_true(revocation_kind_parse(
		    revocation_kind_text((enum revocation_kind)kind), &found));
		assert_int_equal(found, kind);
	}
	assert_false(revocation_kind_parse("Subject", &found));
	assert_false(revocation_kind_parse("", &found));
}

static void
test_what_was_put_is_found_until_it_is_removed(void **state)
{
	AUTO(revocations_done) struct revocations set = {0};
	char name[16];

	(void)state;
	/* In no order, so that each place is taken once. */
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "n%u", i * 7919 % 1000);
		revocations_put(&set, REVOCATION_SUBJECT, name)->uid = i;
	}
	assert_int_equal(set.count, 1000);
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "n%u", i * 7919 % 1000);
		assert_int_equal(
		    revocations_find(&set, REVOCATION_SUBJECT, name)->uid, i);
		assert_null(revocations_find(&set, REVOCATION_LOCK, name));
	}
	for (unsigned i = 0; i < 1000; i += 2) {
		snprintf(name, sizeof(name), "n%u", i);
		assert_true(revocations_remove(&set, REVOCATION_SUBJECT, name));
		assert_false(
		    revocations_remove(&set, REVOCATION_SUBJECT, name));
	}
	assert_int_equal(set.count, 500);
	assert_null(revocations_find(&set, REVOCATION_SUBJECT, "n2"));
	assert_non_null(revocations_find(&set, REVOCATION_SUBJECT, "n3"));
}

static void
test_putting_it_again_is_the_same_entry(void **state)
{
	AUTO(revocations_done) struct revocations set = {0};
	struct revocation *first =
	    revocations_put(&set, REVOCATION_TOKEN, "jti");

	(void)state;
	assert_ptr_equal(revocations_put(&set, REVOCATION_TOKEN, "jti"), first);
	assert_int_equal(set.count, 1);
}

static enum err_code
ask(const struct revocations *set, const struct revocable *shown)
{
	struct err err = {0};

	return revocations_check(set, shown, NOW_MS, &err) == 0 ? ERR_NONE
								: err.code;
}

static void
test_whatever_is_shown_may_be_what_was_revoked(void **state)
{
	static const struct {
		enum revocation_kind kind;
		const char *value;
		struct revocable shown;
		enum err_code code;
	} cases[] = {
	    {REVOCATION_CERTIFICATE, THUMBPRINT,
		{.subject = "bob", .thumbprint = THUMBPRINT}, ERR_REVOKED},
	    {REVOCATION_TOKEN, "jti", {.subject = "bob", .token_id = "jti"},
		ERR_REVOKED},
	    {REVOCATION_SUBJECT, "bob", {.subject = "bob"}, ERR_REVOKED},
	    {REVOCATION_LOCK, "bob", {.subject = "bob"}, ERR_REVOKED},
	    {REVOCATION_IMAGE, DIGEST, {.image = DIGEST}, ERR_DENIED},
	    {REVOCATION_IMAGE, DIGEST, {.image = "demo@" DIGEST}, ERR_DENIED},
	    {REVOCATION_IMAGE, DIGEST, {.image = "demo:tag"}, ERR_NONE},
	    /* One thing is not another of the same name. */
	    {REVOCATION_TOKEN, "bob", {.subject = "bob"}, ERR_NONE},
	    {REVOCATION_SUBJECT, "bob", {.token_id = "bob"}, ERR_NONE},
	    {REVOCATION_SUBJECT, "bob", {.subject = "bobby"}, ERR_NONE},
	    {REVOCATION_SUBJECT, "bob", {.subject = ""}, ERR_NONE},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO(revocations_done) struct revocations set = {0};

		revocations_put(&set, cases[i].kind, cases[i].value);
		if (ask(&set, &cases[i].shown) != cases[i].code)
			fail_msg("case %zu", i);
	}
	assert_int_equal(
	    ask(NULL, &(struct revocable){.subject = "bob"}), ERR_NONE);
}

static void
test_a_lock_holds_until_its_time_and_says_so(void **state)
{
	AUTO(revocations_done) struct revocations set = {0};
	const struct revocable shown = {.subject = "bob"};
	struct revocation *lock = revocations_put(&set, REVOCATION_LOCK, "bob");
	struct err err;

	(void)state;
	lock->until_ms = NOW_MS + 1;
	assert_int_equal(revocations_check(&set, &shown, NOW_MS, &err), -1);
	assert_string_equal(
	    err.detail, "the subject is locked until 2027-01-15T08:00:00.001Z");
	assert_int_equal(revocations_check(&set, &shown, NOW_MS + 1, &err), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_each_thing_has_one_spelling),
	    cmocka_unit_test(test_kinds_are_read_as_they_are_written),
	    cmocka_unit_test(test_what_was_put_is_found_until_it_is_removed),
	    cmocka_unit_test(test_putting_it_again_is_the_same_entry),
	    cmocka_unit_test(test_whatever_is_shown_may_be_what_was_revoked),
	    cmocka_unit_test(test_a_lock_holds_until_its_time_and_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
