/* The log: both formats, and that no value can forge a line. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/utf8.h"
#include "tests/unit/capture.h"

struct entry {
	enum log_format format;
	enum log_level level;
	const char *value;
};

static int
write_entry(void *arg)
{
	const struct entry *entry = arg;

	log_init("tester", entry->format, LOG_LEVEL_INFO);
	log_event(entry->level, "test.happened", "key", entry->value, "last",
	    "end", NULL);
	return 0;
}

static char *
log_line(enum log_format format, enum log_level level, const char *value)
{
	struct entry entry = {format, level, value};
	AUTO(capture_done)
	struct capture capture = capture_run(write_entry, &entry);

	return take(capture.err);
}

/* What stands behind "key=" of a logfmt line. */
static char *
logfmt_value(const char *value)
{
	auto_free char *line =
	    log_line(LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO, value);
	const char *key = strstr(line, " key=");
	const char *end = strstr(line, " last=end\n");

	assert_non_null(key);
	assert_non_null(end);
	assert_ptr_equal(strchr(line, '\n'), end + strlen(" last=end"));
	return alloc_bytes(key + 5, (size_t)(end - key) - 5);
}

static void
test_a_logfmt_line_has_time_level_program_and_event(void **state)
{
	auto_free char *line =
	    log_line(LOG_FORMAT_LOGFMT, LOG_LEVEL_WARNING, "v");
	int64_t ms = 0;
	char time[CLOCK_TEXT] = {0};

	(void)state;
	assert_memory_equal(line, "time=", 5);
	memcpy(time, line + 5, CLOCK_TEXT - 1);
	assert_true(clock_parse(time, &ms));
	assert_string_equal(line + 5 + CLOCK_TEXT - 1,
	    " level=warning program=tester event=test.happened key=v "
	    "last=end\n");
}

static void
test_logfmt_values_are_quoted_where_needed(void **state)
{
	static const struct {
		const char *value, *written;
	} cases[] = {{"plain", "plain"}, {"", "\"\""}, {"a b", "\"a b\""},
	    {"a=b", "\"a=b\""}, {"say \"x\"", "\"say \\\"x\\\"\""},
	    {"back\\slash", "\"back\\\\slash\""},
	    {"x\nlevel=error", "\"x\\\\x0alevel=error\""},
	    {"\x1b[31m", "\"\\\\x1b[31m\""}, {"\xff", "\"\\\\xff\""},
	    {"\xc3\xa4", "\"\xc3\xa4\""}, {NULL, "\"\""}};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		auto_free char *written = logfmt_value(cases[i].value);

		assert_string_equal(written, cases[i].written);
	}
}

static void
test_no_byte_breaks_a_line(void **state)
{
	(void)state;
	for (int byte = 1; byte < 256; byte++) {
		const char value[] = {'a', (char)byte, '"', '\0'};
		auto_free char *text = logfmt_value(value);
		auto_free char *line =
		    log_line(LOG_FORMAT_JSON, LOG_LEVEL_INFO, value);
		struct err err = {0};
		auto_json *json = json_parse_strict(line, strlen(line), &err);

		assert_true(utf8_is_valid(text, strlen(text)));
		if (json == NULL)
			fail_msg("byte %d: %s: %s", byte, err.detail, line);
		assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
	}
}

static void
test_a_json_line_is_an_object_of_strings(void **state)
{
	auto_free char *line =
	    log_line(LOG_FORMAT_JSON, LOG_LEVEL_ERROR, "a \"b\" \\ \x01");
	struct err err = {0};
	auto_json *json = json_parse_strict(line, strlen(line), &err);

	(void)state;
	assert_non_null(json);
	assert_string_equal(
	    json_string_value(json_object_get(json, "level")), "error");
	assert_string_equal(
	    json_string_value(json_object_get(json, "event")), "test.happened");
	assert_string_equal(json_string_value(json_object_get(json, "key")),
	    "a \"b\" \\ \\x01");
	assert_int_equal(json_object_size(json), 6);
}

static void
test_endless_values_are_cut_between_characters(void **state)
{
	auto_free char *value = alloc_zero(100001, 1);

	(void)state;
	for (size_t i = 0; i + 3 <= 100000; i += 3)
		memcpy(value + i, "\xe2\x82\xac", 3);
	for (size_t lead = 0; lead < 3; lead++) {
		auto_free char *shifted =
		    alloc_printf("%.*s%s", (int)lead, "xx", value);
		auto_free char *text = logfmt_value(shifted);

		assert_true(strlen(text) < 2100);
		assert_non_null(strstr(text, "..."));
		assert_true(utf8_is_valid(text, strlen(text)));
		assert_null(strstr(text, "\\x"));
	}
}

static void
test_lines_below_the_level_are_not_written(void **state)
{
	auto_free char *debug =
	    log_line(LOG_FORMAT_LOGFMT, LOG_LEVEL_DEBUG, "v");
	auto_free char *info = log_line(LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO, "v");

	(void)state;
	assert_string_equal(debug, "");
	assert_string_not_equal(info, "");
}

