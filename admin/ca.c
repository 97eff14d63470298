/*
 * Role: `ca`: a new CA beside the old one, and the end of the old one.
 * Trusts the operator.
 * Must never take a CA away that something in force still stands on, unless it
 * is told to.
 */
#include <string.h>

#include "admin/site.h"
#include "admin/tool.h"
#include "admin/verbs.h"
#include "certs/certificate.h"
#include "certs/issue_key.h"
#include "certs/openssl.h"
#include "lib/alloc.h"
#include "lib/buffer.h"
#include "lib/file.h"
#include "lib/json.h"

static const struct column columns[] = {
    {"SERIAL", "serial"},
    {"SIGNS", "signs"},
    {"VALID CERTIFICATES", "valid"},
    {"EXPIRES", "expires_at"},
};
static const struct view view = {columns, COUNT(columns), "serial"};

static const struct column rotate_columns[] = {
    {"Serial", "serial"},
    {"Expires", "expires_at"},
};
static const struct view rotate_view = {
    rotate_columns, COUNT(rotate_columns), "serial"};

/* The bundle as it is, and the key that signs now. */
struct authorities {
	struct site site;
	int lock;
	struct bundle bundle;
	EVP_PKEY *key; /* NULL: kept elsewhere */
};

static void
authorities_done(struct authorities *all)
{
	site_done(&all->site);
	cleanup_fd(&all->lock);
	issue_bundle_done(&all->bundle);
	EVP_PKEY_free(all->key);
}

static int
load(const struct invocation *invocation, struct authorities *all,
    struct err *err)
{
	struct err missing;

	if (site_load(tool_directory(invocation), &all->site, err) != 0 ||
	    site_lock(all->site.directory, &all->lock, err) != 0 ||
	    site_load_bundle(&all->site, &all->bundle, err) != 0)
		return -1;
	all->key = site_load_key(&all->site, "operator/ca.key", &missing);
	if (all->key == NULL && missing.code != ERR_NOT_FOUND)
		return err_set(err, missing.code, "%s", missing.detail);
	return 0;
}

static int
write_bundle(
    const struct site *site, const struct bundle *bundle, struct err *err)
{
	auto_free char *path = site_path(site, "ca.crt");
	auto_free char *pem = issue_bundle_encode(bundle);

	return file_replace(path, pem, strlen(pem), err);
}

/* -- what a CA has signed */

struct signed_by {
	EVP_PKEY *key; /* of the CA; borrowed */
	int64_t now_s;
	int64_t count, last_end_s; /* of those that are valid */
};

static int
count_signed(void *arg, X509 *certificate, struct err *err)
{
	struct signed_by *found = arg;
	int64_t end_s = certificate_end(certificate);

	(void)err;
	if (end_s > found->now_s && X509_verify(certificate, found->key) == 1) {
		found->count++;
		if (end_s > found->last_end_s)
			found->last_end_s = end_s;
	}
	ERR_clear_error();
	return 0;
}

static int
find_signed(
    const struct site *site, X509 *ca, struct signed_by *ret, struct err *err)
{
	*ret = (struct signed_by){
	    .key = X509_get0_pubkey(ca), .now_s = tool_now_s()};
	return site_each_issued(site, count_signed, ret, err);
}

/* -- the verbs */

static int
list(const struct authorities *all, json_t *list, struct err *err)
{
	const X509 *signs =
	    all->key == NULL ? NULL : issue_bundle_find(&all->bundle, all->key);

	for (size_t k = 0; k < all->bundle.count; k++) {
		X509 *ca = all->bundle.certificates[k];
		auto_free char *serial = site_serial(ca);
		struct signed_by found;
		json_t *one;

		if (find_signed(&all->site, ca, &found, err) != 0)
			return -1;
		one = json_pack("{s:s, s:b, s:I}", "serial", serial, "signs",
		    ca == signs, "valid", (json_int_t)found.count);
		json_set_time(one, "expires_at", certificate_end(ca));
		json_array_append_new(list, one);
	}
	return 0;
}

int
verb_ca_list(struct invocation *invocation)
{
	AUTO(authorities_done) struct authorities all = {.lock = -1};
	auto_json *found = json_array();
	struct err err;

	if (load(invocation, &all, &err) != 0 || list(&all, found, &err) != 0 ||
	    tool_print_list(invocation, &view, found, &err) != 0)
		return tool_fail(&err);
	return 0;
}

/* First the bundle, then the key: cut off between the two, the old one signs
 * on, and the new one's certificate can be dropped. */
static int
add_authority(struct authorities *all, EVP_PKEY *key, struct err *err)
{
	const struct validity validity = {tool_now_s(), AUTHORITY_DAYS};
	struct bundle *bundle = &all->bundle;
	auto_free char *path = site_path(&all->site, "operator/ca.key");
	auto_secret char *pem = issue_key_encode(key);

	if (bundle->count == BUNDLE_MAX)
		return err_set(err, ERR_CONFLICT,
		    "there are %d CAs already; taskgate-admin ca drop the old "
		    "ones",
		    BUNDLE_MAX);
	memmove(bundle->certificates + 1, bundle->certificates,
	    bundle->count * sizeof(bundle->certificates[0]));
	bundle->certificates[0] = issue_authority(key, &validity);
	bundle->count++;
	if (write_bundle(&all->site, bundle, err) != 0)
		return -1;
	return file_replace(path, pem, strlen(pem), err);
}

