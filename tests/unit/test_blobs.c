/* Blobs: uploads, what they count, how they are found, and how they go. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/digest.h"
#include "lib/file.h"
#include "runner/blobs_state.h"
#include "runner/file_digest.h"
#include "tests/unit/audit_key.h"
#include "tests/unit/folder.h"

#define TASK "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a11"
#define SHA_ABC \
	"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define DAY_MS (INT64_C(24) * 3600 * 1000)

struct fixture {
	const char *folder;
	uv_loop_t loop;
	struct store *store;
	struct output_store outputs;
	struct blobs *blobs;
	struct blobs_bounds bounds;
};

static void
on_changed(void *arg)
{
	(void)arg;
}

static void
open_again(struct fixture *fixture)
{
	auto_free char *store = folder_path(fixture->folder, "store.db");
	auto_free char *output = folder_path(fixture->folder, "output");
	auto_free char *path = folder_path(fixture->folder, "blobs");
	struct err err;

	uv_loop_init(&fixture->loop);
	fixture->store = store_open(
	    &fixture->loop, store, audit_key_signer(), on_changed, NULL, &err);
	if (fixture->store == NULL ||
	    output_store_open(
		&fixture->loop, output, &fixture->outputs, &err) != 0)
		fail_msg("%s", err.detail);
	fixture->blobs = blobs_open(&fixture->loop, fixture->store,
	    &fixture->outputs, path, &fixture->bounds, &err);
	if (fixture->blobs == NULL)
		fail_msg("%s", err.detail);
	while (!fixture->blobs->ready || fixture->blobs->users > 0)
		uv_run(&fixture->loop, UV_RUN_ONCE);
}

static void
open_fixture(struct fixture *fixture, const char *folder)
{
	signal(SIGXFSZ, SIG_IGN);
	*fixture = (struct fixture){
	    .folder = folder,
	    .bounds = {.blob_max = 64 << 20,
		.per_subject = 128 << 20,
		.total = 256 << 20,
		.max_age_s = 3600},
	};
	open_again(fixture);
}

static void
close_fixture(struct fixture *fixture)
{
	blobs_close(fixture->blobs);
	store_close(fixture->store);
	uv_run(&fixture->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&fixture->loop), 0);
	output_store_close(&fixture->outputs);
}

/* Turns the loop until nothing is under way. */
static void
settle(struct fixture *fixture)
{
	while (fixture->blobs->users > 0 || store_pending(fixture->store) > 0)
		uv_run(&fixture->loop, UV_RUN_ONCE);
}

/* -- a look into the store, and a hand in it */

struct look {
	struct store_op op;
	const char *sql;
	int64_t result;
	bool done;
};

static int
run_look(struct store_op *op, struct database *database, struct err *err)
{
	struct look *look = (struct look *)op;

	return database_query(database, look->sql, &look->result, err);
}

static void
look_done(struct store_op *op, const struct err *err)
{
	if (err != NULL)
		fail_msg("%s: %s", ((struct look *)op)->sql, err->detail);
	((struct look *)op)->done = true;
}

static void
begin_look(struct fixture *fixture, const char *sql, struct look *look)
{
	*look = (struct look){
	    .op = {.run = run_look, .done = look_done}, .sql = sql};
	store_submit(fixture->store, &look->op);
}

static int64_t
query(struct fixture *fixture, const char *sql)
{
	struct look look;

	begin_look(fixture, sql, &look);
	while (!look.done)
		uv_run(&fixture->loop, UV_RUN_ONCE);
	return look.result;
}

static size_t
count_files(const struct fixture *fixture, const char *folder)
{
	auto_free char *path =
	    alloc_printf("%s/blobs/%s", fixture->folder, folder);

	return folder_count(path);
}

static char *
blob_path(const struct fixture *fixture, const char *sha256)
{
	char name[BLOB_NAME_SIZE];

	blob_name(sha256, name);
	return alloc_printf("%s/blobs/%s", fixture->folder, name);
}

static bool
is_there(const struct fixture *fixture, const char *sha256)
{
	auto_free char *path = blob_path(fixture, sha256);

	return access(path, F_OK) == 0;
}

/* -- an upload */

