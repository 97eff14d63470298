/*
 * Role: the keys that tokens are signed with: a new one beside the old, and
 * the old one's end.
 * Trusts the operator.
 * Must never take away the key that signs, nor, unless it is told to, one
 * whose tokens may still be valid.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/site.h"
#include "admin/tool.h"
#include "admin/verbs.h"
#include "certs/issue_key.h"
#include "certs/openssl.h"
#include "lib/alloc.h"
#include "lib/file.h"
#include "lib/json.h"

static const struct column columns[] = {
    {"KEY", "key_id"},
    {"SIGNS", "signs"},
    {"NEEDED UNTIL", "needed_until"},
};
static const struct view view = {columns, COUNT(columns), "key_id"};

static const struct column rotate_columns[] = {
    {"Key", "key_id"},
    {"Instead of", "old_key_id"},
    {"Needed until", "needed_until"},
};
static const struct view rotate_view = {
    rotate_columns, COUNT(rotate_columns), "key_id"};

struct keys {
	struct site site;
	int lock;
	struct authority authority;
	char signing[KEY_ID]; /* "": that key is kept elsewhere */
	int64_t since_s; /* when it took over */
};

static void
keys_done(struct keys *keys)
{
	site_done(&keys->site);
	cleanup_fd(&keys->lock);
	authority_done(&keys->authority);
}

static int
find_signing(struct keys *keys, struct err *err)
{
	auto_free char *path = site_path(&keys->site, "operator/token.key");
	struct stat st;
	struct err missing;
	AUTO(EVP_PKEY_freep)
	EVP_PKEY *key =
	    site_load_key(&keys->site, "operator/token.key", &missing);

	if (key == NULL && missing.code == ERR_NOT_FOUND)
		return 0;
	if (key == NULL)
		return err_set(err, missing.code, "%s", missing.detail);
	if (lstat(path, &st) != 0)
		return err_errno(err, "stat %s", path);
	key_id(key, keys->signing);
	keys->since_s = st.st_mtime;
	return 0;
}

static int
load(const struct invocation *invocation, struct keys *keys, struct err *err)
{
	if (site_load(tool_directory(invocation), &keys->site, err) != 0 ||
	    site_lock(keys->site.directory, &keys->lock, err) != 0 ||
	    site_load_authority(&keys->site, &keys->authority, err) != 0)
		return -1;
	return find_signing(keys, err);
}

/* The others have signed nothing since that one took over. */
static int64_t
needed_until(const struct keys *keys)
{
	return keys->since_s + keys->site.lifetime_max_s;
}

int
verb_token_keys(struct invocation *invocation)
{
	AUTO(keys_done) struct keys keys = {.lock = -1};
	auto_json *list = json_array();
	struct err err;
	const char *id;

	if (load(invocation, &keys, &err) != 0)
		return tool_fail(&err);
	for (size_t k = 0; (id = token_keys_id(keys.authority.keys, k)) != NULL;
	     k++) {
		bool signs = strcmp(id, keys.signing) == 0;
		json_t *one =
		    json_pack("{s:s, s:b}", "key_id", id, "signs", signs);
		if (!signs && keys.since_s > 0)
			json_set_time(one, "needed_until", needed_until(&keys));
		json_array_append_new(list, one);
	}
	if (tool_print_list(invocation, &view, list, &err) != 0)
		return tool_fail(&err);
	return 0;
}

/* First what verifies, then what signs: cut off between the two, the old one
 * signs on. */
static int
add_key(struct keys *keys, EVP_PKEY *key, struct err *err)
{
	char id[KEY_ID];

	key_id(key, id);
	auto_free char *name = alloc_printf("token-keys/%s.pem", id);
	auto_free char *public_path = site_path(&keys->site, name);
	auto_free char *path = site_path(&keys->site, "operator/token.key");
	auto_free char *public = issue_key_encode_public(key);
	auto_secret char *pem = issue_key_encode(key);
	if (file_write(public_path, public, strlen(public), 0644, err) != 0)
		return -1;
	return file_replace(path, pem, strlen(pem), err);
}

static int
rotate(const struct invocation *invocation, struct keys *keys, json_t **ret,
    struct err *err)
{
	AUTO(EVP_PKEY_freep) EVP_PKEY *key = issue_key_new(ISSUE_KEY_P256);
	char id[KEY_ID];

	if (load(invocation, keys, err) != 0)
		return -1;
	if (keys->signing[0] == '\0')
		return err_set(err, ERR_NOT_FOUND,
		    "%s/operator/token.key is not there; bring it back, so "
		    "that the new one can take its place",
		    keys->site.directory);
	if (add_key(keys, key, err) != 0)
		return -1;
	key_id(key, id);
	keys->since_s = tool_now_s();
	*ret =
	    json_pack("{s:s, s:s}", "key_id", id, "old_key_id", keys->signing);
	json_set_time(*ret, "needed_until", needed_until(keys));
	return 0;
}

int
verb_token_rotate(struct invocation *invocation)
{
	AUTO(keys_done) struct keys keys = {.lock = -1};
	auto_json *result = NULL;
	struct err err;

	if (rotate(invocation, &keys, &result, &err) != 0 ||
	    tool_print_one(invocation, &rotate_view, result, &err) != 0)
		return tool_fail(&err);
	tool_next(invocation,
	    "taskgate-admin reload: before that, new tokens are refused.\n"
	    "When the old key is needed no more: taskgate-admin token drop %s, "
	    "and reload.",
	    keys.signing);
	return 0;
}

static int
check_drop(const struct invocation *invocation, const struct keys *keys,
    const char *id, struct err *err)
{
	if (token_keys_find(keys->authority.keys, id) == NULL)
		return err_set(err, ERR_NOT_FOUND,
		    "there is no token key of this name; to see them: "
		    "taskgate-admin token keys");
	if (strcmp(id, keys->signing) == 0 ||
	    token_keys_id(keys->authority.keys, 1) == NULL)
		return err_set(err, ERR_CONFLICT,
		    "it is the one that signs; taskgate-admin token rotate "
		    "makes another");
	if (option_flag(invocation, "now") ||
	    tool_now_s() >= needed_until(keys))
		return 0;
	auto_free char *end = tool_time(needed_until(keys));
	return err_set(err, ERR_CONFLICT,
	    "tokens that it has signed may be valid until %s; --now drops it "
	    "with them",
	    end);
}

static int
drop(const struct invocation *invocation, struct keys *keys, struct err *err)
{
	const char *id = invocation->operands[0];

	if (load(invocation, keys, err) != 0 ||
	    check_drop(invocation, keys, id, err) != 0)
		return -1;
	auto_free char *name = alloc_printf("token-keys/%s.pem", id);
	auto_free char *path = site_path(&keys->site, name);
	if (unlink(path) != 0)
		return err_errno(err, "remove %s", path);
	return 0;
}

int
verb_token_drop(struct invocation *invocation)
{
	AUTO(keys_done) struct keys keys = {.lock = -1};
	struct err err;

	if (drop(invocation, &keys, &err) != 0)
		return tool_fail(&err);
	tool_next(invocation,
	    "taskgate-admin reload: from then on its tokens are refused.");
	return 0;
}
