/* The audit log as it comes from a server that may have changed it. */
#include "client/audit_page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/audit_path.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/proof.h"
#include "lib/record.h"

#define RECORDS 13

struct fixture {
	json_t *records[RECORDS];
	struct checkpoint heads[RECORDS + 1]; /* by how many there are */
};

static json_t *
make_record(int seq)
{
	static const uint8_t salt[RECORD_SALT_BYTES] = "0123456789abcdef";
	auto_json *untrusted = json_pack("{s:i}", "detail", seq);
	AUTO(record_parts_done) struct record_parts parts = {0};
	char hex[SHA256_HEX], salt_hex[2 * RECORD_SALT_BYTES + 1];
	uint8_t leaf[SHA256_BYTES];
	int64_t found;
	size_t len;
	struct err err;
	auto_free char *text = json_encode_canonical(untrusted, &len);

	record_hash_untrusted(salt, text, len, hex);
	hex_encode(salt, sizeof(salt), salt_hex);
	json_t *record = json_pack("{s:i, s:s, s:s, s:O, s:s}", "seq", seq,
	    "event", "task.accepted", "untrusted_sha256", hex, "untrusted",
	    untrusted, "untrusted_salt", salt_hex);

	record_split(record, &parts);
	assert_int_equal(record_hash(&parts, &found, leaf, &err), 0);
	hex_encode(leaf, sizeof(leaf), hex);
	json_object_set_new(record, "leaf", json_string(hex));
	return record;
}

static void
open_fixture(struct fixture *fixture)
{
	struct merkle_edge edge = {0};
	struct err err;

	*fixture = (struct fixture){0};
	for (int i = 0; i < RECORDS; i++) {
		uint8_t leaf[SHA256_BYTES];
		const char *hex;

		fixture->records[i] = make_record(i + 1);
		hex = json_string_value(
		    json_object_get(fixture->records[i], "leaf"));
		assert_true(hex_decode(hex, strlen(hex), leaf, sizeof(leaf)));
		merkle_append(&edge, leaf, NULL, NULL, &err);
		fixture->heads[i + 1].size = (uint64_t)i + 1;
		merkle_root(&edge, fixture->heads[i + 1].root);
	}
}

static void
close_fixture(struct fixture *fixture)
{
	for (int i = 0; i < RECORDS; i++)
		json_decref(fixture->records[i]);
}

static int
walk(const struct fixture *fixture, const struct checkpoint *from,
    struct audit_whole *whole, struct err *err)
{
	audit_whole_begin(whole, &fixture->heads[RECORDS], from);
	for (int i = 0; i < RECORDS; i++) {
		if (fixture->records[i] != NULL &&
		    audit_whole_add(whole, fixture->records[i], err) != 0)
			return -1;
	}
	return audit_whole_end(whole, err);
}

static void
assert_found(const struct fixture *fixture, const struct checkpoint *from,
    const char *words)
{
	struct audit_whole whole;
	struct err err;

	assert_int_equal(walk(fixture, from, &whole, &err), -1);
	if (strstr(err.detail, words) == NULL)
		fail_msg("%s: no %s", err.detail, words);
}

static void
test_what_was_signed_holds(void **state)
{
	struct fixture fixture;
	struct audit_whole whole;
	struct err err;

	(void)state;
	open_fixture(&fixture);
	for (size_t from = 0; from <= RECORDS; from++)
		if (walk(&fixture, &fixture.heads[from], &whole, &err) != 0)
			fail_msg("%s", err.detail);
	/* What was taken out leaves its hash. */
	json_object_del(fixture.records[3], "untrusted");
	json_object_del(fixture.records[3], "untrusted_salt");
	json_object_set_new(fixture.records[3], "redacted", json_true());
	/* Whether the server says so or not. */
	json_object_del(fixture.records[8], "untrusted");
	json_object_del(fixture.records[8], "untrusted_salt");
	json_t *bare = json_pack("{s:i, s:s, s:b, s:O}", "seq", 6, "time",
	    "2026-01-02T03:04:05.678Z", "dropped", 1, "leaf",
	    json_object_get(fixture.records[5], "leaf"));

	json_decref(fixture.records[5]);
	fixture.records[5] = bare;
	assert_int_equal(walk(&fixture, NULL, &whole, &err), 0);
	assert_int_equal(whole.redacted, 2);
	assert_int_equal(whole.dropped, 1);
	close_fixture(&fixture);
}