struct upload {
	struct blob_writer *writer;
	const char *data;
	size_t len, sent;
	bool finishes, finished;
	struct err err;
	struct blob_stored stored;
	int rooms, done;
};

static void
on_done(void *arg, const struct err *err, const struct blob_stored *stored)
{
	struct upload *upload = arg;

	upload->done++;
	upload->err = err != NULL ? *err : (struct err){0};
	if (stored != NULL)
		upload->stored = *stored;
	upload->writer = NULL;
}

static void
on_room(void *arg)
{
	struct upload *upload = arg;
	size_t room;

	upload->rooms++;
	/* As a pipe gives it. */
	while (upload->sent < upload->len &&
	    (room = blobs_room(upload->writer)) > 0) {
		size_t len = upload->len - upload->sent;

		if (len > room)
			len = room;
		if (len > 60000)
			len = 60000;
		if (blobs_write(upload->writer, upload->data + upload->sent,
			len, &upload->err) != 0) {
			blobs_abort(take(upload->writer));
			upload->done++;
			return;
		}
		upload->sent += len;
	}
	if (upload->sent == upload->len && upload->finishes &&
	    !upload->finished) {
		upload->finished = true;
		blobs_finish(upload->writer, on_done, upload);
	}
}

static struct audit_entry *
make_entry(const char *subject)
{
	struct audit_entry *entry =
	    audit_entry_new(EVENT_BLOB_STORED, clock_wall_ms(), NULL);

	entry->principal = json_pack("{s:s}", "subject", subject);
	return entry;
}

static bool
begin(struct fixture *fixture, struct upload *upload, const char *subject,
    const char *sha256)
{
	const struct blob_order order = {
	    .subject = subject,
	    .sha256 = sha256,
	    .entry = make_entry(subject),
	    .room = on_room,
	    .arg = upload,
	};

	upload->finishes = true;
	upload->writer = blobs_begin(fixture->blobs, &order, &upload->err);
	return upload->writer != NULL;
}

static enum err_code
deliver(struct fixture *fixture, struct upload *upload, const char *subject,
    const char *sha256, const char *data, size_t len)
{
	unsigned others = fixture->blobs->users;

	*upload = (struct upload){.data = data, .len = len};
	if (!begin(fixture, upload, subject, sha256))
		return upload->err.code;
	while (upload->done == 0 || fixture->blobs->users > others)
		uv_run(&fixture->loop, UV_RUN_ONCE);
	assert_int_equal(upload->done, 1);
	return upload->err.code;
}

static void
send_abc(struct fixture *fixture, const char *subject)
{
	struct upload upload;

	assert_int_equal(
	    deliver(fixture, &upload, subject, SHA_ABC, "abc", 3), ERR_NONE);
}

static void
expect_nothing(struct fixture *fixture)
{
	assert_int_equal(blobs_bytes(fixture->blobs), 0);
	assert_int_equal(fixture->blobs->accounts.count, 0);
	assert_int_equal(fixture->blobs->uploads, 0);
	assert_int_equal(count_files(fixture, "tmp"), 0);
	assert_int_equal(query(fixture, "SELECT count(*) FROM blob"), 0);
}

static void
test_an_upload_is_durable_with_its_record(void **state)
{
	struct fixture fixture;
	struct upload upload;
	struct stat st;
	int64_t before = clock_wall_ms();
	auto_free char *path = NULL;

	open_fixture(&fixture, *state);
	assert_int_equal(
	    deliver(&fixture, &upload, "alice", SHA_ABC, "abc", 3), ERR_NONE);
	assert_int_equal(upload.stored.size, 3);
	assert_false(upload.stored.existed);
	assert_true(upload.stored.expires_ms >= before + 3600 * 1000);
	path = blob_path(&fixture, SHA_ABC);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0400);
	assert_int_equal(st.st_size, 3);
	assert_int_equal(st.st_nlink, 1);
	assert_int_equal(count_files(&fixture, "tmp"), 0);
	assert_int_equal(blobs_bytes(fixture.blobs), BLOB_COUNTED_BYTES);
	assert_int_equal(
	    query(&fixture,
		"SELECT count(*) FROM audit WHERE event = 'blob.stored' "
		"AND record LIKE '%\"subject\":\"alice\"%' "
		"AND record LIKE '%" SHA_ABC "%'"),
	    1);
	close_fixture(&fixture);
	/* And counted again in the next life. */
	open_again(&fixture);
	assert_int_equal(blobs_bytes(fixture.blobs), BLOB_COUNTED_BYTES);
	close_fixture(&fixture);
}

