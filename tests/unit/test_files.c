/* Files that tasks leave: what is kept of them, what is said of them, and how
 * their digests come about. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/digest.h"
#include "lib/json.h"
#include "runner/file_digest.h"
#include "runner/files.h"
#include "tests/unit/folder.h"

#define TASK "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a11"
#define LARGE (20 * 1024 * 1024)

static const char *const names[] = {"a.txt", "b", "c"};

struct fixture {
	uv_loop_t loop;
	struct output_store outputs;
	struct files_store store;
	bool digested;
};

static void
open_fixture(struct fixture *fixture, const char *folder)
{
	auto_free char *output = folder_path(folder, "output");
	auto_free char *path = folder_path(folder, "files");
	struct err err;

	*fixture = (struct fixture){0};
	uv_loop_init(&fixture->loop);
	if (output_store_open(
		&fixture->loop, output, &fixture->outputs, &err) != 0 ||
	    files_store_open(path, &fixture->outputs, &fixture->store, &err) !=
		0)
		fail_msg("%s", err.detail);
}

static void
close_fixture(struct fixture *fixture)
{
	uv_run(&fixture->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&fixture->loop), 0);
	files_store_close(&fixture->store);
	output_store_close(&fixture->outputs);
}

static void
on_digested(void *arg)
{
	((struct fixture *)arg)->digested = true;
}

/* Turns the loop until the digests are known. */
static void
digest(struct fixture *fixture, struct files *files)
{
	fixture->digested = false;
	files_digest(files, on_digested, fixture);
	while (!fixture->digested)
		uv_run(&fixture->loop, UV_RUN_ONCE);
}

static void
put(struct files *files, size_t index, const char *text)
{
	files_write(files, index, files_size(files, index), text, strlen(text));
	files_end(files, index, CONTROL_KEPT, files_size(files, index));
}

static void
expect(const struct files *files, const char *expected)
{
	auto_json *outputs = files_render(files);
	auto_free char *text = json_encode_canonical(outputs, NULL);

	assert_string_equal(text, expected);
}

#define SHA_ABC \
	"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void