static int
write_too_much(void *arg)
{
	const char *value = arg;

	log_init("tester", LOG_FORMAT_JSON, LOG_LEVEL_INFO);
	log_info("test.happened", "a", value, "b", value, "c", value, "d",
	    value, "e", value, "f", value, "g", value, "h", value, "last",
	    "end", NULL);
	return 0;
}

static void
test_a_line_that_is_full_drops_whole_pairs(void **state)
{
	char value[3000];
	struct err err = {0};

	(void)state;
	/* Each byte is written as five in the end. */
	memset(value, '\x01', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	for (size_t len = sizeof(value) - 1; len > 500; len -= 97) {
		AUTO(capture_done) struct capture capture = {0};
		auto_json *json = NULL;

		value[len] = '\0';
		capture = capture_run(write_too_much, value);
		json =
		    json_parse_strict(capture.err, strlen(capture.err), &err);
		if (json == NULL)
			fail_msg("%s", err.detail);
		assert_true(strlen(capture.err) <= 16400);
		assert_non_null(json_object_get(json, "a"));
	}
}

static int
write_failure(void *arg)
{
	struct err err = {0};

	(void)arg;
	log_init("tester", LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO);
	err_set(&err, ERR_DENIED, "rule x");
	errno = EXDEV;
	log_failure(LOG_LEVEL_WARNING, "request.refused", &err, "subject",
	    "alice", NULL);
	return errno;
}

static void
test_a_failure_says_what_and_keeps_errno(void **state)
{
	AUTO(capture_done)
	struct capture capture = capture_run(write_failure, NULL);

	(void)state;
	assert_int_equal(capture.result, EXDEV);
	assert_non_null(strstr(capture.err,
	    " event=request.refused error=denied detail=\"rule x\" "
	    "subject=alice\n"));
	assert_string_equal(capture.out, "");
}

struct journal {
	enum log_format format;
	unsigned shift; /* of the inode: not 0 is another file's */
};

static int
write_to_journal(void *arg)
{
	const struct journal *journal = arg;
	struct stat st;
	auto_free char *stream = NULL;

	fstat(STDERR_FILENO, &st);
	stream = alloc_printf("%llu:%llu", (unsigned long long)st.st_dev,
	    (unsigned long long)st.st_ino + journal->shift);
	setenv("JOURNAL_STREAM", stream, 1);
	log_init("tester", journal->format, LOG_LEVEL_INFO);
	unsetenv("JOURNAL_STREAM");
	log_warning("test.happened", NULL);
	return 0;
}

static void
test_the_journal_gets_a_priority_and_no_time(void **state)
{
	struct journal logfmt = {LOG_FORMAT_LOGFMT, 0};
	struct journal json = {LOG_FORMAT_JSON, 0};
	struct journal other = {LOG_FORMAT_LOGFMT, 1};
	AUTO(capture_done)
	struct capture journal = capture_run(write_to_journal, &logfmt);
	AUTO(capture_done)
	struct capture as_json = capture_run(write_to_journal, &json);
	AUTO(capture_done)
	struct capture elsewhere = capture_run(write_to_journal, &other);

	(void)state;
	assert_string_equal(journal.err,
	    "<4>level=warning program=tester event=test.happened\n");
	assert_string_equal(as_json.err,
	    "<4>{\"level\":\"warning\",\"program\":\"tester\","
	    "\"event\":\"test.happened\"}\n");
	assert_memory_equal(elsewhere.err, "time=", 5);
}

/* Standard error that tells one write from the next; kept is given back. */
static int
divert_to_packets(int *ret_kept)
{
	int pair[2];
	int big = 1 << 20;

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		0, pair),
	    0);
	assert_int_equal(
	    setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &big, sizeof(big)), 0);
	fflush(stderr);
	*ret_kept = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	assert_int_equal(dup2(pair[1], STDERR_FILENO), STDERR_FILENO);
	close(pair[1]);
	return pair[0];
}

static void
restore_stderr(int kept)
{
	assert_int_equal(dup2(kept, STDERR_FILENO), STDERR_FILENO);
	close(kept);
}

static void
say(const char *event, int from, int to)
{
	for (int i = from; i < to; i++) {
		char number[16];

		snprintf(number, sizeof(number), "%d", i);
		log_info(event, "number", number, NULL);
	}
}

/* How many whole lines a packet has, each with the number after the one
 * before; 0 where there is no packet. */
static int
count_lines(int fd, int *next)
{
	char packet[PIPE_BUF + 1], number[32];
	ssize_t n = recv(fd, packet, sizeof(packet), 0);
	int lines = 0;

	if (n == 0 || (n < 0 && errno == EAGAIN))
		return 0;
	assert_in_range(n, 1, PIPE_BUF);
	packet[n] = '\0';
	assert_int_equal(packet[n - 1], '\n');
	for (char *line = packet; *line != '\0'; lines++) {
		char *end = strchr(line, '\n');

		*end = '\0';
		assert_memory_equal(line, "time=", 5);
		snprintf(number, sizeof(number), " number=%d", (*next)++);
		assert_string_equal(strrchr(line, ' '), number);
		line = end + 1;
	}
	return lines;
}

