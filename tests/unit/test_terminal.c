/* What a person is shown: nothing of a stranger's moves the cursor. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/terminal.h"

static void
test_control_bytes_are_neutralised(void **state)
{
	static const struct {
		const char *text, *shown;
	} cases[] = {{"plain", "plain"}, {"", ""},
	    {"\x1b[2J\x07", "\\x1b[2J\\x07"},
	    {"a\r\nb\tc", "a\\x0d\\x0ab\\x09c"},
	    {"\xc2\x9b"
	     "31m",
		"\\xc2\\x9b31m"},
	    {"\xe2\x80\xae"
	     "exe",
		"\\xe2\\x80\\xaeexe"},
	    {"\x7f", "\\x7f"}, {"\xff\xfe", "\\xff\\xfe"},
	    {"\xc3\xa4\xf0\x9f\x98\x80", "\xc3\xa4\xf0\x9f\x98\x80"}};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		auto_free char *shown = terminal_neutralise(cases[i].text);

		assert_string_equal(shown, cases[i].shown);
	}
}

static void
test_no_control_byte_survives(void **state)
{
	(void)state;
	for (int byte = 1; byte < 256; byte++) {
		const char text[] = {'a', (char)byte, 'b', '\0'};
		auto_free char *shown = terminal_neutralise(text);

		for (const char *at = shown; *at != '\0'; at++)
			assert_true(*at >= 0x20 && *at < 0x7f);
	}
}

/* What a terminal gets of two lines. */
static void
show_two_lines(const char *text, char *ret, size_t size)
{
	struct termios raw;
	int lines = 0;
	size_t len = 0;
	auto_fd int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	assert_true(terminal >= 0);
	assert_int_equal(grantpt(terminal), 0);
	assert_int_equal(unlockpt(terminal), 0);
	int fd = open(ptsname(terminal), O_RDWR | O_NOCTTY | O_CLOEXEC);

	assert_int_equal(tcgetattr(fd, &raw), 0);
	cfmakeraw(&raw);
	assert_int_equal(tcsetattr(fd, TCSANOW, &raw), 0);
	auto_file FILE *stream = fdopen(fd, "w");

	assert_non_null(stream);
	terminal_print_text(text, stream);
	assert_int_equal(fflush(stream), 0);
	for (; lines < 2 && len + 1 < size; len++) {
		assert_int_equal(read(terminal, ret + len, 1), 1);
		lines += ret[len] == '\n' ? 1 : 0;
	}
	ret[len] = '\0';
}

static void
test_a_text_is_neutralised_for_a_terminal_alone(void **state)
{
	static const char text[] = "a\x1b[2J\nb\xc2\x9b"
				   "c\n";
	char shown[128] = "";
	auto_file FILE *file = tmpfile();

	(void)state;
	show_two_lines(text, shown, sizeof(shown));
	assert_string_equal(shown, "a\\x1b[2J\nb\\xc2\\x9bc\n");
	assert_non_null(file);
	terminal_print_text(text, file);
	rewind(file);
	shown[fread(shown, 1, sizeof(shown) - 1, file)] = '\0';
	assert_string_equal(shown, text);
}

static void
test_a_file_has_no_colour(void **state)
{
	auto_file FILE *file = tmpfile();

	(void)state;
	assert_non_null(file);
	unsetenv("NO_COLOR");
	setenv("TERM", "xterm", 1);
	assert_false(terminal_has_colour(file));
}

static char *
print_table(const char *const (*rows)[3], size_t count)
{
	struct table *table = table_new(rows[0], 3);
	char *text = NULL;
	size_t len = 0;
	FILE *stream = open_memstream(&text, &len);

	assert_non_null(stream);
	for (size_t i = 1; i < count; i++)
		table_add(table, rows[i]);
	table_print(table, stream);
	table_free(table);
	fclose(stream);
	return text;
}

static void
test_columns_are_as_wide_as_their_content(void **state)
{
	static const char *const rows[][3] = {{"ID", "STATE", "IMAGE"},
	    {"1", "running", "busybox"}, {"1234", "ok", NULL},
	    {"\xc3\xa4", "", "x"}};
	auto_free char *text = print_table(rows, COUNT(rows));

	(void)state;
	assert_string_equal(text,
	    "ID    STATE    IMAGE\n"
	    "1     running  busybox\n"
	    "1234  ok\n"
	    "\xc3\xa4              x\n");
}

static void
test_cells_are_neutralised(void **state)
{
	static const char *const rows[][3] = {
	    {"A", "B", "C"}, {"x\ny", "\x1b[31m", "z"}};
	auto_free char *text = print_table(rows, COUNT(rows));

	(void)state;
	assert_string_equal(text,
	    "A       B         C\n"
	    "x\\x0ay  \\x1b[31m  z\n");
}

static void
test_a_table_without_rows_has_its_headings(void **state)
{
	static const char *const rows[][3] = {{"A", "B", "C"}};
	auto_free char *text = print_table(rows, COUNT(rows));

	(void)state;
	assert_string_equal(text, "A  B  C\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_control_bytes_are_neutralised),
	    cmocka_unit_test(test_no_control_byte_survives),
	    cmocka_unit_test(test_a_text_is_neutralised_for_a_terminal_alone),
	    cmocka_unit_test(test_a_file_has_no_colour),
	    cmocka_unit_test(test_columns_are_as_wide_as_their_content),
	    cmocka_unit_test(test_cells_are_neutralised),
	    cmocka_unit_test(test_a_table_without_rows_has_its_headings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
