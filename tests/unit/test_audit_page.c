/* Pages of the audit log, and who may read them when. */
#include "runner/audit_page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/audit_keys.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/proof.h"
#include "lib/record.h"
#include "runner/audit.h"
#include "runner/audit_head.h"
#include "runner/audit_readers.h"
#include "runner/audit_view.h"
#include "tests/unit/audit_key.h"
#include "tests/unit/folder.h"

struct fixture {
	char *path;
	struct database database;
	struct audit_head head;
	struct audit_keys keys;
};

static void
open_fixture(struct fixture *fixture, void *folder)
{
	EVP_PKEY *key = audit_key_make(AUDIT_KEY_FIRST);
	struct err err;

	*fixture = (struct fixture){.path = folder_path(folder, "store.db")};
	assert_int_equal(
	    database_open(fixture->path, &fixture->database, &err), 0);
	audit_head_init(&fixture->head, key, AUDIT_ORIGIN);
	fixture->keys = (struct audit_keys){{key}, 1};
}

static void
close_fixture(struct fixture *fixture)
{
	audit_head_done(&fixture->head);
	database_close(&fixture->database);
	audit_keys_done(&fixture->keys);
	free(fixture->path);
}

/* Every third record is alice's, the others are bob's. */
static void
write_records(struct fixture *fixture, int count, size_t filler)
{
	struct database *database = &fixture->database;
	auto_free char *text = alloc_zero(filler + 1, 1);
	struct err err;

	memset(text, 'x', filler);
	assert_int_equal(database_run(database, STATEMENT_BEGIN, &err, ""), 0);
	for (int i = 0; i < count; i++) {
		struct audit_entry *entry =
		    audit_entry_new(EVENT_TASK_ACCEPTED, 1000 + i, NULL);

		entry->principal =
		    json_pack("{s:s}", "subject", i % 3 == 0 ? "alice" : "bob");
		if (filler > 0)
			entry->untrusted = json_pack("{s:s}", "detail", text);
		assert_int_equal(audit_append(database, entry, &err), 0);
		audit_entry_free(entry);
	}
	assert_int_equal(audit_head_seal(&fixture->head, database, &err), 0);
	assert_int_equal(database_run(database, STATEMENT_COMMIT, &err, ""), 0);
	audit_head_committed(&fixture->head);
}

static json_t *
read_page(struct fixture *fixture, const struct audit_page_query *query,
    int64_t *ret_next)
{
	struct audit_page page = {0};
	struct err err;
	json_t *document;

	if (audit_page_read(&fixture->database, query, &page, &err) != 0)
		fail_msg("%s", err.detail);
	document = json_parse_strict(page.text, page.len, &err);
	assert_non_null(document);
	assert_int_equal(
	    json_integer_value(json_object_get(document, "next")), page.next);
	*ret_next = page.next;
	free(page.text);
	return document;
}

/* By the key alone, as a client does it. */
static void
check_proof(
    const struct fixture *fixture, const json_t *document, const json_t *shown)
{
	const char *note =
	    json_string_value(json_object_get(document, "checkpoint"));
	AUTO(record_parts_done) struct record_parts parts = {0};
	struct checkpoint head;
	struct merkle_proof proof;
	uint8_t leaf[SHA256_BYTES];
	int64_t seq;
	struct err err;

	record_split(shown, &parts);
	assert_int_equal(audit_keys_open(&fixture->keys, note, strlen(note),
			     NULL, &head, &err),
	    0);
	if (record_hash(&parts, &seq, leaf, &err) != 0 ||
	    proof_read(parts.inclusion, &proof, &err) != 0)
		fail_msg("%s", err.detail);
	assert_true(merkle_includes(
	    head.size, head.root, (uint64_t)seq - 1, leaf, &proof));
}