static void
test_lines_that_are_held_back_go_out_together(void **state)
{
	int kept = -1;
	int next = 0;

	(void)state;
	log_init("tester", LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO);
	auto_fd int fd = divert_to_packets(&kept);
	log_hold();
	say("test.happened", 0, 5);
	bool were_early = count_lines(fd, &next) > 0;
	log_release();
	say("test.happened", 5, 6);
	restore_stderr(kept);
	assert_false(were_early);
	assert_int_equal(count_lines(fd, &next), 5);
	/* Nothing is held back any more. */
	assert_int_equal(count_lines(fd, &next), 1);
	assert_int_equal(count_lines(fd, &next), 0);
}

static void
test_no_write_of_held_lines_is_longer_than_a_pipe_takes(void **state)
{
	int kept = -1;
	int next = 0;
	int all = 0, lines, packets = 0;

	(void)state;
	log_init("tester", LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO);
	auto_fd int fd = divert_to_packets(&kept);
	log_hold();
	say("test.happened", 0, 200);
	log_release();
	restore_stderr(kept);
	for (; (lines = count_lines(fd, &next)) > 0; packets++)
		all += lines;
	assert_int_equal(all, 200);
	assert_in_range(packets, 200 * 60 / PIPE_BUF, 200 * 120 / PIPE_BUF + 1);
}

/* One that is longer goes out by itself, behind what was said before. */
static void
test_a_long_line_is_not_held_back(void **state)
{
	char value[2000], packet[3 * PIPE_BUF];
	int kept = -1;
	int next = 0;

	(void)state;
	memset(value, '"', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	log_init("tester", LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO);
	auto_fd int fd = divert_to_packets(&kept);
	log_hold();
	say("test.happened", 0, 2);
	log_info("test.happened", "a", value, "b", value, NULL);
	say("test.happened", 2, 3);
	log_release();
	restore_stderr(kept);
	assert_int_equal(count_lines(fd, &next), 2);
	assert_in_range(recv(fd, packet, sizeof(packet), 0), 2 * PIPE_BUF - 200,
	    2 * PIPE_BUF);
	assert_int_equal(count_lines(fd, &next), 1);
}

static void
test_what_is_held_back_goes_out_before_a_fatal_end(void **state)
{
	char text[1024];
	size_t len = 0;
	ssize_t n;
	int fds[2];
	int status = 0;

	(void)state;
	log_init("tester", LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		const struct rlimit none = {0};

		setrlimit(RLIMIT_CORE, &none);
		signal(SIGABRT, SIG_DFL);
		dup2(fds[1], STDERR_FILENO);
		log_hold();
		say("test.happened", 0, 1);
		die("all is lost");
	}
	close(fds[1]);
	while ((n = read(fds[0], text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	close(fds[0]);
	text[len] = '\0';
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_non_null(strstr(text, " number=0\nfatal: all is lost\n"));
}

static void
test_names_of_levels_and_formats_are_read(void **state)
{
	enum log_format format = LOG_FORMAT_LOGFMT;
	enum log_level level = LOG_LEVEL_DEBUG;

	(void)state;
	assert_true(log_format_parse("json", &format));
	assert_int_equal(format, LOG_FORMAT_JSON);
	assert_true(log_level_parse("error", &level));
	assert_int_equal(level, LOG_LEVEL_ERROR);
	assert_false(log_format_parse("JSON", &format));
	assert_false(log_format_parse("", &format));
	assert_false(log_level_parse("warn", &level));
	assert_int_equal(level, LOG_LEVEL_ERROR);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		test_a_logfmt_line_has_time_level_program_and_event),
	    cmocka_unit_test(test_logfmt_values_are_quoted_where_needed),
	    cmocka_unit_test(test_no_byte_breaks_a_line),
	    cmocka_unit_test(test_a_json_line_is_an_object_of_strings),
	    cmocka_unit_test(test_endless_values_are_cut_between_characters),
	    cmocka_unit_test(test_lines_below_the_level_are_not_written),
	    cmocka_unit_test(test_a_line_that_is_full_drops_whole_pairs),
	    cmocka_unit_test(test_a_failure_says_what_and_keeps_errno),
	    cmocka_unit_test(test_the_journal_gets_a_priority_and_no_time),
	    cmocka_unit_test(test_lines_that_are_held_back_go_out_together),
	    cmocka_unit_test(
		test_no_write_of_held_lines_is_longer_than_a_pipe_takes),
	    cmocka_unit_test(test_a_long_line_is_not_held_back),
	    cmocka_unit_test(
		test_what_is_held_back_goes_out_before_a_fatal_end),
	    cmocka_unit_test(test_names_of_levels_and_formats_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