static void
test_an_empty_file_can_be_uploaded(void **state)
{
	struct fixture fixture;
	struct upload upload;

	open_fixture(&fixture, *state);
	assert_int_equal(
	    deliver(&fixture, &upload, "alice", SHA256_OF_NOTHING, "", 0),
	    ERR_NONE);
	assert_int_equal(upload.stored.size, 0);
	assert_true(is_there(&fixture, SHA256_OF_NOTHING));
	assert_int_equal(blobs_bytes(fixture.blobs), BLOB_COUNTED_BYTES);
	close_fixture(&fixture);
}

static void
test_another_digest_than_announced_keeps_nothing(void **state)
{
	struct fixture fixture;
	struct upload upload;
	auto_free char *data = alloc_zero(3 << 20, 1);

	open_fixture(&fixture, *state);
	assert_int_equal(deliver(&fixture, &upload, "alice", SHA_ABC, "abd", 3),
	    ERR_UNPROCESSABLE);
	assert_int_equal(deliver(&fixture, &upload, "alice", SHA_ABC, "", 0),
	    ERR_UNPROCESSABLE);
	assert_int_equal(
	    deliver(&fixture, &upload, "alice", SHA_ABC, data, 3 << 20),
	    ERR_UNPROCESSABLE);
	assert_false(is_there(&fixture, SHA_ABC));
	expect_nothing(&fixture);
	assert_int_equal(query(&fixture, "SELECT count(*) FROM audit"), 0);
	/* Nor does it touch what somebody has. */
	send_abc(&fixture, "bob");
	assert_int_equal(deliver(&fixture, &upload, "alice", SHA_ABC, "abd", 3),
	    ERR_UNPROCESSABLE);
	assert_int_equal(deliver(&fixture, &upload, "bob", SHA_ABC, "abd", 3),
	    ERR_UNPROCESSABLE);
	assert_true(is_there(&fixture, SHA_ABC));
	close_fixture(&fixture);
}

static void
test_what_a_subject_has_already_is_not_stored_again(void **state)
{
	struct fixture fixture;
	struct upload upload;

	open_fixture(&fixture, *state);
	send_abc(&fixture, "alice");
	query(&fixture, "UPDATE blob SET used_ms = 1 RETURNING 1");
	assert_int_equal(
	    deliver(&fixture, &upload, "alice", SHA_ABC, "abc", 3), ERR_NONE);
	assert_true(upload.stored.existed);
	assert_true(query(&fixture, "SELECT used_ms FROM blob") > 1);
	assert_int_equal(blobs_bytes(fixture.blobs), BLOB_COUNTED_BYTES);
	assert_int_equal(query(&fixture, "SELECT count(*) FROM audit"), 1);
	close_fixture(&fixture);
}

static void
test_two_subjects_share_the_file_and_each_counts_it(void **state)
{
	struct fixture fixture;
	struct upload upload;

	open_fixture(&fixture, *state);
	send_abc(&fixture, "alice");
	assert_int_equal(
	    deliver(&fixture, &upload, "bob", SHA_ABC, "abc", 3), ERR_NONE);
	/* Nothing tells bob that somebody has it. */
	assert_false(upload.stored.existed);
	assert_int_equal(blobs_bytes(fixture.blobs), 2 * BLOB_COUNTED_BYTES);
	assert_int_equal(query(&fixture, "SELECT count(*) FROM blob"), 2);
	assert_int_equal(count_files(&fixture, "ba"), 1);
	close_fixture(&fixture);
}

static char *
make_large(size_t len, char ret_sha256[SHA256_HEX])
{
	char *data = alloc_zero(len, 1);

	for (size_t i = 0; i < len; i++)
		data[i] = (char)(i * 31 + i / 4096);
	digest_sha256_hex(data, len, ret_sha256);
	return data;
}

