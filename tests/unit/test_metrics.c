/* The Prometheus text format. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/metrics.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"

static const struct metrics_family requests = {
    "taskgate_requests_total", METRICS_COUNTER, "Requests answered"};
static const struct metrics_family uptime = {
    "taskgate_uptime_seconds", METRICS_GAUGE, "How long"};
static const struct metrics_family duration = {
    "taskgate_request_seconds", METRICS_HISTOGRAM, "How long a request took"};

static void
test_family_says_help_and_type(void **state)
{
	auto_buffer out = BUFFER_INIT(4096);

	(void)state;
	metrics_family(&out, &requests);
	assert_string_equal(out.data,
	    "# HELP taskgate_requests_total Requests answered\n"
	    "# TYPE taskgate_requests_total counter\n");
}

static void
test_help_is_escaped(void **state)
{
	const struct metrics_family odd = {"a", METRICS_GAUGE, "a\\b\n\"c\""};
	auto_buffer out = BUFFER_INIT(4096);

	(void)state;
	metrics_family(&out, &odd);
	assert_string_equal(
	    out.data, "# HELP a a\\\\b\\n\"c\"\n# TYPE a gauge\n");
}

static void
test_value_without_labels_has_no_braces(void **state)
{
	auto_buffer out = BUFFER_INIT(4096);

	(void)state;
	metrics_value(&out, &requests, NULL, 0, INT64_MAX);
	assert_string_equal(
	    out.data, "taskgate_requests_total 9223372036854775807\n");
}

static void
test_labels_are_separated_by_commas(void **state)
{
	const struct metrics_label labels[] = {
	    {"route", "/v1/tasks"}, {"status", "200"}};
	auto_buffer out = BUFFER_INIT(4096);

	(void)state;
	metrics_value(&out, &requests, labels, COUNT(labels), -7);
	assert_string_equal(out.data,
	    "taskgate_requests_total{route=\"/v1/tasks\",status=\"200\"} -7\n");
}

static void
assert_label_is_written(const char *value, const char *expected)
{
	const struct metrics_label label = {"a", value};
	auto_buffer out = BUFFER_INIT(4096);
	auto_free char *line =
	    alloc_printf("taskgate_requests_total{a=\"%s\"} 1\n", expected);

	metrics_value(&out, &requests, &label, 1, 1);
	assert_string_equal(out.data, line);
}

static void
test_label_cannot_leave_its_quotes(void **state)
{
	(void)state;
	assert_label_is_written("", "");
	assert_label_is_written("\"} 1", "\\\"} 1");
	assert_label_is_written("\\", "\\\\");
	assert_label_is_written("a\nb", "a\\\\x0ab");
	assert_label_is_written("\xff", "\\\\xff");
	assert_label_is_written("\xc3\xa9", "\xc3\xa9");
}

static void
test_seconds_have_three_decimals(void **state)
{
	auto_buffer out = BUFFER_INIT(4096);

	(void)state;
	metrics_seconds(&out, &uptime, NULL, 0, 12005);
	metrics_seconds(&out, &uptime, NULL, 0, 0);
	metrics_seconds(&out, &uptime, NULL, 0, -1500);
	assert_string_equal(out.data,
	    "taskgate_uptime_seconds 12.005\n"
	    "taskgate_uptime_seconds 0.000\n"
	    "taskgate_uptime_seconds -1.500\n");
}

static void
test_bounds_of_a_histogram_rise(void **state)
{
	(void)state;
	for (size_t k = 1; k < METRICS_BOUNDS; k++)
		assert_true(metrics_bounds_us[k] > metrics_bounds_us[k - 1]);
}

static void
test_observation_counts_where_it_fits(void **state)
{
	struct metrics_histogram histogram = {0};

	(void)state;
	metrics_observe(&histogram, -5);
	metrics_observe(&histogram, metrics_bounds_us[0]);
	metrics_observe(&histogram, metrics_bounds_us[0] + 1);
	metrics_observe(&histogram, metrics_bounds_us[METRICS_BOUNDS - 1]);
	metrics_observe(&histogram, metrics_bounds_us[METRICS_BOUNDS - 1] + 1);
	assert_int_equal(histogram.counts[0], 2);
	assert_int_equal(histogram.counts[1], 1);
	assert_int_equal(histogram.counts[METRICS_BOUNDS - 1], 1);
	assert_int_equal(histogram.counts[METRICS_BOUNDS], 1);
}

static void
test_histogram_is_cumulative_and_ends_with_infinity(void **state)
{
	const struct metrics_label label = {"route", "a"};
	struct metrics_histogram one = {0}, sum = {0};
	auto_buffer out = BUFFER_INIT(65536);

	(void)state;
	metrics_observe(&one, 400);
	metrics_observe(&one, 2000);
	metrics_observe(&one, 100000000);
	metrics_add(&sum, &one);
	metrics_add(&sum, &one);
	metrics_histogram(&out, &duration, &label, 1, &sum);
	assert_ptr_equal(strstr(out.data,
			     "taskgate_request_seconds_bucket{route=\"a\","
			     "le=\"0.0005\"} 2\n"),
	    out.data);
	assert_non_null(strstr(out.data, "le=\"0.0010\"} 2\n"));
	assert_non_null(strstr(out.data, "le=\"0.0025\"} 4\n"));
	assert_non_null(strstr(out.data, "le=\"60.0000\"} 4\n"));
	assert_non_null(strstr(out.data,
	    "le=\"+Inf\"} 6\n"
	    "taskgate_request_seconds_sum{route=\"a\"} 200.004800\n"
	    "taskgate_request_seconds_count{route=\"a\"} 6\n"));
}

static void
test_histogram_without_labels_has_the_bound_alone(void **state)
{
	struct metrics_histogram none = {0};
	auto_buffer out = BUFFER_INIT(65536);

	(void)state;
	metrics_histogram(&out, &duration, NULL, 0, &none);
	assert_non_null(
	    strstr(out.data, "taskgate_request_seconds_bucket{le=\"+Inf\"} 0"));
	assert_non_null(strstr(out.data,
	    "taskgate_request_seconds_sum 0.000000\n"
	    "taskgate_request_seconds_count 0\n"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_family_says_help_and_type),
	    cmocka_unit_test(test_help_is_escaped),
	    cmocka_unit_test(test_value_without_labels_has_no_braces),
	    cmocka_unit_test(test_labels_are_separated_by_commas),
	    cmocka_unit_test(test_label_cannot_leave_its_quotes),
	    cmocka_unit_test(test_seconds_have_three_decimals),
	    cmocka_unit_test(test_bounds_of_a_histogram_rise),
	    cmocka_unit_test(test_observation_counts_where_it_fits),
	    cmocka_unit_test(
		test_histogram_is_cumulative_and_ends_with_infinity),
	    cmocka_unit_test(test_histogram_without_labels_has_the_bound_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