static int
rotate(const struct invocation *invocation, struct authorities *all,
    struct err *err)
{
	AUTO(EVP_PKEY_freep) EVP_PKEY *key = issue_key_new(ISSUE_KEY_P256);

	if (load(invocation, all, err) != 0)
		return -1;
	if (all->key == NULL)
		return err_set(err, ERR_NOT_FOUND,
		    "%s/operator/ca.key is not there; bring it back, so that "
		    "the new one can take its place",
		    all->site.directory);
	return add_authority(all, key, err);
}

int
verb_ca_rotate(struct invocation *invocation)
{
	AUTO(authorities_done) struct authorities all = {.lock = -1};
	struct err err;

	if (rotate(invocation, &all, &err) != 0)
		return tool_fail(&err);
	auto_free char *serial = site_serial(all.bundle.certificates[0]);
	auto_json *result = json_pack("{s:s}", "serial", serial);
	json_set_time(
	    result, "expires_at", certificate_end(all.bundle.certificates[0]));
	if (tool_print_one(invocation, &rotate_view, result, &err) != 0)
		return tool_fail(&err);
	tool_next(invocation,
	    "taskgate-admin reload, so that both are trusted.\n"
	    "Then give each client ca.crt, or enroll it anew (ca list counts "
	    "what is left),\nthen taskgate-admin cert renew and reload, at "
	    "last ca drop the old one and reload.");
	return 0;
}

static int
find_serial(const struct authorities *all, const char *serial, size_t *ret,
    struct err *err)
{
	for (size_t k = 0; k < all->bundle.count; k++) {
		auto_free char *other =
		    site_serial(all->bundle.certificates[k]);
		if (strcmp(other, serial) == 0) {
			*ret = k;
			return 0;
		}
	}
	return err_set(err, ERR_NOT_FOUND,
	    "no CA of ca.crt has the serial %s; to see them: taskgate-admin "
	    "ca list",
	    serial);
}

/* Clients that have dropped it would not know the server any more. */
static int
check_server(const struct site *site, X509 *ca, struct err *err)
{
	auto_free char *path = site_path(site, "gateway/server.crt");
	AUTO(X509_freep) X509 *server = site_read_certificate(path, err);

	if (server == NULL)
		return -1;
	int signed_by_it = X509_verify(server, X509_get0_pubkey(ca));
	ERR_clear_error();
	if (signed_by_it == 1)
		return err_set(err, ERR_CONFLICT,
		    "it has signed the server's certificate; first: "
		    "taskgate-admin cert renew");
	return 0;
}

static int
check_clients(const struct site *site, X509 *ca, struct err *err)
{
	struct signed_by found;

	if (find_signed(site, ca, &found, err) != 0)
		return -1;
	if (found.count == 0)
		return 0;
	auto_free char *end = tool_time(found.last_end_s);
	return err_set(err, ERR_CONFLICT,
	    "%lld certificates that it has signed are valid, the last until "
	    "%s; enroll those clients anew, or say --now to shut them out",
	    (long long)found.count, end);
}

static int
check_drop(const struct invocation *invocation, const struct authorities *all,
    X509 *ca, struct err *err)
{
	if (all->bundle.count == 1)
		return err_set(err, ERR_CONFLICT,
		    "it is the only CA; taskgate-admin ca rotate makes "
		    "another");
	if (all->key != NULL && ca == issue_bundle_find(&all->bundle, all->key))
		return err_set(err, ERR_CONFLICT,
		    "it is the one that signs; taskgate-admin ca rotate makes "
		    "another");
	if (check_server(&all->site, ca, err) != 0)
		return -1;
	return option_flag(invocation, "now")
	    ? 0
	    : check_clients(&all->site, ca, err);
}

static int
drop(const struct invocation *invocation, struct authorities *all,
    struct err *err)
{
	struct bundle *bundle = &all->bundle;
	size_t k = 0;

	if (load(invocation, all, err) != 0 ||
	    find_serial(all, invocation->operands[0], &k, err) != 0 ||
	    check_drop(invocation, all, bundle->certificates[k], err) != 0)
		return -1;
	X509_free(bundle->certificates[k]);
	bundle->count--;
	memmove(bundle->certificates + k, bundle->certificates + k + 1,
	    (bundle->count - k) * sizeof(bundle->certificates[0]));
	return write_bundle(&all->site, bundle, err);
}

int
verb_ca_drop(struct invocation *invocation)
{
	AUTO(authorities_done) struct authorities all = {.lock = -1};
	struct err err;

	if (drop(invocation, &all, &err) != 0)
		return tool_fail(&err);
	tool_next(invocation,
	    "taskgate-admin reload: from then on what it has signed is "
	    "refused.");
	return 0;
}
