/* Receipts: what the runner writes, read as a stranger's. */
#include "lib/receipt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/pem.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/proof.h"
#include "runner/audit.h"
#include "runner/audit_head.h"
#include "runner/audit_proof.h"
#include "tests/unit/audit_key.h"
#include "tests/unit/corpus.h"
#include "tests/unit/folder.h"

#define TASK "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a11"
#define OTHER "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a12"
#define WHEN INT64_C(1767323045678)

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

static void
write_record(struct fixture *fixture, enum event event, const char *task)
{
	struct audit_entry *entry = audit_entry_new(event, WHEN, "abc");
	struct database *database = &fixture->database;
	struct err err;

	entry->principal = json_pack("{s:s}", "subject", "alice");
	entry->object = json_pack("{s:s, s:i}", "task", task, "exit_code", 7);
	entry->outcome = alloc_string("failed");
	entry->untrusted = json_pack("{s:[s]}", "outputs", "a\nname");
	assert_int_equal(database_run(database, STATEMENT_BEGIN, &err, ""), 0);
	assert_int_equal(audit_append(database, entry, &err), 0);
	assert_int_equal(audit_head_seal(&fixture->head, database, &err), 0);
	assert_int_equal(database_run(database, STATEMENT_COMMIT, &err, ""), 0);
	audit_head_committed(&fixture->head);
	audit_entry_free(entry);
}

static void
write_others(struct fixture *fixture, int count)
{
	for (int i = 0; i < count; i++)
		write_record(fixture, EVENT_TASK_STARTED, OTHER);
}

static char *
make_receipt(struct fixture *fixture, size_t *ret_len)
{
	char *text = NULL;
	struct err err;

	if (audit_receipt(&fixture->database, TASK, &text, ret_len, &err) != 0)
		fail_msg("%s", err.detail);
	assert_int_equal(strlen(text), *ret_len);
	return text;
}

static int
open_text(const struct fixture *fixture, const char *text, size_t len,
    struct err *err)
{
	struct receipt receipt;

	if (receipt_open(text, len, &fixture->keys, &receipt, err) != 0)
		return -1;
	receipt_done(&receipt);
	return 0;
}

static void
test_a_receipt_says_what_the_log_says(void **state)
{
	struct fixture fixture;
	struct receipt receipt;
	struct err err;
	size_t len;

	open_fixture(&fixture, *state);
	for (int before = 0; before < 20; before++) {
		write_others(&fixture, 1);
		if (before == 9)
			write_record(&fixture, EVENT_TASK_FINISHED, TASK);
		if (before < 9)
			continue;
		auto_free char *text = make_receipt(&fixture, &len);

		if (receipt_open(text, len, &fixture.keys, &receipt, &err) != 0)
			fail_msg("%s", err.detail);
		assert_string_equal(receipt.task, TASK);
		assert_int_equal(receipt.seq, 11);
		assert_int_equal(receipt.head.size, before + 2);
		assert_string_equal(receipt.head.origin, AUDIT_ORIGIN);
		assert_int_equal(json_integer_value(json_object_get(
				     receipt.object, "exit_code")),
		    7);
		assert_non_null(json_object_get(receipt.untrusted, "outputs"));
		receipt_done(&receipt);
	}
	close_fixture(&fixture);
}

static void
test_any_bit_changed_is_refused(void **state)
{
	struct fixture fixture;
	struct err err;
	size_t len;

	open_fixture(&fixture, *state);
	write_others(&fixture, 5);
	write_record(&fixture, EVENT_TASK_FINISHED, TASK);
	write_others(&fixture, 7);
	auto_free char *text = make_receipt(&fixture, &len);

	assert_int_equal(open_text(&fixture, text, len, &err), 0);
	for (size_t bit = 0; bit < 8 * len; bit++) {
		text[bit / 8] ^= (char)(1 << bit % 8);
		if (open_text(&fixture, text, len, &err) == 0)
			fail_msg("bit %zu: %s", bit, text);
		assert_true(err.detail[0] != '\0');
		text[bit / 8] ^= (char)(1 << bit % 8);
	}
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(open_text(&fixture, text, cut, &err), -1);
	close_fixture(&fixture);
}

