/* runner.json: what is refused, with which words, and what is filled in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"
#include "runner/config.h"
#include "tests/unit/folder.h"

#define ID "01932f0e-6f0a-7c3e-8a55-3f1f0c1b2a11"

/* A configuration that is in order; nobody has this uid. */
static json_t *
make_good(void)
{
	return json_pack("{s:s, s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:s, s:s, "
			 "s:s, s:s, s:i, s:i}",
	    "//", "a comment", "id", ID, "state", "state", "gateway_uid", 61001,
	    "run", "/run/x", "policy", "policy.json", "ca", "ca.crt",
	    "token_keys", "keys", "issuer", "i", "audience", "a", "audit_key",
	    "audit.key", "task_init", "/usr/libexec/taskgate/task-init",
	    "task_uid", 61002, "task_gid", 61003);
}

static void
write_config(const char *folder, json_t *taken)
{
	auto_json *json = taken;
	auto_free char *path = folder_path(folder, "runner.json");
	auto_free char *text = json_dumps(json, 0);
	struct err err;

	if (file_write(path, text, strlen(text), 0600, &err) != 0)
		fail_msg("%s", err.detail);
}

static void
refuse(const char *folder, json_t *taken, const char *words)
{
	auto_free char *path = folder_path(folder, "runner.json");
	struct config config;
	struct err err = {0};

	write_config(folder, taken);
	if (config_load(path, &config, &err) == 0)
		fail_msg("accepted instead of: %s", words);
	if (strstr(err.detail, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.detail, words);
	assert_non_null(strstr(err.detail, "runner.json"));
}

static json_t *
changed(const char *name, json_t *value)
{
	json_t *json = make_good();

	json_object_set_new(json, "seccomp", json_string("/s.json"));
	if (value != NULL)
		json_object_set_new(json, name, value);
	else
		json_object_del(json, name);
	return json;
}

static void
test_defaults_are_filled_in_and_paths_are_the_files(void **state)
{
	auto_free char *path = folder_path(*state, "runner.json");
	auto_free char *policy = folder_path(*state, "policy.json");
	AUTO(config_done) struct config config = {0};
	struct err err;

	write_config(*state, changed("//", json_string("x")));
	if (config_load(path, &config, &err) != 0)
		fail_msg("%s", err.detail);
	assert_string_equal(config.id, ID);
	assert_string_equal(config.policy, policy);
	assert_string_equal(config.run, "/run/x");
	assert_string_equal(config.engine, "unix:///run/docker.sock");
	assert_int_equal(config.token_lifetime_max_s, 86400);
	assert_int_equal(config.nadmins, 1);
	assert_int_equal(config.admin_uids[0], 0);
	assert_int_equal(config.queued_max, 10000);
	assert_int_equal(config.queued_per_subject, 1000);
	assert_int_equal(config.queued_per_rule, 5000);
	assert_int_equal(config.warm_max, 32);
	assert_int_equal(config.blob_max_bytes, INT64_C(1) << 30);
	assert_int_equal(config.blobs_per_subject_bytes, INT64_C(4) << 30);
	assert_int_equal(config.blobs_max_bytes, INT64_C(16) << 30);
	assert_int_equal(config.blobs_max_age_s, 86400);
	assert_int_equal(config.retention_age_s, 30 * 86400);
	assert_int_equal(config.retention_bytes, INT64_C(10) << 30);
	assert_null(config.secrets);
	assert_int_equal(config.running_max, 4 * sysconf(_SC_NPROCESSORS_ONLN));
	assert_true(config.memory_max_bytes > 0);
	assert_int_equal(config.task_uid, 61002);
	assert_int_equal(config.task_gid, 61003);
}

static void
test_what_is_given_is_taken(void **state)
{
	auto_free char *secrets = folder_path(*state, "hidden");
	auto_free char *path = folder_path(*state, "runner.json");
	AUTO(config_done) struct config config = {0};
	json_t *json = changed("memory_max", json_string("2GiB"));
	struct err err;

	json_object_set_new(json, "running_max", json_integer(7));
	json_object_set_new(json, "admin_uids", json_pack("[i,i]", 0, 42));
	json_object_set_new(json, "token_lifetime_max", json_string("90m"));
	json_object_set_new(json, "log_format", json_string("json"));
	json_object_set_new(json, "queued_per_rule", json_integer(9));
	json_object_set_new(json, "secrets", json_string("hidden"));
	json_object_set_new(json, "warm_max", json_integer(0));
	json_object_set_new(json, "blob_max", json_string("3MiB"));
	json_object_set_new(json, "blobs_max_age", json_string("2m"));
	json_object_set_new(json, "retention_age", json_integer(0));
	json_object_set_new(json, "retention_size", json_string("1TiB"));
	write_config(*state, json);
	if (config_load(path, &config, &err) != 0)
		fail_msg("%s", err.detail);
	assert_string_equal(config.secrets, secrets);
	assert_int_equal(config.memory_max_bytes, INT64_C(2) << 30);
	assert_int_equal(config.running_max, 7);
	assert_int_equal(config.nadmins, 2);
	assert_int_equal(config.admin_uids[1], 42);
	assert_int_equal(config.token_lifetime_max_s, 5400);
	assert_int_equal(config.log_format, LOG_FORMAT_JSON);
	assert_int_equal(config.queued_per_rule, 9);
	assert_int_equal(config.warm_max, 0);
	assert_int_equal(config.blob_max_bytes, INT64_C(3) << 20);
	assert_int_equal(config.blobs_max_age_s, 120);
	assert_int_equal(config.retention_age_s, 0);
	assert_int_equal(config.retention_bytes, INT64_C(1) << 40);
}

static void
test_where_heads_are_published_is_followed_once(void **state)
{
	auto_free char *path = folder_path(*state, "runner.json");
	auto_free char *link = folder_path(*state, "link");
	auto_free char *folder = folder_path(*state, "folder");
	AUTO(config_done) struct config config = {0};
	AUTO(config_done) struct config away = {0};
	struct err err;

	assert_int_equal(mkdir(folder, 0700), 0);
	assert_int_equal(symlink("folder", link), 0);
	write_config(*state, changed("audit_publish", json_string("link")));
	if (config_load(path, &config, &err) != 0)
		fail_msg("%s", err.detail);
	assert_string_equal(config.audit_publish, folder);
	assert_int_equal(rmdir(folder), 0);
	if (config_load(path, &away, &err) != 0)
		fail_msg("%s", err.detail);
	assert_string_equal(away.audit_publish, link);
}

static void
test_each_required_member_is_missed(void **state)
{
	static const char *const names[] = {"id", "state", "run", "gateway_uid",
	    "policy", "ca", "token_keys", "issuer", "audience", "audit_key",
	    "task_init", "seccomp", "task_uid", "task_gid"};

	for (size_t i = 0; i < COUNT(names); i++)
		refuse(*state, changed(names[i], NULL), names[i]);
}

static void
test_what_is_wrong_is_named(void **state)
{
	const struct {
		const char *name;
		json_t *value;
		const char *words;
	} wrongs[] = {
	    {"engin", json_string("x"), "engin: "},
	    {"id", json_string("me"), "id: must be a UUID"},
	    {"gateway_uid", json_integer(-1), "gateway_uid: "},
	    {"gateway_uid", json_string("1"), "gateway_uid: "},
	    /* (uid_t)-1 is nobody's */
	    {"gateway_uid", json_integer(INT64_C(4294967295)), "gateway_uid: "},
	    {"admin_uids", json_pack("[s]", "root"), "admin_uids[0]: "},
	    {"admin_uids", json_pack("[i,i]", 0, -1), "admin_uids[1]: "},
	    {"task_uid", json_integer(0), "task_uid: "},
	    {"task_gid", json_integer(0), "task_gid: "},
	    /* Account of this host, gateway's. */
	    {"task_uid", json_integer(1), "is an account of this host"},
	    {"task_uid", json_integer(61001), "gateway's"},
	    {"running_max", json_integer(-1), "running_max: "},
	    {"queued_max", json_integer(0), "queued_max: "},
	    {"memory_max", json_string("many"), "memory_max: "},
	    {"memory_max", json_integer(-1), "memory_max: "},
	    {"queued_per_rule", json_integer(0), "queued_per_rule: "},
	    {"warm_max", json_integer(-1), "warm_max: "},
	    {"blob_max", json_integer(0), "blob_max: must be a size"},
	    {"blobs_per_subject", json_string("4GB"), "blobs_per_subject: "},
	    {"blobs_max", json_true(), "blobs_max: "},
	    {"blobs_max_age", json_string("59s"), "not too short"},
	    {"retention_age", json_integer(-1), "retention_age: "},
	    {"retention_size", json_string("30d"), "retention_size: "},
	    {"token_lifetime_max", json_string("1y"), "token_lifetime_max: "},
	    {"log_format", json_string("xml"), "log_format: "},
	    {"log_level", json_string("loud"), "log_level: "},
	};

	for (size_t i = 0; i < COUNT(wrongs); i++)
		refuse(*state, changed(wrongs[i].name, wrongs[i].value),
		    wrongs[i].words);
}

static void
test_a_file_that_is_not_there_or_not_json_is_named(void **state)
{
	auto_free char *path = folder_path(*state, "runner.json");
	struct config config;
	struct err err;

	assert_int_equal(config_load(path, &config, &err), -1);
	assert_non_null(strstr(err.detail, path));
	assert_int_equal(file_write(path, "{\n\"id\": }", 9, 0600, &err), 0);
	assert_int_equal(config_load(path, &config, &err), -1);
	assert_non_null(strstr(err.detail, "line 2"));
}

int
main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
	    TEST(test_defaults_are_filled_in_and_paths_are_the_files),
	    TEST(test_what_is_given_is_taken),
	    TEST(test_where_heads_are_published_is_followed_once),
	    TEST(test_each_required_member_is_missed),
	    TEST(test_what_is_wrong_is_named),
	    TEST(test_a_file_that_is_not_there_or_not_json_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
