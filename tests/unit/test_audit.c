/* Audit records: their one spelling, their hashes, what stands apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "runner/audit.h"
#include "tests/unit/folder.h"

#define TASK "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a11"
#define WHEN INT64_C(1767323045678) /* 2026-01-02T03:04:05.678Z */

static const uint8_t salt[RECORD_SALT_BYTES] = "0123456789abcdef";

static struct audit_entry *
make_entry(void)
{
	struct audit_entry *entry =
	    audit_entry_new(EVENT_TASK_ACCEPTED, WHEN, "abc");

	entry->principal = json_pack("{s:s}", "subject", "alice");
	entry->object = json_pack("{s:s}", "task", TASK);
	entry->rule = alloc_string("demo");
	entry->outcome = alloc_string("accepted");
	audit_set_message(entry, "A task of %s was accepted", "alice");
	return entry;
}

static void
test_a_record_has_one_spelling(void **state)
{
	struct audit_entry *entry = make_entry();
	AUTO(audit_leaf_done) struct audit_leaf leaf = {0};

	(void)state;
	audit_render(entry, 7, salt, &leaf);
	assert_string_equal(leaf.record,
	    "{\"event\":\"task.accepted\","
	    "\"message\":\"A task of alice was accepted\","
	    "\"object\":{\"task\":\"" TASK "\"},\"outcome\":\"accepted\","
	    "\"policy_sha256\":\"abc\",\"principal\":{\"subject\":\"alice\"},"
	    "\"rule\":\"demo\",\"seq\":7,\"severity\":\"info\","
	    "\"time\":\"2026-01-02T03:04:05.678Z\"}");
	assert_int_equal(leaf.record_len, strlen(leaf.record));
	assert_null(leaf.untrusted);
	audit_entry_free(entry);
}

static void
test_the_leaf_is_hashed_behind_a_zero_byte(void **state)
{
	struct audit_entry *entry = make_entry();
	AUTO(audit_leaf_done) struct audit_leaf leaf = {0};
	auto_free char *whole = NULL;
	uint8_t hash[SHA256_BYTES];

	(void)state;
	audit_render(entry, 7, salt, &leaf);
	whole = alloc_zero(1 + leaf.record_len, 1);
	memcpy(whole + 1, leaf.record, leaf.record_len);
	digest_sha256(whole, 1 + leaf.record_len, hash);
	assert_memory_equal(hash, leaf.hash, sizeof(hash));
	audit_entry_free(entry);
}

static void
test_what_a_stranger_wrote_is_only_hashed_in_the_record(void **state)
{
	struct audit_entry *entry = make_entry();
	AUTO(audit_leaf_done) struct audit_leaf leaf = {0};
	char hex[SHA256_HEX];
	static const char expected[] =
	    "0123456789abcdef{\"image\":\"evil\\u001b[31m\"}";

	(void)state;
	entry->untrusted = json_pack("{s:s}", "image", "evil\033[31m");
	audit_render(entry, 7, salt, &leaf);
	assert_string_equal(leaf.untrusted, expected + RECORD_SALT_BYTES);
	assert_null(strstr(leaf.record, "evil"));
	digest_sha256_hex(expected, strlen(expected), hex);
	assert_non_null(strstr(leaf.record, hex));
	audit_entry_free(entry);
}

static void
test_another_salt_is_another_record(void **state)
{
	static const uint8_t other[RECORD_SALT_BYTES] = "fedcba9876543210";
	struct audit_entry *entry = make_entry();
	AUTO(audit_leaf_done) struct audit_leaf one = {0};
	AUTO(audit_leaf_done) struct audit_leaf two = {0};

	(void)state;
	entry->untrusted = json_pack("{s:s}", "image", "x");
	audit_render(entry, 7, salt, &one);
	audit_render(entry, 7, other, &two);
	assert_string_not_equal(one.record, two.record);
	assert_memory_not_equal(one.hash, two.hash, sizeof(one.hash));
	audit_entry_free(entry);
}