static void
test_a_large_one_comes_as_there_is_room(void **state)
{
	struct fixture fixture;
	struct upload upload;
	char sha256[SHA256_HEX];
	size_t len = (20 << 20) + 17, got = 0;
	auto_free char *data = make_large(len, sha256);
	auto_free char *path = NULL, *found = NULL;
	struct err err;

	open_fixture(&fixture, *state);
	assert_int_equal(
	    deliver(&fixture, &upload, "alice", sha256, data, len), ERR_NONE);
	assert_true(upload.rooms > 10);
	path = blob_path(&fixture, sha256);
	found = file_read(path, len, &got, &err);
	assert_non_null(found);
	assert_int_equal(got, len);
	assert_memory_equal(found, data, len);
	assert_int_equal(blobs_bytes(fixture.blobs), len);
	close_fixture(&fixture);
}

static void
test_one_that_is_too_large_is_refused_while_it_comes(void **state)
{
	struct fixture fixture;
	struct upload upload;
	char sha256[SHA256_HEX];
	auto_free char *data = make_large(2 << 20, sha256);

	open_fixture(&fixture, *state);
	fixture.blobs->bounds.blob_max = (2 << 20) - 1;
	assert_int_equal(
	    deliver(&fixture, &upload, "alice", sha256, data, 2 << 20),
	    ERR_TOO_LARGE);
	expect_nothing(&fixture);
	fixture.blobs->bounds.blob_max = 2 << 20;
	assert_int_equal(
	    deliver(&fixture, &upload, "alice", sha256, data, 2 << 20),
	    ERR_NONE);
	close_fixture(&fixture);
}

static void
test_a_quota_counts_what_is_stored_and_what_is_coming(void **state)
{
	struct fixture fixture;
	struct upload first = {.data = "abc", .len = 3}, second;
	char sha256[SHA256_HEX];
	auto_free char *data = make_large(8192, sha256);

	open_fixture(&fixture, *state);
	fixture.blobs->bounds.per_subject = 8192 + 4095;
	assert_true(begin(&fixture, &first, "alice", SHA_ABC));
	first.finishes = false;
	while (first.sent < 3)
		uv_run(&fixture.loop, UV_RUN_ONCE);
	assert_int_equal(blobs_bytes(fixture.blobs), BLOB_COUNTED_BYTES);
	assert_int_equal(
	    deliver(&fixture, &second, "bob", sha256, data, 8192), ERR_NONE);
	second = (struct upload){.data = data, .len = 8192};
	assert_true(begin(&fixture, &second, "alice", sha256));
	while (second.done == 0)
		uv_run(&fixture.loop, UV_RUN_ONCE);
	assert_int_equal(second.err.code, ERR_BUSY);
	/* What breaks off is given back. */
	blobs_abort(first.writer);
	settle(&fixture);
	assert_int_equal(
	    deliver(&fixture, &second, "alice", sha256, data, 8192), ERR_NONE);
	/* The smallest file counts as a block. */
	assert_int_equal(
	    deliver(&fixture, &second, "alice", SHA_ABC, "abc", 3), ERR_BUSY);
	assert_int_equal(
	    deliver(&fixture, &second, "alice", SHA256_OF_NOTHING, "", 0),
	    ERR_BUSY);
	/* What is there already counts nothing more. */
	assert_int_equal(
	    deliver(&fixture, &second, "alice", sha256, data, 8192), ERR_NONE);
	assert_int_equal(blobs_bytes(fixture.blobs), 2 * 8192);
	fixture.blobs->bounds.total = 2 * 8192 + 4095;
	assert_int_equal(
	    deliver(&fixture, &second, "carol", SHA_ABC, "abc", 3), ERR_BUSY);
	close_fixture(&fixture);
}

static void
test_uploads_at_a_time_are_bounded(void **state)
{
	struct fixture fixture;
	static struct upload uploads[BLOBS_UPLOADS_MAX + 1];
	struct upload one_more = {0};
	char subject[16];
	int i;

	memset(uploads, 0, sizeof(uploads));
	open_fixture(&fixture, *state);
	for (i = 0; i < BLOBS_UPLOADS_MAX; i++) {
		snprintf(subject, sizeof(subject), "s%d",
		    i / BLOBS_UPLOADS_PER_SUBJECT);
		assert_true(begin(&fixture, &uploads[i], subject, SHA_ABC));
		uploads[i].finishes = false;
		if (i == BLOBS_UPLOADS_PER_SUBJECT - 1) {
			assert_false(
			    begin(&fixture, &one_more, subject, SHA_ABC));
			assert_int_equal(one_more.err.code, ERR_BUSY);
		}
	}
	assert_false(begin(&fixture, &one_more, "another", SHA_ABC));
	assert_int_equal(one_more.err.code, ERR_BUSY);
	for (i = 0; i < BLOBS_UPLOADS_MAX; i++)
		blobs_abort(uploads[i].writer);
	settle(&fixture);
	expect_nothing(&fixture);
	send_abc(&fixture, "another");
	close_fixture(&fixture);
}

