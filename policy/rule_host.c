/*
 * What a rule gives its tasks of the machine: mounts, secrets and a network.
 */
#include <string.h>

#include "lib/cleanup.h"
#include "policy/mount.h"
#include "policy/network.h"
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
	auto_free char *inner = rule_member_path(path, "network");
	const char *name = json_string_value(json);

	if (strcmp(name, "none") == 0)
		return 0;
	if (!network_name_is_valid(name))
		return rule_refuse(err, inner,
		    "must be \"none\" or the name of a network of the "
		    "operator's making, [A-Za-z0-9][A-Za-z0-9_.-]*, and not "
		    "one that every engine has");
	rule->network = name;
	return 0;
}
