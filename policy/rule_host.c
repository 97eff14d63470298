/*
 * What a rule gives its tasks of the machine: mounts, secrets and a network.
 */
#include <string.h>

#include "lib/cleanup.h"
#include "policy/mount.h"
#include "policy/rule.h"
#include "policy/secret.h"

int
rule_mounts_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err)
{
	auto_free char *inner = rule_member_path(path, "mounts");
	struct mounts mounts;

	if (mounts_read(json, inner, &mounts, err) != 0)
		return -1;
	rule->mounts = mounts_text(&mounts);
	mounts_done(&mounts);
	return 0;
}

int
rule_secrets_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err)
{
	auto_free char *inner = rule_member_path(path, "secrets");
	struct secrets secrets;

	if (secrets_read(json, inner, &secrets, err) != 0)
		return -1;
	rule->secrets = secrets_text(&secrets);
	secrets_done(&secrets);
	return 0;
}

int
rule_network_read(
    const json_t *json, const char *path, struct rule *rule, struct err *err)
{
	(void)rule;
	if (strcmp(json_string_value(json), "none") == 0)
		return 0;
	return err_set(
	    err, ERR_UNPROCESSABLE, "%s.network: must be \"none\"", path);
}