/* After as many turns of the loop as it takes, and one more each time. */
static void
test_an_upload_can_break_off_at_any_moment(void **state)
{
	struct fixture fixture;
	char sha256[SHA256_HEX];
	size_t len = 2 << 20;
	auto_free char *data = make_large(len, sha256);
	bool came_whole = false;

	open_fixture(&fixture, *state);
	for (int turns = 0; !came_whole; turns++) {
		struct upload upload = {.data = data, .len = len};

		assert_true(begin(&fixture, &upload, "alice", sha256));
		upload.finishes = false;
		for (int i = 0; i < turns && upload.sent < len; i++)
			uv_run(&fixture.loop, UV_RUN_ONCE);
		came_whole = upload.sent == len;
		blobs_abort(upload.writer);
		settle(&fixture);
		expect_nothing(&fixture);
	}
	close_fixture(&fixture);
}

static void
test_a_disk_that_does_not_take_it_keeps_nothing(void **state)
{
	struct fixture fixture;
	struct upload upload;
	struct rlimit before, limit;
	char sha256[SHA256_HEX];
	auto_free char *data = make_large(4 << 20, sha256);

	open_fixture(&fixture, *state);
	getrlimit(RLIMIT_FSIZE, &before);
	limit =
	    (struct rlimit){.rlim_cur = 1 << 20, .rlim_max = before.rlim_max};
	setrlimit(RLIMIT_FSIZE, &limit);
	assert_int_equal(
	    deliver(&fixture, &upload, "alice", sha256, data, 4 << 20),
	    ERR_UNAVAILABLE);
	setrlimit(RLIMIT_FSIZE, &before);
	expect_nothing(&fixture);
	assert_int_equal(
	    deliver(&fixture, &upload, "alice", sha256, data, 4 << 20),
	    ERR_NONE);
	close_fixture(&fixture);
}

static void
test_without_its_row_no_file_stays(void **state)
{
	struct fixture fixture;
	struct upload upload;

	open_fixture(&fixture, *state);
	query(&fixture,
	    "CREATE TRIGGER refuse BEFORE INSERT ON blob "
	    "BEGIN SELECT RAISE(ABORT, 'as asked'); END");
	assert_int_equal(deliver(&fixture, &upload, "alice", SHA_ABC, "abc", 3),
	    ERR_INTERNAL);
	query(&fixture, "DROP TRIGGER refuse");
	assert_false(is_there(&fixture, SHA_ABC));
	expect_nothing(&fixture);
	close_fixture(&fixture);
}

/* -- found for a task */

struct found {
	int calls;
	struct err err;
	int fds[2];
	size_t n;
};

static void
on_found(void *arg, const struct err *err, const int *fds)
{
	struct found *found = arg;

	found->calls++;
	found->err = err != NULL ? *err : (struct err){0};
	for (size_t i = 0; i < found->n && fds != NULL; i++)
		found->fds[i] = fds[i];
}

static enum err_code
find(struct fixture *fixture, const char *subject, struct found *found,
    const char *second)
{
	const struct request_input inputs[] = {
	    {"one", SHA_ABC}, {"two", second}};

	*found = (struct found){.n = second != NULL ? 2 : 1};
	blobs_find(fixture->blobs, subject, inputs, found->n, on_found, found);
	settle(fixture);
	assert_int_equal(found->calls, 1);
	return found->err.code;
}