static void
test_what_is_added_left_out_or_spelt_otherwise_is_refused(void **state)
{
	static const char *const places[] = {
	    "{", "\"record\":{", "\"object\":{", "\"untrusted\":{"};
	struct fixture fixture;
	struct err err;
	size_t len;

	open_fixture(&fixture, *state);
	write_record(&fixture, EVENT_TASK_FINISHED, TASK);
	auto_free char *text = make_receipt(&fixture, &len);

	for (size_t i = 0; i < COUNT(places); i++) {
		const char *at = strstr(text, places[i]) + strlen(places[i]);
		auto_free char *more =
		    alloc_printf("%.*s\"a\":1,%s", (int)(at - text), text, at);
		auto_free char *blank =
		    alloc_printf("%.*s %s", (int)(at - text), text, at);

		assert_int_equal(
		    open_text(&fixture, more, strlen(more), &err), -1);
		assert_int_equal(
		    open_text(&fixture, blank, strlen(blank), &err), -1);
	}
	auto_free char *twice = alloc_printf("%s\n", text);

	assert_int_equal(open_text(&fixture, twice, len + 1, &err), -1);
	assert_int_equal(open_text(&fixture, text, len - 1, &err), -1);
	close_fixture(&fixture);
}

static void
test_what_is_too_long_is_not_looked_at(void **state)
{
	struct fixture fixture;
	struct err err;

	open_fixture(&fixture, *state);
	auto_free char *text = alloc_zero(RECEIPT_MAX + 2, 1);

	memset(text, ' ', RECEIPT_MAX + 1);
	assert_int_equal(open_text(&fixture, text, RECEIPT_MAX + 1, &err), -1);
	assert_non_null(strstr(err.detail, "more than"));
	close_fixture(&fixture);
}