/* -- what is too large */

static json_t *
make_string(size_t len)
{
	auto_free char *text = alloc_zero(len + 1, 1);

	memset(text, 'x', len);
	return json_string(text);
}

static void
assert_keeps(json_t *untrusted, const char *expected)
{
	struct audit_entry *entry = make_entry();
	AUTO(audit_leaf_done) struct audit_leaf leaf = {0};
	char hex[SHA256_HEX];

	entry->untrusted = untrusted;
	audit_render(entry, 7, salt, &leaf);
	assert_in_range(leaf.untrusted_len, 2, AUDIT_UNTRUSTED_MAX);
	assert_int_equal(leaf.untrusted_len, strlen(leaf.untrusted));
	if (expected != NULL)
		assert_string_equal(leaf.untrusted, expected);
	record_hash_untrusted(salt, leaf.untrusted, leaf.untrusted_len, hex);
	assert_non_null(strstr(leaf.record, hex));
	audit_entry_free(entry);
}

static void
test_a_member_that_is_too_large_is_only_counted(void **state)
{
	struct audit_entry *entry = make_entry();
	AUTO(audit_leaf_done) struct audit_leaf leaf = {0};

	(void)state;
	/* {"a":"..."} */
	entry->untrusted =
	    json_pack("{s:o}", "a", make_string(AUDIT_UNTRUSTED_MAX - 8));
	audit_render(entry, 7, salt, &leaf);
	assert_int_equal(leaf.untrusted_len, AUDIT_UNTRUSTED_MAX);
	audit_entry_free(entry);
	assert_keeps(
	    json_pack("{s:o}", "a", make_string(AUDIT_UNTRUSTED_MAX - 7)),
	    "{\"a\":{\"dropped_bytes\":65531},\"dropped_bytes\":65531}");
}

static void
test_what_is_small_stays_beside_what_is_too_large(void **state)
{
	(void)state;
	assert_keeps(json_pack("{s:s, s:[s, o, s], s:{s:o}, s:{s:i}}", "image",
			 "demo", "args", "echo", make_string(100000), "end",
			 "env", "A", make_string(70000), "limits", "pids", 3),
	    "{\"args\":[\"echo\",{\"dropped_bytes\":100007}],"
	    "\"dropped_bytes\":170015,\"env\":{\"dropped_bytes\":70008},"
	    "\"image\":\"demo\",\"limits\":{\"pids\":3}}");
	assert_keeps(json_pack("{s:o, s:s}", "image", make_string(1000000),
			 "task", "resize"),
	    "{\"dropped_bytes\":1000002,\"image\":{\"dropped_bytes\":1000002},"
	    "\"task\":\"resize\"}");
}

/* Several that are each below the bound do not push the others out. */
static void
test_what_is_small_stays_beside_many_that_are_not(void **state)
{
	for (size_t len = 1000; len < 20000; len += 499) {
		struct audit_entry *entry = make_entry();
		AUTO(audit_leaf_done) struct audit_leaf leaf = {0};

		(void)state;
		entry->untrusted = json_pack("{s:s}", "image", "demo");
		for (int k = 0; k < 20; k++) {
			char name[] = {(char)('a' + k), '\0'};
			json_t *array = json_array();

			for (int i = 0; i < 4; i++)
				json_array_append_new(array, make_string(len));
			json_object_set_new(entry->untrusted, name,
			    k % 2 == 0 ? make_string(len) : array);
			if (k % 2 == 0)
				json_decref(array);
		}
		audit_render(entry, 7, salt, &leaf);
		assert_in_range(leaf.untrusted_len, 2, AUDIT_UNTRUSTED_MAX);
		assert_non_null(strstr(leaf.untrusted, "\"image\":\"demo\""));
		audit_entry_free(entry);
	}
}

