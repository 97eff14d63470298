#include "runner/claims.h"

#include "lib/cleanup.h"
#include "lib/log.h"
#include "policy/mount.h"
#include "policy/secret.h"
#include "runner/engine.h"
#include "runner/secret_folder.h"

static void
warn(const char *rule, const struct err *err)
{
	log_failure(
	    LOG_LEVEL_WARNING, "policy.not_there", err, "rule", rule, NULL);
}

static int
check_secret(const char *folder, const struct secret *secret, const char *rule,
    struct err *err)
{
	auto_fd int fd = -1;

	if (secret_folder_open(folder, secret->file, &fd, err) == 0)
		return 0;
	if (err->code != ERR_NOT_FOUND)
		return err_prefix(
		    err, "rule %s: secrets.%s", rule, secret->name);
	warn(rule, err);
	return 0;
}

static int
check_secrets(const struct policy_claim *claim, const struct config *config,
    struct err *err)
{
	struct secrets secrets;
	int result = 0;

	if (claim->secrets == NULL)
		return 0;
	if (config->secrets == NULL)
		return err_set(err, ERR_UNPROCESSABLE,
		    "rule %s: secrets: runner.json names no folder of them "
		    "(\"secrets\")",
		    claim->rule);
	if (secrets_parse(claim->secrets, &secrets, err) != 0)
		return -1;
	for (size_t i = 0; i < secrets.count && result == 0; i++)
		result = check_secret(
		    config->secrets, &secrets.list[i], claim->rule, err);
	secrets_done(&secrets);
	return result;
}

static int
check_mounts(const struct policy_claim *claim, const struct mount_guard *guard,
    struct err *err)
{
	struct mounts mounts;
	int result = 0;

	if (mounts_parse(claim->mounts, &mounts, err) != 0)
		return -1;
	for (size_t i = 0; i < mounts.count && result == 0; i++) {
		struct control_inode ignored;

		result = mount_source_find(
		    mounts.list[i].source, guard, &ignored, err);
		if (result == 0 || err->code != ERR_NOT_FOUND) {
			continue;
		}
		warn(claim->rule, err);
		result = 0;
	}
	mounts_done(&mounts);
	return result == 0 ? 0
			   : err_prefix(err, "rule %s: mounts", claim->rule);
}

void
claims_guard(const struct config *config, struct mount_guard *ret)
{
	const char *const places[] = {config->state, config->run,
	    config->secrets, config->policy, config->ca, config->token_keys,
	    config->audit_key, config->audit_copy, config->task_init,
	    config->seccomp};
	struct err ignored;

	mount_guard_init(ret);
	for (size_t i = 0; i < COUNT(places); i++)
		mount_guard_add(ret, places[i]);
	if (config->engine != NULL)
		mount_guard_add(ret, engine_socket(config->engine, &ignored));
	mount_guard_add_named(ret, config->audit_publish);
}

int
claims_check(
    const struct policy *policy, const struct config *config, struct err *err)
{
	struct policy_claim claim;
	struct mount_guard guard;
	size_t at = 0;

	if (config->secrets != NULL &&
	    secret_folder_check(config->secrets, err) != 0)
		return err_prefix(err, "secrets");
	claims_guard(config, &guard);
	while (policy_next_claim(policy, &at, &claim)) {
		if (check_mounts(&claim, &guard, err) != 0 ||
		    check_secrets(&claim, config, err) != 0)
			return -1;
	}
	return 0;
}
