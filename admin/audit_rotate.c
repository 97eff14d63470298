/*
 * Role: `audit rotate`: another key for the audit log.
 * Trusts the operator.
 * Must never lose an old public key: what was signed is verified with it.
 */
#include <string.h>

#include "admin/site.h"
#include "admin/tool.h"
#include "admin/verbs.h"
#include "certs/issue_key.h"
#include "certs/openssl.h"
#include "lib/alloc.h"
#include "lib/audit_keys.h"
#include "lib/file.h"
#include "lib/json.h"

static const struct column columns[] = {{"Key", "audit_key"}};
static const struct view view = {columns, COUNT(columns), "audit_key"};

/* Newest first. Cut off before the private key is there, a public one has come
 * that nothing is signed with. */
static int
write_pair(const struct site *site, EVP_PKEY *key, struct err *err)
{
	auto_free char *public_path = site_path(site, "audit.pub");
	auto_free char *path = site_path(site, "runner/audit.key");
	auto_free char *old =
	    file_read(public_path, AUDIT_KEYS_FILE_MAX, NULL, err);

	if (old == NULL)
		return -1;
	auto_free char *new = issue_key_encode_public(key);
	auto_free char *all = alloc_printf("%s%s", new, old);
	auto_secret char *pem = issue_key_encode(key);
	if (file_replace(public_path, all, strlen(all), err) != 0)
		return -1;
	return file_replace(path, pem, strlen(pem), err);
}

static int
rotate(const struct invocation *invocation, EVP_PKEY *key, struct err *err)
{
	AUTO(site_done) struct site site = {0};
	auto_fd int lock = -1;

	if (site_load(tool_directory(invocation), &site, err) != 0 ||
	    site_lock(site.directory, &lock, err) != 0)
		return -1;
	return write_pair(&site, key, err);
}

int
verb_audit_rotate(struct invocation *invocation)
{
	AUTO(EVP_PKEY_freep) EVP_PKEY *key = issue_key_new(ISSUE_KEY_ED25519);
	char id[KEY_ID];
	struct err err;

	key_id(key, id);
	auto_json *result = json_pack("{s:s}", "audit_key", id);
	if (rotate(invocation, key, &err) != 0 ||
	    tool_print_one(invocation, &view, result, &err) != 0)
		return tool_fail(&err);
	tool_next(invocation,
	    "taskgate-admin reload, and give audit.pub to whoever verifies "
	    "the log.\nThe keys before it stay there: what they signed is "
	    "verified with them.");
	return 0;
}