static void
test_the_bound_holds_whatever_the_members_are(void **state)
{
	json_t *many = json_object(), *keys = json_object();
	json_t *deep = make_string(100000), *items = json_array();
	char name[16];

	(void)state;
	for (int i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "%05d", i);
		json_object_set_new(many, name, json_integer(i % 10));
		json_array_append_new(items, json_object());
	}
	/* {"00000":0, ... "09999":9} */
	assert_keeps(many, "{\"dropped_bytes\":100001}");
	auto_json *key = make_string(100000);
	json_object_set_new(keys, json_string_value(key), json_integer(1));
	json_object_set_new(keys, "image", json_string("demo"));
	assert_keeps(keys, "{\"dropped_bytes\":100021}");
	for (int i = 0; i < 30; i++)
		deep = json_pack("[o]", deep);
	assert_keeps(json_pack("{s:o}", "args", deep),
	    "{\"args\":[{\"dropped_bytes\":100060}],"
	    "\"dropped_bytes\":100060}");
	for (int i = 0; i < 20000; i++)
		json_array_append_new(items, json_object());
	assert_keeps(json_pack("{s:o}", "args", items), NULL);
	/* One byte is written as six. */
	assert_keeps(json_pack("{s:o, s:s}", "args",
			 json_sprintf("%0*d\x01", 70000, 0), "image", "\x01"),
	    "{\"args\":{\"dropped_bytes\":70008},\"dropped_bytes\":70008,"
	    "\"image\":\"\\u0001\"}");
}

static void
test_text_of_any_bytes_becomes_one_neutral_string(void **state)
{
	auto_json *json = audit_text("a\033b\x80 c\n\xe2\x80\xae");

	(void)state;
	assert_string_equal(
	    json_string_value(json), "a\\x1bb\\x80 c\\x0a\\xe2\\x80\\xae");
}

static void
test_an_entry_without_a_message_says_its_sentence(void **state)
{
	struct audit_entry *entry =
	    audit_entry_new(EVENT_RUNNER_STARTED, WHEN, NULL);
	AUTO(audit_leaf_done) struct audit_leaf leaf = {0};

	(void)state;
	audit_render(entry, 1, salt, &leaf);
	assert_string_equal(leaf.record,
	    "{\"event\":\"runner.started\",\"message\":\"The runner started\","
	    "\"seq\":1,\"severity\":\"info\","
	    "\"time\":\"2026-01-02T03:04:05.678Z\"}");
	audit_entry_free(entry);
}

/* -- in the database */

static void
open_database(struct database *database, const char *folder)
{
	auto_free char *path = folder_path(folder, "store.db");
	struct err err;

	if (database_open(path, database, &err) != 0)
		fail_msg("%s", err.detail);
}

static void
append(struct database *database, bool with_untrusted)
{
	struct audit_entry *entry = make_entry();
	struct err err;

	if (with_untrusted)
		entry->untrusted = json_pack("{s:s}", "image", "x");
	assert_int_equal(audit_append(database, entry, &err), 0);
	audit_entry_free(entry);
}

/* The lines as objects. */
static json_t *
select_records(struct database *database, const struct audit_query *query,
    int64_t *ret_last)
{
	auto_buffer lines = BUFFER_INIT(AUDIT_READ_MAX);
	json_t *records = json_array();
	struct err err;
	int64_t count;
	char *save = NULL;

	assert_int_equal(
	    audit_select(database, query, &lines, &count, ret_last, &err), 0);
	for (char *line = lines.len > 0 ? strtok_r(lines.data, "\n", &save)
					: NULL;
	     line != NULL; line = strtok_r(NULL, "\n", &save)) {
		json_t *record = json_parse_strict(line, strlen(line), &err);

		if (record == NULL)
			fail_msg("%s: %s", line, err.detail);
		json_array_append_new(records, record);
	}
	assert_int_equal(count, json_array_size(records));
	return records;
}

static int64_t
seq_of(const json_t *records, size_t i)
{
	return json_integer_value(
	    json_object_get(json_array_get(records, i), "seq"));
}

