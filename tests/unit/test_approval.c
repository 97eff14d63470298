/* Approvals as they come from the network: what is taken, and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "policy/approval.h"
#include "tests/unit/corpus.h"

static void
visit_accepted(const struct corpus_case *one)
{
	size_t len = 0;
	auto_free char *body = corpus_read(one, "body.json", &len);
	AUTO(approval_done) struct approval approval = {0};
	struct err err = {0};

	if (approval_parse(body, len, &approval, &err) != 0)
		fail_msg("%s: %s", one->name, err.detail);
	assert_int_equal(approval.approves,
	    strstr(one->name, "deny") == NULL &&
		strstr(one->name, "longest") == NULL);
	assert_int_equal(approval.approves, approval.request != NULL);
	assert_int_equal(
	    approval.reason != NULL, strstr(one->name, "reason") != NULL);
	for (size_t cut = 0; cut < len; cut++) {
		struct approval none = {0};
		auto_free char *less = alloc_bytes(body, cut);

		if (approval_parse(less, cut, &none, &err) == 0)
			fail_msg("%s: accepted at byte %zu", one->name, cut);
		assert_null(none.body);
	}
}

/* `message` is the code's slug, a blank, and how the detail begins. */
static void
visit_rejected(const struct corpus_case *one)
{
	size_t len = 0;
	auto_free char *body = corpus_read(one, "body.json", &len);
	auto_free char *expected = corpus_read(one, "message", NULL);
	AUTO(approval_done) struct approval approval = {0};
	struct err err = {0};

	expected[strcspn(expected, "\n")] = '\0';
	if (approval_parse(body, len, &approval, &err) == 0)
		fail_msg("%s: accepted", one->name);
	auto_free char *message =
	    alloc_printf("%s %s", err_slug(err.code), err.detail);

	if (strncmp(message, expected, strlen(expected)) != 0)
		fail_msg("%s: %s", one->name, message);
	assert_null(approval.body);
}

static void
test_corpus_approvals_are_accepted(void **state)
{
	(void)state;
	corpus_each("approval", "accept", visit_accepted);
}

static void
test_corpus_approvals_are_refused_with_their_message(void **state)
{
	(void)state;
	corpus_each("approval", "reject", visit_rejected);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_corpus_approvals_are_accepted),
	    cmocka_unit_test(
		test_corpus_approvals_are_refused_with_their_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
