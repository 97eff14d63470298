/*
 * What the configuration files of two programs have in common.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/setting.h"

static void
test_a_relative_path_begins_at_the_files_folder(void **state)
{
	auto_free char *relative = setting_resolve("/etc/taskgate", "ca.crt");
	auto_free char *absolute = setting_resolve("/etc/taskgate", "/ca.crt");

	(void)state;
	assert_string_equal(relative, "/etc/taskgate/ca.crt");
	assert_string_equal(absolute, "/ca.crt");
}

static void
test_the_folder_is_absolute_whatever_the_path(void **state)
{
	struct err err = {0};
	auto_free char *plain = setting_directory("/etc/passwd", &err);
	auto_free char *crooked = setting_directory("/etc/../etc/passwd", &err);
	auto_free char *none = setting_directory("/etc/no such file", &err);

	(void)state;
	assert_string_equal(plain, "/etc");
	assert_string_equal(crooked, "/etc");
	assert_null(none);
	assert_non_null(strstr(err.detail, "/etc/no such file"));
}

static void
test_a_log_that_nobody_can_write_is_refused(void **state)
{
	enum log_format format = LOG_FORMAT_LOGFMT;
	enum log_level level = LOG_LEVEL_DEBUG;
	struct err err = {0};

	(void)state;
	assert_int_equal(
	    setting_read_log("json", "error", &format, &level, &err), 0);
	assert_int_equal(format, LOG_FORMAT_JSON);
	assert_int_equal(level, LOG_LEVEL_ERROR);
	assert_int_equal(
	    setting_read_log("xml", "error", &format, &level, &err), -1);
	assert_non_null(strstr(err.detail, "log_format"));
	assert_int_equal(
	    setting_read_log("json", "loud", &format, &level, &err), -1);
	assert_non_null(strstr(err.detail, "log_level"));
	assert_int_equal(err.code, ERR_UNPROCESSABLE);
}

static void
test_a_lifetime_is_a_day_or_what_is_said(void **state)
{
	static const char *const bad[] = {"", "0", "-1h", "1y", "h"};
	auto_json *hour = json_string("1h");
	auto_json *zero = json_integer(0);
	int64_t lifetime_s = 0;
	struct err err = {0};

	(void)state;
	assert_int_equal(
	    setting_read_token_lifetime(NULL, &lifetime_s, &err), 0);
	assert_int_equal(lifetime_s, 24 * 3600);
	assert_int_equal(
	    setting_read_token_lifetime(hour, &lifetime_s, &err), 0);
	assert_int_equal(lifetime_s, 3600);
	assert_int_equal(
	    setting_read_token_lifetime(zero, &lifetime_s, &err), -1);
	for (size_t i = 0; i < COUNT(bad); i++) {
		auto_json *json = json_string(bad[i]);

		assert_int_equal(
		    setting_read_token_lifetime(json, &lifetime_s, &err), -1);
	}
	assert_int_equal(lifetime_s, 3600);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_relative_path_begins_at_the_files_folder),
	    cmocka_unit_test(test_the_folder_is_absolute_whatever_the_path),
	    cmocka_unit_test(test_a_log_that_nobody_can_write_is_refused),
	    cmocka_unit_test(test_a_lifetime_is_a_day_or_what_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