test_what_is_kept_is_told_with_size_and_digest(void **state)
{
	struct fixture fixture;
	struct files *files;
	struct stat st;
	auto_free char *path = folder_path(*state, "files/" TASK "/a.txt");
	auto_free char *folder = folder_path(*state, "files/" TASK);

	open_fixture(&fixture, *state);
	files = files_new(&fixture.store, TASK, names, 3);
	put(files, 0, "abc");
	put(files, 1, "");
	files_end(files, 2, CONTROL_MISSING, 0);
	digest(&fixture, files);
	expect(files,
	    "[{\"name\":\"a.txt\",\"sha256\":\"" SHA_ABC
	    "\",\"size\":3,\"status\":\"kept\"},"
	    "{\"name\":\"b\",\"sha256\":\"" SHA256_OF_NOTHING
	    "\",\"size\":0,\"status\":\"kept\"},"
	    "{\"name\":\"c\",\"status\":\"missing\"}]");
	assert_int_equal(files_bytes(files), 3);
	assert_null(files_failure(files));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(folder, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	files_free(files);
	close_fixture(&fixture);
}

static void
test_nothing_is_made_where_nothing_was_written(void **state)
{
	struct fixture fixture;
	struct files *files;
	auto_free char *folder = folder_path(*state, "files");

	open_fixture(&fixture, *state);
	files = files_new(&fixture.store, TASK, names, 2);
	put(files, 0, "");
	files_end(files, 1, CONTROL_LINK, 0);
	digest(&fixture, files);
	assert_int_equal(folder_count(folder), 0);
	files_free(files);
	files_remove(&fixture.store, TASK);
	close_fixture(&fixture);
}

static void
test_each_status_has_its_word(void **state)
{
	static const struct {
		enum control_file status;
		const char *word;
	} words[] = {
	    {CONTROL_MISSING, "missing"},
	    {CONTROL_LINK, "link"},
	    {CONTROL_NOT_REGULAR, "not_regular"},
	    {CONTROL_TOO_LARGE, "too_large"},
	    {CONTROL_UNREADABLE, "unreadable"},
	};
	struct fixture fixture;
	auto_free char *folder = folder_path(*state, "files/" TASK);

	open_fixture(&fixture, *state);
	for (size_t i = 0; i < COUNT(words); i++) {
		struct files *files = files_new(&fixture.store, TASK, names, 1);
		auto_free char *expected = alloc_printf(
		    "[{\"name\":\"a.txt\",\"status\":\"%s\"}]", words[i].word);

		/* It grew while it was read: nothing of it stays. */
		files_write(files, 0, 0, "part", 4);
		files_end(files, 0, words[i].status, 99);
		digest(&fixture, files);
		expect(files, expected);
		assert_int_equal(files_bytes(files), 0);
		assert_int_equal(folder_count(folder), 0);
		files_free(files);
	}
	close_fixture(&fixture);
}

static void
expect_dropped(struct fixture *fixture, struct files *files)
{
	digest(fixture, files);
	expect(files, "[{\"name\":\"a.txt\",\"status\":\"dropped\"}]");
	assert_int_equal(files_bytes(files), 0);
	files_free(files);
}

static void
test_a_file_of_which_something_is_missing_is_dropped(void **state)
{
	struct fixture fixture;
	struct files *files;
	auto_free char *folder = folder_path(*state, "files/" TASK);

	open_fixture(&fixture, *state);
	/* A gap. */
	files = files_new(&fixture.store, TASK, names, 1);
	files_write(files, 0, 0, "abc", 3);
	files_write(files, 0, 4, "e", 1);
	files_end(files, 0, CONTROL_KEPT, 5);
	expect_dropped(&fixture, files);
	/* Less than was told. */
	files = files_new(&fixture.store, TASK, names, 1);
	files_write(files, 0, 0, "abc", 3);
	files_end(files, 0, CONTROL_KEPT, 4);
	expect_dropped(&fixture, files);
	/* Never ended: the task was lost before. */
	files = files_new(&fixture.store, TASK, names, 1);
	files_write(files, 0, 0, "abc", 3);
	expect_dropped(&fixture, files);
	assert_int_equal(folder_count(folder), 0);
	close_fixture(&fixture);
}

static void
test_what_comes_twice_is_kept_once(void **state)
{
	struct fixture fixture;
	struct files *files;

	open_fixture(&fixture, *state);
	files = files_new(&fixture.store, TASK, names, 1);
	files_write(files, 0, 0, "ab", 2);
	files_write(files, 0, 0, "ab", 2);
	files_write(files, 0, 1, "bc", 2);
	files_write(files, 0, 3, "", 0);
	files_end(files, 0, CONTROL_KEPT, 3);
	/* Behind the end. */
	files_write(files, 0, 3, "d", 1);
	files_end(files, 0, CONTROL_LINK, 0);
	/* Of a file that nobody asked for. */
	files_write(files, 1, 0, "d", 1);
	files_end(files, 7, CONTROL_KEPT, 0);
	digest(&fixture, files);
	expect(files,
	    "[{\"name\":\"a.txt\",\"sha256\":\"" SHA_ABC
	    "\",\"size\":3,\"status\":\"kept\"}]");
	files_free(files);
	close_fixture(&fixture);
}

static char *
make_large(char ret_sha256[SHA256_HEX])
{
	char *data = alloc_zero(LARGE, 1);

	for (size_t i = 0; i < LARGE; i++)
		data[i] = (char)(i * 31 + i / 4096);
	digest_sha256_hex(data, LARGE, ret_sha256);
	return data;
}

static void
expect_large(const struct files *files, const char *sha256)
{
	auto_free char *expected =
	    alloc_printf("[{\"name\":\"a.txt\",\"sha256\":\"%s\","
			 "\"size\":%d,\"status\":\"kept\"}]",
		sha256, LARGE);

	expect(files, expected);
}

static void
test_a_large_file_is_hashed_behind_the_writing(void **state)
{
	struct fixture fixture;
	struct files *files;
	char sha256[SHA256_HEX];
	auto_free char *data = make_large(sha256);

	open_fixture(&fixture, *state);
	files = files_new(&fixture.store, TASK, names, 1);
	for (size_t at = 0; at < LARGE; at += 65536) {
		files_write(files, 0, at, data + at, 65536);
		if (at % (4 << 20) == 0)
			uv_run(&fixture.loop, UV_RUN_NOWAIT);
	}
	files_end(files, 0, CONTROL_KEPT, LARGE);
	digest(&fixture, files);
	expect_large(files, sha256);
	files_free(files);
	close_fixture(&fixture);
}

/* At every kind of place: before a byte, within what is hashed at once, within
 * what is read again, at the end. */
static void
test_a_file_is_taken_up_where_an_earlier_life_left_it(void **state)
{
	static const size_t places[] = {0, 1, 65536, 131073, 9 << 20, LARGE};
	struct fixture fixture;
	char sha256[SHA256_HEX];
	auto_free char *data = make_large(sha256);

	open_fixture(&fixture, *state);
	for (size_t i = 0; i < COUNT(places); i++) {
		size_t at = places[i];
		struct files *files = files_new(&fixture.store, TASK, names, 1);

		files_write(files, 0, 0, data, at);
		files_free(files);
		files = files_adopt(&fixture.store, TASK, names, 1);
		assert_int_equal(files_size(files, 0), at);
		files_write(files, 0, at, data + at, LARGE - at);
		files_end(files, 0, CONTROL_KEPT, LARGE);
		digest(&fixture, files);
		expect_large(files, sha256);
		files_free(files);
		files_remove(&fixture.store, TASK);
	}
	close_fixture(&fixture);
}

static void
test_a_file_can_be_let_go_while_it_is_hashed(void **state)
{
	struct fixture fixture;
	char sha256[SHA256_HEX];
	auto_free char *data = make_large(sha256);
	struct files *files;

	open_fixture(&fixture, *state);
	files = files_new(&fixture.store, TASK, names, 1);
	files_write(files, 0, 0, data, LARGE);
	files_end(files, 0, CONTROL_KEPT, LARGE);
	files_digest(files, on_digested, &fixture);
	files_free(files);
	close_fixture(&fixture);
	assert_false(fixture.digested);
}

static void
test_a_file_that_the_disk_does_not_take_is_dropped(void **state)
{
	struct fixture fixture;
	struct files *files;
	struct rlimit before, limit;
	auto_free char *folder = folder_path(*state, "files/" TASK);

	open_fixture(&fixture, *state);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	limit = (struct rlimit){.rlim_cur = 3, .rlim_max = before.rlim_max};
	files = files_new(&fixture.store, TASK, names, 2);
	setrlimit(RLIMIT_FSIZE, &limit);
	files_write(files, 0, 0, "abcd", 4);
	files_write(files, 0, 4, "e", 1);
	files_end(files, 0, CONTROL_KEPT, 5);
	setrlimit(RLIMIT_FSIZE, &before);
	/* The next one is tried. */
	put(files, 1, "abc");
	digest(&fixture, files);
	expect(files,
	    "[{\"name\":\"a.txt\",\"status\":\"dropped\"},"
	    "{\"name\":\"b\",\"sha256\":\"" SHA_ABC
	    "\",\"size\":3,\"status\":\"kept\"}]");
	assert_string_equal(files_failure(files), strerror(EFBIG));
	assert_int_equal(folder_count(folder), 1);
	files_free(files);
	close_fixture(&fixture);
}

static void
test_a_link_that_stands_there_is_not_written_through(void **state)
{
	struct fixture fixture;
	struct files *files;
	auto_free char *folder = folder_path(*state, "files/" TASK);
	auto_free char *path = folder_path(*state, "files/" TASK "/a.txt");
	auto_free char *target = folder_path(*state, "target");
	struct err err = {0};
	int fd = -1;

	open_fixture(&fixture, *state);
	assert_int_equal(mkdir(folder, 0700), 0);
	assert_int_equal(symlink(target, path), 0);
	files = files_adopt(&fixture.store, TASK, names, 1);
	files_write(files, 0, 0, "abc", 3);
	files_end(files, 0, CONTROL_KEPT, 3);
	expect_dropped(&fixture, files);
	files = files_new(&fixture.store, TASK, names, 1);
	files_write(files, 0, 0, "abc", 3);
	files_end(files, 0, CONTROL_KEPT, 3);
	expect_dropped(&fixture, files);
	assert_int_equal(access(target, F_OK), -1);
	assert_int_equal(
	    files_open(&fixture.store, TASK, "a.txt", &fd, &err), -1);
	close_fixture(&fixture);
}

static void
test_a_finished_tasks_file_is_found_and_opened_read_only(void **state)
{
	struct fixture fixture;
	struct files *files;
	json_t *outputs;
	const char *sha256 = NULL;
	int64_t size = 0;
	char data[8];
	struct err err = {0};

	open_fixture(&fixture, *state);
	files = files_new(&fixture.store, TASK, names, 3);
	put(files, 0, "abc");
	put(files, 1, "");
	files_end(files, 2, CONTROL_TOO_LARGE, 1 << 30);
	digest(&fixture, files);
	outputs = files_render(files);
	files_free(files);
	assert_int_equal(files_find(outputs, "a.txt", &size, &sha256, &err), 0);
	assert_int_equal(size, 3);
	assert_string_equal(sha256, SHA_ABC);
	assert_int_equal(files_find(outputs, "c", &size, &sha256, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(files_find(outputs, "d", &size, &sha256, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	for (int i = 0; i < 2; i++) {
		auto_fd int fd = -1;

		assert_int_equal(
		    files_open(&fixture.store, TASK, names[i], &fd, &err), 0);
		assert_int_equal(read(fd, data, sizeof(data)), i == 0 ? 3 : 0);
		assert_int_equal(write(fd, "x", 1), -1);
	}
	json_decref(outputs);
	close_fixture(&fixture);
}

static void
test_a_name_leads_nowhere_else(void **state)
{
	static const char *const wrong[] = {
	    "..", ".", "", "../" TASK "/a.txt", "/etc/passwd", "a/b", "-x"};
	struct fixture fixture;
	struct files *files;
	struct err err = {0};
	int fd = -1;

	open_fixture(&fixture, *state);
	files = files_new(&fixture.store, TASK, names, 1);
	put(files, 0, "abc");
	digest(&fixture, files);
	files_free(files);
	for (size_t i = 0; i < COUNT(wrong); i++) {
		assert_int_equal(
		    files_open(&fixture.store, TASK, wrong[i], &fd, &err), -1);
		assert_int_equal(err.code, ERR_NOT_FOUND);
	}
	assert_int_equal(
	    files_open(&fixture.store, "../files", TASK, &fd, &err), -1);
	close_fixture(&fixture);
}

static void
test_a_tasks_files_are_removed_with_their_folder(void **state)
{
	struct fixture fixture;
	struct files *files;
	auto_free char *folder = folder_path(*state, "files");

	open_fixture(&fixture, *state);
	files = files_new(&fixture.store, TASK, names, 2);
	put(files, 0, "abc");
	put(files, 1, "d");
	digest(&fixture, files);
	files_free(files);
	assert_int_equal(folder_count(folder), 1);
	files_remove(&fixture.store, TASK);
	assert_int_equal(folder_count(folder), 0);
	files_remove(&fixture.store, TASK);
	close_fixture(&fixture);
}

int
main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
	    TEST(test_what_is_kept_is_told_with_size_and_digest),
	    TEST(test_nothing_is_made_where_nothing_was_written),
	    TEST(test_each_status_has_its_word),
	    TEST(test_a_file_of_which_something_is_missing_is_dropped),
	    TEST(test_what_comes_twice_is_kept_once),
	    TEST(test_a_large_file_is_hashed_behind_the_writing),
	    TEST(test_a_file_is_taken_up_where_an_earlier_life_left_it),
	    TEST(test_a_file_can_be_let_go_while_it_is_hashed),
	    TEST(test_a_file_that_the_disk_does_not_take_is_dropped),
	    TEST(test_a_link_that_stands_there_is_not_written_through),
	    TEST(test_a_finished_tasks_file_is_found_and_opened_read_only),
	    TEST(test_a_name_leads_nowhere_else),
	    TEST(test_a_tasks_files_are_removed_with_their_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