static void
test_a_task_gets_descriptors_that_only_read(void **state)
{
	struct fixture fixture;
	struct upload upload;
	struct found found;
	char data[8];

	open_fixture(&fixture, *state);
	send_abc(&fixture, "alice");
	assert_int_equal(
	    deliver(&fixture, &upload, "alice", SHA256_OF_NOTHING, "", 0),
	    ERR_NONE);
	assert_int_equal(
	    find(&fixture, "alice", &found, SHA256_OF_NOTHING), ERR_NONE);
	assert_int_equal(read(found.fds[0], data, sizeof(data)), 3);
	assert_memory_equal(data, "abc", 3);
	assert_int_equal(read(found.fds[1], data, sizeof(data)), 0);
	assert_int_equal(write(found.fds[0], "x", 1), -1);
	assert_int_equal(fcntl(found.fds[0], F_GETFL) & O_ACCMODE, O_RDONLY);
	close(found.fds[0]);
	close(found.fds[1]);
	close_fixture(&fixture);
}

static void
test_a_subject_finds_its_own_alone(void **state)
{
	struct fixture fixture;
	struct found found;

	open_fixture(&fixture, *state);
	send_abc(&fixture, "alice");
	assert_int_equal(find(&fixture, "bob", &found, NULL), ERR_NOT_FOUND);
	assert_non_null(strstr(found.err.detail, "inputs.one: "));
	/* The first that is not there is named, and nothing stays open. */
	assert_int_equal(
	    find(&fixture, "alice", &found, SHA256_OF_NOTHING), ERR_NOT_FOUND);
	assert_non_null(strstr(found.err.detail, "inputs.two: "));
	close_fixture(&fixture);
}

