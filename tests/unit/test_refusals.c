/* Refusals: the first is told at once, a flood is summed up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/refusals.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"

#define NOW INT64_C(1000000)

/* Without a link everything is kept, which is what is looked at here; what
 * goes to the runner is seen end to end. */
struct bench {
	uv_loop_t loop;
	struct refusals *refusals;
};

static int
set_up(void **state)
{
	struct bench *bench = alloc_zero(1, sizeof(*bench));

	bench->refusals = alloc_zero(1, sizeof(*bench->refusals));
	assert_int_equal(uv_loop_init(&bench->loop), 0);
	refusals_open(bench->refusals, &bench->loop, NULL);
	*state = bench;
	return 0;
}

static int
tear_down(void **state)
{
	struct bench *bench = *state;

	refusals_close(bench->refusals, NULL);
	uv_run(&bench->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&bench->loop), 0);
	free(bench->refusals);
	free(bench);
	return 0;
}

static void
report(struct bench *bench, enum err_code code, const char *address)
{
	refusals_report(bench->refusals,
	    &(struct refusal){.code = code, .address = address}, NOW);
}

static const struct refusals_entry *
find(const struct bench *bench, enum err_code code, const char *address)
{
	for (size_t i = 0; i <= REFUSALS_MAX; i++) {
		const struct refusals_entry *entry =
		    &bench->refusals->entries[i];

		if (entry->count > 0 && entry->code == code &&
		    strcmp(entry->address, address) == 0)
			return entry;
	}
	return NULL;
}

static void
test_the_same_from_one_address_is_one_record(void **state)
{
	struct bench *bench = *state;

	for (int i = 0; i < 1000; i++)
		report(bench, ERR_MALFORMED, "192.0.2.1");
	assert_int_equal(find(bench, ERR_MALFORMED, "192.0.2.1")->count, 1000);
}

/* Each report that is made after the end of a window opens the next. */
static void
test_what_goes_on_is_told_ever_less_often(void **state)
{
	static const int64_t windows_ms[] = {
	    1000, 2000, 4000, 8000, 16000, 16000, 16000};
	struct bench *bench = *state;
	int64_t now_ms = NOW;

	for (size_t i = 0; i < COUNT(windows_ms); i++) {
		const struct refusals_entry *entry;

		refusals_report(bench->refusals,
		    &(struct refusal){
			.code = ERR_MALFORMED, .address = "192.0.2.1"},
		    now_ms);
		entry = find(bench, ERR_MALFORMED, "192.0.2.1");
		assert_int_equal(entry->window_ms, windows_ms[i]);
		assert_int_equal(entry->window_ends_ms, now_ms + windows_ms[i]);
		now_ms = entry->window_ends_ms;
	}
}

static void
test_other_codes_addresses_subjects_and_rules_are_kept_apart(void **state)
{
	struct bench *bench = *state;
	const struct certificate alice = {.subject = "alice"};
	unsigned used = 0;

	report(bench, ERR_MALFORMED, "192.0.2.1");
	report(bench, ERR_MALFORMED, "192.0.2.2");
	report(bench, ERR_TIMEOUT, "192.0.2.1");
	refusals_report(bench->refusals,
	    &(struct refusal){.code = ERR_MALFORMED,
		.address = "192.0.2.1",
		.certificate = &alice},
	    NOW);
	refusals_report(bench->refusals,
	    &(struct refusal){.code = ERR_MALFORMED,
		.address = "192.0.2.1",
		.certificate = &alice,
		.rule = "demo"},
	    NOW);
	for (size_t i = 0; i <= REFUSALS_MAX; i++)
		used += bench->refusals->entries[i].count > 0;
	assert_int_equal(used, 5);
}

