/* gateway.json: what it must say, may say and may not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/config.h"
#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"
#include "tests/unit/folder.h"

static json_t *
least(void)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i}",
	    "certificate", "gateway/server.crt", "key", "/k/server.key", "ca",
	    "ca.crt", "token_keys", "token-keys", "issuer", "i", "audience",
	    "a", "policy", "policy.json", "runner_socket", "run/gateway.sock",
	    "runner_uid", 1234);
}

static int
load_text(
    const char *folder, const char *text, struct config *ret, struct err *err)
{
	auto_free char *path = folder_path(folder, "gateway.json");
	struct err write_err = {0};

	assert_int_equal(
	    file_write(path, text, strlen(text), 0600, &write_err), 0);
	return config_load(path, ret, err);
}

static int
load(
    const char *folder, const json_t *json, struct config *ret, struct err *err)
{
	auto_free char *text = json_dumps(json, 0);

	return load_text(folder, text, ret, err);
}

static void
test_the_least_has_defaults(void **state)
{
	auto_json *json = least();
	AUTO(config_done) struct config config = {0};
	struct err err = {0};
	char text[ADDRESS_TEXT];

	if (load(*state, json, &config, &err) < 0)
		fail_msg("%s", err.detail);
	address_format(&config.listen, text);
	assert_string_equal(text, "127.0.0.1:8443");
	address_format(&config.operations, text);
	assert_string_equal(text, "127.0.0.1:8444");
	assert_true(config.workers >= 1);
	assert_int_equal(config.token_lifetime_max_s, 86400);
	assert_int_equal(config.expiry_margin_s, 86400);
	assert_int_equal(config.connections_max, 10000);
	assert_int_equal(config.connections_per_address, 256);
	assert_int_equal(config.handshakes_max, 512);
	assert_int_equal(config.requests_per_principal, 100);
	assert_int_equal(config.failures_per_address, 300);
	assert_int_equal(config.failures_per_principal, 300);
	assert_int_equal(config.head_timeout_s, 10);
	assert_int_equal(config.body_timeout_s, 30);
	assert_int_equal(config.idle_timeout_s, 60);
	assert_int_equal(config.handshake_timeout_s, 10);
	assert_int_equal(config.log_format, LOG_FORMAT_LOGFMT);
	assert_int_equal(config.log_level, LOG_LEVEL_INFO);
}

static void
test_relative_paths_are_the_files_folders(void **state)
{
	auto_json *json = least();
	AUTO(config_done) struct config config = {0};
	auto_free char *ca = folder_path(*state, "ca.crt");
	struct err err;

	assert_int_equal(load(*state, json, &config, &err), 0);
	assert_string_equal(config.ca, ca);
	assert_string_equal(config.key, "/k/server.key");
}

static void
test_each_required_member_is_required(void **state)
{
	static const char *const names[] = {"certificate", "key", "ca",
	    "token_keys", "issuer", "audience", "policy", "runner_socket",
	    "runner_uid"};

	for (size_t i = 0; i < COUNT(names); i++) {
		auto_json *json = least();
		struct config config;
		struct err err = {0};

		json_object_del(json, names[i]);
		assert_int_equal(load(*state, json, &config, &err), -1);
		assert_non_null(strstr(err.detail, names[i]));
		assert_non_null(strstr(err.detail, "gateway.json"));
	}
}

static void
assert_refused(const char *folder, const char *name, json_t *value)
{
	auto_json *json = least();
	struct config config;
	struct err err = {0};

	json_object_set_new(json, name, value);
	if (load(folder, json, &config, &err) != -1)
		fail_msg("%s was accepted", name);
	if (strstr(err.detail, name) == NULL)
		fail_msg("\"%s\" does not name %s", err.detail, name);
}

static void
test_values_that_do_not_fit_are_named(void **state)
{
	assert_refused(*state, "listen", json_string("localhost:1"));
	assert_refused(*state, "operations", json_string("127.0.0.1"));
	assert_refused(*state, "workers", json_integer(-1));
	assert_refused(*state, "workers", json_integer(65));
	assert_refused(*state, "workers", json_string("2"));
	assert_refused(*state, "token_lifetime_max", json_string("1w"));
	assert_refused(*state, "token_lifetime_max", json_integer(0));
	assert_refused(*state, "runner_uid", json_integer(-1));
	assert_refused(*state, "runner_uid", json_integer(4294967295));
	assert_refused(*state, "log_format", json_string("xml"));
	assert_refused(*state, "log_level", json_string("loud"));
	assert_refused(*state, "head_timeout", json_integer(0));
	assert_refused(*state, "connections_max", json_integer(0));
	assert_refused(*state, "issuer", json_string(""));
	assert_refused(*state, "listn", json_string("127.0.0.1:1"));
	assert_refused(*state, "connections_max", json_true());
}

static void
test_comments_are_passed_over(void **state)
{
	auto_json *json = least();
	AUTO(config_done) struct config config = {0};
	struct err err;

	json_object_set_new(json, "//", json_string("why it is so"));
	assert_int_equal(load(*state, json, &config, &err), 0);
}

static void
test_a_file_that_is_no_object_is_refused(void **state)
{
	static const char *const texts[] = {
	    "", "{", "[]", "{} {}", "{\"issuer\": \"a\", \"issuer\": \"b\"}"};

	for (size_t i = 0; i < COUNT(texts); i++) {
		struct config config;
		struct err err = {0};

		assert_int_equal(
		    load_text(*state, texts[i], &config, &err), -1);
		assert_non_null(strstr(err.detail, "gateway.json"));
	}
}

int
main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
	    TEST(test_the_least_has_defaults),
	    TEST(test_relative_paths_are_the_files_folders),
	    TEST(test_each_required_member_is_required),
	    TEST(test_values_that_do_not_fit_are_named),
	    TEST(test_comments_are_passed_over),
	    TEST(test_a_file_that_is_no_object_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