static void
test_every_change_is_found(void **state)
{
	struct fixture fixture;

	(void)state;
	for (int i = 0; i < RECORDS; i++) {
		open_fixture(&fixture);
		json_t *record = fixture.records[i];

		json_object_set_new(record, "event", json_string("other"));
		assert_found(&fixture, NULL, "not those that were hashed");
		json_object_del(record, "leaf");
		assert_found(&fixture, NULL, "not those that were signed");
		json_object_set_new(
		    record, "untrusted", json_pack("{s:i}", "detail", 0));
		assert_found(&fixture, NULL, "what a client wrote");
		json_object_set_new(record, "untrusted", json_real(1.5));
		assert_found(&fixture, NULL, "what a client wrote");
		json_object_set_new(record, "seq", json_string("1"));
		assert_found(&fixture, NULL, "no record");
		fixture.records[i] = NULL;
		assert_found(
		    &fixture, NULL, i + 1 == RECORDS ? "came" : "is missing");
		json_decref(record);
		close_fixture(&fixture);
	}
}

/* A leaf proves nothing that stands beside it. */
static void
test_what_was_dropped_says_nothing_more(void **state)
{
	static const char *const more[] = {"\"event\":\"task.denied\"",
	    "\"outcome\":\"succeeded\"", "\"untrusted\":{}",
	    "\"untrusted_salt\":\"00\"", "\"redacted\":true",
	    "\"unreadable\":true", "\"time\":\"once\"", "\"seq\":\"6\"",
	    "\"dropped\":1", "\"leaf\":null"};
	struct fixture fixture;
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT(more); i++) {
		auto_free char *text = alloc_printf("{%s}", more[i]);
		auto_json *members =
		    json_parse_strict(text, strlen(text), &err);

		open_fixture(&fixture);
		json_t *bare = json_pack("{s:i, s:s, s:b, s:O}", "seq", 6,
		    "time", "2026-01-02T03:04:05.678Z", "dropped", 1, "leaf",
		    json_object_get(fixture.records[5], "leaf"));

		assert_non_null(members);
		json_object_update(bare, members);
		json_decref(fixture.records[5]);
		fixture.records[5] = bare;
		assert_found(&fixture, NULL, "the record behind 5");
		close_fixture(&fixture);
	}
}

static void
test_another_checkpoint_is_found(void **state)
{
	struct fixture fixture;
	struct checkpoint longer = {.size = RECORDS + 1};

	(void)state;
	open_fixture(&fixture);
	assert_found(&fixture, &longer, "only");
	fixture.heads[5].root[0] ^= 1;
	assert_found(&fixture, &fixture.heads[5], "that was kept");
	close_fixture(&fixture);
}

static void
test_a_record_out_of_another_place_is_found(void **state)
{
	struct fixture fixture;
	struct audit_page page = {0};
	struct err err;

	(void)state;
	open_fixture(&fixture);
	/* Of two leaves, each is the other's proof. */
	page.head = fixture.heads[2];
	page.document =
	    json_pack("[O, O]", fixture.records[0], fixture.records[1]);
	page.records = page.document;
	for (int i = 0; i < 2; i++)
		json_object_set_new(fixture.records[i], "inclusion",
		    json_pack("[O]",
			json_object_get(fixture.records[1 - i], "leaf")));
	assert_int_equal(audit_page_check(&page, &err), 0);
	assert_null(json_object_get(fixture.records[0], "inclusion"));
	/* Without proof, and then with one of another place. */
	assert_int_equal(audit_page_check(&page, &err), -1);
	for (int i = 0; i < 2; i++)
		json_object_set_new(fixture.records[i], "inclusion",
		    json_pack(
			"[O]", json_object_get(fixture.records[i], "leaf")));
	assert_int_equal(audit_page_check(&page, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	json_decref(page.document);
	close_fixture(&fixture);
}

static void
test_a_number_or_a_task_is_shown(void **state)
{
	static const char *const bad[] = {"", "0", "-1", "1x", "x",
	    "1234567890123456789", "01932f0e-6f0a-7c3e-8a55"};
	auto_free char *path = NULL;
	auto_buffer escaped = BUFFER_INIT(100);
	bool is_one = false;
	struct err err;

	(void)state;
	assert_int_equal(audit_path_show("17", &path, &is_one, &err), 0);
	assert_string_equal(path, "/v1/audit?before=18&after=16");
	assert_true(is_one);
	free(take(path));
	assert_int_equal(audit_path_show("01932F0E-6f0a-7c3e-8a55-3f1f0c1b2a11",
			     &path, &is_one, &err),
	    0);
	assert_string_equal(
	    path, "/v1/audit?task=01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a11");
	assert_false(is_one);
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(
		    audit_path_show(bad[i], &path, &is_one, &err), -1);
	audit_path_escape(&escaped, "a/b&=\xc3\xa9");
	assert_string_equal(escaped.data, "a%2Fb%26%3D%C3%A9");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_was_signed_holds),
	    cmocka_unit_test(test_every_change_is_found),
	    cmocka_unit_test(test_what_was_dropped_says_nothing_more),
	    cmocka_unit_test(test_another_checkpoint_is_found),
	    cmocka_unit_test(test_a_record_out_of_another_place_is_found),
	    cmocka_unit_test(test_a_number_or_a_task_is_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
