/*
 * A store that a crash cut off, at every place: what was committed is there,
 * what was not is counted, and the log is the one that was signed.
 */
#include "runner/wal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "runner/audit.h"
#include "runner/store.h"
#include "tests/unit/audit_key.h"
#include "tests/unit/folder.h"

#define COMMITS 6
#define HEADER 32
#define FRAME (24 + 4096)

struct bytes {
	uint8_t data[1024 * 1024];
	size_t len;
};

static struct bytes database, wal, cut;

static void
read_bytes(const char *path, struct bytes *ret)
{
	auto_file FILE *file = fopen(path, "rbe");

	assert_non_null(file);
	ret->len = fread(ret->data, 1, sizeof(ret->data), file);
	assert_true(ret->len < sizeof(ret->data));
}

static void
write_bytes(const char *path, const uint8_t *data, size_t len)
{
	auto_file FILE *file = fopen(path, "wbe");

	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, len, file), len);
}

static int
append(struct database *handle, struct audit_head *head)
{
	struct audit_entry *entry =
	    audit_entry_new(EVENT_TASK_ACCEPTED, 1767323045678, "abc");
	struct err err;
	int result = database_run(handle, STATEMENT_BEGIN, &err, "");

	if (result == 0)
		result = audit_append(handle, entry, &err);
	if (result == 0)
		result = audit_head_seal(head, handle, &err);
	if (result == 0)
		result = database_run(handle, STATEMENT_COMMIT, &err, "");
	if (result == 0)
		audit_head_committed(head);
	audit_entry_free(entry);
	return result;
}

static void
open_database(const char *path, struct database *ret)
{
	struct err err;

	if (database_open(path, ret, &err) != 0)
		fail_msg("%s", err.detail);
}

/* What a runner leaves that is killed; *ret_ends: behind each commit. */
static void
make_crashed(const char *path, const char *log, size_t ends[COMMITS])
{
	struct database handle;
	struct audit_head head;

	open_database(path, &handle);
	database_close(&handle);
	open_database(path, &handle);
	audit_head_init(
	    &head, audit_key_signer()->key, audit_key_signer()->origin);
	for (size_t i = 0; i < COMMITS; i++) {
		assert_int_equal(append(&handle, &head), 0);
		read_bytes(log, &wal);
		ends[i] = wal.len;
	}
	read_bytes(path, &database);
	audit_head_done(&head);
	database_close(&handle);
}

static int64_t
count_records(struct database *handle)
{
	struct err err;
	int64_t count = 0;

	assert_int_equal(
	    database_query(handle, "SELECT count(*) FROM audit", &count, &err),
	    0);
	return count;
}

/* Whether more can be added to what is there: it is what was signed. */
static void
check_opens(const char *path, const char *log, size_t len, int64_t records,
    int64_t torn)
{
	struct database handle;
	struct audit_head head;

	write_bytes(path, database.data, database.len);
	write_bytes(log, cut.data, len);
	open_database(path, &handle);
	assert_int_equal(count_records(&handle), records);
	assert_int_equal(handle.past.wal.torn_bytes, torn);
	assert_int_equal(handle.past.crashed, records > 0);
	audit_head_init(
	    &head, audit_key_signer()->key, audit_key_signer()->origin);
	assert_int_equal(append(&handle, &head), 0);
	assert_int_equal(count_records(&handle), records + 1);
	audit_head_done(&head);
	database_close(&handle);
}

static void
test_cut_off_anywhere_it_is_mended_and_counted(void **state)
{
	auto_free char *path = folder_path(*state, "store.db");
	auto_free char *log = folder_path(*state, "store.db-wal");
	size_t ends[COMMITS];

	make_crashed(path, log, ends);
	cut = wal;
	for (size_t len = 0; len <= wal.len; len += len < 64 ? 1 : 1511) {
		int64_t records = 0;
		size_t end = len < HEADER ? 0 : HEADER;

		while (records < COMMITS && ends[records] <= len)
			end = ends[records++];
		check_opens(path, log, len, records, (int64_t)(len - end));
	}
	check_opens(path, log, wal.len, COMMITS, 0);
}

static void
test_a_changed_byte_ends_it_there(void **state)
{
	auto_free char *path = folder_path(*state, "store.db");
	auto_free char *log = folder_path(*state, "store.db-wal");
	size_t ends[COMMITS];

	make_crashed(path, log, ends);
	for (size_t at = ends[2]; at < ends[3]; at += 331) {
		size_t in_frame = (at - HEADER) % FRAME;

		/* Another salt is another round's: no part of this one. */
		if (in_frame >= 8 && in_frame < 16)
			continue;
		cut = wal;
		cut.data[at] ^= 0x10;
		check_opens(
		    path, log, wal.len, 3, (int64_t)(wal.len - ends[2]));
	}
}

static void
test_what_an_earlier_round_left_is_not_torn(void **state)
{
	auto_free char *path = folder_path(*state, "store.db");
	auto_free char *log = folder_path(*state, "store.db-wal");
	size_t ends[COMMITS];

	make_crashed(path, log, ends);
	cut = wal;
	for (size_t at = ends[1]; at < wal.len; at += FRAME)
		memset(cut.data + at + 8, 0x5a, 8);
	check_opens(path, log, wal.len, 2, 0);
}

static void
test_no_log_and_an_end_in_order_are_no_crash(void **state)
{
	auto_free char *path = folder_path(*state, "store.db");
	struct database handle;

	for (int i = 0; i < 2; i++) {
		open_database(path, &handle);
		assert_false(handle.past.crashed);
		assert_int_equal(handle.past.wal.torn_bytes, 0);
		assert_int_equal(handle.past.wal.committed_bytes, 0);
		database_close(&handle);
	}
}

int
main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
	    TEST(test_cut_off_anywhere_it_is_mended_and_counted),
	    TEST(test_a_changed_byte_ends_it_there),
	    TEST(test_what_an_earlier_round_left_is_not_torn),
	    TEST(test_no_log_and_an_end_in_order_are_no_crash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