static void
test_a_file_that_the_disk_lost_is_not_found(void **state)
{
	struct fixture fixture;
	struct found found;
	auto_free char *path = NULL;

	open_fixture(&fixture, *state);
	send_abc(&fixture, "alice");
	path = blob_path(&fixture, SHA_ABC);
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(truncate(path, 2), 0);
	assert_int_equal(find(&fixture, "alice", &found, NULL), ERR_NOT_FOUND);
	assert_non_null(strstr(found.err.detail, "damaged"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(find(&fixture, "alice", &found, NULL), ERR_NOT_FOUND);
	close_fixture(&fixture);
}

/* -- how they go */

static void
sweep(struct fixture *fixture)
{
	blobs_sweep(fixture->blobs);
	settle(fixture);
}

static void
test_what_was_not_used_for_long_goes_with_a_record(void **state)
{
	struct fixture fixture;
	auto_free char *sql = NULL;

	open_fixture(&fixture, *state);
	send_abc(&fixture, "alice");
	sweep(&fixture);
	assert_true(is_there(&fixture, SHA_ABC));
	sql = alloc_printf("UPDATE blob SET used_ms = %lld RETURNING 1",
	    (long long)(clock_wall_ms() - 3601 * 1000));
	query(&fixture, sql);
	sweep(&fixture);
	assert_false(is_there(&fixture, SHA_ABC));
	expect_nothing(&fixture);
	assert_int_equal(
	    query(&fixture,
		"SELECT count(*) FROM audit WHERE event = 'blob.removed' "
		"AND record LIKE '%\"subject\":\"alice\"%'"),
	    1);
	assert_int_equal(query(&fixture, "SELECT count(*) FROM garbage"), 0);
	close_fixture(&fixture);
}

static void
test_the_file_stays_while_another_subject_has_it(void **state)
{
	struct fixture fixture;
	struct found found;

	open_fixture(&fixture, *state);
	send_abc(&fixture, "alice");
	send_abc(&fixture, "bob");
	query(&fixture,
	    "UPDATE blob SET used_ms = 0 WHERE subject = 'alice' RETURNING 1");
	sweep(&fixture);
	assert_int_equal(find(&fixture, "alice", &found, NULL), ERR_NOT_FOUND);
	assert_int_equal(find(&fixture, "bob", &found, NULL), ERR_NONE);
	close(found.fds[0]);
	assert_int_equal(blobs_bytes(fixture.blobs), BLOB_COUNTED_BYTES);
	query(&fixture, "UPDATE blob SET used_ms = 0 RETURNING 1");
	sweep(&fixture);
	assert_false(is_there(&fixture, SHA_ABC));
	expect_nothing(&fixture);
	close_fixture(&fixture);
}

static void
test_what_a_waiting_task_is_to_read_stays(void **state)
{
	struct fixture fixture;

	open_fixture(&fixture, *state);
	send_abc(&fixture, "alice");
	query(&fixture,
	    "INSERT INTO input VALUES ('" TASK "', 'alice', '" SHA_ABC
	    "') RETURNING 1");
	query(&fixture, "UPDATE blob SET used_ms = 0 RETURNING 1");
	sweep(&fixture);
	assert_true(is_there(&fixture, SHA_ABC));
	/* Looked at once, not with each look again. */
	assert_true(query(&fixture, "SELECT used_ms FROM blob") > 0);
	query(&fixture, "DELETE FROM input RETURNING 1");
	query(&fixture, "UPDATE blob SET used_ms = 0 RETURNING 1");
	sweep(&fixture);
	assert_false(is_there(&fixture, SHA_ABC));
	close_fixture(&fixture);
}

static void
test_many_go_in_portions(void **state)
{
	struct fixture fixture;
	struct upload upload;
	struct look aging, left;

	open_fixture(&fixture, *state);
	for (int i = 0; i < 100; i++) {
		char text[16], sha256[SHA256_HEX];

		snprintf(text, sizeof(text), "%d", i);
		digest_sha256_hex(text, strlen(text), sha256);
		assert_int_equal(deliver(&fixture, &upload, "alice", sha256,
				     text, strlen(text)),
		    ERR_NONE);
	}
	/* One behind the other, with no turn of the loop in between in which
	 * another portion could be asked for. */
	begin_look(&fixture, "UPDATE blob SET used_ms = 0 RETURNING 1", &aging);
	blobs_sweep(fixture.blobs);
	begin_look(&fixture, "SELECT count(*) FROM blob", &left);
	while (!left.done)
		uv_run(&fixture.loop, UV_RUN_ONCE);
	assert_int_equal(left.result, 100 - 32);
	/* The rest by itself. */
	while (blobs_bytes(fixture.blobs) > 0)
		uv_run(&fixture.loop, UV_RUN_ONCE);
	settle(&fixture);
	expect_nothing(&fixture);
	close_fixture(&fixture);
}

/* The last subject that had it leaves while another's has been placed, but has
 * no row yet. */
static void
test_a_removal_does_not_take_a_file_from_an_upload(void **state)
{
	struct fixture fixture;
	struct upload upload = {.data = "abc", .len = 3};
	struct found found;

	open_fixture(&fixture, *state);
	query(&fixture,
	    "INSERT INTO garbage VALUES ('blob', '" SHA_ABC "') RETURNING 1");
	assert_true(begin(&fixture, &upload, "alice", SHA_ABC));
	/* It is placed while the loop does not turn, so that its row cannot
	 * have been asked for. */
	while (!is_there(&fixture, SHA_ABC)) {
		int64_t until_ms = clock_boot_ms() + 200;

		uv_run(&fixture.loop, UV_RUN_NOWAIT);
		while (
		    !is_there(&fixture, SHA_ABC) && clock_boot_ms() < until_ms)
			sched_yield();
	}
	blobs_sweep(fixture.blobs);
	while (upload.done == 0)
		uv_run(&fixture.loop, UV_RUN_ONCE);
	settle(&fixture);
	assert_int_equal(upload.err.code, ERR_NONE);
	assert_int_equal(find(&fixture, "alice", &found, NULL), ERR_NONE);
	close(found.fds[0]);
	assert_int_equal(count_files(&fixture, "tmp"), 0);
	close_fixture(&fixture);
}

/* -- what a crash leaves */

static void
leave(const struct fixture *fixture, const char *name)
{
	auto_free char *path =
	    alloc_printf("%s/blobs/%s", fixture->folder, name);
	struct err err;

	if (file_write(path, "abc", 3, 0400, &err) != 0)
		fail_msg("%s", err.detail);
}

static void
test_the_next_start_heals_what_a_crash_left(void **state)
{
	/* Before it was placed; placed, but without a row; while removed. */
	static const struct {
		bool placed, row;
		const char *tmp, *garbage;
		bool stays;
	} crashes[] = {
	    {.tmp = "tmp/" SHA_ABC ".0123456789abcdef"},
	    {.placed = true, .tmp = "tmp/" SHA_ABC ".0123456789abcdef"},
	    {.placed = true, .garbage = SHA_ABC},
	    {.tmp = "tmp/" SHA_ABC ".gone", .garbage = SHA_ABC},
	    {.tmp = "tmp/" SHA_ABC ".gone"},
	    {.placed = true,
		.row = true,
		.tmp = "tmp/" SHA_ABC ".0123456789abcdef",
		.stays = true},
	    {.placed = true, .row = true, .garbage = SHA_ABC, .stays = true},
	};
	struct fixture fixture;

	open_fixture(&fixture, *state);
	for (size_t i = 0; i < COUNT(crashes); i++) {
		struct found found;

		if (crashes[i].placed)
			leave(&fixture, "ba/" SHA_ABC);
		if (crashes[i].tmp != NULL)
			leave(&fixture, crashes[i].tmp);
		if (crashes[i].row)
			query(&fixture,
			    "INSERT INTO blob VALUES ('alice', '" SHA_ABC
			    "', 3, 1, 9000000000000) RETURNING 1");
		if (crashes[i].garbage != NULL)
			query(&fixture,
			    "INSERT INTO garbage VALUES ('blob', '" SHA_ABC
			    "') RETURNING 1");
		close_fixture(&fixture);
		open_again(&fixture);
		settle(&fixture);
		sweep(&fixture);
		assert_int_equal(count_files(&fixture, "tmp"), 0);
		assert_int_equal(is_there(&fixture, SHA_ABC), crashes[i].stays);
		assert_int_equal(
		    query(&fixture, "SELECT count(*) FROM garbage"), 0);
		if (crashes[i].stays) {
			assert_int_equal(
			    find(&fixture, "alice", &found, NULL), ERR_NONE);
			close(found.fds[0]);
			query(&fixture,
			    "UPDATE blob SET used_ms = 0 "
			    "RETURNING 1");
			sweep(&fixture);
		}
		expect_nothing(&fixture);
	}
	close_fixture(&fixture);
}

static void
test_an_upload_that_ends_while_the_runner_stops_is_healed(void **state)
{
	struct fixture fixture;
	struct upload upload = {.data = "abc", .len = 3};

	open_fixture(&fixture, *state);
	assert_true(begin(&fixture, &upload, "alice", SHA_ABC));
	while (!upload.finished)
		uv_run(&fixture.loop, UV_RUN_ONCE);
	close_fixture(&fixture);
	assert_int_equal(upload.done, 1);
	open_again(&fixture);
	sweep(&fixture);
	assert_int_equal(
	    is_there(&fixture, SHA_ABC), upload.err.code == ERR_NONE);
	assert_int_equal(count_files(&fixture, "tmp"), 0);
	close_fixture(&fixture);
}

int
main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
	    TEST(test_an_upload_is_durable_with_its_record),
	    TEST(test_an_empty_file_can_be_uploaded),
	    TEST(test_another_digest_than_announced_keeps_nothing),
	    TEST(test_what_a_subject_has_already_is_not_stored_again),
	    TEST(test_two_subjects_share_the_file_and_each_counts_it),
	    TEST(test_a_large_one_comes_as_there_is_room),
	    TEST(test_one_that_is_too_large_is_refused_while_it_comes),
	    TEST(test_a_quota_counts_what_is_stored_and_what_is_coming),
	    TEST(test_uploads_at_a_time_are_bounded),
	    TEST(test_an_upload_can_break_off_at_any_moment),
	    TEST(test_a_disk_that_does_not_take_it_keeps_nothing),
	    TEST(test_without_its_row_no_file_stays),
	    TEST(test_a_task_gets_descriptors_that_only_read),
	    TEST(test_a_subject_finds_its_own_alone),
	    TEST(test_a_file_that_the_disk_lost_is_not_found),
	    TEST(test_what_was_not_used_for_long_goes_with_a_record),
	    TEST(test_the_file_stays_while_another_subject_has_it),
	    TEST(test_what_a_waiting_task_is_to_read_stays),
	    TEST(test_many_go_in_portions),
	    TEST(test_a_removal_does_not_take_a_file_from_an_upload),
	    TEST(test_the_next_start_heals_what_a_crash_left),
	    TEST(test_an_upload_that_ends_while_the_runner_stops_is_healed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