static void
test_records_are_numbered_without_gaps(void **state)
{
	struct database database = {0};
	const struct audit_query all = {.limit = 10};
	auto_json *records = NULL;
	int64_t last = 0;

	open_database(&database, *state);
	for (int i = 0; i < 3; i++)
		append(&database, false);
	records = select_records(&database, &all, &last);
	assert_int_equal(json_array_size(records), 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(seq_of(records, i), (int64_t)i + 1);
	assert_int_equal(last, 3);
	database_close(&database);
}

/* What stands beside the record is enough to verify it, and no part of it. */
static void
test_a_line_can_be_verified_by_itself(void **state)
{
	struct database database = {0};
	const struct audit_query all = {.limit = 10};
	auto_json *records = NULL;
	auto_free char *record = NULL;
	auto_free char *whole = NULL;
	json_t *line;
	uint8_t hash[SHA256_BYTES];
	char hex[SHA256_HEX];
	size_t len = 0;
	int64_t last;

	open_database(&database, *state);
	append(&database, true);
	records = select_records(&database, &all, &last);
	line = json_array_get(records, 0);
	assert_string_equal(json_string_value(json_object_get(
				json_object_get(line, "untrusted"), "image")),
	    "x");
	assert_int_equal(
	    json_string_length(json_object_get(line, "untrusted_salt")),
	    2 * RECORD_SALT_BYTES);
	auto_free char *leaf =
	    alloc_string(json_string_value(json_object_get(line, "leaf")));
	json_object_del(line, "untrusted");
	json_object_del(line, "untrusted_salt");
	json_object_del(line, "leaf");
	record = json_encode_canonical(line, &len);
	whole = alloc_zero(1 + len, 1);
	memcpy(whole + 1, record, len);
	digest_sha256(whole, 1 + len, hash);
	hex_encode(hash, sizeof(hash), hex);
	assert_string_equal(leaf, hex);
	database_close(&database);
}

static void
test_selecting_by_number_task_and_newest(void **state)
{
	struct database database = {0};
	struct audit_query query = {.limit = 2, .newest = true};
	json_t *records;
	struct audit_entry *other =
	    audit_entry_new(EVENT_POLICY_LOADED, WHEN, NULL);
	struct err err;
	int64_t last;

	open_database(&database, *state);
	append(&database, false);
	assert_int_equal(audit_append(&database, other, &err), 0);
	audit_entry_free(other);
	append(&database, false);
	records = select_records(&database, &query, &last);
	assert_int_equal(seq_of(records, 0), 3);
	assert_int_equal(seq_of(records, 1), 2);
	json_decref(records);
	memcpy(query.task, TASK, sizeof(TASK));
	records = select_records(&database, &query, &last);
	assert_int_equal(seq_of(records, 0), 3);
	assert_int_equal(seq_of(records, 1), 1);
	json_decref(records);
	query = (struct audit_query){.limit = 10, .after = 3};
	records = select_records(&database, &query, &last);
	assert_int_equal(json_array_size(records), 0);
	assert_int_equal(last, 3);
	json_decref(records);
	database_close(&database);
}

int
main(void)
{
#define STORED(name) \
	cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_record_has_one_spelling),
	    cmocka_unit_test(test_the_leaf_is_hashed_behind_a_zero_byte),
	    cmocka_unit_test(
		test_what_a_stranger_wrote_is_only_hashed_in_the_record),
	    cmocka_unit_test(test_another_salt_is_another_record),
	    cmocka_unit_test(test_a_member_that_is_too_large_is_only_counted),
	    cmocka_unit_test(test_what_is_small_stays_beside_what_is_too_large),
	    cmocka_unit_test(test_what_is_small_stays_beside_many_that_are_not),
	    cmocka_unit_test(test_the_bound_holds_whatever_the_members_are),
	    cmocka_unit_test(test_text_of_any_bytes_becomes_one_neutral_string),
	    cmocka_unit_test(test_an_entry_without_a_message_says_its_sentence),
	    STORED(test_records_are_numbered_without_gaps),
	    STORED(test_a_line_can_be_verified_by_itself),
	    STORED(test_selecting_by_number_task_and_newest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