static void
test_a_flood_from_many_addresses_is_counted_in_bounded_room(void **state)
{
	enum { MANY = 10 * REFUSALS_MAX };
	struct bench *bench = *state;
	int64_t total = 0;

	for (int i = 0; i < MANY; i++) {
		char address[ADDRESS_TEXT];

		snprintf(
		    address, sizeof(address), "10.0.%d.%d", i / 256, i % 256);
		report(bench, ERR_UNAUTHENTICATED, address);
	}
	for (size_t i = 0; i <= REFUSALS_MAX; i++)
		total += bench->refusals->entries[i].count;
	assert_int_equal(total, MANY);
	assert_int_equal(find(bench, ERR_UNAUTHENTICATED, "many")->count,
	    MANY - REFUSALS_MAX);
}

/* -- denied tasks: by request, as long as there are not many */

static void
report_denied(struct bench *bench, int number)
{
	auto_free char *sha256 = alloc_printf("%064d", number);
	auto_json *task = json_pack("{s:s, s:{s:s}}", "request_sha256", sha256,
	    "request", "image", sha256);

	refusals_report(bench->refusals,
	    &(struct refusal){.code = ERR_DENIED,
		.address = "192.0.2.1",
		.rule = "demo",
		.task = task},
	    NOW);
}

static void
test_each_denied_request_of_an_address_is_told_by_itself(void **state)
{
	struct bench *bench = *state;
	unsigned used = 0;

	for (int i = 0; i < REFUSALS_OF_ONE_MAX; i++)
		for (int k = 0; k <= i; k++)
			report_denied(bench, i);
	for (size_t i = 0; i < REFUSALS_MAX; i++) {
		const struct refusals_entry *entry =
		    &bench->refusals->entries[i];

		if (entry->count == 0)
			continue;
		assert_int_equal(entry->count, ++used);
		assert_non_null(json_object_get(entry->task, "request"));
	}
	assert_int_equal(used, REFUSALS_OF_ONE_MAX);
}

/* A sum of different requests stands for none of them. */
static void
test_many_denied_requests_of_an_address_are_summed_up_without_them(void **state)
{
	struct bench *bench = *state;
	int64_t total = 0, without = 0;
	unsigned used = 0;

	for (int i = 0; i < 1000; i++)
		report_denied(bench, i);
	for (size_t i = 0; i <= REFUSALS_MAX; i++) {
		const struct refusals_entry *entry =
		    &bench->refusals->entries[i];

		total += entry->count;
		used += entry->count > 0;
		if (entry->task == NULL)
			without += entry->count;
		else
			assert_in_range(entry->count, 0, 1);
	}
	assert_int_equal(total, 1000);
	assert_int_equal(used, REFUSALS_OF_ONE_MAX);
	assert_int_equal(without, 1000 - REFUSALS_OF_ONE_MAX + 1);
}

static void
test_what_a_stranger_wrote_is_cut(void **state)
{
	struct bench *bench = *state;
	char path[2 * REFUSALS_PATH_MAX];

	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	refusals_report(bench->refusals,
	    &(struct refusal){.code = ERR_NOT_FOUND,
		.address = "192.0.2.1",
		.method = "AVERYLONGMETHODTHATISNONE",
		.path = path},
	    NOW);
	const struct refusals_entry *entry =
	    find(bench, ERR_NOT_FOUND, "192.0.2.1");

	assert_int_equal(strlen(entry->path), REFUSALS_PATH_MAX);
	assert_int_equal(strlen(entry->method), sizeof(entry->method) - 1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(test_the_same_from_one_address_is_one_record),
	    TEST(test_what_goes_on_is_told_ever_less_often),
	    TEST(test_other_codes_addresses_subjects_and_rules_are_kept_apart),
	    TEST(test_a_flood_from_many_addresses_is_counted_in_bounded_room),
	    TEST(test_each_denied_request_of_an_address_is_told_by_itself),
	    TEST(
		test_many_denied_requests_of_an_address_are_summed_up_without_them),
	    TEST(test_what_a_stranger_wrote_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
