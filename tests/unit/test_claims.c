/* What rules take of the machine, looked at with the configuration. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/alloc.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "runner/claims.h"
#include "tests/unit/folder.h"

DEFINE_CLEANUP(struct policy, policy_free);

static int
set_up(void **state)
{
	char path[] = "/var/lib/taskgate-test-XXXXXX";

	if (mkdtemp(path) == NULL || chmod(path, 0755) != 0)
		return -1;
	*state = alloc_string(path);
	return 0;
}

static int
check(const struct config *config, const char *member, struct err *err)
{
	auto_free char *text = alloc_printf(
	    "{\"version\":1,\"rules\":[{\"id\":\"plain\",\"subjects\":"
	    "[\"alice\"],\"image\":\"a/b\"},{\"id\":\"taking\",\"subjects\":"
	    "[\"alice\"],\"image\":\"a/b\",%s}]}",
	    member);
	AUTO(policy_freep)
	struct policy *policy = policy_parse("p", text, strlen(text), err);

	if (policy == NULL)
		fail_msg("%s", err->detail);
	return claims_check(policy, config, err);
}

static void
assert_refused(
    const struct config *config, const char *member, const char *words)
{
	struct err err;

	if (check(config, member, &err) == 0)
		fail_msg("accepted: %s", member);
	assert_int_equal(err.code, ERR_UNPROCESSABLE);
	assert_non_null(strstr(err.detail, "rule taking: "));
	if (strstr(err.detail, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.detail, words);
}

static void
assert_accepted(const struct config *config, const char *member)
{
	struct err err;

	if (check(config, member, &err) != 0)
		fail_msg("%s", err.detail);
}

static char *
mount_of(const char *source)
{
	return alloc_printf(
	    "\"mounts\":[{\"source\":\"%s\",\"target\":\"/x\"}]", source);
}

static void
test_secrets_need_a_folder_and_are_looked_at(void **state)
{
	static const char member[] = "\"secrets\":{\"token\":\"key\"}";
	auto_free char *folder = folder_path(*state, "secrets");
	auto_free char *file = folder_path(*state, "secrets/key");
	struct config config = {0};
	struct err err;

	assert_refused(&config, member, "names no folder of them");
	config.secrets = folder;
	assert_int_equal(check(&config, member, &err), -1);
	assert_non_null(strstr(err.detail, "secrets: "));
	assert_int_equal(mkdir(folder, 0700), 0);
	/* Not there: its own tasks will not start, and no more. */
	assert_accepted(&config, member);
	assert_int_equal(file_write(file, "x", 1, 0600, &err), 0);
	assert_accepted(&config, member);
	assert_int_equal(chmod(file, 0644), 0);
	assert_refused(&config, member, "secrets.token: ");
	assert_int_equal(chmod(file, 0600), 0);
	/* Whether a rule names any or not. */
	assert_int_equal(chmod(folder, 0755), 0);
	assert_int_equal(check(&config, "\"unsigned\":false", &err), -1);
}

static void
test_mounts_are_looked_at(void **state)
{
	auto_free char *folder = folder_path(*state, "pictures");
	auto_free char *member = mount_of(folder);
	struct config config = {0};

	assert_accepted(&config, member);
	assert_int_equal(mkdir(folder, 0755), 0);
	assert_accepted(&config, member);
	assert_int_equal(chmod(folder, 0777), 0);
	assert_refused(&config, member, "mounts: ");
}

/* What the configuration names is for no task. */
static void
test_no_mount_shows_the_runner_s_own(void **state)
{
	auto_free char *folder = folder_path(*state, "own");
	auto_free char *file = folder_path(*state, "own/file");
	auto_free char *beside = folder_path(*state, "beside");
	auto_free char *engine = alloc_printf("unix://%s", file);
	auto_free char *of_root = mount_of(*state);
	auto_free char *of_folder = mount_of(folder);
	auto_free char *of_file = mount_of(file);
	auto_free char *of_beside = mount_of(beside);
	const struct config configs[] = {{.state = folder}, {.run = folder},
	    {.secrets = folder}, {.token_keys = folder}, {.policy = file},
	    {.ca = file}, {.audit_key = file}, {.audit_copy = folder},
	    {.audit_publish = folder}, {.task_init = file}, {.seccomp = file},
	    {.engine = engine}};
	struct err err;

	assert_int_equal(mkdir(folder, 0700), 0);
	assert_int_equal(mkdir(beside, 0700), 0);
	assert_int_equal(file_write(file, "x", 1, 0600, &err), 0);
	for (size_t i = 0; i < COUNT(configs); i++) {
		assert_refused(&configs[i], of_root, "no task may have");
		assert_refused(&configs[i], of_folder, "no task may have");
		assert_refused(&configs[i], of_file, "no task may have");
		assert_accepted(&configs[i], of_beside);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, folder_remove)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_secrets_need_a_folder_and_are_looked_at),
	    TEST(test_mounts_are_looked_at),
	    TEST(test_no_mount_shows_the_runner_s_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
