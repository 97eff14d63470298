/* A bucket: so many at once, then one for each period. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/bucket.h"

static bool
take_one(struct bucket *bucket, int64_t now_ms)
{
	if (!bucket_has(bucket, now_ms))
		return false;
	bucket_take(bucket);
	return true;
}

static void
test_burst_and_then_one_for_each_period(void **state)
{
	struct bucket bucket = BUCKET_INIT(3, 100);
	int taken = 0;

	(void)state;
	for (int64_t now_ms = 5000; now_ms <= 6000; now_ms++)
		taken += take_one(&bucket, now_ms);
	assert_int_equal(taken, 3 + 10);
}

static void
test_bucket_is_never_fuller_than_its_burst(void **state)
{
	struct bucket bucket = BUCKET_INIT(2, 100);

	(void)state;
	assert_true(take_one(&bucket, 1));
	assert_true(take_one(&bucket, INT64_MAX));
	assert_true(take_one(&bucket, INT64_MAX));
	assert_false(take_one(&bucket, INT64_MAX));
}

static void
test_clock_that_goes_back_gives_nothing(void **state)
{
	struct bucket bucket = BUCKET_INIT(1, 100);

	(void)state;
	assert_true(take_one(&bucket, 1000));
	assert_false(take_one(&bucket, 10));
	assert_false(take_one(&bucket, 1099));
	assert_true(take_one(&bucket, 1100));
}

static void
test_bucket_is_full_once_all_has_come_back(void **state)
{
	struct bucket bucket = BUCKET_INIT(2, 100);

	(void)state;
	assert_true(bucket_is_full(&bucket, 1000));
	assert_true(take_one(&bucket, 1000));
	assert_true(take_one(&bucket, 1000));
	assert_false(bucket_is_full(&bucket, 1199));
	assert_true(bucket_is_full(&bucket, 1200));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_burst_and_then_one_for_each_period),
	    cmocka_unit_test(test_bucket_is_never_fuller_than_its_burst),
	    cmocka_unit_test(test_clock_that_goes_back_gives_nothing),
	    cmocka_unit_test(test_bucket_is_full_once_all_has_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
