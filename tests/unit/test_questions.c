/* The table of open questions: numbers are unique and go stale. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/questions.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"

static uint64_t
add(struct questions *questions, int64_t deadline_ms)
{
	return questions_add(
	    questions, &(struct question){.deadline_ms = deadline_ms});
}

static void
test_a_number_is_good_once(void **state)
{
	AUTO(questions_done) struct questions questions = {0};
	struct question question;
	uint64_t request = add(&questions, 7);

	(void)state;
	assert_int_not_equal(request, 0);
	assert_true(questions_take(&questions, request, &question));
	assert_int_equal(question.deadline_ms, 7);
	assert_false(questions_take(&questions, request, &question));
}

static void
test_numbers_that_were_never_given_are_nobodys(void **state)
{
	static const uint64_t numbers[] = {0, 1, 63, 64, 1 << 20, 1 << 21,
	    UINT64_MAX, INT64_MAX, (UINT64_C(1) << 53) - 1};
	AUTO(questions_done) struct questions questions = {0};
	struct question question;

	(void)state;
	for (size_t i = 0; i < COUNT(numbers); i++)
		assert_false(questions_take(&questions, numbers[i], &question));
	uint64_t request = add(&questions, 0);

	for (size_t i = 0; i < COUNT(numbers); i++)
		if (numbers[i] != request)
			assert_false(
			    questions_take(&questions, numbers[i], &question));
}

static void
test_a_late_answer_does_not_reach_who_has_the_slot_now(void **state)
{
	AUTO(questions_done) struct questions questions = {0};
	struct question question;
	uint64_t old = add(&questions, 1);

	(void)state;
	assert_true(questions_take(&questions, old, &question));
	uint64_t new = add(&questions, 2);

	assert_true(new != old);
	assert_false(questions_take(&questions, old, &question));
	assert_true(questions_take(&questions, new, &question));
}

static void
test_numbers_are_integers_for_json(void **state)
{
	AUTO(questions_done) struct questions questions = {0};
	struct question question;

	(void)state;
	/* Before the count wraps, and past it. */
	questions.asked = (UINT64_C(1) << 33) - 3;
	for (int i = 0; i < 6; i++) {
		uint64_t request = add(&questions, 0);

		assert_true(request > 0 && request < UINT64_C(1) << 53);
		assert_true(questions_take(&questions, request, &question));
	}
}

static void
test_many_are_all_found_again(void **state)
{
	enum { MANY = 5000 };
	AUTO(questions_done) struct questions questions = {0};
	auto_free uint64_t *numbers = alloc_zero(MANY, sizeof(*numbers));
	struct question question;

	(void)state;
	for (int i = 0; i < MANY; i++)
		numbers[i] = add(&questions, i);
	for (int i = 0; i < MANY; i += 2)
		assert_true(questions_take(&questions, numbers[i], &question));
	for (int i = 0; i < MANY; i += 2)
		numbers[i] = add(&questions, i);
	for (int i = MANY - 1; i >= 0; i--) {
		assert_true(questions_take(&questions, numbers[i], &question));
		assert_int_equal(question.deadline_ms, i);
	}
	/* What was given back is used again. */
	assert_true(questions.count < 2 * MANY);
}

static void
test_those_that_are_due_are_found(void **state)
{
	AUTO(questions_done) struct questions questions = {0};
	uint64_t early = add(&questions, 100);
	uint64_t late = add(&questions, 200);
	size_t at = 0;

	(void)state;
	assert_int_equal(questions_find_due(&questions, 99, &at), 0);
	at = 0;
	assert_int_equal(questions_find_due(&questions, 100, &at), early);
	assert_int_equal(questions_find_due(&questions, 100, &at), 0);
	at = 0;
	assert_int_equal(questions_find_due(&questions, 200, &at), early);
	assert_int_equal(questions_find_due(&questions, 200, &at), late);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_number_is_good_once),
	    cmocka_unit_test(test_numbers_that_were_never_given_are_nobodys),
	    cmocka_unit_test(
		test_a_late_answer_does_not_reach_who_has_the_slot_now),
	    cmocka_unit_test(test_numbers_are_integers_for_json),
	    cmocka_unit_test(test_many_are_all_found_again),
	    cmocka_unit_test(test_those_that_are_due_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