static void
test_another_key_or_an_older_one_is_told_apart(void **state)
{
	struct fixture fixture;
	struct audit_keys keys = {0};
	struct receipt receipt;
	struct err err;
	size_t len;

	open_fixture(&fixture, *state);
	write_record(&fixture, EVENT_TASK_FINISHED, TASK);
	auto_free char *text = make_receipt(&fixture, &len);

	assert_int_equal(receipt_open(text, len, &keys, &receipt, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	keys.list[keys.count++] = audit_key_make(AUDIT_KEY_FIRST + 1);
	assert_int_equal(receipt_open(text, len, &keys, &receipt, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	/* A rotation leaves the old one behind the new. */
	keys.list[keys.count++] = audit_key_make(AUDIT_KEY_FIRST);
	assert_int_equal(receipt_open(text, len, &keys, &receipt, &err), 0);
	receipt_done(&receipt);
	audit_keys_done(&keys);
	close_fixture(&fixture);
}

static void
test_what_a_client_wrote_can_be_taken_out(void **state)
{
	struct fixture fixture;
	struct receipt receipt;
	struct err err;
	size_t len;

	open_fixture(&fixture, *state);
	write_record(&fixture, EVENT_TASK_FINISHED, TASK);
	assert_int_equal(sqlite3_exec(fixture.database.handle,
			     "UPDATE audit SET untrusted = NULL, salt = NULL",
			     NULL, NULL, NULL),
	    SQLITE_OK);
	auto_free char *text = make_receipt(&fixture, &len);

	assert_int_equal(
	    receipt_open(text, len, &fixture.keys, &receipt, &err), 0);
	assert_null(receipt.untrusted);
	receipt_done(&receipt);
	close_fixture(&fixture);
}

static void
test_a_record_of_something_else_is_no_receipt(void **state)
{
	struct fixture fixture;
	struct merkle_proof inclusion;
	AUTO(audit_signed_done) struct audit_signed head = {0};
	AUTO(record_parts_done) struct record_parts parts = {0};
	struct err err;
	size_t len = 0;

	open_fixture(&fixture, *state);
	write_record(&fixture, EVENT_TASK_STARTED, TASK);
	assert_int_equal(audit_signed_read(&fixture.database, &head, &err), 0);
	assert_int_equal(
	    audit_prove_inclusion(&fixture.database, 1, 1, &inclusion, &err),
	    0);
	auto_buffer lines = BUFFER_INIT(SIZE_MAX);
	int64_t count, last;

	assert_int_equal(
	    audit_select(&fixture.database, &(struct audit_query){.limit = 1},
		&lines, &count, &last, &err),
	    0);
	auto_json *shown = json_parse_strict(lines.data, lines.len - 1, &err);

	record_split(shown, &parts);
	auto_free char *text =
	    receipt_write(&parts, head.note, &inclusion, &len);

	assert_int_equal(open_text(&fixture, text, len, &err), -1);
	assert_int_equal(err.code, ERR_UNPROCESSABLE);
	char *none = NULL;

	assert_int_equal(
	    audit_receipt(&fixture.database, TASK, &none, &len, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	close_fixture(&fixture);
}

/* -- the log goes on */

static struct checkpoint
sign_now(struct fixture *fixture)
{
	AUTO(audit_signed_done) struct audit_signed head = {0};
	struct checkpoint checkpoint;
	struct err err;

	assert_int_equal(audit_signed_read(&fixture->database, &head, &err), 0);
	assert_int_equal(audit_keys_open(&fixture->keys, head.note,
			     strlen(head.note), NULL, &checkpoint, &err),
	    0);
	assert_int_equal(checkpoint.size, head.size);
	return checkpoint;
}

static void
test_it_holds_against_every_checkpoint_from_its_own_on(void **state)
{
	struct fixture fixture;
	struct checkpoint heads[20];
	struct merkle_proof proof;
	struct err err;

	open_fixture(&fixture, *state);
	for (size_t i = 0; i < COUNT(heads); i++) {
		write_others(&fixture, 1);
		heads[i] = sign_now(&fixture);
	}
	for (size_t i = 0; i < COUNT(heads); i++) {
		for (size_t k = i; k < COUNT(heads); k++) {
			assert_int_equal(
			    audit_prove_extension(&fixture.database,
				(int64_t)i + 1, (int64_t)k + 1, &proof, &err),
			    0);
			assert_int_equal(checkpoint_compare(&heads[i],
					     &heads[k], &proof, &err),
			    0);
			assert_int_equal(checkpoint_compare(&heads[k],
					     &heads[i], &proof, &err),
			    0);
		}
	}
	/* Another log of the same length, and one of another name. */
	heads[3].root[0] ^= 1;
	assert_int_equal(
	    audit_prove_extension(&fixture.database, 4, 20, &proof, &err), 0);
	assert_int_equal(
	    checkpoint_compare(&heads[3], &heads[19], &proof, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	heads[3].root[0] ^= 1;
	heads[3].origin[0] = 'x';
	assert_int_equal(
	    checkpoint_compare(&heads[3], &heads[19], &proof, &err), -1);
	close_fixture(&fixture);
}

static void
test_what_the_log_has_not_cannot_be_proved(void **state)
{
	struct fixture fixture;
	struct audit_signed head = {0};
	struct merkle_proof proof;
	struct err err;

	open_fixture(&fixture, *state);
	assert_int_equal(audit_signed_read(&fixture.database, &head, &err), -1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	write_others(&fixture, 3);
	assert_int_equal(
	    audit_prove_inclusion(&fixture.database, 3, 4, &proof, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(
	    audit_prove_extension(&fixture.database, 3, 2, &proof, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(
	    audit_prove_extension(&fixture.database, 3, 9, &proof, &err), -1);
	close_fixture(&fixture);
}

static void
test_a_proof_goes_through_json_unchanged(void **state)
{
	struct merkle_proof proof = {.count = MERKLE_PROOF_MAX}, again;
	struct err err;

	(void)state;
	for (size_t i = 0; i < proof.count; i++)
		digest_sha256(&i, sizeof(i), proof.hashes[i]);
	auto_json *array = proof_write(&proof);

	assert_int_equal(proof_read(array, &again, &err), 0);
	assert_memory_equal(&again, &proof, sizeof(proof));
	json_array_append_new(array, json_string(""));
	assert_int_equal(proof_read(array, &again, &err), -1);
	json_array_clear(array);
	json_array_append_new(array, json_integer(1));
	assert_int_equal(proof_read(array, &again, &err), -1);
	assert_int_equal(proof_read(NULL, &again, &err), -1);
}

/* -- the corpus */

static struct audit_keys *corpus_keys;

static int
open_case(const struct corpus_case *one, struct err *err)
{
	size_t len;
	auto_free char *text = corpus_read(one, "receipt", &len);
	struct receipt receipt;

	if (receipt_open(text, len, corpus_keys, &receipt, err) != 0)
		return -1;
	receipt_done(&receipt);
	return 0;
}

static void
visit_accept(const struct corpus_case *one)
{
	struct err err;

	if (open_case(one, &err) != 0)
		fail_msg("%s: %s", one->name, err.detail);
}

static void
visit_reject(const struct corpus_case *one)
{
	struct err err = {0};

	if (open_case(one, &err) == 0)
		fail_msg("%s was accepted", one->name);
	if (err.code != ERR_UNPROCESSABLE && err.code != ERR_CONFLICT)
		fail_msg("%s: code %d", one->name, err.code);
}

static void
test_corpus_is_read_as_it_says(void **state)
{
	struct audit_keys keys = {{audit_key_make(AUDIT_KEY_FIRST)}, 1};

	(void)state;
	corpus_keys = &keys;
	corpus_each("receipt", "accept", visit_accept);
	corpus_each("receipt", "reject", visit_reject);
	audit_keys_done(&keys);
}

/* -- the keys */

static char *
encode_key(EVP_PKEY *key)
{
	BIO *out = BIO_new(BIO_s_mem());
	char *text = NULL;
	long len;

	assert_int_equal(PEM_write_bio_PUBKEY(out, key), 1);
	len = BIO_get_mem_data(out, &text);
	text = alloc_bytes(text, (size_t)len);
	BIO_free(out);
	return text;
}

static void
test_a_file_of_keys_is_read_whole_or_refused(void **state)
{
	struct audit_keys one = {{audit_key_make(AUDIT_KEY_FIRST)}, 1};
	struct audit_keys found = {0};
	auto_free char *pem = encode_key(one.list[0]);
	auto_free char *two = alloc_printf("%s# old\n%s\n", pem, pem);
	auto_free char *cut = alloc_printf("%s-----BEGIN PUBLIC", pem);
	struct err err;

	(void)state;
	assert_int_equal(audit_keys_add(&found, two, strlen(two), &err), 0);
	assert_int_equal(found.count, 2);
	assert_int_equal(EVP_PKEY_eq(found.list[1], one.list[0]), 1);
	assert_int_equal(audit_keys_add(&found, cut, strlen(cut), &err), -1);
	assert_int_equal(audit_keys_add(&found, "", 0, &err), -1);
	assert_int_equal(err.code, ERR_UNPROCESSABLE);
	audit_keys_done(&found);
	audit_keys_done(&one);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define WITH_FOLDER(test) \
	cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)
	    WITH_FOLDER(test_a_receipt_says_what_the_log_says),
	    WITH_FOLDER(test_any_bit_changed_is_refused),
	    WITH_FOLDER(
		test_what_is_added_left_out_or_spelt_otherwise_is_refused),
	    WITH_FOLDER(test_what_is_too_long_is_not_looked_at),
	    WITH_FOLDER(test_another_key_or_an_older_one_is_told_apart),
	    WITH_FOLDER(test_what_a_client_wrote_can_be_taken_out),
	    WITH_FOLDER(test_a_record_of_something_else_is_no_receipt),
	    WITH_FOLDER(test_it_holds_against_every_checkpoint_from_its_own_on),
	    WITH_FOLDER(test_what_the_log_has_not_cannot_be_proved),
	    cmocka_unit_test(test_a_proof_goes_through_json_unchanged),
	    cmocka_unit_test(test_corpus_is_read_as_it_says),
	    cmocka_unit_test(test_a_file_of_keys_is_read_whole_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