/* All pages of a question, one behind the other; their numbers. */
static json_t *
read_all(struct fixture *fixture, struct audit_page_query query, int *ret_pages)
{
	json_t *numbers = json_array();

	for (*ret_pages = 1;; (*ret_pages)++) {
		int64_t next;
		auto_json *document = read_page(fixture, &query, &next);
		const json_t *records = json_object_get(document, "records");
		size_t i;
		json_t *record;

		json_array_foreach(records, i, record)
		{
			json_array_append(
			    numbers, json_object_get(record, "seq"));
			if (query.proofs)
				check_proof(fixture, document, record);
		}
		if (next == 0)
			return numbers;
		if (query.filter.newest)
			query.filter.before = next;
		else
			query.filter.after = next;
	}
}

static void
assert_numbers(const json_t *numbers, int64_t first, int64_t step, size_t count)
{
	assert_int_equal(json_array_size(numbers), count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(json_integer_value(json_array_get(numbers, i)),
		    first + (int64_t)i * step);
}

static void
test_pages_follow_one_another_without_a_gap(void **state)
{
	struct fixture fixture;
	int pages;

	open_fixture(&fixture, *state);
	write_records(&fixture, 100, 0);
	for (int64_t limit = 1; limit <= 200; limit += 33) {
		auto_json *up = read_all(&fixture,
		    (struct audit_page_query){{.limit = limit},
			.scan = AUDIT_PAGE_SCAN, .proofs = true},
		    &pages);
		auto_json *down = read_all(&fixture,
		    (struct audit_page_query){{.limit = limit, .newest = true},
			.scan = AUDIT_PAGE_SCAN, .proofs = true},
		    &pages);

		assert_numbers(up, 1, 1, 100);
		assert_numbers(down, 100, -1, 100);
	}
	close_fixture(&fixture);
}

static void
test_a_filter_and_bounds_hold_over_pages(void **state)
{
	struct fixture fixture;
	int pages;

	open_fixture(&fixture, *state);
	write_records(&fixture, 300, 0);
	auto_json *up = read_all(&fixture,
	    (struct audit_page_query){
		{.subject = "alice", .limit = 7, .after = 10, .before = 200},
		.scan = AUDIT_PAGE_SCAN, .proofs = true},
	    &pages);

	assert_numbers(up, 13, 3, 63);
	auto_json *down = read_all(&fixture,
	    (struct audit_page_query){{.subject = "alice",
					  .limit = 60,
					  .newest = true,
					  .after = 10,
					  .before = 200},
		.scan = AUDIT_PAGE_SCAN, .proofs = false},
	    &pages);

	assert_numbers(down, 199, -3, 63);
	assert_int_equal(pages, 2);
	auto_json *none = read_all(&fixture,
	    (struct audit_page_query){{.subject = "carol", .limit = 5},
		.scan = AUDIT_PAGE_SCAN, .proofs = true},
	    &pages);

	assert_numbers(none, 0, 0, 0);
	auto_json *behind = read_all(&fixture,
	    (struct audit_page_query){{.after = 300, .before = 500, .limit = 5},
		.scan = AUDIT_PAGE_SCAN, .proofs = true},
	    &pages);

	assert_numbers(behind, 0, 0, 0);
	close_fixture(&fixture);
}

/* A page may find nothing where there is more behind it. */
static void
test_a_page_is_bounded_in_what_it_looks_at(void **state)
{
	static const int64_t scans[] = {1, 2, 7, 50, 299, 300, 1000};
	struct fixture fixture;
	int pages;

	open_fixture(&fixture, *state);
	write_records(&fixture, 300, 0);
	for (size_t i = 0; i < COUNT(scans); i++) {
		auto_json *up = read_all(&fixture,
		    (struct audit_page_query){
			{.subject = "alice", .limit = 4}, scans[i], false},
		    &pages);

		assert_numbers(up, 1, 3, 100);
		assert_true(pages >= 300 / scans[i]);
		auto_json *down = read_all(&fixture,
		    (struct audit_page_query){
			{.subject = "alice", .limit = 4, .newest = true},
			scans[i], false},
		    &pages);

		assert_numbers(down, 298, -3, 100);
		assert_true(pages >= 300 / scans[i]);
	}
	close_fixture(&fixture);
}

static void
test_a_bound_may_be_as_great_as_a_number_can_be(void **state)
{
	struct fixture fixture;
	int pages;

	open_fixture(&fixture, *state);
	write_records(&fixture, 20, 0);
	for (int newest = 0; newest < 2; newest++) {
		auto_json *none = read_all(&fixture,
		    (struct audit_page_query){
			{.limit = 5, .newest = newest == 1, .after = INT64_MAX},
			.scan = AUDIT_PAGE_SCAN},
		    &pages);
		auto_json *all = read_all(&fixture,
		    (struct audit_page_query){{.limit = 20,
						  .newest = newest == 1,
						  .before = INT64_MAX},
			.scan = AUDIT_PAGE_SCAN},
		    &pages);

		assert_int_equal(json_array_size(none), 0);
		assert_int_equal(json_array_size(all), 20);
	}
	close_fixture(&fixture);
}

static int
count_spans(unsigned kind, void *arg, void *statement, void *text)
{
	int *count = arg;

	(void)kind;
	(void)statement;
	if (strstr(text, "min(seq)") != NULL)
		(*count)++;
	return 0;
}

static void
test_the_span_of_a_time_is_found_once_for_a_page(void **state)
{
	struct fixture fixture;
	int pages, spans = 0;

	open_fixture(&fixture, *state);
	write_records(&fixture, 300, 0);
	sqlite3_trace_v2(
	    fixture.database.handle, SQLITE_TRACE_STMT, count_spans, &spans);
	auto_json *up = read_all(&fixture,
	    (struct audit_page_query){
		{.since_ms = 1100, .until_ms = 1200, .limit = 30}, .scan = 50},
	    &pages);

	assert_numbers(up, 101, 1, 100);
	assert_int_equal(spans, pages);
	spans = 0;
	auto_json *down = read_all(&fixture,
	    (struct audit_page_query){{.subject = "alice",
					  .since_ms = 1100,
					  .until_ms = 1200,
					  .after = 110,
					  .before = 190,
					  .limit = 1000,
					  .newest = true},
		.scan = 50},
	    &pages);

	assert_numbers(down, 187, -3, 26);
	assert_int_equal(spans, pages);
	auto_json *none = read_all(&fixture,
	    (struct audit_page_query){
		{.since_ms = 5000, .limit = 30}, .scan = 50},
	    &pages);

	assert_int_equal(json_array_size(none), 0);
	assert_int_equal(pages, 1);
	sqlite3_trace_v2(fixture.database.handle, 0, NULL, NULL);
	close_fixture(&fixture);
}

static void
test_a_page_is_bounded_in_bytes(void **state)
{
	struct fixture fixture;
	int pages;

	open_fixture(&fixture, *state);
	write_records(&fixture, 200, 60000);
	auto_json *up = read_all(&fixture,
	    (struct audit_page_query){
		{.limit = 1000}, .scan = AUDIT_PAGE_SCAN, .proofs = false},
	    &pages);

	assert_numbers(up, 1, 1, 200);
	assert_int_equal(pages, 3);
	auto_json *down = read_all(&fixture,
	    (struct audit_page_query){{.limit = 1000, .newest = true},
		.scan = AUDIT_PAGE_SCAN, .proofs = false},
	    &pages);

	assert_numbers(down, 200, -1, 200);
	assert_true(pages >= 3);
	close_fixture(&fixture);
}

static void
test_an_empty_log_has_no_head(void **state)
{
	struct fixture fixture;
	struct audit_page page = {0};
	struct err err;

	open_fixture(&fixture, *state);
	assert_int_equal(audit_page_read(&fixture.database,
			     &(struct audit_page_query){{.limit = 1},
				 .scan = AUDIT_PAGE_SCAN, .proofs = false},
			     &page, &err),
	    -1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	close_fixture(&fixture);
}

/* -- the view */

struct question {
	struct audit_view_op op;
	struct fixture *fixture;
	bool writes;
	int *done;
	enum err_code code;
};

static int
run_question(
    struct audit_view_op *op, struct database *database, struct err *err)
{
	struct question *question = (struct question *)op;
	struct audit_page page = {0};

	if (question->writes)
		return database_execute(
		    database, "DELETE FROM audit", "write", err);
	if (audit_page_read(database,
		&(struct audit_page_query){
		    {.limit = 10}, .scan = AUDIT_PAGE_SCAN, .proofs = true},
		&page, err) != 0)
		return -1;
	free(page.text);
	return 0;
}

static void
question_done(struct audit_view_op *op, const struct err *err)
{
	struct question *question = (struct question *)op;

	question->code = err != NULL ? err->code : ERR_NONE;
	(*question->done)++;
}

static void
test_the_view_reads_beside_the_store_and_cannot_write(void **state)
{
	struct fixture fixture;
	struct question questions[AUDIT_VIEW_MAX + 1];
	struct audit_view *view;
	int done = 0;
	uv_loop_t loop;
	struct err err;

	open_fixture(&fixture, *state);
	write_records(&fixture, 50, 0);
	assert_int_equal(uv_loop_init(&loop), 0);
	view = audit_view_open(&loop, fixture.path);
	for (size_t i = 0; i < COUNT(questions); i++) {
		int result;

		questions[i] = (struct question){
		    .op = {.run = run_question, .done = question_done},
		    .writes = i == 1,
		    .done = &done};
		result = audit_view_submit(view, &questions[i].op, &err);
		assert_int_equal(result, i < AUDIT_VIEW_MAX ? 0 : -1);
	}
	assert_int_equal(err.code, ERR_BUSY);
	/* A commit while they are under way. */
	write_records(&fixture, 50, 0);
	while (done < AUDIT_VIEW_MAX)
		uv_run(&loop, UV_RUN_ONCE);
	for (size_t i = 0; i < AUDIT_VIEW_MAX; i++) {
		if (i == 1)
			assert_int_not_equal(questions[i].code, ERR_NONE);
		else
			assert_int_equal(questions[i].code, ERR_NONE);
	}
	assert_int_equal(audit_view_submit(view, &questions[0].op, &err), 0);
	assert_int_equal(audit_view_submit(view, &questions[2].op, &err), 0);
	audit_view_close(view);
	assert_int_equal(done, AUDIT_VIEW_MAX + 2);
	assert_int_equal(questions[2].code, ERR_UNAVAILABLE);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	close_fixture(&fixture);
}

static void
test_a_reading_goes_on_record_once_in_a_while(void **state)
{
	struct audit_readers readers = {0};
	char text[16];

	(void)state;
	assert_true(audit_readers_add(&readers, "a", 1, 1000));
	assert_false(audit_readers_add(&readers, "a", 1, 1001));
	assert_true(audit_readers_add(&readers, "b", 1, 1002));
	assert_false(
	    audit_readers_add(&readers, "a", 1, 999 + AUDIT_READERS_MS));
	assert_true(
	    audit_readers_add(&readers, "a", 1, 1000 + AUDIT_READERS_MS));
	/* So many others that it is forgotten, and said once more. */
	for (int i = 0; i < AUDIT_READERS_MAX; i++) {
		int len = snprintf(text, sizeof(text), "x%d", i);

		assert_true(audit_readers_add(
		    &readers, text, (size_t)len, 1001 + AUDIT_READERS_MS + i));
	}
	assert_true(
	    audit_readers_add(&readers, "a", 1, 2000 + AUDIT_READERS_MS));
}

int
main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
	    TEST(test_pages_follow_one_another_without_a_gap),
	    TEST(test_a_filter_and_bounds_hold_over_pages),
	    TEST(test_a_page_is_bounded_in_what_it_looks_at),
	    TEST(test_a_bound_may_be_as_great_as_a_number_can_be),
	    TEST(test_the_span_of_a_time_is_found_once_for_a_page),
	    TEST(test_a_page_is_bounded_in_bytes),
	    TEST(test_an_empty_log_has_no_head),
	    TEST(test_the_view_reads_beside_the_store_and_cannot_write),
	    cmocka_unit_test(test_a_reading_goes_on_record_once_in_a_while),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
